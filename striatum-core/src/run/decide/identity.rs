//! Who an agent is, and whether it may judge what another made.
//!
//! Besides never being the same session, author and reviewer are to be of different families of models, if the workflow says so:
//! by the labels of their lanes at the claim, and by what their agents report as soon as they do.

use std::borrow::Cow;

use crate::{
    id::{LaneId, SessionId},
    run::{
        decide::Draft,
        event::{IdentityDoubt, Leave, Ruling, SameModel},
        rejection::Rejection,
        state::State,
    },
    workflow::IndependenceModel,
};

/// At which point of a grant somebody asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// The agent is at work and may yet say more of itself.
    AtWork,
    /// It hands in its verdict; what it has said came over its protocol alone, or not.
    AtVerdict {
        /// Whether it did.
        is_reported: bool,
    },
}

/// Refuses a claim that the labels of the lanes forbid already.
pub(super) fn expect_other_label(draft: &Draft, review: usize) -> Result<(), Rejection> {
    let state = &draft.state;
    if state.workflow().independence_model() != IndependenceModel::Declared || leave(state, review).is_some()
    {
        return Ok(());
    }
    let Some(label) = label(state, &state.spec(review).lane_id) else { return Ok(()) };
    let same = |author: &usize| {
        let other = self::label(state, &state.spec(*author).lane_id);
        other.is_some_and(|other| family(state, other) == family(state, label))
    };
    match authors(state, review).into_iter().filter(|author| !is_allowed(state, review, *author)).find(same) {
        None => Ok(()),
        Some(author) => Err(Rejection::SameModel {
            job: state.spec(review).id.clone(),
            author: state.spec(author).id.clone(),
            model: label.to_owned(),
        }),
    }
}

/// What is to be doubted of the agent of a review, if anything is.
pub(super) fn doubt(
    state: &State,
    review: usize,
    session: SessionId,
    moment: Moment,
) -> Option<IdentityDoubt> {
    if !state.snapshot.graph().is_binding(review) || leave(state, review).is_some() {
        return None;
    }
    unattested(state, review, session, moment).or_else(|| not_independent(state, review, session, moment))
}

fn unattested(state: &State, review: usize, session: SessionId, moment: Moment) -> Option<IdentityDoubt> {
    let spec = state.spec(review);
    let Moment::AtVerdict { is_reported } = moment else { return None };
    if !spec.require_attested_lane {
        return None;
    }
    let (reported, declared) = (reported(state, session), label(state, &spec.lane_id));
    let is_attested = is_reported
        && match (reported, declared) {
            (Some(reported), Some(declared)) => family(state, reported) == family(state, declared),
            (Some(_), None) => true,
            (None, _) => false,
        };
    (!is_attested).then(|| IdentityDoubt::Unattested {
        reported: reported.map(str::to_owned),
        declared: declared.map(str::to_owned),
    })
}

fn not_independent(
    state: &State,
    review: usize,
    session: SessionId,
    moment: Moment,
) -> Option<IdentityDoubt> {
    let mode = state.workflow().independence_model();
    let own = match mode {
        IndependenceModel::Off => return None,
        IndependenceModel::Declared => model(state, session),
        IndependenceModel::Reported => reported(state, session),
    };
    let Some(own) = own else {
        let has_to_report = mode == IndependenceModel::Reported && moment != Moment::AtWork;
        return has_to_report.then(|| IdentityDoubt::Unreported { job: state.spec(review).id.clone() });
    };
    let authors = authors(state, review).into_iter().filter(|author| !is_allowed(state, review, *author));
    authors
        .flat_map(|author| state.jobs[author].holders.iter().map(move |holder| (author, *holder)))
        .find_map(|(author, holder)| {
            let job = || state.spec(author).id.clone();
            let other = match mode {
                IndependenceModel::Reported => reported(state, holder),
                IndependenceModel::Declared | IndependenceModel::Off => model(state, holder),
            };
            match other {
                Some(other) if family(state, other) == family(state, own) => {
                    Some(IdentityDoubt::SameFamily {
                        job: job(),
                        author: other.to_owned(),
                        reviewer: own.to_owned(),
                        family: family(state, own).into_owned(),
                    })
                }
                None if mode == IndependenceModel::Reported => Some(IdentityDoubt::Unreported { job: job() }),
                Some(_) | None => None,
            }
        })
}

/// The work that a review judges whose author is of the same family, with who gave leave.
pub(super) fn same_model(state: &State, review: usize, session: SessionId) -> Vec<SameModel> {
    let Some(own) = model(state, session).map(|own| family(state, own)) else { return Vec::new() };
    let is_same = |author: &usize| {
        let mut models = state.jobs[*author].holders.iter().filter_map(|holder| model(state, *holder));
        models.any(|model| family(state, model) == own)
    };
    let leave = leave(state, review);
    let pairs = authors(state, review).into_iter().filter(is_same);
    pairs
        .map(|author| SameModel {
            job: state.spec(author).id.clone(),
            leave: leave.filter(|_| !is_allowed(state, review, author)).unwrap_or(Leave::Workflow),
        })
        .collect()
}

/// The jobs, near or far before what a review judges, in which an agent makes something.
fn authors(state: &State, review: usize) -> Vec<usize> {
    let mut jobs = state.judged_with_upstream(review);
    jobs.sort_unstable();
    jobs.dedup();
    jobs.retain(|job| state.spec(*job).kind.has_author());
    jobs
}

/// Whether the workflow gives leave for this pair.
fn is_allowed(state: &State, review: usize, author: usize) -> bool {
    state.workflow().allows_same_model(&state.spec(review).id, &state.spec(author).id)
}

fn family<'s>(state: &'s State, model: &'s str) -> Cow<'s, str> {
    state.workflow().family_of(model)
}

/// The leave that a principal gave for a review at its present attempt.
fn leave(state: &State, review: usize) -> Option<Leave> {
    state.ruling(review).filter(|(_, ruling)| *ruling == Ruling::Accept).map(|(n, _)| Leave::Decision(n))
}

fn label<'s>(state: &'s State, lane: &LaneId) -> Option<&'s str> {
    state.workflow().lanes.get(lane)?.display_model.as_deref()
}

fn reported(state: &State, session: SessionId) -> Option<&str> {
    state.sessions.get(&session)?.agent.as_ref()?.model.as_deref()
}

/// What a session's agent reports, else what its lane declares.
fn model(state: &State, session: SessionId) -> Option<&str> {
    reported(state, session).or_else(|| label(state, &state.sessions.get(&session)?.lane))
}
