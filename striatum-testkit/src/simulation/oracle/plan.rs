//! A workflow as the oracle reads it, without the help of the machine's own graph.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::questions::ROUNDS;
use striatum_core::{
    id::JobId,
    workflow::{Job, JobType, PanelRole, Quorum, SharedResource, Workflow},
};

/// Who stands before whom, by the number of a job in document order.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) workflow: Workflow,
    index: HashMap<JobId, usize>,
    before: Vec<BTreeSet<usize>>,
    upstream: Vec<BTreeSet<usize>>,
    downstream: Vec<BTreeSet<usize>>,
}

impl Plan {
    pub(super) fn of(workflow: &Workflow) -> Self {
        let jobs = &workflow.jobs;
        let index: HashMap<_, _> = jobs.iter().enumerate().map(|(n, job)| (job.id.clone(), n)).collect();
        let mut before = vec![BTreeSet::new(); jobs.len()];
        for edge in &workflow.edges {
            if let (Some(from), Some(to)) = (index.get(&edge.from), index.get(&edge.to)) {
                before[*to].insert(*from);
            }
        }
        // The synthesis of a phase waits for all its peers, whether or not an edge says so.
        for phase in &workflow.phases {
            let Some(synthesis) = index.get(&phase.synthesis_job_id) else { continue };
            let peers = jobs.iter().enumerate().filter(|(_, job)| job.phase_id.as_ref() == Some(&phase.id));
            before[*synthesis].extend(peers.map(|(n, _)| n).filter(|n| n != synthesis));
        }
        let upstream: Vec<BTreeSet<usize>> = (0..jobs.len()).map(|job| reach(job, &before)).collect();
        let behind = |job: usize| (0..jobs.len()).filter(|other| upstream[*other].contains(&job)).collect();
        let downstream = (0..jobs.len()).map(behind).collect();
        Self { workflow: workflow.clone(), index, before, upstream, downstream }
    }

    pub(super) fn len(&self) -> usize {
        self.workflow.jobs.len()
    }

    pub(super) fn index(&self, job: &JobId) -> Option<usize> {
        self.index.get(job).copied()
    }

    pub(super) fn job(&self, job: usize) -> &Job {
        &self.workflow.jobs[job]
    }

    /// What a job waits for directly.
    pub(super) fn before(&self, job: usize) -> impl Iterator<Item = usize> {
        self.before[job].iter().copied()
    }

    /// What waits for a job directly.
    pub(super) fn behind(&self, job: usize) -> impl Iterator<Item = usize> {
        (0..self.len()).filter(move |next| self.before[*next].contains(&job))
    }

    /// Whatever is before a job, near or far.
    pub(super) fn upstream(&self, job: usize) -> &BTreeSet<usize> {
        &self.upstream[job]
    }

    /// Whatever is behind a job, near or far.
    pub(super) fn downstream(&self, job: usize) -> &BTreeSet<usize> {
        &self.downstream[job]
    }

    /// What a review judges: the jobs among its inputs, or else all directly before it.
    pub(super) fn judged(&self, review: usize) -> BTreeSet<usize> {
        let named =
            self.job(review).inputs.iter().filter_map(|input| self.index.get(input.as_str()).copied());
        let named: BTreeSet<usize> = named.collect();
        if named.is_empty() { self.before[review].clone() } else { named }
    }

    /// What somebody who judges must have had no part in.
    pub(super) fn under_judgement(&self, review: usize) -> BTreeSet<usize> {
        let judged = self.judged(review);
        judged.iter().flat_map(|job| &self.upstream[*job]).chain(&judged).copied().collect()
    }

    pub(super) fn judges(&self, job: usize) -> bool {
        matches!(self.job(job).kind, JobType::Review | JobType::PhaseSynthesis)
    }

    pub(super) fn is_advisory(&self, job: usize) -> bool {
        self.job(job).kind == JobType::Review && self.job(job).panel_role == PanelRole::Advisory
    }

