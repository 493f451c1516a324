//! What an agent lacks, before it is started.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fmt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{process::Command, time::timeout};

use crate::{Adapter, ToolAccess, Version};

/// How long a program may take to tell its version.
const SOON: Duration = Duration::from_secs(10);

/// What an agent will find where it is started.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Where programs are looked up: the sandbox's `PATH`.
    pub path: OsString,
    /// The names of the variables that the agent gets. Values are no business of ours.
    pub variables: BTreeSet<String>,
}

/// Something that an agent needs and will not find. Displayed, it says how to get it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// A program.
    Program {
        /// Its name.
        program: String,
        /// How to get it.
        remedy: String,
    },
    /// A later version of a program.
    Version {
        /// Its name.
        program: String,
        /// What is there; `None` if it does not say.
        found: Option<Version>,
        /// What is needed.
        at_least: Version,
    },
    /// A way to its tools: it reaches them only through a program that it starts.
    Bridge {
        /// The program that is looked for.
        program: &'static str,
    },
    /// Credentials.
    Credentials {
        /// The variables of which one is needed.
        any_of: &'static [&'static str],
    },
}

impl Missing {
    /// Whether this is the way to its tools, which whoever embeds it may bring as well.
    pub const fn is_bridge(&self) -> bool {
        matches!(self, Self::Bridge { .. })
    }

    /// Whether these are credentials, which may also stand in a file that the agent keeps.
    pub const fn is_credentials(&self) -> bool {
        matches!(self, Self::Credentials { .. })
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program { program, remedy } => {
                write!(f, "the program {program:?} is not in PATH; {remedy}")
            }
            Self::Version { program, found: Some(found), at_least } => {
                write!(f, "{program} {found} is too old; install {at_least} or later")
            }
            Self::Version { program, found: None, at_least } => {
                write!(f, "{program} does not tell its version; install {at_least} or later")
            }
            Self::Bridge { program } => {
                write!(
                    f,
                    "it reaches its tools only through a program, and {program:?} is not in PATH; build it from the \
                     package striatum-server"
                )
            }
            Self::Credentials { any_of } => {
                write!(f, "there are no credentials; let the lane name one of {}", any_of.join(", "))
            }
        }
    }
}

/// Everything that an agent lacks. Credentials may also stand in a file that the agent keeps; whoever knows of one may pass
/// over that they are missing. The same is true of the way to its tools.
///
/// Runs nothing but the agent's runtime, to ask for its version.
pub async fn preflight(adapter: &Adapter, surroundings: &Surroundings) -> Vec<Missing> {
    let mut missing = Vec::new();
    if let Some(program) = adapter.command.first()
        && find(program, &surroundings.path).is_none()
    {
        let remedy = format!("install it with: {}", adapter.install);
        missing.push(Missing::Program { program: (*program).to_owned(), remedy });
    }
    if let Some((runtime, at_least)) = adapter.runtime {
        let program = runtime.to_owned();
        match find(runtime, &surroundings.path) {
            None => {
                let remedy = format!("install version {at_least} or later");
                missing.push(Missing::Program { program, remedy });
            }
            Some(file) => {
                let found = version_of(file, &surroundings.path).await;
                if found.is_none_or(|found| found < at_least) {
                    missing.push(Missing::Version { program, found, at_least });
                }
            }
        }
    }
    if adapter.tools == ToolAccess::Bridge && find(Adapter::BRIDGE, &surroundings.path).is_none() {
        missing.push(Missing::Bridge { program: Adapter::BRIDGE });
    }
    let has = |name: &&str| surroundings.variables.contains(*name);
    if !adapter.credentials.is_empty() && !adapter.credentials.iter().any(has) {
        missing.push(Missing::Credentials { any_of: adapter.credentials });
    }
    missing
}

/// A program that is not there, if it is not. A name is looked up in `path`; one that leads from the work tree is passed over, as the tree
/// is not there yet.
pub fn look_for(program: &OsStr, path: &OsStr) -> Option<Missing> {
    let file = Path::new(program);
    let is_there = match file.components().count() {
        _ if file.is_absolute() => is_executable(&file.to_owned()),
        0 | 1 => program.to_str().is_none_or(|name| find(name, path).is_some()),
        _ => true,
    };
    let program = program.to_string_lossy().into_owned();
    let remedy = "install it, correct its name, or give its absolute path".to_owned();
    (!is_there).then_some(Missing::Program { program, remedy })
}

fn find(program: &str, path: &OsStr) -> Option<PathBuf> {
    let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join(program)).find(is_executable)
}

fn is_executable(file: &PathBuf) -> bool {
    file.is_file() && rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok()
}

async fn version_of(file: PathBuf, path: &OsStr) -> Option<Version> {
    let mut command = Command::new(file);
    command.arg("--version").env_clear().env("PATH", path).stdin(Stdio::null()).stderr(Stdio::null());
    let output = timeout(SOON, command.kill_on_drop(true).output()).await.ok()?.ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next()?.parse().ok()
}
