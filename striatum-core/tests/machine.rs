//! The machine: what commands lead to.

mod asking;
mod cancelling;
mod checkpoint;
mod cohort;
mod fences;
mod identity;
mod laws;
mod long;
mod outcomes;
mod owed;
mod people;
mod phases;
mod publishing;
mod quorum;
mod reopen;
mod superseding;
mod transitions;
