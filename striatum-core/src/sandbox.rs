//! The port to where agent processes run.
//!
//! A sandbox opens a **session** for one grant and spawns **processes** in it. It says per dimension what it enforces; a demand
//! that it cannot meet is an error, never a silent downgrade. What happens on a process's streams is the business of a
//! [transport](crate::transport): neither knows the other, and [`Process`] is the joint.

use std::{ffi::OsString, fmt, path::PathBuf, pin::Pin, time::Duration};

use async_trait::async_trait;
use futures_io::{AsyncRead, AsyncWrite};
use serde::{Deserialize, Serialize};

use crate::id::Fence;

mod error;

pub use error::{SandboxError, SandboxErrorKind};

/// Makes sessions in which agents run.
///
/// # Duties of an implementation
/// - [`offers`](Sandbox::offers) says what holds on this host, not what is hoped for.
/// - A process gets the environment that the spec and the exec name, and nothing else.
/// - Ending a session ends every process in it.
/// - The output streams of a process end soon after the process, even if something that it left behind holds them open.
/// - A process that outlives the host program (which may be killed at any moment) leaves in [`SandboxSpec::folder`] what
///   [`reap`](Sandbox::reap) needs to find and end it, and what it ended with.
#[async_trait]
pub trait Sandbox: fmt::Debug + Send + Sync + 'static {
    /// What this sandbox enforces on this host.
    fn offers(&self) -> Isolation;

    /// Opens a session.
    ///
    /// # Errors
    /// [`SandboxErrorKind::Unsupported`] if a demand of the spec cannot be met.
    async fn open(&self, spec: &SandboxSpec) -> Result<Box<dyn SandboxSession>, SandboxError>;

    /// Ends whatever an earlier session with this folder left running, even one of a program that died, and tells how its
    /// process ended. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`SandboxError`] if a process that was left cannot be ended.
    async fn reap(&self, folder: &std::path::Path) -> Result<Reaped, SandboxError>;
}

/// An open sandbox. Dropping it kills what runs in it; [`close`](SandboxSession::close) also reports.
#[async_trait]
pub trait SandboxSession: fmt::Debug + Send {
    /// Starts a process.
    ///
    /// # Errors
    /// [`SandboxErrorKind::NotFound`] if there is no such program, [`SandboxErrorKind::Denied`] if it may not be run.
    async fn spawn(&mut self, exec: &Exec) -> Result<Process, SandboxError>;

    /// Ends every process of the session.
    ///
    /// # Errors
    /// [`SandboxError`] if one could not be ended.
    async fn close(self: Box<Self>) -> Result<(), SandboxError>;
}

/// How strongly something is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Not at all.
    Unsupported,
    /// The agent is asked.
    Advisory,
    /// The agent is asked, and what it did is checked afterwards.
    AdvisoryStrict,
    /// It cannot do otherwise.
    Enforced,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unsupported => "unsupported",
            Self::Advisory => "advisory",
            Self::AdvisoryStrict => "advisory_strict",
            Self::Enforced => "enforced",
        })
    }
}

/// What is enforced, or demanded, in each dimension. There is no overall rank: a sandbox may hold the network and not the
/// file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Isolation {
    /// Files outside the work tree and the session's own folders.
    pub file_system: Level,
    /// Connections to anything but the listeners that the session was given.
    pub network: Level,
    /// Seeing and signalling other processes.
    pub processes: Level,
    /// System calls that an agent has no use for.
    pub system_calls: Level,
    /// Memory, processor time, process count, disk.
    pub resources: Level,
    /// Secrets of the host.
    pub credentials: Level,
}

impl Isolation {
    /// The same level in every dimension.
    pub const fn uniform(level: Level) -> Self {
        Self {
            file_system: level,
            network: level,
            processes: level,
            system_calls: level,
            resources: level,
            credentials: level,
        }
    }

