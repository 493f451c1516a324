//! What the orchestrator owes a run, found again after a crash.

use std::{fs, io, sync::Arc};

use striatum_core::{
    digest::Digest,
    id::{CommandId, CommitId, RunId},
    run::{ArtifactPublished, Deviation, Intent, LeaseReport, Pending, Rejection, Ruling, State},
};
use striatum_workspace::{BranchName, Delivery, Grant, Merged, WorkspaceError};
use tokio::time::timeout;

use crate::{
    adapter::{End, Finished, TaskMark},
    fault, mint,
    orchestrator::{
        Error, ErrorKind, Shared,
        base::Base,
        calling, collect,
        grant::{Work, is_stale},
        used,
    },
};

/// Does one thing that is owed. The state is the one that it was found in; a fence that has ended since is found so again.
#[tracing::instrument(name = "owed", skip_all, fields(run = %state.run().short(), what = what(pending)))]
pub(super) async fn settle(shared: &Arc<Shared>, state: &State, pending: &Pending) -> Result<(), Error> {
    let within = shared.limits.effect;
    timeout(within, settled(shared, state, pending)).await.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::TimedOut, format!("{} within {} s", what(pending), within.as_secs())))
    })
}

const fn what(pending: &Pending) -> &'static str {
    match pending {
        Pending::Drive { .. } => "recover a grant",
        Pending::CloseTree { .. } => "close a tree",
        Pending::Deliver { .. } => "deliver a run",
        Pending::Notify { .. } => "tell of an escalation",
        Pending::Tell { .. } => "tell of a question",
        _ => "do what is owed",
    }
}

async fn settled(shared: &Arc<Shared>, state: &State, pending: &Pending) -> Result<(), Error> {
    let id = pending.command_id();
    match pending {
        Pending::Drive { fence, .. } => match Work::new(shared, state, fence) {
            Some(work) => {
                recover(&work, id).await?;
                close_tree(shared, &work.grant, work.closing.command_id()).await
            }
            None => Ok(()),
        },
        Pending::CloseTree { fence, attempt, granted_at, .. } => {
            let Some(spec) = state.workflow().job(&fence.job) else { return Ok(()) };
            let scope = spec.write_scope.clone();
            let grant = Grant { fence: fence.clone(), attempt: *attempt, granted_at: *granted_at, scope };
            close_tree(shared, &grant, id).await
        }
        Pending::Deliver { run } => deliver(shared, state, *run, id).await,
        Pending::Notify { run, escalation } => {
            calling::escalation(shared, state, *escalation, id).await?;
            let intent = Intent::Notified { escalation: *escalation };
            shared.act(*run, id, intent).await.map(drop)
        }
        Pending::Tell { run, question } => {
            calling::question(shared, state, *question, id).await?;
            let told = shared.act(*run, id, Intent::Told { question: *question }).await;
            match told {
                // It was answered meanwhile.
                Err(error) if matches!(error.rejection(), Some(Rejection::QuestionUnknown { .. })) => Ok(()),
                other => other.map(drop),
            }
        }
        _ => Ok(()),
    }
}

/// A grant whose owner is dead. Its processes are ended first. If its agent had its whole task and had ended well by itself, its work
/// is handed in as if nothing had happened; else what it left is set aside and the job is handed out again. An agent that ended badly may have done
/// so because nobody listened any more (a broken pipe), which is not a failure of the attempt.
async fn recover(work: &Work<'_>, id: CommandId) -> Result<(), Error> {
    let shared = work.shared;
    let _held = work.hold(&shared.stopping.child_token());
    let folder = shared.session_folder(&work.grant);
    let till_its_end = used::unwatched(&folder);
    let reaped = shared.sandbox.reap(&folder).await?;
    let measured = if reaped.killed > 0 { used::unwatched(&folder) } else { till_its_end };
    tracing::info!(fence = %work.fence(), killed = reaped.killed, outcome = ?reaped.outcome, "found again");
    let tree = shared.repository.tree(&work.grant).await?;
    let outcome = reaped.outcome.filter(|exit| exit.is_success() && TaskMark::of(&folder).is_set());
    if let (Some(exit), Some(tree)) = (outcome, &tree)
        && let Base::Commit(base) = shared.base(work.state, &work.fence().job).await?
    {
        let finished = Finished::new(End::Ended, Some(exit), measured);
        return work.hand_in(tree, &base, &finished).await;
    }
    let set_aside = match &tree {
        Some(tree) => {
            work.clear_desk(tree)?;
            shared.repository.set_aside(tree).await?
        }
        None => None,
    };
    let reported = collect::report_file(work).map(|report| report.usage).unwrap_or_default();
    let report = LeaseReport {
        set_aside,
        exit: reaped.outcome,
        usage: Some(used::total(measured, &reported)),
        ..LeaseReport::new(work.fence().clone())
    };
    match shared.act(work.fence().run, id, Intent::Crash(report)).await {
        // It stands already, and was measured a little earlier.
        Err(error)
            if is_stale(&error) || matches!(error.rejection(), Some(Rejection::CommandReused { .. })) =>
        {
            Ok(())
        }
        other => other.map(drop),
    }
}

