//! Where one job stands.

use std::sync::Arc;

use crate::{
    digest::{BlobRef, Digest},
    id::{ArtifactName, CommitId, SessionId},
    run::{
        JobStatus,
        command::DeliveryMode,
        event::{
            Addressee, ArtifactPublished, CancelCause, Checkpoint, Ground, IdentityDoubt, LeaseCause,
            LeaseEnd, SkipCause, Submission, Usage, Verdict, VerdictRecorded,
        },
    },
    time::Timestamp,
};

/// One job of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobState {
    /// Where it stands.
    pub status: JobStatus,
    /// At which attempt it is, from 1.
    pub attempt: u32,
    /// How often it was granted in all: the epoch of its last grant.
    pub epoch: u32,
    /// How often it was granted at this attempt.
    pub deliveries: u32,
    /// How often it failed since it was last reopened.
    pub failures: u32,
    /// Who holds it.
    pub lease: Option<Lease>,
    /// Until when it waits, if it is ready and does.
    pub wait: Option<Wait>,
    /// Its published artifacts, of every attempt, in order.
    pub artifacts: Vec<Arc<ArtifactPublished>>,
    /// Its last submission, of whichever attempt.
    pub submission: Option<Submission>,
    /// On what ground it is completed.
    pub ground: Option<Ground>,
    /// Its verdicts, of every attempt, in order.
    pub verdicts: Vec<Arc<VerdictRecorded>>,
    /// What a person is asked, if it waits for one.
    pub checkpoint: Option<Checkpoint>,
    /// Why it is skipped.
    pub skipped: Option<SkipCause>,
    /// Why it is cancelled.
    pub canceled: Option<CancelCause>,
    /// What is doubted of the agent that held it last, if it is blocked for that.
    pub doubt: Option<IdentityDoubt>,
    /// What its agents asked at this attempt, in order.
    pub questions: Vec<Arc<Question>>,
    /// How many of its grants at this attempt ended in a question, and do not count as lost.
    pub asked: u32,
    /// What was used at this attempt since it was last left to go on.
    pub used: Usage,
    /// What an earlier grant of this attempt, which ended without an outcome, left behind.
    pub set_aside: Option<CommitId>,
    /// How its last grant that came to an end of its own failed; nothing if that one handed in its work.
    pub failed: Option<FailedGrant>,
    /// Every session that ever held it, in order.
    pub holders: Arc<[SessionId]>,
    /// The session whose work completed it; nothing while it is not completed, or if that was a person's.
    pub author: Option<SessionId>,
}

/// A grant that ended in a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedGrant {
    /// At which attempt.
    pub attempt: u32,
    /// Who held it.
    pub session: SessionId,
    /// Why, in words.
    pub reason: Option<BlobRef>,
}

/// What an agent asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Its number in the run, from 1.
    pub number: u32,
    /// The question.
    pub text: BlobRef,
    /// By what the agent can find its conversation again.
    pub resume: Option<String>,
    /// Who asked.
    pub session: SessionId,
    /// Whom, if not a person.
    pub of: Option<Addressee>,
    /// Whether it is for a person after all.
    pub referred: bool,
    /// Whether somebody was told that it waits for a person.
    pub told: bool,
    /// The answer, once there is one.
    pub answer: Option<BlobRef>,
    /// The session that answered, if no person did.
    pub by: Option<SessionId>,
}

impl Question {
    /// The session that is to answer; nothing if a person is.
    pub fn awaited(&self) -> Option<SessionId> {
        self.of.as_ref().filter(|_| !self.referred).and_then(|of| of.session)
    }
}

/// A live lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The holder.
    pub session: SessionId,
    /// How the job was delivered.
    pub mode: DeliveryMode,
    /// How long the lease lasts without renewal, in seconds.
    pub seconds: u32,
    /// The digest of the work packet.
    pub packet: Digest,
    /// When it was granted.
    pub granted_at: Timestamp,
}

/// A ready job's wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// The last grant before it; names the timer.
    pub epoch: u32,
    /// How long, in milliseconds.
    pub wait_ms: u64,
    /// Until when, for people.
    pub until: Timestamp,
}

