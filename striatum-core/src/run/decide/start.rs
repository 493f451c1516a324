//! From nothing to running, and pauses.

use crate::{
    id::CommitId,
    run::{
        RunStatus,
        command::Actor,
        decide::{Draft, authority::expect_person, escalation},
        event::{
            BranchConfirmed, Checkpoint, EscalationTopic, RunPaused, RunPrepared, RunResumed, RunStarted,
        },
        rejection::Rejection,
    },
    workflow::is_branch_name,
};

pub(super) fn prepare(draft: &mut Draft) -> Result<(), Rejection> {
    if draft.state.status.is_some() {
        return Err(Rejection::AlreadyPrepared);
    }
    let (run, chain) = (draft.state.run, draft.state.chain.clone());
    let snapshot = draft.snapshot;
    draft.emit(RunPrepared {
        run,
        chain,
        snapshot: snapshot.blob(),
        workflow: snapshot.workflow().workflow_id.clone(),
        base: snapshot.base().clone(),
    })
}

pub(super) fn confirm_branch(
    draft: &mut Draft,
    branch: &str,
    at: Option<&CommitId>,
) -> Result<(), Rejection> {
    if !is_branch_name(branch) {
        return Err(Rejection::BranchName { branch: branch.to_owned() });
    }
    draft.expect_run(&[RunStatus::NeedsBranchConfirmation])?;
    draft.emit(BranchConfirmed { branch: branch.to_owned(), at: at.cloned() })
}

pub(super) fn start(draft: &mut Draft) -> Result<(), Rejection> {
    match draft.run_status()? {
        RunStatus::Running => Ok(()),
        RunStatus::Ready => {
            draft.emit(RunStarted {})?;
            // Nothing was touched yet, so closure has to be told where to begin: at what waits for nothing.
            let graph = draft.state.snapshot.graph();
            let roots: Vec<usize> =
                (0..draft.state.jobs.len()).filter(|job| graph.upstream(*job).is_empty()).collect();
            draft.touched.jobs.extend(roots);
            Ok(())
        }
        status @ (RunStatus::NeedsBranchConfirmation
        | RunStatus::Completed
        | RunStatus::Failed
        | RunStatus::Canceled
        | RunStatus::NeedsOperator
        | RunStatus::Compromised) => Err(Rejection::RunStatus { status }),
    }
}

pub(super) fn pause(draft: &mut Draft) -> Result<(), Rejection> {
    draft.expect_run(&[RunStatus::Ready, RunStatus::Running])?;
    if draft.state.paused { Ok(()) } else { draft.emit(RunPaused {}) }
}

/// Resuming a run that has used up its budget grants it as much again.
pub(super) fn resume(draft: &mut Draft, actor: &Actor) -> Result<(), Rejection> {
    draft.expect_run(&[RunStatus::Ready, RunStatus::Running])?;
    if !draft.state.paused {
        return Ok(());
    }
    let more_budget = escalation::is_spent(draft.state);
    if more_budget {
        expect_person(draft.state, actor, Some(Checkpoint::BudgetSpent))?;
        escalation::resolve_all(draft, actor, EscalationTopic::BudgetSpent)?;
    }
    draft.emit(RunResumed { more_budget })
}
