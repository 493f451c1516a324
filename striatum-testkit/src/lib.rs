//! Conformance suites, scripted agents and clocks for testing Striatum and what builds on it.
//!
//! Whoever writes a store implements [`store::StoreFactory`] and certifies it with one line, [`store_conformance!`]; a case
//! that is added here reaches every store at its next build. Sandboxes have the same: [`sandbox::SandboxFactory`] and
//! [`sandbox_conformance!`].
//!
//! Whoever writes a transport to agents does the same with [`transport::TransportFactory`] and [`transport_conformance!`].
//!
//! Whoever writes a workflow tries it out with a [`harness`], in a test of a few lines, and puts it through a [`simulation`].
//!
//! This crate is a dev-dependency: its functions panic when what they test is broken.

pub mod agent;
pub mod clock;
pub mod dice;
pub mod faulty;
pub mod fixture;
pub mod git;
pub mod harness;
#[cfg(feature = "llm")]
pub mod llm;
#[cfg(feature = "mcp")]
pub mod mcp;
#[cfg(feature = "pg")]
pub mod pg;
pub mod sandbox;
pub mod simulation;
pub mod store;
pub mod transport;

mod skip;
mod words;

#[doc(hidden)]
pub mod __private;

pub use skip::skip;