impl JobState {
    pub(super) fn new() -> Self {
        Self {
            status: JobStatus::Pending,
            attempt: 1,
            epoch: 0,
            deliveries: 0,
            failures: 0,
            lease: None,
            wait: None,
            artifacts: Vec::new(),
            submission: None,
            ground: None,
            verdicts: Vec::new(),
            checkpoint: None,
            skipped: None,
            canceled: None,
            doubt: None,
            questions: Vec::new(),
            asked: 0,
            used: Usage::default(),
            set_aside: None,
            failed: None,
            holders: Arc::default(),
            author: None,
        }
    }

    /// The artifacts that were published at the present attempt.
    pub fn live_artifacts(&self) -> impl Iterator<Item = &ArtifactPublished> {
        self.artifacts.iter().map(AsRef::as_ref).filter(|artifact| artifact.attempt == self.attempt)
    }

    /// The artifact of this name at the present attempt.
    pub fn live_artifact(&self, name: &ArtifactName) -> Option<&ArtifactPublished> {
        self.live_artifacts().find(|artifact| artifact.name == *name)
    }

    /// The verdict at the present attempt.
    pub fn live_verdict(&self) -> Option<&VerdictRecorded> {
        self.verdicts.last().map(AsRef::as_ref).filter(|verdict| verdict.attempt == self.attempt)
    }

    /// Whether its work is done, whatever was said of it.
    pub fn is_completed(&self) -> bool {
        self.status == JobStatus::Completed
    }

    /// Whether it has ended without success.
    pub fn is_lost(&self) -> bool {
        self.status.is_terminal() && !self.is_completed()
    }

    /// Whether it is completed, and not by a verdict that says no.
    pub fn is_accepted(&self) -> bool {
        let dissent = || self.live_verdict().is_some_and(|verdict| !verdict.verdict.is_accepting());
        self.is_completed() && !(self.ground == Some(Ground::Verdict) && dissent())
    }

    /// Whether it has said, at its present attempt, that it wants a revision, and that stands.
    pub(in crate::run) fn wants_revision(&self) -> bool {
        let is_said = matches!(self.status, JobStatus::Running)
            || self.is_completed() && self.ground == Some(Ground::Verdict);
        is_said && self.live_verdict().is_some_and(|verdict| verdict.verdict == Verdict::NeedsRevision)
    }

    /// The question that it waits for an answer to.
    pub fn open_question(&self) -> Option<&Question> {
        let last = self.questions.last().filter(|_| self.status == JobStatus::AwaitingInput);
        last.map(AsRef::as_ref).filter(|question| question.answer.is_none())
    }

    /// How often it asked other jobs at this attempt.
    pub(in crate::run) fn questions_to_jobs(&self) -> usize {
        self.questions.iter().filter(|question| question.of.is_some()).count()
    }

    /// Keeps in mind who holds it.
    pub(in crate::run) fn add_holder(&mut self, session: SessionId) {
        if let Err(place) = self.holders.binary_search(&session) {
            self.holders = super::with(&self.holders, place, session);
        }
    }

    /// Keeps in mind why the work failed, until some is handed in.
    pub(in crate::run) fn end_grant(&mut self, end: &LeaseEnd) {
        match end.cause {
            LeaseCause::Failed => {
                let (attempt, session, reason) = (self.attempt, end.session, end.reason);
                self.failed = Some(FailedGrant { attempt, session, reason });
            }
            LeaseCause::Submitted => self.failed = None,
            LeaseCause::Released
            | LeaseCause::Expired
            | LeaseCause::Crashed
            | LeaseCause::Blocked
            | LeaseCause::Reopened
            | LeaseCause::RunEnded
            | LeaseCause::Asked
            | LeaseCause::Quorum
            | LeaseCause::Canceled => {}
        }
    }

    /// Whether the job was granted, or has ended, at its present attempt: whether reopening must give it a new one.
    pub fn is_touched(&self) -> bool {
        self.deliveries > 0 || self.status.is_terminal()
    }
}
