//! Reading the store.

use std::time::Duration;

use striatum_core::{
    chain::Position,
    engine::{AuditDepth, Auditor},
    id::ChainId,
    store::{ChainInfo, Store, StoreError, StoreExt, VerifyError},
    time::Timestamp,
};
use striatum_sqlite::SqliteStore;

use crate::{
    args::Args,
    blobs::Folder,
    problem::Problem,
    progress::Progress,
    report::{Audit, Chain, Report, moment},
};

/// How long to wait for somebody who holds the whole file.
const PATIENCE: Duration = Duration::from_secs(2);

/// The chain of what operators asked. Its rows are no events of runs.
const REQUESTS: &str = "audit";

/// Verifies what the caller wants of a store. Whatever happens, there is a report of it.
pub(crate) async fn store(args: &Args) -> Report {
    let mut report = Report::new(args.path.clone());
    let problem = read(args, &mut report.chains).await.err();
    report.settled(problem)
}

async fn read(args: &Args, chains: &mut Vec<Chain>) -> Result<(), Problem> {
    if let Some(problem) = Problem::of_path(&args.path) {
        return Err(problem);
    }
    let failed = |error: StoreError| Problem::of_store(&error);
    let store = SqliteStore::builder(&args.path).patience(PATIENCE).open_read_only().await.map_err(failed)?;
    let wanted = wanted(args, store.chains().await.map_err(failed)?)?;
    for info in wanted {
        let id = info.chain;
        chains.push(Chain::new(id.to_string(), info.label, args.expect));
        // It was pushed just now.
        let Some(chain) = chains.last_mut() else { break };
        if let Some(head) = digests(&store, &id, args.expect, info.head.seq, chain).await.map_err(failed)? {
            chain.head = Some(head.to_string());
            if !args.no_audit && id.as_str() != REQUESTS {
                chain.audit = Some(audit(&store, &id, head, args).await.map_err(failed)?);
            }
        }
    }
    Ok(())
}

/// The chains to verify.
fn wanted(args: &Args, mut chains: Vec<ChainInfo>) -> Result<Vec<ChainInfo>, Problem> {
    if chains.is_empty() {
        return Err(Problem::new(
            "no_chain",
            "the store has no chain, so there is nothing to verify",
            "if it should have one, verify the file together with the -wal file beside it, or another copy",
        ));
    }
    let names: Vec<&str> = chains.iter().map(|info| info.chain.as_str()).collect();
    let names = names.join(", ");
    if let Some(wanted) = &args.chain {
        chains.retain(|info| info.chain == *wanted);
        if chains.is_empty() {
            let remedy = format!("choose one of the chains that the store has: {names}");
            return Err(Problem::new("no_such_chain", format!("the store has no chain {wanted}"), remedy));
        }
    }
    if args.expect.is_some() && args.chain.is_none() {
        chains.retain(|info| info.chain.as_str() != REQUESTS);
    }
    if args.expect.is_some() && chains.len() != 1 {
        return Err(Problem::new(
            "expectation_ambiguous",
            format!("--expect is about one chain, the store has {}", chains.len()),
            format!("name it with --chain; the chains are: {names}"),
        ));
    }
    Ok(chains)
}

/// Verifies one chain, and returns its head if it is sound.
async fn digests(
    store: &SqliteStore,
    id: &ChainId,
    expect: Option<Position>,
    expected_events: u64,
    chain: &mut Chain,
) -> Result<Option<Position>, StoreError> {
    let mut progress = Progress::new();
    let (mut events, mut first, mut last) = (0, None, Timestamp::default());
    let verified = store.verify(id, expect, |event| {
        events = event.seq;
        first = first.or(Some(event.at));
        last = event.at;
        progress.at("verifying", events, expected_events);
    });
    let verified = verified.await;
    progress.clear();
    chain.events = events;
    chain.first_at = first.map(moment);
    chain.last_at = first.map(|_| moment(last));
    match verified {
        Ok(head) => Ok(Some(head)),
        Err(VerifyError::Chain(error)) => {
            chain.fault = Some(error.into());
            Ok(None)
        }
        Err(VerifyError::Store(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Audits one chain up to a verified head.
async fn audit(store: &dyn Store, id: &ChainId, head: Position, args: &Args) -> Result<Audit, StoreError> {
    let blobs = args.blobs_folder().map(Folder);
    let mut auditor = Auditor::new(store, id, head);
    if let Some(blobs) = &blobs {
        auditor = auditor.folding(blobs);
    }
    let mut audit = Audit::default();
    while let Some(run) = auditor.next().await? {
        audit.runs += 1;
        audit.folded += u64::from(run.depth == AuditDepth::Folded);
        run.findings.into_iter().for_each(|finding| audit.add(finding));
    }
    audit.unaccounted = auditor.unaccounted();
    Ok(audit)
}
