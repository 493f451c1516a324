//! Cohorts: the reviews that are heard together before work is sent back.
//!
//! A binding review that wants a revision is completed and waits until its cohort closes: until everybody who can send the same
//! job back has spoken, or the document says that enough have. Then each target is reopened once, however many want it; where
//! no way back is left, those who dissent wait together for one answer of a person.

use std::collections::BTreeSet;

use crate::run::{
    JobStatus,
    decide::{
        Draft,
        quorum::{Poll, poll},
        reopen,
    },
    event::{Checkpoint, Ground, JobCompleted, JobWaits, LeaseEnd, ReopenCause, Submission, Verdict},
    rejection::Rejection,
    state::State,
};

/// The review whose verdict is being decided on, with what ends together with it.
pub(super) struct Speaker {
    pub(super) review: usize,
    pub(super) submission: Option<Submission>,
    pub(super) ended: LeaseEnd,
}

/// Hears a review that wants a revision, and is still running: its verdict is recorded.
pub(super) fn hear(draft: &mut Draft, speaker: &Speaker) -> Result<(), Rejection> {
    if let Some(cohort) = Cohort::closed(draft.state, speaker.review, Some(speaker.review)) {
        cohort.answer(draft, Some(speaker))?;
    }
    if draft.job(speaker.review).status != JobStatus::Running {
        return Ok(());
    }
    draft.emit(JobCompleted {
        job: draft.state.spec(speaker.review).id.clone(),
        attempt: draft.job(speaker.review).attempt,
        ground: Ground::Verdict,
        submission: speaker.submission.clone(),
        ended: Some(speaker.ended.clone()),
    })
}

/// Answers every dissent whose cohort has closed, because of whatever has happened.
pub(super) fn route(draft: &mut Draft) -> Result<(), Rejection> {
    loop {
        let mut dissents = draft.state.dissents.iter();
        let Some(cohort) = dissents.find_map(|review| Cohort::closed(draft.state, *review, None)) else {
            return Ok(());
        };
        cohort.answer(draft, None)?;
    }
}

/// What a dissent has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It is to be answered.
    Stands,
    /// A quorum may yet overrule it.
    Open,
    /// A quorum has overruled it, or it is left to the synthesis of its phase.
    Settled,
}

fn standing(state: &State, review: usize) -> Standing {
    let graph = state.snapshot.graph();
    if graph.is_adjudicated(review) {
        let can_route = graph.ways_back(review).iter().any(|way| is_usable(state, way.to));
        return if can_route { Standing::Stands } else { Standing::Settled };
    }
    let binds = graph.downstream(review).iter().filter(|next| graph.needs_acceptance(review, **next));
    let polls: Vec<_> = binds.map(|next| poll(state, *next)).collect();
    if polls.is_empty() || polls.iter().any(|poll| matches!(poll, None | Some(Poll::Failed))) {
        Standing::Stands
    } else if polls.contains(&Some(Poll::Open)) {
        Standing::Open
    } else {
        Standing::Settled
    }
}

/// Whether what waits for the completion of a review has to wait for the answer to its dissent.
pub(super) fn is_undecided(state: &State, review: usize) -> bool {
    state.dissents.contains(&review) && standing(state, review) != Standing::Settled
}

/// Whether a job may be sent back once more: the strictest of those who want it sets the limit.
fn is_usable(state: &State, target: usize) -> bool {
    let graph = state.snapshot.graph();
    let iterations = state.iterations_of(target);
    let wants = |review: usize| {
        let job = &state.jobs[review];
        let is_parked = job.status == JobStatus::WaitingHuman
            && job.live_verdict().is_some_and(|verdict| verdict.verdict == Verdict::NeedsRevision);
        is_parked || job.wants_revision()
    };
    let judges = graph.judges(target).iter().filter(|review| wants(**review));
    let ways = judges.flat_map(|review| graph.ways_back(*review)).filter(|way| way.to == target);
    let limit = ways.map(|way| way.max_iterations).min();
    limit.is_some_and(|limit| iterations.taken < limit.saturating_add(iterations.granted))
}

/// Dissents that are answered together, since they share targets or a vote, and the targets.
#[derive(Debug, Default)]
struct Cohort {
    dissents: BTreeSet<usize>,
    targets: BTreeSet<usize>,
}

impl Cohort {
    /// The cohort of a dissent, if it has closed.
    fn closed(state: &State, review: usize, speaker: Option<usize>) -> Option<Self> {
        if standing(state, review) != Standing::Stands {
            return None;
        }
        let mut cohort = Self::default();
        cohort.gather(state, review, speaker);
        cohort.is_closed(state, speaker).then_some(cohort)
    }

    fn gather(&mut self, state: &State, review: usize, speaker: Option<usize>) {
        let graph = state.snapshot.graph();
        let mut open = vec![review];
        while let Some(review) = open.pop() {
            let is_dissent = state.dissents.contains(&review) || speaker == Some(review);
            if !is_dissent || standing(state, review) != Standing::Stands || !self.dissents.insert(review) {
                continue;
            }
            for way in graph.ways_back(review) {
                if self.targets.insert(way.to) {
                    open.extend(graph.judges(way.to));
                }
            }
            open.extend(failed_polls(state, review).flat_map(|job| graph.seats(job)));
        }
    }

    fn is_closed(&self, state: &State, speaker: Option<usize>) -> bool {
        let has_failed = self.dissents.iter().any(|review| failed_polls(state, *review).next().is_some());
        let is_enough = |target: &usize| self.is_enough(state, *target) || too_many_missing(state, *target);
        has_failed || self.targets.iter().any(is_enough) || self.is_heard(state, speaker)
    }

