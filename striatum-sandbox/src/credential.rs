//! Credentials: where they come from, and how they stay with us.

use std::{fmt, io, path::PathBuf, process::Stdio, sync::Arc, time::Duration};

use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};
use serde::Deserialize;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::Command,
    sync::Mutex,
    time::{Instant, timeout},
};

/// No credential is longer.
const MOST_BYTES: usize = 16 << 10;

/// How long a command may take to print one, if it is not told otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// For how long a source is left alone that had nothing new when it was asked for something better.
const PAUSE: Duration = Duration::from_secs(10);

/// Where a credential comes from. It holds no secret itself, so it can stand in a file of settings: `{"env": "ANTHROPIC_API_KEY"}`,
/// `{"file": "/run/secrets/key"}`, `{"command": ["pass", "show", "anthropic"]}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CredentialSource {
    /// A variable of this process's environment.
    Env(String),
    /// A file that holds it and nothing else.
    File(PathBuf),
    /// A program and its arguments, which prints it and ends with status 0. It is started with the environment of this process.
    Command(Vec<String>),
}

impl CredentialSource {
    /// Reads the credential anew. White space around it does not belong to it.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub async fn read(&self) -> Result<SecretString, CredentialError> {
        let bytes = match self {
            Self::Env(name) => {
                let value = std::env::var_os(name).ok_or_else(|| {
                    CredentialError::new(CredentialErrorKind::Missing, self, "the variable is not set")
                        .with_remedy(format!("set {name} where Striatum is started"))
                })?;
                Zeroizing::new(value.into_encoded_bytes())
            }
            Self::File(path) => self.read_file(path).await?,
            Self::Command(argv) => self.run(argv).await?,
        };
        self.parse(&bytes)
    }

    async fn read_file(&self, path: &PathBuf) -> Result<Zeroizing<Vec<u8>>, CredentialError> {
        let unreadable = |error: io::Error| {
            let kind = match error.kind() {
                io::ErrorKind::NotFound => CredentialErrorKind::Missing,
                _ => CredentialErrorKind::Unreadable,
            };
            CredentialError::new(kind, self, "the file cannot be read")
                .with_remedy("give the file, and let the user that Striatum runs as read it")
                .because(error)
        };
        // Whoever opens a pipe may wait for ever.
        if !tokio::fs::metadata(path).await.map_err(unreadable)?.is_file() {
            return Err(unreadable(io::Error::other("it is no plain file")));
        }
        bounded(tokio::fs::File::open(path).await.map_err(unreadable)?).await.map_err(unreadable)
    }

    async fn run(&self, argv: &[String]) -> Result<Zeroizing<Vec<u8>>, CredentialError> {
        let failed = |why: &str| {
            CredentialError::new(CredentialErrorKind::CommandFailed, self, why)
                .with_remedy("run the command by hand: it must print the credential and end with status 0")
        };
        let Some((program, arguments)) = argv.split_first() else {
            return Err(failed("there is no command"));
        };
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let ran = async {
            let mut child = command.kill_on_drop(true).spawn()?;
            let printed = match child.stdout.take() {
                Some(stdout) => bounded(stdout).await?,
                None => Zeroizing::default(),
            };
            Ok::<_, io::Error>((child.wait().await?, printed))
        };
        let (status, printed) = match timeout(PATIENCE, ran).await {
            Ok(ran) => ran.map_err(|error| failed("the command cannot be run").because(error))?,
            Err(_) => {
                let seconds = PATIENCE.as_secs();
                let why = format!("the command has not ended after {seconds} s");
                let error = CredentialError::new(CredentialErrorKind::CommandTimedOut, self, why);
                return Err(error.with_remedy("let the command work without a person, and end soon"));
            }
        };
        // What it printed on standard error may hold anything, and is not repeated.
        if status.success() { Ok(printed) } else { Err(failed(&format!("the command ended with {status}"))) }
    }

    /// What can stand in a header.
    fn parse(&self, bytes: &[u8]) -> Result<SecretString, CredentialError> {
        let bytes = bytes.trim_ascii();
        if bytes.is_empty() {
            let empty = CredentialError::new(CredentialErrorKind::Empty, self, "nothing is there");
            return Err(empty.with_remedy("put the credential there"));
        }
        match std::str::from_utf8(bytes) {
            Ok(text) if bytes.len() <= MOST_BYTES && bytes.iter().all(u8::is_ascii_graphic) => {
                Ok(SecretString::from(text))
            }
            _ => {
                let why = "what is there is not one word of visible ASCII characters";
                let odd = CredentialError::new(CredentialErrorKind::Malformed, self, why);
                Err(odd.with_remedy("leave the credential alone there, without name or quotation marks"))
            }
        }
    }
}

