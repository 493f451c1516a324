//! The agents' listener: the tools of a grant, over the Model Context Protocol.
//!
//! Whoever drives a grant [opens](Agents::open) a session for its fence and gives the agent the [`Endpoint`]. The agent's calls
//! reach the [`Workbench`] of that grant and no other. When the [`OpenSession`] is dropped the token is worth nothing, and what the
//! agent still has open here is ended.
//!
//! Agents may also come for their work by themselves: see [`Pull`].

mod documents;
mod listener;
mod pull;
mod session;
mod tools;
mod workbench;
mod workshop;

pub use documents::Documents;
pub use listener::{Agents, AgentsOptions};
pub use pull::Pull;
pub use session::{Endpoint, OpenSession};
pub use tools::tool_names;
pub use workbench::{Act, Conclusion, FollowUp, Mode, Receipt, Source, Task, Workbench};
pub use workshop::Workshop;
