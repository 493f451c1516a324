//! Cases about what a crash leaves: everything that was acknowledged, and no half of anything.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a case fails by panicking")]

use striatum_core::store::{AppendError, Guard};

use super::{
    StoreFactory,
    bench::{Bench, TERM, assert_refused},
};
use crate::fixture::{fence, holder, ready, resource, run};

/// What was acknowledged last is there, with its lease, its resource and its ready job, and a repetition is recognised.
pub async fn what_was_acknowledged_is_there_after_a_crash(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let lease = fence(run(1), "draft", 1);
    let head = bench.append(bench.first(run(1)).events(3).ready(ready("review"))).await;
    let last = bench.next(run(1), head).grant(lease.clone(), TERM).take("draft", resource("db")).batch();
    let acknowledged = bench.store.append(&last).await.unwrap();
    let Some(bench) = bench.crash().await else { return };
    assert_eq!(bench.head().await.digest, acknowledged.digest);
    assert_eq!(bench.events_of(run(1)).await.len(), 4);
    assert_eq!(bench.runs().await.len(), 1);
    assert_eq!(bench.ready().await, ["review"]);
    assert_eq!(bench.store.append(&last).await.unwrap(), acknowledged);
    let other = bench.refusal(bench.first(run(2)).take("two", resource("db"))).await;
    assert_refused!(other, AppendError::Busy { holder: ref it, .. } if *it == holder(run(1), "draft"));
    bench.advance(TERM).await;
    assert_eq!(bench.due().await.lapsed, std::slice::from_ref(&lease));
    let expiry = bench.next(run(1), acknowledged).end(lease.clone()).guard(Guard::Lapsed(lease));
    bench.append(expiry).await;
    bench.verify(&bench.chain).await;
}

/// A batch that was under way is there as a whole or not at all, and its repetition is one write.
pub async fn a_batch_is_whole_or_not_there_after_a_crash(factory: &dyn StoreFactory) {
    const EVENTS: u64 = 500;
    let bench = Bench::new(factory).await;
    let head = bench.append(bench.first(run(1))).await;
    let batch = bench.next(run(1), head).events(EVENTS).ready(ready("draft")).batch();
    // It is not waited for: it lands before the crash, or after it for a store that is gone, or never.
    let (store, under_way) = (bench.store.clone(), batch.clone());
    let append = tokio::spawn(async move { store.append(&under_way).await });
    tokio::task::yield_now().await;
    let crashed = bench.crash().await;
    let answer = append.await.unwrap();
    let Some(bench) = crashed else { return };
    let (found, shown) = (bench.events_of(run(1)).await.len() as u64, bench.ready().await);
    assert!(found == 1 || found == 1 + EVENTS, "{found} events are there of 1 and {EVENTS}: {answer:?}");
    assert_eq!(shown.len(), usize::from(found > 1), "the index is as far as the log");
    let landed = bench.store.append(&batch).await.unwrap();
    assert_eq!(landed.version, 1 + EVENTS);
    assert_eq!(bench.events_of(run(1)).await.len() as u64, 1 + EVENTS);
    assert_eq!(bench.head().await.digest, landed.digest);
    bench.verify(&bench.chain).await;
}

/// Nothing that was refused comes to stand in the log by a crash.
pub async fn what_was_refused_is_not_there_after_a_crash(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let head = bench.append(bench.first(run(1))).await;
    assert_refused!(bench.refusal(bench.first(run(1)).says("other")).await, AppendError::Conflict);
    let lease = fence(run(1), "draft", 1);
    let early = bench.next(run(1), head).guard(Guard::Lapsed(lease));
    assert_refused!(bench.refusal(early).await, AppendError::GuardFailed);
    let Some(bench) = bench.crash().await else { return };
    assert_eq!(bench.events_of(run(1)).await.len(), 1);
    assert_eq!(bench.head().await.digest, head.digest);
    bench.append(bench.next(run(1), head)).await;
}
