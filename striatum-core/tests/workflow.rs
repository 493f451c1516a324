//! Workflow documents.

mod public;
