//! The server from outside.

mod agents;
