//! How agents are run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{id::ProfileId, sandbox::Level, transport::Choices};

/// A named way to run an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Lane {
    /// What speaks to the agent: `process` for any command, or a name that the embedder registered.
    pub adapter: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The model, as the author of the document declares it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_model: Option<String>,
    /// What is chosen of what the agent offers.
    #[serde(default, skip_serializing_if = "Choices::is_empty")]
    pub agent: Choices,
    /// What the lane is good for; not interpreted.
    pub capabilities: Vec<String>,
    /// What agents of this lane are held to: the name of a constraint and its value.
    pub constraints: BTreeMap<Constraint, String>,
    /// How strongly each constraint must be held.
    pub required_enforcement: BTreeMap<Constraint, Level>,
    /// Whether each job has a tree of its own. Ours always has; the key is kept for those who read the document.
    pub worktree_isolation: WorktreeIsolation,
    /// Variables of the agent's environment: a value, or `null` to pass the host's variable of that name on.
    pub env: BTreeMap<String, Option<String>>,
    /// How long an agent may work on one grant, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter_timeout_seconds: Option<u32>,
    /// The filters of git without which its agents can do: they see the files as they are in the repository.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_filters: Vec<String>,
    /// The profile of the coding tool that it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub harness_profile_id: Option<ProfileId>,
}

/// Something that a lane can be held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Constraint {
    /// What may be connected to.
    Network,
    /// Whether transcripts of the agent are kept.
    Transcripts,
    /// What of the repository may be reached.
    RepoScope,
}

/// Whether a lane asks for a tree per job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorktreeIsolation {
    /// It does not ask.
    Off,
    /// It does.
    PerJob,
}

/// What is known about a coding tool; not interpreted. A document may say more about it, which is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HarnessProfile {
    /// The kind of tool.
    pub tool_family: String,
    /// The version of how it is used.
    pub strategy_version: String,
}
