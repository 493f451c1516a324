//! Workflow documents.

mod hostile;
mod mistakes;
mod public;
mod roundtrip;
