//! What a session is opened for, and what runs in it.

use std::{ffi::OsString, fmt, path::PathBuf, time::Duration};

use super::Isolation;
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
