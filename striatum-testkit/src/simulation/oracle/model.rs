//! What the oracle knows of a run.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use striatum_core::{
    digest::Digest,
    id::{ArtifactName, Fence, LaneId, RoleId, RunId, SessionId},
    run::{Checkpoint, Ground, JobStatus, Ruling, RunStatus, SkipCause, VerdictRecorded},
    time::Timestamp,
    transport::AgentIdentity,
    workflow::JobType,
};

use super::{Plan, panel::Poll};

#[derive(Debug, Clone)]
pub(in crate::simulation) struct Model {
    pub(in crate::simulation) run: Option<RunId>,
    pub(in crate::simulation) status: Option<RunStatus>,
    pub(in crate::simulation) paused: bool,
    pub(in crate::simulation) jobs: Vec<Job>,
    pub(super) sessions: HashMap<SessionId, (RoleId, LaneId)>,
    pub(super) counters: BTreeMap<usize, Counter>,
    pub(super) decisions: Vec<Decision>,
    pub(super) agents: HashMap<SessionId, AgentIdentity>,
    pub(super) questions: u32,
    /// Leave that was asked for, by the number of its escalation.
    pub(super) requests: BTreeMap<u32, Leave>,
    pub(super) escalations: u32,
    pub(super) settled: BTreeSet<u32>,
    pub(super) notified: BTreeSet<u32>,
    pub(super) closed: BTreeSet<(usize, u32)>,
    pub(super) delivered: bool,
    /// The escalations that ask about a result which differs from what was judged, and whether one was accepted.
    pub(super) withheld: BTreeSet<u32>,
    pub(super) may_differ: bool,
}

/// How often a way back was taken since its counter began, and how often beyond the limit.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counter {
    pub(super) taken: u32,
    pub(super) granted: u32,
}

#[derive(Debug, Clone)]
pub(super) struct Decision {
    pub(super) job: usize,
    pub(super) attempt: u32,
    pub(super) ruling: Ruling,
}

#[derive(Debug, Clone)]
pub(in crate::simulation) struct Job {
    pub(in crate::simulation) status: JobStatus,
    pub(in crate::simulation) attempt: u32,
    pub(in crate::simulation) epoch: u32,
    /// Grants at this attempt.
    pub(in crate::simulation) deliveries: u32,
    /// Grants at this attempt that ended in a question.
    pub(super) asked: u32,
    /// Whether it was cancelled because a vote was met without it.
    pub(super) released: bool,
    /// Failures since it was last reopened.
    pub(in crate::simulation) failures: u32,
    pub(in crate::simulation) lease: Option<Lease>,
    /// From when on it may be claimed.
    pub(in crate::simulation) not_before: Option<Timestamp>,
    /// Every session that ever held it.
    pub(super) hands: BTreeSet<SessionId>,
    pub(super) published: BTreeMap<(u32, ArtifactName), Digest>,
    pub(super) manifest: Option<Digest>,
    pub(super) verdict: Option<VerdictRecorded>,
    pub(super) ground: Option<Ground>,
    pub(super) skipped: Option<SkipCause>,
    pub(super) checkpoint: Option<Checkpoint>,
    /// How often it asked other jobs at this attempt.
    pub(super) rounds: u64,
    /// What it asked last, while that is open.
    pub(super) question: Option<Asked>,
    /// The session whose work completed it.
    pub(super) author: Option<SessionId>,
}

/// An open question.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) number: u32,
    /// The session that is to answer; nothing if a person is.
    pub(super) awaited: Option<SessionId>,
    pub(super) told: bool,
}

/// A grant that asked for leave.
#[derive(Debug, Clone)]
pub(super) struct Leave {
    pub(super) job: usize,
    pub(super) epoch: u32,
}

#[derive(Debug, Clone)]
pub(in crate::simulation) struct Lease {
    pub(in crate::simulation) session: SessionId,
    /// By the store's clock, without renewals.
    pub(in crate::simulation) deadline: Timestamp,
}

impl Model {
    pub(super) fn of(plan: &Plan) -> Self {
        Self {
            run: None,
            status: None,
            paused: false,
            jobs: vec![Job::new(); plan.len()],
            sessions: HashMap::new(),
            counters: BTreeMap::new(),
            decisions: Vec::new(),
            agents: HashMap::new(),
            questions: 0,
            requests: BTreeMap::new(),
            escalations: 0,
            settled: BTreeSet::new(),
            notified: BTreeSet::new(),
            closed: BTreeSet::new(),
            delivered: false,
            withheld: BTreeSet::new(),
            may_differ: false,
        }
    }

    /// Whether a grant is the live one of its job.
    pub(super) fn is_live(&self, plan: &Plan, fence: &Fence) -> bool {
        let job = plan.index(&fence.job).map(|job| &self.jobs[job]);
        let held = job.and_then(|job| Some((job.epoch, job.lease.as_ref()?.session)));
        self.run == Some(fence.run) && held == Some((fence.epoch, fence.session))
    }

    pub(in crate::simulation) fn held(&self) -> usize {
        self.jobs.iter().filter(|job| job.lease.is_some()).count()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.status.is_some_and(RunStatus::has_ended)
    }

