//! What packets are made of.

use serde::Serialize;

use crate::{
    digest::{BlobRef, Digest},
    id::{ArtifactName, CommitId, JobId, SessionId},
    run::event::Verdict,
    workflow::{Posture, ReviewAccess, ReviewContext},
};

/// Something that the work builds on, or judges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PacketInput {
    /// The outcome of a job.
    Job {
        /// Its artifacts.
        artifacts: Vec<PacketOutput>,
        /// At which attempt.
        attempt: u32,
        /// The commit that holds it.
        commit: Option<CommitId>,
        /// The job.
        job: JobId,
        /// The digest of its manifest.
        manifest: Option<Digest>,
        /// How it was judged, if it is a review: findings travel downstream with an acceptance.
        verdict: Option<PacketFinding>,
    },
    /// A file of the repository.
    Path(String),
}

/// A published artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PacketOutput {
    /// Who made it.
    pub author: String,
    /// Its bytes.
    pub content: BlobRef,
    /// Its name.
    pub name: ArtifactName,
    /// Where it lies.
    pub path: String,
}

/// An artifact to leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PacketArtifact {
    /// What it is.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Where it belongs.
    pub path: String,
    /// Whether the job cannot end without it.
    pub required: bool,
}

/// How to judge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PacketReview {
    /// What may be seen.
    pub access: Option<ReviewAccess>,
    /// Whether earlier rounds may be seen.
    pub context: Option<ReviewContext>,
    /// What to lean on.
    pub posture: Option<Posture>,
    /// The judgements that count.
    pub verdicts: [Verdict; 4],
}

/// What somebody said about earlier work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PacketFinding {
    /// At which attempt.
    pub attempt: u32,
    /// What was found.
    pub findings: Option<BlobRef>,
    /// The review.
    pub review: JobId,
    /// Who.
    pub session: SessionId,
    /// The judgement.
    pub verdict: Verdict,
}

/// Why an attempt at this very job failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PacketFailure {
    /// Which attempt.
    pub attempt: u32,
    /// Why it failed, in words, with what to do about it.
    pub reason: Option<BlobRef>,
    /// Who made it.
    pub session: SessionId,
}

/// What an agent asked, and what was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PacketAnswer {
    /// The answer.
    pub answer: BlobRef,
    /// The session that answered; absent if a person did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<SessionId>,
    /// The job whose session was asked; absent if a person was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<JobId>,
    /// The number of the question in the run.
    pub question: u32,
    /// By what that agent can find its conversation again.
    pub resume: Option<String>,
    /// Who asked.
    pub session: SessionId,
    /// The question.
    pub text: BlobRef,
}

/// What a job asks of the session that completed an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PacketQuestion {
    /// The job that asks.
    pub from: JobId,
    /// The number of the question in the run.
    pub question: u32,
    /// The question.
    pub text: BlobRef,
}

/// What has its members elsewhere in another order.
pub(super) mod in_order {
    use serde::ser::{SerializeStruct, Serializer};

    use crate::{id::Fence, workflow::Budget};

    pub(crate) fn budget<S: Serializer>(budget: &Option<Budget>, to: S) -> Result<S::Ok, S::Error> {
        let mut members = to.serialize_struct("Budget", 3)?;
        for (name, bound) in [
            ("tokens", budget.as_ref().and_then(|budget| budget.tokens)),
            ("turns", budget.as_ref().and_then(|budget| budget.turns)),
            ("wall_seconds", budget.as_ref().and_then(|budget| budget.wall_seconds)),
        ] {
            match bound {
                Some(bound) => members.serialize_field(name, &bound)?,
                None => members.skip_field(name)?,
            }
        }
        members.end()
    }

    pub(crate) fn fence<S: Serializer>(fence: &Fence, to: S) -> Result<S::Ok, S::Error> {
        let mut members = to.serialize_struct("Fence", 4)?;
        members.serialize_field("epoch", &fence.epoch)?;
        members.serialize_field("job", &fence.job)?;
        members.serialize_field("run", &fence.run)?;
        members.serialize_field("session", &fence.session)?;
        members.end()
    }
}
