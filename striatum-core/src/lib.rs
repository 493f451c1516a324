//! The pure heart of Striatum: workflows, runs, leases, verdicts and the hash chain.

pub mod chain;
pub mod digest;
pub mod engine;
mod hex;
pub mod id;
pub mod run;
pub mod sandbox;
pub mod store;
pub mod time;
pub mod transport;
pub mod workflow;