    /// The dimensions, by name.
    pub const fn dimensions(&self) -> [(&'static str, Level); 6] {
        [
            ("file_system", self.file_system),
            ("network", self.network),
            ("processes", self.processes),
            ("system_calls", self.system_calls),
            ("resources", self.resources),
            ("credentials", self.credentials),
        ]
    }

    /// The first dimension in which `demanded` is more than this, with what is offered and what is demanded.
    ///
    /// ```
    /// use striatum_core::sandbox::{Isolation, Level};
    ///
    /// let offered = Isolation { network: Level::Enforced, ..Isolation::uniform(Level::Advisory) };
    /// let demanded = Isolation { network: Level::Enforced, ..Isolation::uniform(Level::Unsupported) };
    /// assert_eq!(offered.shortfall(&demanded), None);
    /// assert_eq!(
    ///     Isolation::uniform(Level::Advisory).shortfall(&demanded),
    ///     Some(("network", Level::Advisory, Level::Enforced))
    /// );
    /// ```
    pub fn shortfall(&self, demanded: &Self) -> Option<(&'static str, Level, Level)> {
        self.dimensions()
            .into_iter()
            .zip(demanded.dimensions())
            .find_map(|((name, offer), (_, demand))| (offer < demand).then_some((name, offer, demand)))
    }
}

/// What a session is opened for.
#[derive(Debug, Clone)]
pub struct SandboxSpec {
    /// The grant that the session serves.
    pub fence: Fence,
    /// The work tree.
    pub tree: PathBuf,
    /// The session's own folder, outside the work tree. It exists; the sandbox makes `home/` and `tmp/` in it and keeps its
    /// own records there.
    pub folder: PathBuf,
    /// Variables for every process of the session, beside those that the sandbox sets: `PATH`, `HOME`, `TMPDIR`.
    pub env: Vec<EnvVar>,
    /// The least that the sandbox must enforce.
    pub demands: Isolation,
    /// What the session may use.
    pub limits: Limits,
}

/// A variable of an agent's environment. Its value may be a secret: `Debug` shows the name only.
#[derive(Clone, PartialEq, Eq)]
pub struct EnvVar {
    /// The name.
    pub name: String,
    /// The value.
    pub value: OsString,
}

impl EnvVar {
    /// A variable.
    pub fn new(name: impl Into<String>, value: impl Into<OsString>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

impl fmt::Debug for EnvVar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=…", self.name)
    }
}

/// What a session may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How many bytes of each output stream of a process are passed on; what comes after is read and thrown away, so that the
    /// process does not block.
    pub output_bytes: u64,
    /// How long a process that was asked to end has until it is killed.
    pub grace: Duration,
}

impl Default for Limits {
    /// Sixteen mebibytes of output, two seconds of grace.
    fn default() -> Self {
        Self { output_bytes: 16 << 20, grace: Duration::from_secs(2) }
    }
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Exec {
    /// The program and its arguments. The program is looked up in the sandbox's `PATH` unless it has a slash. Arguments are
    /// visible to other processes: no secret belongs here.
    pub argv: Vec<OsString>,
    /// Variables beside those of the session.
    pub env: Vec<EnvVar>,
}

/// The writing end of a process's input.
pub type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// The reading end of a process's output.
pub type Output = Pin<Box<dyn AsyncRead + Send>>;

/// A running process: its streams and its end.
pub struct Process {
    /// Standard input; dropping it closes it.
    pub stdin: Option<Input>,
    /// Standard output, up to the session's limit.
    pub stdout: Option<Output>,
    /// Standard error, up to the session's limit.
    pub stderr: Option<Output>,
    /// The process itself.
    pub child: Box<dyn Child>,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("child", &self.child).finish_non_exhaustive()
    }
}

/// A handle on a process. Dropping it kills the process with its whole group.
#[async_trait]
pub trait Child: fmt::Debug + Send {
    /// Waits for the end. Cancel-safe; once it has answered it gives the same answer again.
    ///
    /// # Errors
    /// [`SandboxError`] if the end cannot be learned.
    async fn wait(&mut self) -> Result<Exit, SandboxError>;

    /// Asks the process and its whole group to end, and kills what is left after the grace period.
    ///
    /// # Errors
    /// [`SandboxError`] if something could not be killed.
    async fn kill(&mut self) -> Result<(), SandboxError>;
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It ended by itself with this status.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
}

impl Exit {
    /// Whether this is the end of a process that says it succeeded.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Code(0))
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// What [`Sandbox::reap`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reaped {
    /// How many processes had to be ended.
    pub killed: usize,
    /// How the session's main process had ended by itself, if it had.
    pub outcome: Option<Exit>,
}
