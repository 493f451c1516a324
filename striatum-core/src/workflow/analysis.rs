//! What can be told of a workflow before it runs: how much work it can be at most, and that no verdict leads nowhere.

use crate::workflow::{Graph, Job, JobType, OnReject, QUESTIONS, UnsoundGraph, Workflow, order::Order};

/// The bounds of every run of a workflow, whatever agents do. What principals add (a retry, one more revision) comes on top.
///
/// ```
/// use striatum_core::workflow::{Analysis, JobBuilder, LaneBuilder, RecoveryPolicy, Way, Workflow};
///
/// let workflow = Workflow::builder("twice")
///     .lane("l", LaneBuilder::process(["agent"]))
///     .role("r", "Works.")
///     .recovery_policy(&RecoveryPolicy { max_requeues: 0, max_quarantinable_jobs: 0 })
///     .job(JobBuilder::draft("draft").by("r", "l").objective("Write.").writes(["docs/"]))
///     .job(JobBuilder::review("review").by("r", "l").objective("Judge.").after("draft"))
///     .cycle("review", "draft", 2)
///     .build()?
///     .workflow;
/// let analysis = Analysis::of(&workflow)?;
/// assert_eq!(analysis.total_grants(), 6); // both jobs: once, and once more for each revision
/// let ways = analysis.ways(1).ok_or("a review")?;
/// assert_eq!(ways.needs_revision, Way::Back { to: 0, iterations: 2 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Analysis<'w> {
    workflow: &'w Workflow,
    order: Order,
    generations: Vec<u64>,
    grants: Vec<u64>,
}

/// Where each verdict of a review leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ways {
    /// `accept` and `accept_with_findings`.
    pub accepted: Way,
    /// `needs_revision`. A way back that has been taken as often as it may leads to a person.
    pub needs_revision: Way,
    /// `reject`.
    pub rejected: Way,
}

impl Ways {
    /// Whether the workflow can still come to its end, or to a person, whatever the review says.
    pub const fn has_exit(&self) -> bool {
        !matches!(self.rejected, Way::Skips { exits_left: 0 })
    }
}

/// Where a verdict leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Way {
    /// To what is behind the review.
    On,
    /// Back to a job, so many times at most.
    Back {
        /// The job, by its number.
        to: usize,
        /// How often.
        iterations: u32,
    },
    /// To the synthesis of the phase, which weighs it.
    Adjudicator,
    /// To a person.
    Person,
    /// To the end of the run, which has failed.
    EndOfRun,
    /// To the end of what is behind the review.
    Skips {
        /// So many exits of the workflow can still be reached.
        exits_left: usize,
    },
}

impl<'w> Analysis<'w> {
    /// Analyses a workflow.
    ///
    /// # Errors
    /// [`UnsoundGraph`]; none for a workflow that was parsed or built.
    pub fn of(workflow: &'w Workflow) -> Result<Self, UnsoundGraph> {
        let order = Order::of(Graph::new(workflow)?, workflow.jobs.len());
        let generations = generations(workflow, &order);
        let deliveries = u64::from(workflow.recovery_policy.max_requeues) + 1;
        let granted = |(index, (job, generations)): (usize, (&Job, &u64))| match job.kind {
            JobType::HumanCheckpoint => 0,
            _ => {
                let asks = !workflow.may_ask(order.graph(), index).is_empty();
                let deliveries = deliveries + if asks { u64::from(QUESTIONS) } else { 0 };
                generations.saturating_mul(u64::from(job.max_attempts)).saturating_mul(deliveries)
            }
        };
        let grants = workflow.jobs.iter().zip(&generations).enumerate().map(granted).collect();
        Ok(Self { workflow, order, generations, grants })
    }

    /// How often a job can come to be done: once, and once more for each way back that reopens it.
    pub fn generations(&self, job: usize) -> u64 {
        self.generations[job]
    }

    /// How often a job can be handed out: in each generation as often as it may fail, and for each of these as often as it
    /// may be lost, or ask other jobs. A number that does not fit is the greatest that does.
    pub fn grants(&self, job: usize) -> u64 {
        self.grants[job]
    }

