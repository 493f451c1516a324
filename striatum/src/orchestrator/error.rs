//! What can go wrong in the orchestrator.

use std::{error::Error as StdError, fmt};

use striatum_core::{
    engine::EngineError,
    run::Rejection,
    sandbox::SandboxError,
    store::{BlobError, BlobErrorKind, StoreError},
};
use striatum_workspace::WorkspaceError;

use crate::{adapter::AdapterError, mint::NoEntropy};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $remedy:literal;)*) => {
        /// What kind of failure the orchestrator itself met.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind {
            $($(#[$doc])* $name,)*
        }

        impl ErrorKind {
            /// Every code with its remedy, as `docs/errors.md` lists them.
            pub const CODES: &'static [(&'static str, &'static str)] = &[$(($code, $remedy),)*];

            /// The stable code.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// What to do.
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)* }
            }
        }
    };
}

kinds! {
    /// The builder was not given everything.
    Incomplete = "builder_incomplete", "give the builder what it lacks";
    /// A lane names an adapter that is not registered.
    AdapterUnknown = "adapter_unknown", "use a registered adapter in the lane, or register this one";
    /// A lane passes on a variable that the host does not have.
    EnvMissing = "env_missing", "set the variable in the environment of the orchestrator";
    /// The document is not valid.
    DocumentInvalid = "document_invalid", "correct the document; every finding names its place";
    /// The document, or a file that it refers to, cannot be read.
    FileUnreadable = "file_unreadable", "check the path and its permissions";
    /// The document refers to files that are not there.
    FileMissing = "file_missing", "add the files, and commit them if the document lies in the repository";
    /// A folder or file of the orchestrator's own cannot be used.
    DataFolder = "data_folder", "check the data folder, its permissions and the free space";
    /// A lane demands more enforcement than its adapter gives in this sandbox.
    EnforcementUnavailable = "enforcement_unavailable", "run it with a sandbox that enforces this, or lower the demand";
    /// The agents of a lane lack something of this host.
    AgentMissing = "agent_missing", "mend each of these, or let the lane name another agent";
    /// An agent could not be run.
    Agent = "agent_not_run", "check the lane's command and environment";
    /// What an agent left or reported cannot be taken.
    ReportInvalid = "report_invalid", "write the verdict and the report as the task says";
    /// An agent asked for something that its task does not name.
    NotInTask = "not_in_task", "read the packet: it names what there is";
    /// An agent said that it could not do its work.
    AgentFailed = "agent_failed", "remove what it says was in the way";
    /// The results of a run cannot be joined.
    Undeliverable = "undeliverable", "merge the branches of its exits by hand";
    /// Nobody could be told of an escalation.
    NobodyTold = "nobody_told", "check the notifier; nothing is lost: it is tried again";
    /// Something did not come to an end in time.
    TimedOut = "timed_out", "nothing is lost: it is begun again; see what keeps the store, the blobs or git busy";
    /// A defect of striatum.
    Defect = "orchestrator_defect", "report this as a defect of striatum; what was left undone is found again";
    /// The operating system gave no random bytes.
    Entropy = "no_entropy", "check the host";
}

/// A failure of the orchestrator, or of something that it uses.
#[derive(Debug)]
pub struct Error(Inner);

#[derive(Debug)]
enum Inner {
    Own { kind: ErrorKind, doing: String, source: Option<Box<dyn StdError + Send + Sync>> },
    Engine(EngineError),
    Workspace(WorkspaceError),
    Sandbox(SandboxError),
}

impl Error {
    /// A failure of the orchestrator itself, while doing something.
    pub(crate) fn new(kind: ErrorKind, doing: impl Into<String>) -> Self {
        Self(Inner::Own { kind, doing: doing.into(), source: None })
    }

    pub(crate) fn because(self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        match self.0 {
            Inner::Own { kind, doing, .. } => Self(Inner::Own { kind, doing, source: Some(cause.into()) }),
            other => Self(other),
        }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match &self.0 {
            Inner::Own { kind, .. } => kind.code(),
            Inner::Engine(error) => error.code(),
            Inner::Workspace(error) => error.code(),
            Inner::Sandbox(error) => error.kind.code(),
        }
    }

