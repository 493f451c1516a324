//! Striatum as a server: for agents, the engine as tools; for operators, an HTTP API.
//!
//! There are two listeners, and they never share a port. [`agents`] speaks the Model Context Protocol to the agents that are at
//! work, each of which holds a token for its own grant and reaches nothing else. [`operators`] is for those who see and steer runs,
//! people and programs. [`authority`] issues and checks the tokens of both, [`audit`] keeps what operators asked.
//!
//! Everything here is an axum router to mount, and a `serve` or `listen` for those who have no server.
//!
//! What the tools of an agent act on is a [`Workbench`](agents::Workbench): whoever drives the grant implements it and does what
//! is asked at the time of the call, so that the tool's answer is the machine's own. A refusal reaches the agent as a
//! [`Refusal`], with its code, its sentence and what to do about it.

pub mod agents;
pub mod audit;
pub mod authority;
mod boundary;
mod bridge;
pub mod operators;
mod refusal;
mod serving;
mod toolbox;

pub use boundary::Boundary;
pub use bridge::bridge;
pub use refusal::Refusal;
pub use serving::Serving;
