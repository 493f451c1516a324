//! Reviews that are heard together: cohorts of dissents, and votes.

use std::collections::BTreeSet;

use striatum_core::{
    run::{Ground, JobStatus, Verdict},
    workflow::JobType,
};

use super::{Model, Plan};

/// How a vote stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Poll {
    Met,
    Open,
    Failed,
}

/// What becomes of a dissent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has to be answered, when its cohort closes.
    Stands,
    /// A vote may yet overrule it.
    Open,
    /// A vote has overruled it, or a synthesis weighs it.
    Settled,
}

impl Plan {
    /// Whether the verdicts of a job are for others to obey.
    pub(super) fn binds(&self, job: usize) -> bool {
        self.judges(job) && !self.is_advisory(job)
    }

    /// Whether all that waits for a review is the synthesis of its phase.
    pub(super) fn is_adjudicated(&self, job: usize) -> bool {
        let mut behind = self.behind(job).peekable();
        let is_review = self.binds(job) && self.job(job).kind != JobType::PhaseSynthesis;
        let leads_on = behind.peek().is_some();
        is_review && leads_on && behind.all(|next| self.job(next).kind == JobType::PhaseSynthesis)
    }

    /// Where a review sends work back to: the target, how often, and how many dissents are enough.
    pub(super) fn ways_back(&self, review: usize) -> Vec<(usize, u32, Option<u32>)> {
        let own = self.workflow.cycles.iter().filter(|cycle| cycle.from == self.job(review).id);
        let own = own.filter(|_| self.binds(review));
        own.filter_map(|it| Some((self.index(&it.to)?, it.max_iterations, it.debounce_cohort))).collect()
    }

    /// Who sends a job back.
    fn senders(&self, target: usize) -> BTreeSet<usize> {
        let sends = |review: &usize| self.ways_back(*review).iter().any(|(to, ..)| *to == target);
        (0..self.len()).filter(sends).collect()
    }
}

impl Model {
    fn says(&self, review: usize, verdict: Verdict) -> bool {
        self.live_verdict(review).is_some_and(|it| it.verdict == verdict)
    }

    /// Whether a review wants a revision, and nobody has answered yet. One that is still running has spoken just now.
    pub(super) fn dissents(&self, plan: &Plan, review: usize) -> bool {
        let job = &self.jobs[review];
        let spoken = job.status == JobStatus::Running
            || job.status == JobStatus::Completed && job.ground == Some(Ground::Verdict);
        spoken && plan.binds(review) && self.says(review, Verdict::NeedsRevision)
    }

    /// Whether a job is completed, and not by a verdict that says no.
    pub(super) fn accepts(&self, plan: &Plan, review: usize) -> bool {
        let job = &self.jobs[review];
        let refuses = || self.live_verdict(review).is_some_and(|it| !it.verdict.is_accepting());
        job.status == JobStatus::Completed
            && !(plan.binds(review) && job.ground == Some(Ground::Verdict) && refuses())
    }

    /// Whether a review has ended without a word, although one was wanted.
    pub(super) fn is_missing(&self, review: usize) -> bool {
        let job = &self.jobs[review];
        let ended = job.status.is_terminal() && job.status != JobStatus::Completed;
        ended && self.live_verdict(review).is_none() && !job.released
    }

    /// How the vote on a job stands, if there is one.
    pub(super) fn poll(&self, plan: &Plan, job: usize) -> Option<Poll> {
        let (quorum, seats) = plan.quorum(job)?;
        let accepted = seats.iter().filter(|seat| self.accepts(plan, **seat)).count();
        let is_open = |seat: &usize| !self.jobs[*seat].status.is_terminal() && !self.dissents(plan, *seat);
        let has_veto = |seat: &usize| quorum.veto_roles.contains(&plan.job(*seat).role_id);
        let against = |seat: &usize| !self.accepts(plan, *seat) && !is_open(seat);
        let vetoed =
            seats.iter().any(|seat| has_veto(seat) && against(seat) && self.live_verdict(*seat).is_some());
        let open = seats.iter().filter(|seat| is_open(seat)).count();
        let k = usize::try_from(quorum.k).unwrap_or(usize::MAX);
        Some(if vetoed || accepted + open < k {
            Poll::Failed
        } else if accepted >= k && !seats.iter().any(|seat| has_veto(seat) && is_open(seat)) {
            Poll::Met
        } else {
            Poll::Open
        })
    }

