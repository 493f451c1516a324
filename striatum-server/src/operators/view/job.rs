//! A job, what it published, and who worked on it.

use schemars::JsonSchema;
use serde::Serialize;
use striatum_core::{
    id::{ArtifactName, CommitId, JobId, LaneId, RoleId, SessionId},
    run::{ArtifactPublished, JobState, Session, VerdictRecorded},
    transport::AgentIdentity,
    workflow,
};

use super::{Blob, Used, moment, word};

/// A job as the list shows it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(in crate::operators) struct JobBrief {
    /// The job.
    #[schemars(with = "String")]
    job: JobId,
    /// What it is for, in a few words.
    title: String,
    /// What kind of job it is.
    kind: String,
    /// The role that does it.
    #[schemars(with = "String")]
    role: RoleId,
    /// The lane that it runs in.
    #[schemars(with = "String")]
    lane: LaneId,
    /// Where it stands.
    status: String,
    /// At which attempt it is, from 1.
    attempt: u32,
    /// How often it was granted in all.
    grants: u32,
    /// Its verdict at the present attempt.
    verdict: Option<String>,
}

impl From<(&workflow::Job, &JobState)> for JobBrief {
    fn from((spec, job): (&workflow::Job, &JobState)) -> Self {
        Self {
            job: spec.id.clone(),
            title: spec.title.clone(),
            kind: word(&spec.kind),
            role: spec.role_id.clone(),
            lane: spec.lane_id.clone(),
            status: job.status.as_str().to_owned(),
            attempt: job.attempt,
            grants: job.epoch,
            verdict: job.live_verdict().map(|verdict| verdict.verdict.to_string()),
        }
    }
}

/// A job.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(in crate::operators) struct JobView {
    /// What the list shows.
    #[serde(flatten)]
    brief: JobBrief,
    /// What is to be reached.
    objective: String,
    /// How often it failed since it was last reopened.
    failures: u32,
    /// Who holds it.
    lease: Option<LeaseView>,
    /// Until when it waits before it is handed out.
    waits_until: Option<String>,
    /// What a person is asked, if it waits for one.
    checkpoint: Option<String>,
    /// What is doubted of its agent, if it is blocked for that.
    doubt: Option<String>,
    /// Its last submission.
    submission: Option<SubmissionView>,
    /// What an earlier grant, which ended without an outcome, left behind.
    #[schemars(with = "Option<String>")]
    set_aside: Option<CommitId>,
    /// Its verdicts, of every attempt.
    verdicts: Vec<VerdictView>,
    /// Why its last grant failed.
    failed: Option<Blob>,
    /// What was used at this attempt.
    used: Used,
}

/// A live lease.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct LeaseView {
    /// The holder.
    #[schemars(with = "String")]
    session: SessionId,
    /// Who renews it.
    mode: String,
    /// How long it lasts without renewal, in seconds.
    seconds: u32,
    /// When it was granted.
    granted_at: String,
}

/// The commit that a writing job ended with.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct SubmissionView {
    /// What the work was based on.
    #[schemars(with = "String")]
    base: CommitId,
    /// The commit.
    #[schemars(with = "String")]
    commit: CommitId,
    /// Every path that it changes.
    manifest: Blob,
}

/// A verdict.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct VerdictView {
    /// At which attempt.
    attempt: u32,
    /// The judgement.
    verdict: String,
    /// What was found.
    findings: Option<Blob>,
    /// What the review leaned on.
    posture: Option<String>,
    /// Who judged.
    #[schemars(with = "String")]
    session: SessionId,
    /// What its agent is said to be.
    agent: AgentView,
    /// Who says so.
    basis: String,
}

/// What an agent is said to be.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct AgentView {
    /// Its name.
    name: Option<String>,
    /// Its version.
    version: Option<String>,
    /// Its model.
    model: Option<String>,
}

impl From<&AgentIdentity> for AgentView {
    fn from(agent: &AgentIdentity) -> Self {
        let AgentIdentity { name, version, model } = agent.clone();
        Self { name, version, model }
    }
}

impl From<&VerdictRecorded> for VerdictView {
    fn from(verdict: &VerdictRecorded) -> Self {
        Self {
            attempt: verdict.attempt,
            verdict: verdict.verdict.to_string(),
            findings: verdict.findings.as_ref().map(Blob::from),
            posture: verdict.posture.as_ref().map(word),
            session: verdict.session,
            agent: AgentView::from(&verdict.agent),
            basis: word(&verdict.basis),
        }
    }
}

impl From<(&workflow::Job, &JobState)> for JobView {
    fn from((spec, job): (&workflow::Job, &JobState)) -> Self {
        Self {
            brief: JobBrief::from((spec, job)),
            objective: spec.objective.clone(),
            failures: job.failures,
            lease: job.lease.as_ref().map(|lease| LeaseView {
                session: lease.session,
                mode: word(&lease.mode),
                seconds: lease.seconds,
                granted_at: moment(lease.granted_at),
            }),
            waits_until: job.wait.map(|wait| moment(wait.until)),
            checkpoint: job.checkpoint.as_ref().map(word),
            doubt: job.doubt.as_ref().map(word),
            submission: job.submission.as_ref().map(|submission| SubmissionView {
                base: submission.base.clone(),
                commit: submission.commit.clone(),
                manifest: Blob::from(&submission.manifest),
            }),
            set_aside: job.set_aside.clone(),
            verdicts: job.verdicts.iter().map(|verdict| VerdictView::from(verdict.as_ref())).collect(),
            failed: job.failed.and_then(|failed| failed.reason).as_ref().map(Blob::from),
            used: Used::from(&job.used),
        }
    }
}

/// A published artifact.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(in crate::operators) struct ArtifactView {
    /// The job.
    #[schemars(with = "String")]
    job: JobId,
    /// At which attempt.
    attempt: u32,
    /// Its name.
    #[schemars(with = "String")]
    name: ArtifactName,
    /// What it is.
    kind: String,
    /// Where it lies in the repository.
    path: String,
    /// Its bytes.
    content: Blob,
    /// Who made it.
    author: String,
    /// Whether it belongs to the present attempt of its job.
    live: bool,
}

impl From<(&JobState, &ArtifactPublished)> for ArtifactView {
    fn from((job, artifact): (&JobState, &ArtifactPublished)) -> Self {
        Self {
            job: artifact.job.clone(),
            attempt: artifact.attempt,
            name: artifact.name.clone(),
            kind: artifact.kind.clone(),
            path: artifact.path.clone(),
            content: Blob::from(&artifact.content),
            author: artifact.author.clone(),
            live: artifact.attempt == job.attempt,
        }
    }
}

/// A session of a run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(in crate::operators) struct SessionView {
    /// The session.
    #[schemars(with = "String")]
    session: SessionId,
    /// Its number in the run, from 1.
    ordinal: u32,
    /// Its role.
    #[schemars(with = "String")]
    role: RoleId,
    /// Its lane.
    #[schemars(with = "String")]
    lane: LaneId,
    /// What its agent says of itself, if it said anything.
    agent: Option<AgentView>,
    /// The host of the process that answers for it.
    host: String,
    /// That process.
    pid: u32,
}

impl From<(SessionId, &Session)> for SessionView {
    fn from((id, session): (SessionId, &Session)) -> Self {
        Self {
            session: id,
            ordinal: session.ordinal,
            role: session.role.clone(),
            lane: session.lane.clone(),
            agent: session.agent.as_ref().map(AgentView::from),
            host: session.owner.host.clone(),
            pid: session.owner.pid,
        }
    }
}
