//! The port to where agent processes run.
//!
//! A sandbox opens a **session** for one grant and spawns **processes** in it. It says per dimension what it enforces; a demand
//! that it cannot meet is an error, never a silent downgrade. What happens on a process's streams is the business of a
//! [transport](crate::transport): neither knows the other, and [`Process`] is the joint.

use std::{fmt, net::TcpListener, pin::Pin};

use async_trait::async_trait;
use futures_io::{AsyncRead, AsyncWrite};
use serde::{Deserialize, Serialize};

mod error;
mod isolation;
mod spec;

pub use error::{SandboxError, SandboxErrorKind};
pub use isolation::{Isolation, Level};
pub use spec::{Access, EnvVar, Exec, Limits, Listen, Mount, SandboxSpec};

/// Makes sessions in which agents run.
///
/// # Duties of an implementation
/// - [`offers`](Sandbox::offers) says what holds on this host, not what is hoped for.
/// - A process gets the environment that the spec and the exec name, and nothing else.
/// - Ending a session ends every process in it.
/// - The output streams of a process end soon after the process, even if something that it left behind holds them open.
/// - The listeners of an exec are reached by its process, and by nothing outside the sandbox.
/// - A process that outlives the host program (which may be killed at any moment) leaves in [`SandboxSpec::folder`] what
///   [`reap`](Sandbox::reap) needs to find and end it, and what it ended with.
#[async_trait]
pub trait Sandbox: fmt::Debug + Send + Sync + 'static {
    /// What this sandbox enforces on this host.
    fn offers(&self) -> Isolation;

    /// Opens a session.
    ///
    /// # Errors
    /// [`SandboxErrorKind::Unsupported`] if a demand of the spec cannot be met, [`SandboxErrorKind::MountRefused`] if no agent may
    /// see what it is to work on.
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
    /// [`SandboxErrorKind::NotFound`] if there is no such program, [`SandboxErrorKind::Denied`] if it may not be run,
    /// [`SandboxErrorKind::MountRefused`] if no agent may see it.
    async fn spawn(&mut self, exec: &Exec) -> Result<Process, SandboxError>;

    /// Ends every process of the session.
    ///
    /// # Errors
    /// [`SandboxError`] if one could not be ended.
    async fn close(self: Box<Self>) -> Result<(), SandboxError>;
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
    /// The sockets of [`Exec::listeners`], by name and in that order: bound, listening and not blocking, each at the address to which
    /// the process connects. They stay open while the host program keeps them.
    pub listeners: Vec<(String, TcpListener)>,
}

impl Process {
    /// Takes the listener of this name; the first, if there are several.
    pub fn take_listener(&mut self, name: &str) -> Option<TcpListener> {
        let place = self.listeners.iter().position(|(other, _)| other == name)?;
        Some(self.listeners.remove(place).1)
    }
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
