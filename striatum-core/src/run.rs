//! The machine.

mod status;

pub use status::{JobStatus, RunStatus};
