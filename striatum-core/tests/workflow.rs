//! Workflow documents.

mod documents;
mod hostile;
mod mistakes;
mod public;
mod roundtrip;
