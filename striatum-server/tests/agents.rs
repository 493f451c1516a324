//! The agents' listener, over real connections.

mod bench;
mod bridge;
mod doors;
mod pull;
mod sessions;
mod tokens;
mod tools;
mod wire;