    /// Whether so many want a revision of the target that nobody else needs to be heard.
    fn is_enough(&self, state: &State, target: usize) -> bool {
        let graph = state.snapshot.graph();
        let ways = self.dissents.iter().flat_map(|review| graph.ways_back(*review));
        let ways: Vec<_> = ways.filter(|way| way.to == target).collect();
        ways.iter()
            .filter_map(|way| way.debounce_cohort)
            .any(|enough| usize::try_from(enough).is_ok_and(|enough| ways.len() >= enough))
    }

    /// Whether everybody who can be heard has been: not those who wait for the answer to a dissent themselves.
    fn is_heard(&self, state: &State, speaker: Option<usize>) -> bool {
        let graph = state.snapshot.graph();
        let judges = self.targets.iter().flat_map(|target| graph.judges(*target));
        let mut silent = judges
            .copied()
            .filter(|review| !state.jobs[*review].status.is_terminal() && speaker != Some(*review))
            .peekable();
        if silent.peek().is_none() {
            return true;
        }
        let waiting = state.dissents.iter().copied().filter(|review| is_undecided(state, *review));
        let behind: BTreeSet<usize> =
            waiting.chain(speaker).flat_map(|review| graph.all_downstream(review)).collect();
        silent.all(|review| behind.contains(&review))
    }

    fn answer(self, draft: &mut Draft, speaker: Option<&Speaker>) -> Result<(), Rejection> {
        let graph = draft.snapshot.graph();
        let mut usable: Vec<usize> =
            self.targets.iter().copied().filter(|target| is_usable(draft.state, *target)).collect();
        if usable.is_empty() {
            return self.ask(draft, speaker);
        }
        usable.sort_unstable_by_key(|target| graph.rank(*target));
        for target in outermost(graph, &usable) {
            let mut wanting: Vec<usize> = self.wanting(draft, target);
            let first = speaker.map(|speaker| speaker.review).filter(|review| wanting.contains(review));
            let first = first.or_else(|| wanting.first().copied());
            wanting.retain(|review| Some(*review) != first);
            let id = |review: usize| draft.state.spec(review).id.clone();
            let Some(review) = first.map(id) else { continue };
            let iteration = draft.state.iterations_of(target).taken + 1;
            let with = wanting.into_iter().map(id).collect();
            let cause = ReopenCause::Revision { review, iteration, with };
            reopen::reopen(draft, target, &cause, speaker)?;
        }
        Ok(())
    }

    /// Those who want a revision of a target.
    fn wanting(&self, draft: &Draft, target: usize) -> Vec<usize> {
        let graph = draft.state.snapshot.graph();
        let sends_back = |review: &usize| graph.ways_back(*review).iter().any(|way| way.to == target);
        self.dissents.iter().copied().filter(sends_back).collect()
    }

    /// Leaves the dissents to a person, but for those that a synthesis weighs.
    fn ask(self, draft: &mut Draft, speaker: Option<&Speaker>) -> Result<(), Rejection> {
        let graph = draft.snapshot.graph();
        for review in self.dissents.into_iter().filter(|review| !graph.is_adjudicated(*review)) {
            let speaker = speaker.filter(|speaker| speaker.review == review);
            let has_way = !graph.ways_back(review).is_empty();
            draft.emit(JobWaits {
                job: draft.state.spec(review).id.clone(),
                attempt: draft.job(review).attempt,
                checkpoint: if has_way { Checkpoint::RevisionsExhausted } else { Checkpoint::NoWayBack },
                submission: speaker.and_then(|speaker| speaker.submission.clone()),
                ended: speaker.map(|speaker| speaker.ended.clone()),
            })?;
        }
        Ok(())
    }
}

/// The jobs whose quorum a review belongs to and that can no longer be met.
fn failed_polls(state: &State, review: usize) -> impl Iterator<Item = usize> {
    let behind = state.snapshot.graph().downstream(review).iter().copied();
    behind.filter(move |job| {
        state.snapshot.graph().seats(*job).contains(&review) && poll(state, *job) == Some(Poll::Failed)
    })
}

/// Whether more of those who judge a target have ended without a word than may be missing.
fn too_many_missing(state: &State, target: usize) -> bool {
    let judges = state.snapshot.graph().judges(target).iter();
    let missing = judges.filter(|review| state.jobs[**review].is_missing()).count();
    u32::try_from(missing).is_ok_and(|missing| missing > state.spec(target).max_gating_abstentions)
}

/// Of some targets in topological order, those that are not behind another of them.
pub(super) fn outermost(graph: &crate::workflow::Graph, targets: &[usize]) -> Vec<usize> {
    let mut chosen: Vec<usize> = Vec::new();
    for &target in targets {
        if !chosen.iter().any(|outer| graph.all_downstream(*outer).contains(&target)) {
            chosen.push(target);
        }
    }
    chosen
}

/// The reviews that ask a person together with this one: those that want a revision of the same, or sit on the same panel.
pub(super) fn asking_together(state: &State, review: usize) -> BTreeSet<usize> {
    let graph = state.snapshot.graph();
    let is_asking = |review: usize| {
        let checkpoint = state.jobs[review].checkpoint;
        matches!(checkpoint, Some(Checkpoint::RevisionsExhausted | Checkpoint::NoWayBack))
    };
    let mut together = BTreeSet::new();
    let mut open = vec![review];
    while let Some(review) = open.pop() {
        if !is_asking(review) || !together.insert(review) {
            continue;
        }
        open.extend(graph.ways_back(review).iter().flat_map(|way| graph.judges(way.to)));
        open.extend(graph.downstream(review).iter().flat_map(|job| graph.seats(*job)));
    }
    together
}