    /// Whether an edge wants an acceptance, and not only the end of a job.
    pub(super) fn wants_acceptance(&self, from: usize, to: usize) -> bool {
        self.judges(from) && !self.is_advisory(from) && self.job(to).kind != JobType::PhaseSynthesis
    }

    /// Whether two jobs may not be held at the same time.
    pub(super) fn excludes(&self, one: usize, other: usize) -> bool {
        let (one, other) = (self.job(one), self.job(other));
        let shares = |wanted: &SharedResource| other.shared_resources.iter().any(|it| wanted.excludes(it));
        let together = one.parallel_group.is_some() && one.parallel_group == other.parallel_group;
        let overlaps = together
            && !self.workflow.parallelism.require_disjoint_write_scopes
            && one.write_scope.overlaps(&other.write_scope);
        overlaps || one.shared_resources.iter().any(shares)
    }

    /// The quorum of a job, with the seats that decide it.
    pub(super) fn quorum(&self, job: usize) -> Option<(&Quorum, BTreeSet<usize>)> {
        let quorum = self.job(job).quorum.as_ref()?;
        let is_seat = |job: &usize| self.job(*job).kind == JobType::Review && !self.is_advisory(*job);
        Some((quorum, self.before(job).filter(is_seat).collect()))
    }

    /// The jobs that a run is for: nothing that binds waits for them.
    pub(super) fn exits(&self) -> impl Iterator<Item = usize> {
        let binds = |job: &usize| !self.is_advisory(*job);
        (0..self.len()).filter(move |job| binds(job) && !self.downstream[*job].iter().any(binds))
    }

    /// Whom a job may ask: those before it that let themselves be asked; if it names some, only these.
    pub(super) fn may_ask(&self, job: usize) -> BTreeSet<usize> {
        let named = &self.job(job).interrogation_targets;
        let is_named = |up: &usize| {
            named.is_empty() || named.iter().any(|target| target.workflow_job_id == self.job(*up).id)
        };
        let upstream = self.upstream[job].iter().copied();
        upstream.filter(|up| self.job(*up).interrogable).filter(is_named).collect()
    }

    /// How many grants a run makes at most without the help of principals.
    pub(super) fn grants(&self) -> u64 {
        let mut limits: BTreeMap<usize, u64> = BTreeMap::new();
        for cycle in &self.workflow.cycles {
            if let Some(target) = self.index(&cycle.to) {
                let limit = limits.entry(target).or_default();
                *limit = (*limit).max(cycle.max_iterations.into());
            }
        }
        let deliveries = u64::from(self.workflow.recovery_policy.max_requeues) + 1;
        let of = |job: usize| match self.job(job).kind {
            JobType::HumanCheckpoint => 0,
            _ => {
                let reopened = self.reopened(job, &limits).saturating_add(self.taken(job, &limits));
                let begun = 1_u64.saturating_add(reopened);
                let asking = if self.may_ask(job).is_empty() { 0 } else { ROUNDS };
                let deliveries = deliveries.saturating_add(asking);
                begun.saturating_mul(self.job(job).max_attempts.into()).saturating_mul(deliveries)
            }
        };
        (0..self.len()).fold(0, |sum, job| sum.saturating_add(of(job)))
    }

    /// How often the way back to a job is taken: its limit, anew for each time that something before it is reopened.
    fn taken(&self, job: usize, limits: &BTreeMap<usize, u64>) -> u64 {
        let Some(limit) = limits.get(&job) else { return 0 };
        limit.saturating_mul(1_u64.saturating_add(self.reopened(job, limits)))
    }

    /// How often a job is reopened because something strictly before it is.
    fn reopened(&self, job: usize, limits: &BTreeMap<usize, u64>) -> u64 {
        let targets = self.upstream[job].iter().filter(|up| limits.contains_key(up));
        targets.fold(0, |sum, up| sum.saturating_add(self.taken(*up, limits)))
    }
}

fn reach(job: usize, next: &[BTreeSet<usize>]) -> BTreeSet<usize> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<usize> = next[job].iter().copied().collect();
    while let Some(job) = open.pop() {
        if seen.insert(job) {
            open.extend(&next[job]);
        }
    }
    seen
}
