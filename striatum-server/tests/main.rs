//! The server from outside.

mod agents;
mod operators;
