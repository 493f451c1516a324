//! Telling somebody that a person is wanted: an escalation, or a question of an agent.
//!
//! Each is told until the [`Notifier`] says that somebody was; only then is it noted in the chain (`escalation.notified`,
//! `question.notified`), so a crash or an outage repeats it and never swallows it. Each call has an id that stays the same, by which a
//! receiver knows a repetition.

use std::{
    fmt, io,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Serialize;
use striatum_core::{
    id::{CommandId, JobId, RunId, WorkflowId},
    store::Blobs,
};
use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, Command},
    time::timeout,
};

#[cfg(test)]
mod tests;
#[cfg(feature = "server")]
mod webhook;

#[cfg(feature = "server")]
pub use webhook::Webhook;

/// How much of a text is told, in bytes; all of it is a blob that the run names.
const TOLD: usize = 4096;
/// How long a command may take. What else is owed to runs waits behind several that hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tells somebody that a person is wanted.
#[async_trait]
pub trait Notifier: fmt::Debug + Send + Sync + 'static {
    /// Tells it, and returns once somebody was told. It may be told again under the same id.
    ///
    /// # Errors
    /// [`NotifyError`] if nobody was told; it is tried again.
    async fn tell(&self, call: &Call) -> Result<(), NotifyError>;
}

/// What somebody is told. As JSON it has these keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Call {
    /// The same for every repetition.
    pub id: CommandId,
    /// The run.
    pub run: RunId,
    /// The workflow that it executes.
    pub workflow: WorkflowId,
    /// What is to be answered.
    pub subject: Subject,
    /// The stable code of what it is about: `question`, `needs_operator`, `budget_spent`, `delivery_withheld`, …
    pub code: &'static str,
    /// What it is, in a sentence.
    pub message: String,
    /// What to do.
    pub remedy: &'static str,
    /// The beginning of what was written about it, if anything was.
    pub text: Option<String>,
}

/// What is to be answered, by its number in the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Subject {
    /// An escalation is to be settled.
    Escalation {
        /// Its number.
        number: u32,
        /// The job, if it is about one.
        job: Option<JobId>,
    },
    /// A question is to be answered.
    Question {
        /// Its number.
        number: u32,
        /// The job that asks.
        job: JobId,
    },
}

/// Nobody was told.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}")]
pub struct NotifyError {
    doing: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl NotifyError {
    /// A failure while doing something, such as `reach the pager`.
    pub fn new(doing: impl Into<String>) -> Self {
        Self { doing: doing.into(), source: None }
    }

    /// The same with its cause.
    #[must_use]
    pub fn because(self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { source: Some(cause.into()), ..self }
    }
}

/// Tells by running a command, which gets the [`Call`] as JSON on standard input. Somebody was told if it exits with 0 within a minute.
///
/// One that takes longer is ended with all that it started and that stayed in its process group.
#[derive(Debug, Clone)]
pub struct NotifyCommand(Vec<String>);

impl NotifyCommand {
    /// The program and its arguments. It gets this process's `PATH` and nothing else of its environment.
    pub fn new<W: Into<String>>(command: impl IntoIterator<Item = W>) -> Self {
        Self(command.into_iter().map(Into::into).collect())
    }
}

#[async_trait]
impl Notifier for NotifyCommand {
    async fn tell(&self, call: &Call) -> Result<(), NotifyError> {
        let [program, arguments @ ..] = self.0.as_slice() else {
            return Err(NotifyError::new("run an empty command"));
        };
        let failed = |error: io::Error| NotifyError::new(format!("run {program}")).because(error);
        let json = to_json(call)?;
        let told = Group::start(program, arguments).map_err(failed)?.told(&json);
        let ended = timeout(PATIENCE, told).await.map_err(|_| {
            let late = format!("it did not end within {} s", PATIENCE.as_secs());
            NotifyError::new(format!("have {program} tell somebody")).because(late)
        })?;
        match ended.map_err(failed)? {
            status if status.success() => Ok(()),
            status => Err(NotifyError::new(format!("have {program} tell somebody: {status}"))),
        }
    }
}

/// A program in a process group of its own, which ends with this unless the program has ended by then.
struct Group(Child);

impl Group {
    fn start(program: &str, arguments: &[String]) -> io::Result<Self> {
        let command = &mut Command::new(program);
        command.args(arguments).env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.process_group(0).kill_on_drop(true).spawn().map(Self)
    }

    async fn told(mut self, json: &[u8]) -> io::Result<ExitStatus> {
        if let Some(mut input) = self.0.stdin.take() {
            // One that does not want to know ends before it has read all, and its exit status counts.
            let _ = input.write_all(json).await;
        }
        self.0.wait().await
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Once it was waited for it has no number, which by then may be another's.
        let number = self.0.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = number.and_then(Pid::from_raw) {
            // It may have ended this very moment.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

fn to_json(call: &Call) -> Result<Vec<u8>, NotifyError> {
    serde_json::to_vec(call).map_err(|error| NotifyError::new("write what is to be told").because(error))
}

/// The beginning of a text that is kept.
pub(crate) async fn told(blobs: &dyn Blobs, text: &striatum_core::digest::BlobRef) -> Option<String> {
    let bytes = blobs.get(&text.digest).await.ok()?;
    Some(String::from_utf8_lossy(bytes.get(..TOLD).unwrap_or(&bytes)).into_owned())
}
