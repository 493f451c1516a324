//! From nothing to running, and pauses.

use crate::{
    id::CommitId,
    run::{
        JobStatus, RunStatus,
        command::Actor,
        decide::{Draft, expect_principal},
        event::{BranchConfirmed, RunPaused, RunPrepared, RunResumed, RunStarted},
        rejection::Rejection,
    },
    workflow::is_branch_name,
};

pub(super) fn prepare(draft: &mut Draft) -> Result<(), Rejection> {
    if draft.state.status.is_some() {
        return Err(Rejection::AlreadyPrepared);
    }
    let (run, chain) = (draft.state.run, draft.state.chain.clone());
    let snapshot = draft.state.snapshot.clone();
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
    actor: &Actor,
    branch: &str,
    at: Option<&CommitId>,
) -> Result<(), Rejection> {
    expect_principal(actor)?;
    if !is_branch_name(branch) {
        return Err(Rejection::BranchName { branch: branch.to_owned() });
    }
    draft.expect_run(&[RunStatus::NeedsBranchConfirmation])?;
    draft.emit(BranchConfirmed { branch: branch.to_owned(), at: at.cloned() })
}

pub(super) fn start(draft: &mut Draft, actor: &Actor) -> Result<(), Rejection> {
    expect_principal(actor)?;
    match draft.run_status()? {
        RunStatus::Running => Ok(()),
        RunStatus::Ready => {
            draft.emit(RunStarted {})?;
            // Nothing was touched yet, so closure has to be told where to begin.
            let pending =
                (0..draft.state.jobs.len()).filter(|job| draft.job(*job).status == JobStatus::Pending);
            let pending: Vec<usize> = pending.collect();
            draft.touched.jobs.extend(pending);
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

pub(super) fn pause(draft: &mut Draft, actor: &Actor) -> Result<(), Rejection> {
    expect_principal(actor)?;
    draft.expect_run(&[RunStatus::Ready, RunStatus::Running])?;
    if draft.state.paused { Ok(()) } else { draft.emit(RunPaused {}) }
}

pub(super) fn resume(draft: &mut Draft, actor: &Actor) -> Result<(), Rejection> {
    expect_principal(actor)?;
    draft.expect_run(&[RunStatus::Ready, RunStatus::Running])?;
    if draft.state.paused { draft.emit(RunResumed {}) } else { Ok(()) }
}
