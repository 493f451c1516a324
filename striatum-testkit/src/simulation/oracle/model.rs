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
};

use super::Plan;

#[derive(Debug, Clone)]
pub(in crate::simulation) struct Model {
    pub(in crate::simulation) run: Option<RunId>,
    pub(in crate::simulation) status: Option<RunStatus>,
    pub(in crate::simulation) paused: bool,
    pub(in crate::simulation) jobs: Vec<Job>,
    pub(super) sessions: HashMap<SessionId, (RoleId, LaneId)>,
    pub(super) counters: BTreeMap<usize, Counter>,
    pub(super) decisions: Vec<Decision>,
    pub(super) escalations: u32,
    pub(super) notified: BTreeSet<u32>,
    pub(super) closed: BTreeSet<(usize, u32)>,
    pub(super) delivered: bool,
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
    pub(super) ended_with_run: bool,
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
            escalations: 0,
            notified: BTreeSet::new(),
            closed: BTreeSet::new(),
            delivered: false,
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
        let job = &self.jobs[from];
        if job.status != JobStatus::Completed {
            return false;
        }
        !plan.wants_acceptance(from, to)
            || matches!(job.ground, Some(Ground::Decision(_)))
            || self.live_verdict(from).is_some_and(|verdict| verdict.verdict.is_accepting())
    }

    /// The verdict of a review that still counts: it was given at the live attempt, on what is live.
    pub(super) fn live_verdict(&self, review: usize) -> Option<&VerdictRecorded> {
        let job = &self.jobs[review];
        job.verdict.as_ref().filter(|verdict| verdict.attempt == job.attempt)
    }

    /// Whether all edges into a job are satisfied.
    pub(super) fn may_begin(&self, plan: &Plan, job: usize) -> bool {
        let satisfied = |from: &usize| self.satisfies(plan, *from, job);
        match plan.quorum(job) {
            None => plan.before(job).all(|from| satisfied(&from)),
            Some((quorum, seats)) => {
                let rest = plan.before(job).filter(|from| !seats.contains(from)).all(|from| satisfied(&from));
                let accepted = seats.iter().filter(|seat| satisfied(seat)).count();
                let vetoed = seats.iter().any(|seat| {
                    let dissents = self.live_verdict(*seat).is_some_and(|it| !it.verdict.is_accepting());
                    dissents && quorum.veto_roles.contains(&plan.job(*seat).role_id)
                });
                rest && !vetoed && u32::try_from(accepted).is_ok_and(|accepted| accepted >= quorum.k)
            }
        }
    }

    /// Why a job can never begin, the gravest cause first, if that is so.
    pub(super) fn lost_to(&self, plan: &Plan, job: usize) -> Option<SkipCause> {
        let lost = |from: usize| self.jobs[from].lost();
        match plan.quorum(job) {
            None => plan.before(job).filter_map(lost).max(),
            Some((quorum, seats)) => {
                let rest = plan.before(job).filter(|from| !seats.contains(from)).filter_map(lost).max();
                let left = seats.iter().filter(|seat| lost(**seat).is_none()).count();
                let short = u32::try_from(left).is_ok_and(|left| left < quorum.k);
                let seats = seats.iter().filter_map(|seat| lost(*seat)).max().filter(|_| short);
                rest.max(seats)
            }
        }
    }
}

impl Job {
    fn new() -> Self {
        Self {
            status: JobStatus::Pending,
            attempt: 1,
            epoch: 0,
            deliveries: 0,
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
            ended_with_run: false,
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
        self.ended_with_run = false;
    }

    pub(super) fn begins_attempt(&mut self) {
        self.attempt += 1;
        self.deliveries = 0;
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
