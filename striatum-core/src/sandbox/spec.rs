//! What a session is opened for, and what runs in it.

use std::{ffi::OsString, fmt, net::SocketAddr, num::NonZeroU32, path::PathBuf, time::Duration};

use super::{Isolation, Level};
use crate::id::Fence;

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
    /// What else of the host's files the session needs, at the paths that they have on the host. A sandbox without walls shows
    /// everything in any case; one with walls refuses what no agent may see.
    pub mounts: Vec<Mount>,
    /// Variables for every process of the session, beside those that the sandbox sets: `PATH`, `HOME`, `TMPDIR`.
    pub env: Vec<EnvVar>,
    /// The least that the sandbox must enforce.
    pub demands: Isolation,
    /// What the session may use.
    pub limits: Limits,
}

impl SandboxSpec {
    /// A session on a tree, with no mounts, no variables, no demands, and the usual limits.
    ///
    /// ```
    /// use striatum_core::{
    ///     id::{Fence, JobId, RunId, SessionId},
    ///     sandbox::{Mount, SandboxSpec},
    /// };
    ///
    /// let (run, session) = (RunId::from_bytes([1; 16]), SessionId::from_bytes([2; 16]));
    /// let fence = Fence { run, job: JobId::new("draft")?, epoch: 1, session };
    /// let mut spec = SandboxSpec::new(fence, "/srv/trees/1", "/srv/sessions/1");
    /// spec.mounts.push(Mount::read("/opt/tools"));
    /// assert!(spec.env.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(fence: Fence, tree: impl Into<PathBuf>, folder: impl Into<PathBuf>) -> Self {
        Self {
            fence,
            tree: tree.into(),
            folder: folder.into(),
            mounts: Vec::new(),
            env: Vec::new(),
            demands: Isolation::uniform(Level::Unsupported),
            limits: Limits::default(),
        }
    }
}

/// A folder or a file of the host that a session needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where it lies, inside and outside alike.
    pub path: PathBuf,
    /// What may be done with it.
    pub access: Access,
}

impl Mount {
    /// Something to be read, and to be run.
    pub fn read(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), access: Access::Read }
    }

    /// Something to be changed.
    pub fn write(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), access: Access::Write }
    }
}

/// What may be done with a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Reading, and running what is a program.
    Read,
    /// Everything.
    Write,
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

/// What a session may use. How strongly it is held to memory, processes and disk is the `resources` of its
/// [`Isolation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How many bytes of each output stream of a process are passed on; what comes after is read and thrown away, so that the
    /// process does not block.
    pub output_bytes: u64,
    /// How long a process that was asked to end has until it is killed.
    pub grace: Duration,
    /// How many bytes of memory a process and all that it starts may have together, its files in memory included.
    pub memory_bytes: u64,
    /// How many processes and threads there may be at once.
    pub processes: u32,
    /// How much processor time a process and all that it starts may use together, in thousandths of one processor; as much as
    /// there is if nothing.
    pub processor_thousandths: Option<NonZeroU32>,
    /// How many bytes fit into each of `HOME` and `TMPDIR`, where these are kept in memory.
    pub scratch_bytes: u64,
}

impl Default for Limits {
    /// Sixteen mebibytes of output, two seconds of grace, eight gibibytes of memory, 4096 processes and threads, every
    /// processor, and two gibibytes of scratch space.
    fn default() -> Self {
        Self {
            output_bytes: 16 << 20,
            grace: Duration::from_secs(2),
            memory_bytes: 8 << 30,
            processes: 4096,
            processor_thousandths: None,
            scratch_bytes: 2 << 30,
        }
    }
}

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exec {
    /// The program and its arguments. The program is looked up in the sandbox's `PATH` unless it has a slash. Arguments are
    /// visible to other processes: no secret belongs here.
    pub argv: Vec<OsString>,
    /// Variables beside those of the session.
    pub env: Vec<EnvVar>,
    /// Where the process wants to reach the host program.
    pub listeners: Vec<Listen>,
}

impl Exec {
    /// A program with its arguments, no variables and no listeners.
    pub fn new<A: Into<OsString>>(argv: impl IntoIterator<Item = A>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The same with a listener.
    #[must_use]
    pub fn listening(mut self, listener: Listen) -> Self {
        self.listeners.push(listener);
        self
    }
}

/// An endpoint of the host program that a process can reach, whatever else it cannot: the agent's MCP tools, say, or a broker
/// of its model. The sandbox binds it on the loopback *of the process* and hands the socket to the host program in
/// [`Process::listeners`](super::Process::listeners); nobody outside the sandbox can connect to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// By which name the socket is found.
    pub name: String,
    /// Variables that tell the process where to connect: in each value `{}` stands for the address, such as `127.0.0.1:8931`.
    pub announce: Vec<(String, String)>,
}

impl Listen {
    /// A listener of which the process learns in another way, such as a message.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), announce: Vec::new() }
    }

    /// The same with a variable that tells of it.
    ///
    /// ```
    /// use striatum_core::sandbox::Listen;
    ///
    /// let model = Listen::new("model").announced("ANTHROPIC_BASE_URL", "http://{}");
    /// let variables = model.variables("127.0.0.1:8931".parse()?);
    /// assert_eq!(variables[0].value, "http://127.0.0.1:8931");
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn announced(mut self, variable: impl Into<String>, value: impl Into<String>) -> Self {
        self.announce.push((variable.into(), value.into()));
        self
    }

    /// The variables, with the address in place.
    pub fn variables(&self, address: SocketAddr) -> Vec<EnvVar> {
        let address = address.to_string();
        self.announce.iter().map(|(name, value)| EnvVar::new(name, value.replace("{}", &address))).collect()
    }
}