    /// Whether an edge is satisfied at the live attempt of what it leaves.
    pub(super) fn satisfies(&self, plan: &Plan, from: usize, to: usize) -> bool {
        self.jobs[from].status == JobStatus::Completed
            && !self.is_undecided(plan, from)
            && (self.accepts(plan, from) || !plan.wants_acceptance(from, to))
    }

    /// Why an edge never can be satisfied, if that is so.
    fn lost_edge(&self, plan: &Plan, from: usize, to: usize) -> Option<SkipCause> {
        let ended = self.jobs[from].status == JobStatus::Completed && !self.is_undecided(plan, from);
        let refused = ended && !self.satisfies(plan, from, to);
        self.jobs[from].lost().or_else(|| refused.then_some(SkipCause::Rejected))
    }

    /// The verdict of a review that still counts: it was given at the live attempt, on what is live.
    pub(super) fn live_verdict(&self, review: usize) -> Option<&VerdictRecorded> {
        let job = &self.jobs[review];
        job.verdict.as_ref().filter(|verdict| verdict.attempt == job.attempt)
    }

    /// Whether all edges into a job are satisfied, but for reviews that may be missing.
    pub(super) fn may_begin(&self, plan: &Plan, job: usize) -> bool {
        let (rest, missing) = self.alone(plan, job);
        let few = missing.len() <= plan.job(job).max_gating_abstentions as usize;
        let satisfied = rest.into_iter().all(|from| self.satisfies(plan, from, job));
        few && satisfied && self.poll(plan, job).is_none_or(|poll| poll == Poll::Met)
    }

    /// Why a job can never begin, the gravest cause first, if that is so.
    pub(super) fn lost_to(&self, plan: &Plan, job: usize) -> Option<SkipCause> {
        let (rest, missing) = self.alone(plan, job);
        let lost = rest.into_iter().filter_map(|from| self.lost_edge(plan, from, job)).max();
        let many = missing.len() > plan.job(job).max_gating_abstentions as usize;
        let missing = missing.into_iter().filter_map(|from| self.jobs[from].lost()).max().filter(|_| many);
        let vote = self.poll(plan, job).filter(|poll| *poll == Poll::Failed).map(|_| {
            let seats = plan.quorum(job).map(|(_, seats)| seats).unwrap_or_default();
            seats.into_iter().filter_map(|seat| self.jobs[seat].lost()).max().unwrap_or(SkipCause::Lost)
        });
        lost.max(missing).max(vote)
    }

    /// What a job waits for that is no seat of its vote: what must be satisfied, and the binding reviews that are missing.
    fn alone(&self, plan: &Plan, job: usize) -> (Vec<usize>, Vec<usize>) {
        let seats = plan.quorum(job).map(|(_, seats)| seats).unwrap_or_default();
        let alone = plan.before(job).filter(|from| !seats.contains(from));
        let may_be_missing = |from: &usize| {
            plan.binds(*from) && plan.job(*from).kind == JobType::Review && self.is_missing(*from)
        };
        let (missing, rest) = alone.partition(may_be_missing);
        (rest, missing)
    }
}

impl Job {
    fn new() -> Self {
        Self {
            status: JobStatus::Pending,
            attempt: 1,
            epoch: 0,
            deliveries: 0,
            asked: 0,
            released: false,
            failures: 0,
            lease: None,
            not_before: None,
            hands: BTreeSet::new(),
            published: BTreeMap::new(),
            manifest: None,
            verdict: None,
            ground: None,
            skipped: None,
            checkpoint: None,
            rounds: 0,
            question: None,
            author: None,
        }
    }

    /// Whether reopening must give it a new attempt.
    pub(super) fn is_touched(&self) -> bool {
        self.deliveries > 0 || self.status.is_terminal()
    }

    /// Why what waits for it never can go on.
    fn lost(&self) -> Option<SkipCause> {
        match self.status {
            JobStatus::Quarantined => Some(SkipCause::Quarantined),
            JobStatus::Failed | JobStatus::Canceled => Some(SkipCause::Lost),
            JobStatus::Skipped => self.skipped,
            _ => None,
        }
    }

    pub(super) fn moves(&mut self, status: JobStatus) {
        self.status = status;
        self.not_before = None;
        self.checkpoint = None;
        self.ground = None;
        self.skipped = None;
        self.released = false;
        self.author = None;
        self.question = None;
    }

    pub(super) fn begins_attempt(&mut self) {
        self.attempt += 1;
        self.deliveries = 0;
        self.asked = 0;
        self.rounds = 0;
    }

    pub(super) fn waits(&mut self, from: Timestamp, milliseconds: u64) {
        self.not_before = Some(from.after(Duration::from_millis(milliseconds)));
    }

    /// The digests of what it published at its present attempt.
    pub(super) fn live_artifacts(&self) -> BTreeMap<ArtifactName, Digest> {
        let live = self.published.iter().filter(|((attempt, _), _)| *attempt == self.attempt);
        live.map(|((_, name), digest)| (name.clone(), *digest)).collect()
    }
}
