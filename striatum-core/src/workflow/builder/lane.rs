//! Lanes written in Rust.

use serde_json::{Map, Value};

use crate::{sandbox::Level, transport::Choices, workflow::Constraint};

/// Writes a lane of a [`WorkflowBuilder`](super::WorkflowBuilder).
#[derive(Debug, Clone)]
pub struct LaneBuilder {
    members: Map<String, Value>,
    constraints: Map<String, Value>,
    required: Map<String, Value>,
    env: Map<String, Value>,
}

impl LaneBuilder {
    /// A lane that runs a command.
    pub fn process<W: Into<String>>(command: impl IntoIterator<Item = W>) -> Self {
        Self::adapter("process").command(command)
    }

    /// A lane of another adapter, such as `acp:claude` or one that the embedder registered.
    pub fn adapter(name: impl Into<String>) -> Self {
        let members = Map::from_iter([("adapter".to_owned(), name.into().into())]);
        Self { members, constraints: Map::new(), required: Map::new(), env: Map::new() }
    }

    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.members.insert(key.to_owned(), value.into());
        self
    }

    /// The program and its arguments.
    #[must_use]
    pub fn command<W: Into<String>>(self, command: impl IntoIterator<Item = W>) -> Self {
        let words: Vec<String> = command.into_iter().map(Into::into).collect();
        self.with("command", words)
    }

    /// The model that the agent uses.
    #[must_use]
    pub fn model(self, name: impl Into<String>) -> Self {
        self.with("display_model", name.into())
    }

    /// What is chosen of what the agent offers; for documents of the second version.
    #[must_use]
    pub fn choosing(self, choices: &Choices) -> Self {
        let mut agent = Map::new();
        agent.extend(choices.mode.clone().map(|mode| ("mode".to_owned(), mode.into())));
        agent.extend(choices.model.clone().map(|model| ("model".to_owned(), model.into())));
        let options = choices.options.clone().into_iter().map(|(id, value)| (id, value.into()));
        agent.insert("options".to_owned(), Value::Object(options.collect()));
        self.with("agent", agent)
    }

    /// What agents are held to, and how strongly at least.
    #[must_use]
    pub fn require(mut self, constraint: Constraint, value: impl Into<String>, level: Level) -> Self {
        self.required.insert(constraint.to_string(), level.to_string().into());
        self.constrain(constraint, value)
    }

    /// What agents are asked to keep to.
    #[must_use]
    pub fn constrain(mut self, constraint: Constraint, value: impl Into<String>) -> Self {
        self.constraints.insert(constraint.to_string(), value.into().into());
        self
    }

    /// Sets a variable of the agent's environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into().into());
        self
    }

    /// Passes the host's variable of this name to the agent, so that a secret need not stand in the document.
    #[must_use]
    pub fn pass_env(mut self, name: impl Into<String>) -> Self {
        self.env.insert(name.into(), Value::Null);
        self
    }

    /// Each job has a tree of its own, as it always has here; for engines that ask.
    #[must_use]
    pub fn worktree_per_job(self) -> Self {
        self.with("worktree_isolation", "per_job")
    }

    /// Filters of git without which its agents can do; for documents of the second version.
    #[must_use]
    pub fn allow_filters<F: Into<String>>(self, names: impl IntoIterator<Item = F>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        self.with("allowed_filters", names)
    }

    /// How long an agent may work on one grant, in seconds.
    #[must_use]
    pub fn timeout_seconds(self, seconds: u32) -> Self {
        self.with("adapter_timeout_seconds", seconds)
    }

    pub(super) fn into_value(mut self) -> Value {
        self.members.insert("constraints".into(), self.constraints.into());
        self.members.insert("required_enforcement".into(), self.required.into());
        self.members.insert("env".into(), self.env.into());
        self.members.into()
    }
}
