//! What can go wrong where agents run.

use std::error::Error;

use super::Level;

/// What kind of failure a sandbox met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SandboxErrorKind {
    /// The host does not offer what was demanded.
    Unsupported,
    /// The sandbox itself cannot be had here: a program, a feature of the kernel or a right is missing.
    Unavailable,
    /// A folder or file of the host may not be shown to an agent.
    MountRefused,
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
            Self::Unavailable => "sandbox_unavailable",
            Self::MountRefused => "mount_refused",
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
    /// What to do about it, such as `install it with: apt-get install bubblewrap`.
    pub remedy: Option<String>,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl SandboxError {
    /// A failure without a deeper cause.
    pub fn new(kind: SandboxErrorKind, doing: impl Into<String>) -> Self {
        Self { kind, doing: doing.into(), remedy: None, source: None }
    }

    /// A demand that is not met by `who`, such as `a plain process`; the message names what was asked and what is offered.
    ///
    /// ```
    /// use striatum_core::sandbox::{Isolation, Level, SandboxError, SandboxErrorKind};
    ///
    /// let demanded = Isolation { network: Level::Enforced, ..Isolation::uniform(Level::Unsupported) };
    /// let offered = Isolation::uniform(Level::Advisory);
    /// let short = offered.shortfall(&demanded).expect("it offers less");
    /// let error = SandboxError::unmet("a plain process", short).with_remedy("use namespaces");
    /// assert_eq!(error.to_string(), "cannot hold network as enforced: a plain process offers advisory");
    /// assert_eq!(error.kind, SandboxErrorKind::Unsupported);
    /// ```
    pub fn unmet(who: &str, (dimension, offered, demanded): (&'static str, Level, Level)) -> Self {
        let doing = format!("hold {dimension} as {demanded}: {who} offers {offered}");
        Self::new(SandboxErrorKind::Unsupported, doing)
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The same with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}
