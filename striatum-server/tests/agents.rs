//! The agents' listener, over real connections.

mod bench;
mod tools;
