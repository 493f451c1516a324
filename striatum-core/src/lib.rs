//! The pure heart of Striatum: workflows, runs, leases, verdicts and the hash chain.

mod canonical;
pub mod chain;
pub mod digest;
pub mod engine;
mod hash;
mod hex;
pub mod id;
mod json;
pub mod rehearsal;
pub mod run;
pub mod sandbox;
pub mod store;
mod text;
pub mod time;
pub mod transport;
pub mod workflow;
