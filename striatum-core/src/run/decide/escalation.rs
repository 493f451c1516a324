//! What only principals can resolve.

use crate::{
    digest::BlobRef,
    id::{Fence, JobId},
    run::{
        RunStatus,
        command::Actor,
        decide::{Draft, authority::expect_person},
        event::{
            Checkpoint, EscalationRaised, EscalationResolved, EscalationTopic, Ruling, RunCompromised,
            RunPaused, RunResumed,
        },
        rejection::Rejection,
        state::{Escalation, State},
    },
};

pub(super) fn raise(
    draft: &mut Draft,
    topic: EscalationTopic,
    job: Option<JobId>,
    reason: Option<BlobRef>,
) -> Result<(), Rejection> {
    let escalation = next(draft);
    draft.emit(EscalationRaised { escalation, topic, job, reason, epoch: None })
}

/// The number of the next escalation.
pub(super) fn next(draft: &Draft) -> u32 {
    u32::try_from(draft.state.escalations.len()).unwrap_or(u32::MAX).saturating_add(1)
}

pub(super) fn escalate(draft: &mut Draft, job: Option<&JobId>, reason: BlobRef) -> Result<(), Rejection> {
    draft.run_status()?;
    if let Some(job) = job {
        draft.index(job)?;
    }
    raise(draft, EscalationTopic::Raised, job.cloned(), Some(reason))
}

/// How many proposals of one job may wait at a time, so that an agent cannot fill the log.
const PROPOSALS: usize = 16;

/// Records what a session proposes. Proposing the same again, while it waits, changes nothing.
pub(super) fn propose(draft: &mut Draft, fence: &Fence, proposal: BlobRef) -> Result<(), Rejection> {
    draft.at_work(fence)?;
    let is_open = |it: &&Escalation| it.ruling.is_none() && it.raised.topic == EscalationTopic::FollowUp;
    let of_job = |it: &&Escalation| it.raised.job.as_ref() == Some(&fence.job);
    let open: Vec<_> = draft.state.escalations.iter().filter(is_open).filter(of_job).collect();
    if open.iter().any(|it| it.raised.reason == Some(proposal)) {
        return Ok(());
    }
    if open.len() >= PROPOSALS {
        return Err(Rejection::TooManyProposals { job: fence.job.clone(), limit: PROPOSALS });
    }
    raise(draft, EscalationTopic::FollowUp, Some(fence.job.clone()), Some(proposal))
}

/// Records how a principal rules on an escalation, and lets happen what was held back if the ruling is to accept.
pub(super) fn settle(
    draft: &mut Draft,
    actor: &Actor,
    number: u32,
    ruling: Ruling,
    rationale: Option<BlobRef>,
) -> Result<(), Rejection> {
    let open = draft.state.escalation(number).filter(|escalation| escalation.ruling.is_none());
    let topic = open.ok_or(Rejection::EscalationUnknown { escalation: number })?.raised.topic;
    expect_person(draft.state, actor, question(topic))?;
    resolve(draft, actor, number, ruling, rationale)?;
    let is_paused = draft.state.paused && draft.state.status == Some(RunStatus::Running);
    if topic == EscalationTopic::BudgetSpent && ruling == Ruling::Accept && is_paused {
        draft.emit(RunResumed { more_budget: true })?;
    }
    Ok(())
}

/// Which of the questions that a workflow may leave to an AI operator an escalation is.
const fn question(topic: EscalationTopic) -> Option<Checkpoint> {
    match topic {
        EscalationTopic::BudgetSpent => Some(Checkpoint::BudgetSpent),
        EscalationTopic::NeedsOperator | EscalationTopic::Raised => Some(Checkpoint::Blocked),
        EscalationTopic::UnjudgedDelivery | EscalationTopic::FollowUp | EscalationTopic::Leave => None,
    }
}

pub(super) fn resolve(
    draft: &mut Draft,
    actor: &Actor,
    escalation: u32,
    ruling: Ruling,
    rationale: Option<BlobRef>,
) -> Result<(), Rejection> {
    draft.emit(EscalationResolved { escalation, ruling, rationale, by: actor.to_string() })
}

/// Resolves every open escalation of a topic by doing what it asks for.
pub(super) fn resolve_all(draft: &mut Draft, actor: &Actor, topic: EscalationTopic) -> Result<(), Rejection> {
    let open = draft.state.escalations.iter().filter(|it| it.ruling.is_none() && it.raised.topic == topic);
    let open: Vec<u32> = open.map(|escalation| escalation.raised.escalation).collect();
    open.into_iter().try_for_each(|number| resolve(draft, actor, number, Ruling::Accept, None))
}

/// Pauses a run that has used up its budget, and asks a principal, once for each budget.
pub(super) fn watch_budget(draft: &mut Draft) -> Result<(), Rejection> {
    let is_asked = draft
        .state
        .escalations
        .iter()
        .any(|it| it.ruling.is_none() && it.raised.topic == EscalationTopic::BudgetSpent);
    if !is_spent(draft.state) || is_asked || draft.state.open_jobs == 0 {
        return Ok(());
    }
    if !draft.state.paused {
        draft.emit(RunPaused {})?;
    }
    raise(draft, EscalationTopic::BudgetSpent, None, None)
}

/// Whether the run has used up all the budget that it was granted.
pub(super) fn is_spent(state: &State) -> bool {
    let budget = state.workflow().budget.as_ref();
    budget.is_some_and(|budget| state.used.spends(budget, state.allotments.into()))
}

pub(super) fn compromise(draft: &mut Draft, actor: &Actor, rationale: BlobRef) -> Result<(), Rejection> {
    expect_person(draft.state, actor, None)?;
    draft.expect_run(&[RunStatus::Completed])?;
    draft.emit(RunCompromised { rationale, by: actor.to_string() })
}
