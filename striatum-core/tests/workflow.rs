//! Workflow documents.

mod analysis;
mod documents;
mod hostile;
mod mistakes;
mod public;
mod render;
mod roundtrip;
mod schema;
mod shapes;
