//! How a lane's agents are worked with.
//!
//! A lane names an adapter; the orchestrator has a registry of them. [`ProcessAdapter`] drives any terminal program; an embedder
//! registers its own under its own name.

use std::{
    ffi::OsStr,
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use striatum_core::{
    id::{Fence, LaneId},
    run::{Packet, Usage},
    sandbox::{EnvVar, Exit, Isolation, Limits, Mount, Sandbox},
    transport::{Advice, AgentIdentity, AgentUpdate},
    workflow::{Lane, Offers},
};
use tokio_util::sync::CancellationToken;

mod account;
#[cfg(feature = "acp")]
mod acp;
#[cfg(feature = "egress")]
mod egress;
mod gateway;
#[cfg(feature = "acp")]
mod leave;
#[cfg(feature = "broker")]
mod model;
mod process;
#[cfg(feature = "acp")]
mod toolbox;

pub use account::{Account, Told};
#[cfg(feature = "acp")]
pub use acp::{AcpAdapter, Pace};
#[cfg(feature = "egress")]
pub use egress::EgressGateway;
pub use gateway::{Gateway, Passage, Porter, Seen};
#[cfg(feature = "acp")]
pub use leave::Leave;
#[cfg(feature = "broker")]
pub use model::ModelGateway;
pub use process::ProcessAdapter;
#[cfg(feature = "acp")]
pub use toolbox::{OpenTools, Toolbox};

/// Works with the agents of a lane.
#[async_trait]
pub trait LaneAdapter: fmt::Debug + Send + Sync + 'static {
    /// How strongly this adapter can hold an agent to what a lane demands, given what the sandbox enforces.
    fn offers(&self, sandbox: &Isolation) -> Offers;

    /// What the agents of a lane would lack where they are started, each as a sentence with a remedy. Programs are looked up in `path`, as
    /// the sandbox does. It is asked before a run is prepared, which is refused if anything is missing. An adapter that looks for
    /// nothing misses nothing.
    async fn missing(&self, lane: &Lane, path: &OsStr) -> Vec<String> {
        let _ = (lane, path);
        Vec::new()
    }

    /// Works on one grant: starts an agent, gives it the task, and returns when it has ended. What it leaves in the work tree
    /// and in the report file is collected afterwards.
    ///
    /// It must end soon after [`Assignment::stop`] is triggered, and leave no process behind. When the agent has its whole task it
    /// [sets the mark](TaskMark::set): should this process die afterwards and the agent end well, its work counts.
    ///
    /// # Errors
    /// [`AdapterError`] if no agent could be run; the job is then reported as failed.
    async fn work(&self, assignment: Assignment) -> Result<Finished, AdapterError>;
}

/// One grant, ready to be worked on.
#[derive(Debug)]
#[non_exhaustive]
pub struct Assignment {
    /// The grant.
    pub fence: Fence,
    /// The work packet.
    pub packet: Packet,
    /// The packet in words, with all texts: what an agent is told.
    pub prompt: String,
    /// By what the agent can find the conversation again that this goes on with.
    pub resume: Option<String>,
    /// The lane.
    pub lane: Lane,
    /// Its name.
    pub lane_id: LaneId,
    /// The work tree, or the folder in which a reviewer finds what it judges and nothing else.
    pub tree: PathBuf,
    /// The session's own folder, outside the work tree.
    pub folder: PathBuf,
    /// Where the agent may leave its report, and which an adapter may write in its stead. The folder around it is the agent's.
    pub report: PathBuf,
    /// What beside the work tree must be shown to the agent: its packet, and the folder for its report.
    pub mounts: Vec<Mount>,
    /// The agent's environment: `STRIATUM_*` and what the lane names.
    pub env: Vec<EnvVar>,
    /// Where to run it.
    pub sandbox: Arc<dyn Sandbox>,
    /// What it may use there.
    pub limits: Limits,
    /// How long it may work, by its lane, the orchestrator's limits and what is left of its budget, and how long it may be silent.
    pub patience: Patience,
    /// Where to tell what is learned of the agent while it works.
    pub account: Account,
    /// The tools of the grant, for an agent that records its outcome by them.
    #[cfg(feature = "acp")]
    pub toolbox: Toolbox,
    /// Where to ask a person for leave while the agent waits.
    #[cfg(feature = "acp")]
    pub leave: Leave,
    /// Triggered when the grant is over or the orchestrator stops.
    pub stop: CancellationToken,
    /// Where to tell what the agent does.
    pub updates: Updates,
}

