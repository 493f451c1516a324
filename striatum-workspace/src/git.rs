//! Runs git: no shell, an environment of our own, bounded output, and an end to every call.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdout, Command},
};

use crate::error::WorkspaceError;

/// The oldest git that will do: `merge-tree --write-tree`, null-terminated lists, and the hardening switches used here.
pub const OLDEST_GIT: &str = "2.40";
const OLDEST: (u32, u32) = (2, 40);

/// How much of git's complaints is kept.
const STDERR_BYTES: u64 = 4096;

/// Which git to run, and how long it may take.
#[derive(Debug, Clone)]
pub struct Git {
    path: OsString,
    program: PathBuf,
    limit: Duration,
}

impl Git {
    /// The `git` of this process's `PATH`, with five minutes for each call.
    pub fn new() -> Self {
        Self::on_path(env::var_os("PATH").unwrap_or_default())
    }

    /// The `git` of another `PATH`.
    pub fn on_path(path: impl Into<OsString>) -> Self {
        Self { path: path.into(), program: PathBuf::from("git"), limit: Duration::from_secs(300) }
    }

    /// The same with another bound on each call.
    #[must_use]
    pub fn with_limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Finds the program and asks it for its version.
    ///
    /// # Errors
    /// [`WorkspaceError::GitMissing`] if there is none, [`WorkspaceError::GitTooOld`] if it is older than [`OLDEST_GIT`].
    pub async fn checked(self) -> Result<Self, WorkspaceError> {
        let program = env::split_paths(&self.path)
            .map(|folder| folder.join(&self.program))
            .find(|path| is_program(path))
            .ok_or_else(|| WorkspaceError::GitMissing { program: self.program.clone() })?;
        let git = Self { program, ..self };
        let answer = git.call("ask git for its version").arg("--version").text().await?;
        if version(&answer).is_some_and(|found| found >= OLDEST) {
            Ok(git)
        } else {
            let found = answer.strip_prefix("git version ").unwrap_or(&answer).to_owned();
            Err(WorkspaceError::GitTooOld { found, needed: OLDEST_GIT })
        }
    }

    /// A call with an environment in which git obeys nobody but us; `doing` completes "cannot …".
    pub(crate) fn call(&self, doing: impl Into<String>) -> Call {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .env("PATH", &self.path)
            .envs(ISOLATED.iter().copied())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        Call { command, doing: doing.into(), stdin: Vec::new(), limit: self.limit, most: OUTPUT_BYTES }
    }
}

impl Default for Git {
    fn default() -> Self {
        Self::new()
    }
}

/// The most that an answer may have unless the caller says otherwise: lists of a few million paths.
const OUTPUT_BYTES: u64 = 512 << 20;