    /// What to do next.
    pub fn remedy(&self) -> &'static str {
        match &self.0 {
            Inner::Own { kind, .. } => kind.remedy(),
            Inner::Engine(error) => error.remedy(),
            Inner::Workspace(error) => error.remedy(),
            Inner::Sandbox(_) => "see the cause; what the host does not offer cannot be demanded",
        }
    }

    /// What the orchestrator itself met, if it is that.
    pub fn kind(&self) -> Option<ErrorKind> {
        match &self.0 {
            Inner::Own { kind, .. } => Some(*kind),
            Inner::Engine(_) | Inner::Workspace(_) | Inner::Sandbox(_) => None,
        }
    }

    /// The refusal of a command, if it is one.
    pub fn rejection(&self) -> Option<&Rejection> {
        match &self.0 {
            Inner::Engine(EngineError::Rejected(rejection)) => Some(rejection),
            _ => None,
        }
    }

    /// Whether the same may succeed later without anybody doing anything about it: something could not be reached.
    pub fn is_retryable(&self) -> bool {
        match &self.0 {
            Inner::Own { kind, .. } => *kind == ErrorKind::TimedOut,
            Inner::Engine(EngineError::Store(error)) => error.is_retryable(),
            Inner::Engine(EngineError::Blob(error)) => error.kind == BlobErrorKind::Unavailable,
            Inner::Engine(_) | Inner::Sandbox(_) => false,
            Inner::Workspace(error) => error.is_retryable(),
        }
    }

    /// Whether the same fails again until a person has done something about it.
    pub(crate) fn is_lasting(&self) -> bool {
        use WorkspaceError::{BranchCheckedOut, BranchMoved, NotADescendant};
        match &self.0 {
            Inner::Own { kind, .. } => *kind == ErrorKind::Undeliverable,
            Inner::Workspace(error) => {
                matches!(error, BranchCheckedOut { .. } | BranchMoved { .. } | NotADescendant { .. })
            }
            Inner::Engine(_) | Inner::Sandbox(_) => false,
        }
    }

    /// The failure of the engine, if it is one.
    pub fn engine(&self) -> Option<&EngineError> {
        match &self.0 {
            Inner::Engine(error) => Some(error),
            _ => None,
        }
    }

    /// The failure of the workspace, if it is one.
    pub fn workspace(&self) -> Option<&WorkspaceError> {
        match &self.0 {
            Inner::Workspace(error) => Some(error),
            _ => None,
        }
    }

    /// The failure with all its causes, in one line.
    pub fn chain(&self) -> String {
        let mut line = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            line = format!("{line}: {error}");
            cause = error.source();
        }
        line
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Own { kind: ErrorKind::DocumentInvalid, doing, .. } => f.write_str(doing),
            Inner::Own { doing, .. } => write!(f, "cannot {doing}"),
            Inner::Engine(error) => error.fmt(f),
            Inner::Workspace(error) => error.fmt(f),
            Inner::Sandbox(error) => error.fmt(f),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0 {
            Inner::Own { source, .. } => source.as_deref().map(|source| source as _),
            Inner::Engine(error) => error.source(),
            Inner::Workspace(error) => error.source(),
            Inner::Sandbox(error) => error.source(),
        }
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        Self(Inner::Engine(error))
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        EngineError::from(error).into()
    }
}

impl From<BlobError> for Error {
    fn from(error: BlobError) -> Self {
        EngineError::from(error).into()
    }
}

impl From<WorkspaceError> for Error {
    fn from(error: WorkspaceError) -> Self {
        Self(Inner::Workspace(error))
    }
}

impl From<SandboxError> for Error {
    fn from(error: SandboxError) -> Self {
        Self(Inner::Sandbox(error))
    }
}

impl From<NoEntropy> for Error {
    fn from(error: NoEntropy) -> Self {
        Self::new(ErrorKind::Entropy, "mint an id").because(error)
    }
}

impl From<AdapterError> for Error {
    fn from(error: AdapterError) -> Self {
        Self::new(ErrorKind::Agent, "run an agent").because(error)
    }
}
