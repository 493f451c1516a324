//! What happened, from the chain; and whether it, the indexes and the machine agree.

use striatum::core::{
    engine::Auditor,
    run::{Event, LeaseCause, Record, RunStatus},
    store::{Blobs, Store, StoreExt},
};

use crate::{Outcome, keeper};

/// Verifies and audits everything, and prints the sums.
pub(crate) async fn close<S: Store>(store: &S, blobs: &dyn Blobs, runs: usize) -> Outcome {
    let chain = keeper::chain()?;
    let (mut grants, mut expiries, mut unreadable) = (0, 0, None);
    let head = store
        .verify(&chain, None, |sealed| match Record::decode(&sealed.body) {
            Ok(record) => {
                grants += usize::from(matches!(record.event, Event::JobClaimed { .. }));
                expiries += usize::from(is_expiry(&record.event));
            }
            Err(error) => unreadable = Some(error),
        })
        .await?;
    if let Some(error) = unreadable {
        return Err(error.into());
    }
    println!("grants {grants}, expiries {expiries}");
    println!("chain verified up to {head}");

    let mut auditor = Auditor::new(store, &chain, head).folding(blobs);
    let mut completed = 0;
    while let Some(audit) = auditor.next().await? {
        if let Some(finding) = audit.findings.first() {
            return Err(format!("run {}: {}", audit.run.short(), finding.detail).into());
        }
        completed += usize::from(audit.status == RunStatus::Completed);
    }
    if auditor.unaccounted() > 0 {
        return Err(format!("{} events belong to no run", auditor.unaccounted()).into());
    }
    println!("{completed} of {runs} runs completed; events and indexes agree");
    if completed == runs { Ok(()) } else { Err("not every run completed".into()) }
}

/// Whether an event took a lease away because its time was over.
fn is_expiry(event: &Event) -> bool {
    matches!(event, Event::JobReadied(readied) if readied.ended.as_ref().is_some_and(|lease| lease.cause == LeaseCause::Expired))
}