impl Assignment {
    /// The mark of this grant.
    pub fn mark(&self) -> TaskMark {
        TaskMark::of(&self.folder)
    }
}

/// Says, beyond the end of this process, that an agent was given its whole task. An agent that ended well without it may never
/// have heard of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskMark(PathBuf);

impl TaskMark {
    pub(crate) fn of(folder: &Path) -> Self {
        Self(folder.join("told"))
    }

    /// Sets it. If it cannot be written the grant is done once more after a crash, and nothing else is lost.
    pub fn set(&self) {
        if let Err(error) = fs::write(&self.0, b"") {
            tracing::warn!(%error, mark = %self.0.display(), "the task of an agent was not marked as given");
        }
    }

    /// Notes that the agent is about to begin, where its end will say nothing: what it did by its tools counts, and no more. Its time
    /// is counted from here should this process die.
    pub fn begin(&self) {
        let begun = self.begun();
        if let Err(error) = fs::write(&begun, b"") {
            tracing::warn!(%error, mark = %begun.display(), "the beginning of an agent was not marked");
        }
    }

    fn begun(&self) -> PathBuf {
        self.0.with_file_name("begun")
    }

    /// Whether the agent has its whole task, so that its end says something.
    pub(crate) fn is_set(&self) -> bool {
        self.0.exists()
    }

    /// When the agent had its task, or was about to begin.
    pub(crate) fn set_at(&self) -> Option<SystemTime> {
        let modified = |path: &Path| fs::metadata(path).and_then(|meta| meta.modified()).ok();
        modified(&self.0).or_else(|| modified(&self.begun()))
    }
}

/// How long an agent may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Patience {
    /// In all.
    pub wall: Duration,
    /// Without any sign of life.
    pub silence: Duration,
}

/// Takes what an agent does, for those who watch.
#[derive(Clone)]
pub struct Updates(Arc<dyn Fn(&AgentUpdate) + Send + Sync>);

impl Updates {
    /// Calls a function for each update.
    pub fn new(tell: impl Fn(&AgentUpdate) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Passes an update on.
    pub fn tell(&self, update: &AgentUpdate) {
        (self.0)(update);
    }
}

impl fmt::Debug for Updates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Updates")
    }
}

/// How the work on a grant ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finished {
    /// In which way.
    pub end: End,
    /// How the agent's process ended, if it was one.
    pub exit: Option<Exit>,
    /// What was used. The orchestrator measures the time as well, and what the agent reports in its file is added where this
    /// says nothing.
    pub usage: Usage,
    /// What the agent said over its protocol that it is. What it writes into a file attests nothing and has no place here.
    pub agent: AgentIdentity,
    /// Why it ended so, for people; the orchestrator has words of its own where this says nothing.
    pub reason: Option<String>,
}

impl Finished {
    /// The end of an agent that did what it could.
    pub fn new(end: End, exit: Option<Exit>, usage: Usage) -> Self {
        Self { end, exit, usage, agent: AgentIdentity::default(), reason: None }
    }

    /// The same for this reason.
    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    pub(crate) fn said(&self, otherwise: &str) -> String {
        self.reason.clone().unwrap_or_else(|| otherwise.to_owned())
    }

    /// The same, of an agent that said what it is.
    #[must_use]
    pub fn by(self, agent: AgentIdentity) -> Self {
        Self { agent, ..self }
    }
}

/// In which way an agent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// By itself.
    Ended,
    /// It was stopped, because the grant is over or the orchestrator stops.
    Stopped,
    /// It worked for longer than it may.
    TimedOut,
    /// It gave no sign of life for longer than it may.
    Silent,
    /// It has used all that was left of its turns or tokens, without an outcome.
    Spent,
    /// It was to record an outcome by its tools, and has not; this may help.
    Unfinished(Advice),
}

/// No agent could be run.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}")]
pub struct AdapterError {
    doing: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl AdapterError {
    /// A failure while doing something, such as `start the agent`.
    pub fn new(doing: impl Into<String>) -> Self {
        Self { doing: doing.into(), source: None }
    }

    /// The same with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}
