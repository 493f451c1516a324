//! The machine: what commands lead to.

mod checkpoint;
mod reopen;
mod transitions;