    /// How many grants a run can make.
    pub fn total_grants(&self) -> u64 {
        self.grants.iter().fold(0, |sum, grants| sum.saturating_add(*grants))
    }

    /// Where the verdicts of a job lead; `None` if it gives none.
    pub fn ways(&self, job: usize) -> Option<Ways> {
        ways(self.workflow, self.order.graph(), job)
    }
}

/// A job begins anew with every way back to it or to something before it. What leads back to an outer job starts the counters
/// of the inner ones anew, so along nesting the bounds multiply; one after the other and side by side they add up.
fn generations(workflow: &Workflow, order: &Order) -> Vec<u64> {
    let graph = order.graph();
    // The limit is that of the strictest way back among those that dissent, and they may be any.
    let mut limit = vec![0_u64; workflow.jobs.len()];
    for cycle in &workflow.cycles {
        if let Some(to) = graph.index(&cycle.to) {
            limit[to] = limit[to].max(u64::from(cycle.max_iterations));
        }
    }
    let mut taken = vec![0_u64; workflow.jobs.len()];
    let mut generations = vec![1_u64; workflow.jobs.len()];
    for &job in graph.order() {
        let reopening = order.before(job).filter(|target| may_reopen(order, *target, job));
        let from_outside = reopening.fold(1_u64, |sum, target| sum.saturating_add(taken[target]));
        taken[job] = limit[job].saturating_mul(from_outside);
        generations[job] = from_outside.saturating_add(taken[job]);
    }
    generations
}

/// Whether a way back to a target can find a job behind it begun. One that waits for the acceptance of whoever takes the way back
/// is not: after accepting, a review says nothing more until it is reopened itself. A vote may do without a review's acceptance.
fn may_reopen(order: &Order, target: usize, job: usize) -> bool {
    let graph = order.graph();
    let is_waited_for = |review: usize| {
        let has_seat = graph.downstream(review).iter().any(|next| graph.seats(*next).contains(&review));
        order.is_before(review, job) && !has_seat
    };
    graph.judges(target).iter().any(|review| !is_waited_for(*review))
}

fn ways(workflow: &Workflow, graph: &Graph, job: usize) -> Option<Ways> {
    let Job { id, kind, on_reject, .. } = &workflow.jobs[job];
    if !kind.is_verdict_capable() {
        return None;
    }
    if workflow.jobs[job].is_advisory() {
        return Some(Ways { accepted: Way::On, needs_revision: Way::On, rejected: Way::On });
    }
    let is_adjudicated = graph.is_adjudicated(job);
    let back = workflow.cycles.iter().find(|cycle| cycle.from == *id);
    let back = back
        .and_then(|cycle| Some(Way::Back { to: graph.index(&cycle.to)?, iterations: cycle.max_iterations }));
    let otherwise = if is_adjudicated { Way::Adjudicator } else { Way::Person };
    let rejected = match on_reject {
        _ if is_adjudicated => Way::Adjudicator,
        OnReject::FailRun => Way::EndOfRun,
        OnReject::Checkpoint => Way::Person,
        OnReject::SkipBranch => Way::Skips { exits_left: exits_without(workflow, graph, job) },
    };
    Some(Ways { accepted: Way::On, needs_revision: back.unwrap_or(otherwise), rejected })
}

/// How many exits can still be reached when a job is skipped: one behind a quorum can, as long as enough seats are left.
pub(super) fn exits_without(workflow: &Workflow, graph: &Graph, skipped: usize) -> usize {
    let mut is_lost = vec![false; workflow.jobs.len()];
    is_lost[skipped] = true;
    for &job in graph.order() {
        let (seats, others): (Vec<usize>, Vec<usize>) =
            graph.upstream(job).iter().partition(|up| workflow.jobs[**up].is_gating_review());
        let lost = |jobs: &[usize]| jobs.iter().filter(|up| is_lost[**up]).count();
        let is_cut = match &workflow.jobs[job].quorum {
            Some(quorum) => {
                u64::try_from(seats.len() - lost(&seats)).is_ok_and(|left| left < quorum.k.into())
            }
            None => lost(&seats) > 0,
        };
        is_lost[job] |= is_cut || lost(&others) > 0;
    }
    graph.exits().filter(|exit| !is_lost[*exit]).count()
}
