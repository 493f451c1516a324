//! Rehearsals of workflows.

mod bounds;
mod documents;
mod findings;
mod panels;
