//! The agents' listener: the tools of a grant, over the Model Context Protocol.
//!
//! Whoever drives a grant [opens](Agents::open) a session for its fence and gives the agent the [`Endpoint`]. The agent's calls
//! reach the [`Workbench`] of that grant and no other. When the [`OpenSession`] is dropped the token is worth nothing, and what the
//! agent still has open here is ended.

mod listener;
mod session;
mod tools;
mod workbench;

pub use listener::{Agents, AgentsOptions};
pub use session::{Endpoint, OpenSession};
pub use workbench::{Act, Conclusion, FollowUp, Mode, Receipt, Source, Task, Workbench};
