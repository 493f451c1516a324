//! The server from outside.

// The attribute lets clippy see that helpers are test code too.
#[cfg(test)]
mod agents;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod operators;
