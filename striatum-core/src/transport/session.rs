//! What a session with an agent is for, and what it is given.

use std::{collections::BTreeMap, ffi::OsString, fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{id::Fence, sandbox::EnvVar};

/// What a session is for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SessionSpec {
    /// The grant.
    pub fence: Fence,
    /// The work tree, as the agent sees it.
    pub tree: PathBuf,
    /// Tools that the agent is given beside its own.
    pub tools: Option<ToolServer>,
    /// What is chosen of what the agent offers.
    pub choices: Choices,
    /// An earlier conversation to go on with, by [the name](super::AgentSession::conversation) that the agent gave it. An agent
    /// that does not know it any more, or cannot go on with one, begins a new one.
    pub resume: Option<String>,
}

impl SessionSpec {
    /// A session for a grant in a tree, with nothing but what the agent brings.
    pub fn new(fence: Fence, tree: impl Into<PathBuf>) -> Self {
        Self { fence, tree: tree.into(), tools: None, choices: Choices::default(), resume: None }
    }

    /// The same with these tools.
    #[must_use]
    pub fn with_tools(self, tools: ToolServer) -> Self {
        Self { tools: Some(tools), ..self }
    }

    /// The same with these choices.
    #[must_use]
    pub fn choosing(self, choices: Choices) -> Self {
        Self { choices, ..self }
    }

    /// The same, going on with an earlier conversation.
    #[must_use]
    pub fn resuming(self, conversation: impl Into<String>) -> Self {
        Self { resume: Some(conversation.into()), ..self }
    }
}

/// What is chosen of what an agent offers, by the agent's own names. Nothing is chosen by default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Choices {
    /// The mode to work in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The model to work with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Values of its other options. `true` and `false` turn on and off what is no list of values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

impl Choices {
    /// Whether nothing is chosen.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The same, and what others would choose where nothing is chosen.
    ///
    /// ```
    /// use striatum_core::transport::Choices;
    ///
    /// let plan = Choices { mode: Some("plan".to_owned()), ..Choices::default() };
    /// let fast = Choices { mode: Some("edit".to_owned()), model: Some("small".to_owned()), ..Choices::default() };
    /// let both = plan.or(&fast);
    /// assert_eq!((both.mode.as_deref(), both.model.as_deref()), (Some("plan"), Some("small")));
    /// ```
    #[must_use]
    pub fn or(mut self, others: &Self) -> Self {
        for (option, value) in &others.options {
            self.options.entry(option.clone()).or_insert_with(|| value.clone());
        }
        Self {
            mode: self.mode.or_else(|| others.mode.clone()),
            model: self.model.or_else(|| others.model.clone()),
            options: self.options,
        }
    }
}

/// A server of tools, spoken to over the Model Context Protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolServer {
    /// What it is called: agents put it before the names of its tools.
    pub name: String,
    /// Where it is reached.
    pub address: ToolAddress,
    /// The program that stands between, for an agent that reaches servers only as programs that it starts.
    pub bridge: Option<Bridge>,
}

impl ToolServer {
    /// A server that is reached over HTTP by whoever shows this token.
    pub fn http(name: impl Into<String>, url: impl Into<String>, token: Secret) -> Self {
        Self { name: name.into(), address: ToolAddress { url: url.into(), token }, bridge: None }
    }

    /// The same with a program that stands between.
    #[must_use]
    pub fn with_bridge(self, bridge: Bridge) -> Self {
        Self { bridge: Some(bridge), ..self }
    }
}

/// Where a server of tools is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolAddress {
    /// The URL of its one endpoint.
    pub url: String,
    /// What is shown with every request, as a bearer token.
    pub token: Secret,
}

/// A program that passes on between its standard streams and a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// The program and its arguments. They are visible to others: no secret belongs here.
    pub argv: Vec<OsString>,
    /// Its environment, where the token belongs.
    pub env: Vec<EnvVar>,
}

/// A text that is shown to nobody: neither `Debug` nor `Display` gives it away.
///
/// ```
/// use striatum_core::transport::Secret;
///
/// let token = Secret::new("s3cr3t");
/// assert_eq!(format!("{token:?} {token}"), "… …");
/// assert_eq!(token.reveal(), "s3cr3t");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Keeps a text.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text, for whoever it is meant for.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
