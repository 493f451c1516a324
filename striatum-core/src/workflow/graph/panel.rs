//! Who judges what together, and who gets in whose way.

use std::sync::Arc;

use super::Graph;
use crate::{
    hash::HashMap,
    id::{GroupId, JobId},
    workflow::Workflow,
};

/// A bounded way back from a review, with jobs by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WayBack {
    /// Where it leads.
    pub to: usize,
    /// How often it may be taken.
    pub max_iterations: u32,
    /// So many dissents are enough to take it.
    pub debounce_cohort: Option<u32>,
}

/// The groups that a document forms, without the jobs that are in none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Panels {
    ways_back: HashMap<usize, Vec<WayBack>>,
    judges: HashMap<usize, Vec<usize>>,
    seats: HashMap<usize, Vec<usize>>,
    companions: HashMap<usize, Arc<[usize]>>,
}

impl Panels {
    /// The ends of all ways back are known jobs.
    pub(super) fn of(workflow: &Workflow, index: &HashMap<JobId, usize>, upstream: &[Vec<usize>]) -> Self {
        let jobs = &workflow.jobs;
        let mut panels = Self::default();
        for cycle in &workflow.cycles {
            let (from, to) = (index[&cycle.from], index[&cycle.to]);
            if jobs[from].kind.is_verdict_capable() && !jobs[from].is_advisory() {
                let (max_iterations, debounce_cohort) = (cycle.max_iterations, cycle.debounce_cohort);
                let way = WayBack { to, max_iterations, debounce_cohort };
                panels.ways_back.entry(from).or_default().push(way);
                panels.judges.entry(to).or_default().push(from);
            }
        }
        for judges in panels.judges.values_mut() {
            judges.sort_unstable();
            judges.dedup();
        }
        for (job, _) in jobs.iter().enumerate().filter(|(_, job)| job.quorum.is_some()) {
            let reviews = upstream[job].iter().copied().filter(|review| jobs[*review].is_gating_review());
            panels.seats.insert(job, reviews.collect());
        }
        if !workflow.parallelism.require_disjoint_write_scopes {
            let mut groups: HashMap<&GroupId, Vec<usize>> = HashMap::default();
            for (job, spec) in jobs.iter().enumerate() {
                if let Some(group) = &spec.parallel_group {
                    groups.entry(group).or_default().push(job);
                }
            }
            for members in groups.into_values().filter(|members| members.len() > 1) {
                let members = Arc::<[usize]>::from(members);
                panels.companions.extend(members.iter().map(|job| (*job, members.clone())));
            }
        }
        panels
    }
}

fn of_job<T>(groups: &HashMap<usize, Vec<T>>, job: usize) -> &[T] {
    groups.get(&job).map(Vec::as_slice).unwrap_or_default()
}

impl Graph {
    /// Where a review sends work back to, in document order; nowhere if it does not bind.
    pub fn ways_back(&self, review: usize) -> &[WayBack] {
        of_job(&self.panels.ways_back, review)
    }

    /// The jobs whose verdicts can send a job back, in document order.
    pub fn judges(&self, target: usize) -> &[usize] {
        of_job(&self.panels.judges, target)
    }

    /// The reviews of which a quorum must accept before a job begins, in document order; none if it has no quorum.
    pub fn seats(&self, job: usize) -> &[usize] {
        of_job(&self.panels.seats, job)
    }

    /// The jobs of a parallel group, the job itself among them, where the document lets their write scopes overlap; none
    /// where it does not, or the job is in no group.
    pub fn companions(&self, job: usize) -> &[usize] {
        self.panels.companions.get(&job).map(AsRef::as_ref).unwrap_or_default()
    }
}