const ISOLATED: &[(&str, &str)] = &[
    // Nobody's configuration, attributes or ignore lists: there is no home to find them in.
    ("HOME", "/dev/null"),
    ("XDG_CONFIG_HOME", "/dev/null"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_SYSTEM", "/dev/null"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_ATTR_NOSYSTEM", "1"),
    // Nothing is asked and nothing is fetched.
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_ASKPASS", "/bin/false"),
    ("SSH_ASKPASS", "/bin/false"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_ALLOW_PROTOCOL", ""),
    ("GIT_PAGER", "cat"),
    ("GIT_EDITOR", "/bin/false"),
    // The objects as they are, the paths as they are written, the messages as we parse them.
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_LITERAL_PATHSPECS", "1"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("LC_ALL", "C"),
    ("TZ", "UTC"),
];

/// One call of git.
#[derive(Debug)]
pub(crate) struct Call {
    command: Command,
    doing: String,
    stdin: Vec<u8>,
    limit: Duration,
    most: u64,
}

/// How a call ended that was allowed to fail.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Call {
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    pub(crate) fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self.command.stdin(Stdio::piped());
        self
    }

    /// Gives git a file as its standard input, to hold rather than to read.
    pub(crate) fn holding(mut self, file: File) -> Self {
        self.command.stdin(file);
        self
    }

    /// Runs to a good end and gives what git wrote.
    pub(crate) async fn bytes(self) -> Result<Vec<u8>, WorkspaceError> {
        let doing = self.doing.clone();
        let ended = self.ended().await?;
        if ended.status.success() { Ok(ended.stdout) } else { Err(ended.refused(doing)) }
    }

    /// Runs to a good end and gives the one line that git wrote.
    pub(crate) async fn text(self) -> Result<String, WorkspaceError> {
        let doing = self.doing.clone();
        let bytes = self.bytes().await?;
        match String::from_utf8(bytes) {
            Ok(text) => Ok(text.trim_end_matches('\n').to_owned()),
            Err(error) => Err(unexpected(doing, error.as_bytes())),
        }
    }

    /// Runs to an end, whichever.
    pub(crate) async fn ended(self) -> Result<Ended, WorkspaceError> {
        let most = self.most;
        self.read_with(move |stdout| async move {
            let mut bytes = Vec::new();
            stdout.take(most).read_to_end(&mut bytes).await.map(|_| bytes)
        })
        .await
        .map(|(stdout, status, stderr)| Ended { status, stdout, stderr })
    }

    /// Runs to an end while `read` takes the output as it comes.
    pub(crate) async fn read_with<T, F: Future<Output = io::Result<T>>>(
        mut self,
        read: impl FnOnce(ChildStdout) -> F,
    ) -> Result<(T, ExitStatus, String), WorkspaceError> {
        let doing = self.doing;
        let failed = |source| WorkspaceError::io(format!("{doing} with git"), source);
        let child = self.command.spawn().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => {
                WorkspaceError::GitMissing { program: self.command.as_std().get_program().into() }
            }
            _ => failed(source),
        })?;
        let mut group = Group::of(child);
        let child = &mut group.child;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let input = self.stdin;
        let talk = async {
            let write = async {
                if let Some(mut stdin) = stdin {
                    // A git that stops reading says why on stderr and by its status.
                    let _ = stdin.write_all(&input).await;
                }
            };
            let complaints = async {
                let mut kept = Vec::new();
                if let Some(mut stderr) = stderr {
                    let _ = (&mut stderr).take(STDERR_BYTES).read_to_end(&mut kept).await;
                    let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
                }
                String::from_utf8_lossy(&kept).trim().to_owned()
            };
            let answer = async {
                match stdout {
                    Some(stdout) => read(stdout).await,
                    None => Err(io::ErrorKind::BrokenPipe.into()),
                }
            };
            let ((), complaints, answer) = tokio::join!(write, complaints, answer);
            let status = child.wait().await?;
            Ok((answer?, status, complaints))
        };
        let ended = tokio::time::timeout(self.limit, talk).await;
        match ended {
            Ok(Ok((answer, status, complaints))) => {
                group.gone = true;
                Ok((answer, status, complaints))
            }
            Ok(Err(source)) => Err(failed(source)),
            Err(_) => Err(WorkspaceError::GitTimeout { doing, limit: self.limit }),
        }
    }
}

impl Ended {
    /// The error for a call that should have succeeded.
    pub(crate) fn refused(&self, doing: impl Into<String>) -> WorkspaceError {
        refused(doing, self.status, self.stderr.clone())
    }
}

pub(crate) fn refused(doing: impl Into<String>, status: ExitStatus, stderr: String) -> WorkspaceError {
    let doing = doing.into();
    if stderr.contains("No space left on device") || stderr.contains("Disk quota exceeded") {
        return WorkspaceError::DiskFull { doing };
    }
    WorkspaceError::GitFailed { doing, status: status.to_string(), stderr }
}

/// The error for an answer that does not have the form that it should have.
pub(crate) fn unexpected(doing: impl Into<String>, answer: &[u8]) -> WorkspaceError {
    let answer = &answer[..answer.len().min(200)];
    WorkspaceError::GitAnswer { doing: doing.into(), answer: String::from_utf8_lossy(answer).into_owned() }
}

/// Kills git and whatever it started, unless it has ended by itself.
struct Group {
    child: Child,
    gone: bool,
}

impl Group {
    fn of(child: Child) -> Self {
        Self { child, gone: false }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The id is given only while the child is not reaped, so this cannot hit a stranger.
        let id =
            self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        if let (false, Some(id)) = (self.gone, id) {
            let _ = rustix::process::kill_process_group(id, rustix::process::Signal::KILL);
        }
    }
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn version(answer: &str) -> Option<(u32, u32)> {
    let mut numbers = answer.strip_prefix("git version ")?.split(['.', ' ', '-']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_vendors_write_them() {
        for (answer, expected) in [
            ("git version 2.47.3", Some((2, 47))),
            ("git version 2.39.5 (Apple Git-154)", Some((2, 39))),
            ("git version 2.41.0.windows.1", Some((2, 41))),
            ("git version 3.0-rc1", Some((3, 0))),
            ("hub version 2.4", None),
        ] {
            assert_eq!(version(answer), expected, "{answer}");
        }
    }
}
