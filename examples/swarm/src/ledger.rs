//! What happened, from the chain; and whether it, the indexes and the repository agree.

use striatum::{
    Orchestrator,
    core::{
        digest::Digest,
        engine::Auditor,
        id::RunId,
        run::{Event, LeaseCause, Record, RunStatus},
        store::{Store, StoreExt},
    },
    workspace::BranchName,
};

use crate::Outcome;

/// Verifies and audits everything, and prints the sums.
pub(crate) async fn close<S: Store>(store: &S, orchestrator: &Orchestrator, runs: usize) -> Outcome {
    let chain = orchestrator.repository().chain();
    let (mut grants, mut expiries, mut crashes, mut unreadable) = (0, 0, 0, None);
    let head = store
        .verify(chain, None, |sealed| match Record::decode(&sealed.body) {
            Ok(record) => {
                grants += usize::from(matches!(record.event, Event::JobClaimed(_)));
                expiries += usize::from(lost_lease(&record.event) == Some(LeaseCause::Expired));
                crashes += usize::from(lost_lease(&record.event) == Some(LeaseCause::Crashed));
            }
            Err(error) => unreadable = Some(error),
        })
        .await?;
    if let Some(error) = unreadable {
        return Err(error.into());
    }
    println!("grants {grants}, expiries {expiries}, crashes {crashes}");
    println!("chain verified up to {head}");

    let blobs = orchestrator.engine().blobs();
    let mut auditor = Auditor::new(store, chain, head).folding(&**blobs);
    let (mut completed, mut delivered) = (0, 0);
    while let Some(audit) = auditor.next().await? {
        if let Some(finding) = audit.findings.first() {
            return Err(format!("run {}: {}", audit.run.short(), finding.detail).into());
        }
        completed += usize::from(audit.status == RunStatus::Completed);
        delivered += judged_files(orchestrator, audit.run).await?;
    }
    if auditor.unaccounted() > 0 {
        return Err(format!("{} events belong to no run", auditor.unaccounted()).into());
    }
    println!("{completed} of {runs} runs completed; events and indexes agree");
    println!("every branch holds what was judged, {delivered} files in all");
    if completed == runs { Ok(()) } else { Err("not every run completed".into()) }
}

/// Why an event takes a job back from whoever held it.
fn lost_lease(event: &Event) -> Option<LeaseCause> {
    match event {
        Event::JobReadied(readied) => readied.ended.as_ref().map(|lease| lease.cause),
        _ => None,
    }
}

/// How many files of the run's branch were judged.
///
/// # Errors
/// If the branch is not where the run was delivered, or one of the files is not what was judged.
async fn judged_files(orchestrator: &Orchestrator, run: RunId) -> Outcome<usize> {
    let (state, repository) = (orchestrator.load(run).await?.state, orchestrator.repository());
    let name = &state.branch().ok_or("a run has no branch")?.branch;
    let commit = repository.branch(&BranchName::new(name)?).await?.ok_or(format!("no branch {name}"))?;
    if state.delivered() != Some(&commit) {
        return Err(format!("branch {name} is not where run {} was delivered", run.short()).into());
    }
    let verdicts = state.jobs().filter_map(|(_, job)| job.live_verdict());
    let mut files = 0;
    for judged in verdicts.flat_map(|verdict| &verdict.judged) {
        let job = state.job(&judged.job).ok_or("a verdict is about no job")?;
        for (artifact, digest) in &judged.artifacts {
            let known = job.artifacts.iter().find(|known| known.name == *artifact);
            let path = &known.ok_or("a verdict is about no artifact")?.path;
            let bytes = repository.read_at(&commit, path).await?.map(|bytes| Digest::of(&bytes));
            if bytes != Some(*digest) {
                return Err(format!("{path} of branch {name} is not what was judged").into());
            }
            files += 1;
        }
    }
    Ok(files)
}