impl fmt::Display for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            // Somebody may have put a secret among its arguments.
            Self::Command(argv) => write!(f, "the command {:?}", argv.first().map_or("", String::as_str)),
        }
    }
}

/// Reads one byte more than a credential may have, so that what is too long is noticed.
async fn bounded(from: impl AsyncRead + Unpin) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MOST_BYTES + 1));
    from.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// A credential that is read once, kept, and read again when it is refused or has been kept for long enough. Clones share it.
#[derive(Debug, Clone)]
pub struct Credential(Arc<Kept>);

#[derive(Debug)]
struct Kept {
    source: CredentialSource,
    keep: Option<Duration>,
    // Held while the source is read: who comes meanwhile waits for the same answer.
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    read: Option<(Arc<SecretString>, Instant)>,
    /// When it was read again for nothing.
    futile: Option<Instant>,
}

impl Credential {
    /// One that is kept until it is refused.
    pub fn new(source: CredentialSource) -> Self {
        Self(Arc::new(Kept { source, keep: None, now: Mutex::default() }))
    }

    /// One that is read again when it has been kept for so long: a token that expires, say.
    pub fn kept_for(source: CredentialSource, keep: Duration) -> Self {
        Self(Arc::new(Kept { source, keep: Some(keep), now: Mutex::default() }))
    }

    /// The credential.
    ///
    /// # Errors
    /// [`CredentialError`] if it must be read and cannot be.
    pub async fn get(&self) -> Result<Arc<SecretString>, CredentialError> {
        let mut now = self.0.now.lock().await;
        match &now.read {
            Some((secret, since)) if self.0.keep.is_none_or(|keep| since.elapsed() < keep) => {
                Ok(secret.clone())
            }
            _ => self.read(&mut now).await,
        }
    }

    /// Another than this one, which was refused; `None` if there is none.
    ///
    /// # Errors
    /// [`CredentialError`] if it cannot be read.
    pub async fn other_than(
        &self,
        refused: &SecretString,
    ) -> Result<Option<Arc<SecretString>>, CredentialError> {
        let is_other = |secret: &SecretString| secret.expose_secret() != refused.expose_secret();
        let mut now = self.0.now.lock().await;
        match &now.read {
            Some((secret, _)) if is_other(secret) => return Ok(Some(secret.clone())),
            _ if now.futile.is_some_and(|at| at.elapsed() < PAUSE) => return Ok(None),
            _ => {}
        }
        let read = self.read(&mut now).await;
        let found = read.as_ref().is_ok_and(|secret| is_other(secret));
        now.futile = (!found).then(Instant::now);
        read.map(|secret| found.then_some(secret))
    }

    async fn read(&self, now: &mut Now) -> Result<Arc<SecretString>, CredentialError> {
        let secret = Arc::new(self.0.source.read().await?);
        now.read = Some((secret.clone(), Instant::now()));
        Ok(secret)
    }
}

/// What kind of failure kept a credential from us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CredentialErrorKind {
    /// The variable or the file is not there.
    Missing,
    /// It is there, and nothing is in it.
    Empty,
    /// What is there is no credential.
    Malformed,
    /// The file may not be read.
    Unreadable,
    /// The command cannot be run, or says that it failed.
    CommandFailed,
    /// The command does not end.
    CommandTimedOut,
}

impl CredentialErrorKind {
    /// The stable code of this kind.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "credential_missing",
            Self::Empty => "credential_empty",
            Self::Malformed => "credential_malformed",
            Self::Unreadable => "credential_unreadable",
            Self::CommandFailed => "credential_command_failed",
            Self::CommandTimedOut => "credential_command_timed_out",
        }
    }
}

/// A credential cannot be had. Nothing that was read stands in it.
#[derive(Debug, thiserror::Error)]
#[error("cannot read a credential from {from}: {why}")]
#[non_exhaustive]
pub struct CredentialError {
    /// What kind of failure this is.
    pub kind: CredentialErrorKind,
    /// What to do about it.
    pub remedy: Option<String>,
    from: String,
    why: String,
    source: Option<io::Error>,
}

impl CredentialError {
    fn new(kind: CredentialErrorKind, from: &CredentialSource, why: impl Into<String>) -> Self {
        Self { kind, remedy: None, from: from.to_string(), why: why.into(), source: None }
    }

    fn with_remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    fn because(self, source: io::Error) -> Self {
        Self { source: Some(source), ..self }
    }
}

#[cfg(test)]
mod tests;