    pub(super) fn standing(&self, plan: &Plan, review: usize) -> Standing {
        if plan.is_adjudicated(review) {
            let answers = plan.ways_back(review).iter().any(|(to, ..)| self.has_round_left(plan, *to));
            return if answers { Standing::Stands } else { Standing::Settled };
        }
        let binding = plan.behind(review).filter(|next| plan.wants_acceptance(review, *next));
        let polls: Vec<_> = binding.map(|next| self.poll(plan, next)).collect();
        if polls.is_empty() || polls.iter().any(|poll| matches!(poll, None | Some(Poll::Failed))) {
            Standing::Stands
        } else if polls.contains(&Some(Poll::Open)) {
            Standing::Open
        } else {
            Standing::Settled
        }
    }

    /// Whether what waits for a review waits for the answer to its dissent.
    pub(super) fn is_undecided(&self, plan: &Plan, review: usize) -> bool {
        self.dissents(plan, review) && self.standing(plan, review) != Standing::Settled
    }

    /// Whether a job may be sent back once more. The strictest of those who want it sets the limit.
    pub(super) fn has_round_left(&self, plan: &Plan, target: usize) -> bool {
        let counter = self.counters.get(&target).copied().unwrap_or_default();
        let parked = |review: usize| self.jobs[review].status == JobStatus::WaitingHuman;
        let wants = |review: &usize| {
            let speaks = self.dissents(plan, *review) || parked(*review);
            speaks && self.says(*review, Verdict::NeedsRevision)
        };
        let wanting = plan.senders(target).into_iter().filter(wants);
        let limits = wanting.flat_map(|review| plan.ways_back(review)).filter(|(to, ..)| *to == target);
        let limit = limits.map(|(_, most, _)| most).min();
        limit.is_some_and(|most| counter.taken < most.saturating_add(counter.granted))
    }

    /// The dissents that are answered together with this one, and whether it is time.
    pub(super) fn cohort(&self, plan: &Plan, review: usize) -> (BTreeSet<usize>, bool) {
        let (mut members, mut targets, mut has_failed) = (BTreeSet::new(), BTreeSet::new(), false);
        let mut open = vec![review];
        while let Some(review) = open.pop() {
            let stands = self.dissents(plan, review) && self.standing(plan, review) == Standing::Stands;
            if !stands || !members.insert(review) {
                continue;
            }
            for (to, ..) in plan.ways_back(review) {
                targets.insert(to);
                open.extend(plan.senders(to));
            }
            for next in plan.behind(review) {
                let Some((_, seats)) = plan.quorum(next).filter(|(_, seats)| seats.contains(&review)) else {
                    continue;
                };
                if self.poll(plan, next) == Some(Poll::Failed) {
                    has_failed = true;
                    open.extend(seats);
                }
            }
        }
        let is_closed = has_failed
            || targets.iter().any(|target| self.is_enough(plan, *target, &members))
            || self.is_heard(plan, &targets);
        (members, is_closed)
    }

    /// Whether nobody else needs to be heard on a target: so many want it, or so many are missing.
    fn is_enough(&self, plan: &Plan, target: usize, members: &BTreeSet<usize>) -> bool {
        let ways = members.iter().flat_map(|review| plan.ways_back(*review));
        let ways: Vec<_> = ways.filter(|(to, ..)| *to == target).collect();
        let debounced = ways.iter().filter_map(|(.., enough)| *enough);
        let missing = plan.senders(target).into_iter().filter(|review| self.is_missing(*review)).count();
        let may_be_missing = plan.job(target).max_gating_abstentions as usize;
        debounced.into_iter().any(|enough| ways.len() >= enough as usize) || missing > may_be_missing
    }

    /// Whether all have spoken or ended who can: those behind a dissent cannot.
    fn is_heard(&self, plan: &Plan, targets: &BTreeSet<usize>) -> bool {
        let undecided = (0..plan.len()).filter(|review| self.is_undecided(plan, *review));
        let behind: BTreeSet<usize> = undecided.flat_map(|review| plan.downstream(review).clone()).collect();
        let senders = targets.iter().flat_map(|target| plan.senders(*target));
        let mut silent = senders
            .filter(|review| !self.jobs[*review].status.is_terminal() && !self.dissents(plan, *review));
        silent.all(|review| behind.contains(&review))
    }
}