/// Ends what still runs for a grant that is over, keeps what it left, and closes its tree.
async fn close_tree(shared: &Shared, grant: &Grant, id: CommandId) -> Result<(), Error> {
    let folder = shared.session_folder(grant);
    shared.sandbox.reap(&folder).await?;
    if let Some(tree) = shared.repository.tree(grant).await? {
        fault::point("close_tree.before");
        match shared.repository.close_tree(&tree).await {
            // Most trees hold nothing but what was handed in.
            Err(WorkspaceError::Unsaved { .. }) => {
                shared.repository.set_aside(&tree).await?;
                shared.repository.close_tree(&tree).await?;
            }
            closed => closed?,
        }
        fault::point("close_tree.after");
    }
    let kept = shared.repository.branch(&BranchName::of_grant(&grant.fence, grant.attempt)).await?;
    match fs::remove_dir_all(folder.join("tmp")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(folder_error(shared, error)),
        _ => {}
    }
    match shared.act(grant.fence.run, id, Intent::TreeClosed { fence: grant.fence.clone(), kept }).await {
        // Somebody else closed it, or we did before the answer was lost, when the branch was elsewhere.
        Err(error)
            if matches!(
                error.rejection(),
                Some(Rejection::NothingOwed | Rejection::CommandReused { .. })
            ) =>
        {
            Ok(())
        }
        other => other.map(drop),
    }
}

/// Moves the run's branch to its result, from where it was when it was confirmed and from nowhere else.
async fn deliver(shared: &Shared, state: &State, run: RunId, id: CommandId) -> Result<(), Error> {
    let Some(branch) = state.branch() else { return Ok(()) };
    let commit = match shared.result(state).await? {
        Merged::Commit(commit) => commit,
        Merged::Conflict { paths } => {
            let doing =
                format!("deliver run {}: its results do not merge: {}", run.short(), paths.join(", "));
            return Err(Error::new(ErrorKind::Undeliverable, doing));
        }
    };
    let deviations = deviations(shared, state, &commit).await?;
    let has_leave = state.withheld().is_some_and(|withheld| withheld.ruling == Some(Ruling::Accept));
    if state.workflow().require_judged_delivery && !deviations.is_empty() && !has_leave {
        // The id of the item is that of the delivery, which may yet follow.
        let intent = Intent::Withhold { commit, deviations };
        return shared.act(run, mint::command_id()?, intent).await.map(drop);
    }
    fault::point("move_branch.before");
    let delivery = Delivery {
        branch: BranchName::new(&branch.branch)?,
        expected: branch.at.clone(),
        commit: commit.clone(),
    };
    shared.repository.deliver(&delivery).await?;
    fault::point("move_branch.after");
    shared.act(run, id, Intent::Delivered { commit, deviations }).await.map(drop)
}

/// Judged artifacts whose delivered bytes are not those that were judged.
async fn deviations(shared: &Shared, state: &State, commit: &CommitId) -> Result<Vec<Deviation>, Error> {
    let mut deviations = Vec::new();
    for artifact in judged_artifacts(state) {
        let delivered =
            shared.repository.read_at(commit, &artifact.path).await?.map(|bytes| Digest::of(&bytes));
        if delivered != Some(artifact.content.digest) {
            let (job, path) = (artifact.job.clone(), artifact.path.clone());
            deviations.push(Deviation { job, path, judged: artifact.content.digest, delivered });
        }
    }
    Ok(deviations)
}

/// The artifacts that live verdicts are about, each once.
fn judged_artifacts(state: &State) -> Vec<ArtifactPublished> {
    let verdicts = state.jobs().filter_map(|(_, job)| job.live_verdict());
    let judged = verdicts.flat_map(|verdict| &verdict.judged);
    let mut artifacts: Vec<ArtifactPublished> = judged
        .filter_map(|judged| Some((judged, state.job(&judged.job)?)))
        .flat_map(|(judged, job)| job.artifacts.iter().filter(|artifact| artifact.attempt == judged.attempt))
        .map(|artifact| artifact.as_ref().clone())
        .collect();
    artifacts.sort_by(|a, b| (&a.job, &a.name).cmp(&(&b.job, &b.name)));
    artifacts.dedup();
    artifacts
}

pub(super) fn folder_error(shared: &Shared, error: io::Error) -> Error {
    Error::new(ErrorKind::DataFolder, format!("use the data folder {}", shared.data.display())).because(error)
}
