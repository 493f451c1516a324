//! What can go wrong where agents run.

use std::error::Error;

/// What kind of failure a sandbox met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SandboxErrorKind {
    /// The host does not offer what was demanded.
    Unsupported,
    /// There is no such program.
    NotFound,
    /// The program or a folder may not be used.
    Denied,
    /// The host refused for want of memory, processes, descriptors or disk.
    Exhausted,
    /// Anything else.
    Other,
}

impl SandboxErrorKind {
    /// The stable code of this kind.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unsupported => "sandbox_unsupported",
            Self::NotFound => "program_not_found",
            Self::Denied => "program_denied",
            Self::Exhausted => "host_exhausted",
            Self::Other => "sandbox_error",
        }
    }
}

/// A failure to open a sandbox or to run something in it.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}")]
pub struct SandboxError {
    /// What kind of failure this is.
    pub kind: SandboxErrorKind,
    /// What was being done, such as `start the agent "codex"`.
    pub doing: String,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl SandboxError {
    /// A failure without a deeper cause.
    pub fn new(kind: SandboxErrorKind, doing: impl Into<String>) -> Self {
        Self { kind, doing: doing.into(), source: None }
    }

    /// The same with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}
