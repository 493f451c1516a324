//! Effects that the shell reports as done.

use crate::{
    id::{CommitId, Fence},
    run::{
        RunStatus,
        decide::{Draft, escalation},
        event::{
            DeliveryWithheld, Deviation, EscalationNotified, EscalationTopic, Ruling, RunDelivered,
            TreeClosed,
        },
        rejection::Rejection,
    },
};

pub(super) fn tree_closed(
    draft: &mut Draft,
    fence: &Fence,
    kept: Option<&CommitId>,
) -> Result<(), Rejection> {
    let index = draft.index(&fence.job)?;
    let tree = draft.state.tree(index, fence.epoch).map(|place| &draft.state.trees[place].1);
    let open = fence.run == draft.state.run && tree.is_ok_and(|tree| tree.session == fence.session);
    if !open || draft.state.is_live(fence) {
        return Err(Rejection::NothingOwed);
    }
    draft.emit(TreeClosed { job: fence.job.clone(), epoch: fence.epoch, kept: kept.cloned() })
}

pub(super) fn delivered(
    draft: &mut Draft,
    commit: &CommitId,
    deviations: &[Deviation],
) -> Result<(), Rejection> {
    draft.expect_run(&[RunStatus::Completed])?;
    let has_leave = draft.state.withheld.as_ref().is_some_and(|it| it.ruling == Some(Ruling::Accept));
    let is_judged = deviations.is_empty() || !draft.state.workflow().require_judged_delivery;
    if !is_judged && !has_leave && draft.state.delivered.is_none() {
        return Err(Rejection::DeliveryNotJudged { files: deviations.len() });
    }
    match (&draft.state.delivered, &draft.state.branch) {
        (None, Some(branch)) => {
            let branch = branch.branch.clone();
            draft.emit(RunDelivered { branch, commit: commit.clone(), deviations: deviations.to_vec() })
        }
        (Some(delivered), _) if delivered == commit => Ok(()),
        (Some(_), _) | (None, None) => Err(Rejection::NothingOwed),
    }
}

/// Holds back a result that differs from what was judged, and asks a principal, once.
pub(super) fn withhold(
    draft: &mut Draft,
    commit: &CommitId,
    deviations: &[Deviation],
) -> Result<(), Rejection> {
    draft.expect_run(&[RunStatus::Completed])?;
    let state = &draft.state;
    let is_owed = state.workflow().require_judged_delivery && state.delivered.is_none();
    if !is_owed || deviations.is_empty() {
        return Err(Rejection::NothingOwed);
    }
    if state.withheld.is_some() {
        return Ok(());
    }
    draft.emit(DeliveryWithheld { commit: commit.clone(), deviations: deviations.to_vec() })?;
    escalation::raise(draft, EscalationTopic::UnjudgedDelivery, None, None)
}

pub(super) fn notified(draft: &mut Draft, escalation: u32) -> Result<(), Rejection> {
    match draft.state.escalation(escalation) {
        None => Err(Rejection::NothingOwed),
        Some(raised) if raised.notified => Ok(()),
        Some(_) => draft.emit(EscalationNotified { escalation }),
    }
}
