//! The machine: what commands lead to.

mod checkpoint;
mod fences;
mod laws;
mod long;
mod outcomes;
mod owed;
mod publishing;
mod reopen;
mod transitions;
