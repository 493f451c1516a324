//! Speaks the Agent Client Protocol to coding agents.
//!
//! [`AcpTransport`] is an [`AgentTransport`](striatum_core::transport::AgentTransport): it opens a session with an agent over
//! the streams of a process, gives it tasks, passes on what it does, decides its requests for leave by a
//! [`PermissionPolicy`], serves it files of its work tree, and runs commands for it where [something](Spawner) starts them.
//!
//! An agent is not trusted. What it may cost is bounded by [`AcpLimits`], each wait by a time, and whatever it says beyond
//! the protocol ends in an [`AcpError`]. What real agents do beside the protocol's text, without harm, is borne: they speak of
//! tool calls that they never announced, use the ids that we use, write stray lines, end a turn as well that failed.
//! So an [`Outcome`](striatum_core::transport::Outcome) is what an agent says, and no proof of anything.
//!
//! [`Adapter`] describes agents that are known to work, and [`preflight`] says what one lacks before it is started.
//!
//! The protocol's types are known to one private module; none is part of this API.

mod adapters;
mod error;
mod files;
mod item;
mod ledger;
mod limits;
mod outcome;
mod permission;
mod preflight;
mod session;
mod state;
mod stderr;
mod terminals;
mod translate;
mod transport;
mod version;

pub use adapters::{Adapter, Endpoint};
pub use error::{AcpError, Failure};
pub use files::{FileAccess, FileError, TreeFiles};
pub use limits::AcpLimits;
pub use permission::{Decision, PermissionPolicy, Reach, ToolKind};
pub use preflight::{Missing, Surroundings, look_for, preflight};
pub use terminals::{Spawner, TerminalAccess};
pub use transport::{AcpOptions, AcpTransport, ToolAccess, UsageMeaning};
pub use version::Version;
