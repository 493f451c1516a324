//! What a faulty store promises, over a store that is none.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what is not refused here must succeed")]

use striatum_core::{
    id::ChainId,
    store::{AppendError, Batch, ChainMeta, RunHead, Store, StoreErrorKind},
};
use striatum_testkit::{
    faulty::{Fault, FaultyStore, Plan},
    fixture::{Draft, chain, run},
    store::{MemoryStores, Place, StoreFactory},
};

/// A store with an open chain, behind the faults that a test sets.
async fn faulty() -> FaultyStore {
    let store = FaultyStore::new(MemoryStores::default().open(&Place::unused()).await);
    store.open_chain(&main(), &ChainMeta::default()).await.unwrap();
    store
}

fn main() -> ChainId {
    chain("main")
}

fn first() -> Batch {
    Draft::new(&main(), run(1), RunHead::START).batch()
}

fn second(head: RunHead) -> Batch {
    Draft::new(&main(), run(1), head).batch()
}

fn kind(answer: Result<RunHead, AppendError>) -> StoreErrorKind {
    match answer {
        Err(AppendError::Store(error)) => error.kind(),
        other => panic!("{other:?}"),
    }
}

/// How many events the chain has.
async fn events(store: &dyn Store) -> u64 {
    store.head(&main()).await.unwrap().seq
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_the_same_batch_again() {
    let store = faulty().await;
    store.meets(Fault::LostAnswer);
    assert_eq!(kind(store.append(&first()).await), StoreErrorKind::Unknown);
    assert_eq!(events(&store).await, 1);
    assert_eq!(store.append(&first()).await.unwrap().version, 1);
    assert_eq!(events(&store).await, 1);
}

#[tokio::test]
async fn a_crash_is_before_or_after_the_write_and_nobody_answers_until_the_store_recovers() {
    for (fault, landed) in [(Fault::CrashBefore, 0), (Fault::CrashAfter, 1)] {
        let store = faulty().await;
        store.meets(fault);
        assert_eq!(kind(store.append(&first()).await), StoreErrorKind::Unknown);
        assert_eq!(kind(store.append(&first()).await), StoreErrorKind::Unavailable);
        assert_eq!(store.now().await.unwrap_err().kind(), StoreErrorKind::Unavailable);
        store.recover();
        assert_eq!(events(&store).await, landed, "{fault:?}");
        assert_eq!(store.append(&first()).await.unwrap().version, 1);
        assert_eq!(events(&store).await, 1);
    }
}

#[tokio::test]
async fn a_full_disk_refuses_every_write_and_still_reads() {
    let store = faulty().await;
    let head = store.append(&first()).await.unwrap();
    store.meets(Fault::FullDisk);
    for _ in 0..2 {
        assert_eq!(kind(store.append(&second(head)).await), StoreErrorKind::Unavailable);
    }
    assert_eq!(store.renew(&[]).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    assert_eq!(events(&store).await, 1);
    store.recover();
    assert_eq!(store.append(&second(head)).await.unwrap().version, 2);
}

#[tokio::test]
async fn others_overtake_an_append_that_is_slow() {
    let factory = MemoryStores::default();
    let inner = factory.open(&Place::unused()).await;
    inner.open_chain(&main(), &ChainMeta::default()).await.unwrap();
    let (slow, swift) = (FaultyStore::new(inner.clone()), inner);
    slow.meets(Fault::Slow(1));
    let (early, late) =
        (first(), Draft::new(&main(), run(1), RunHead::START).says("somebody else's").batch());
    let (slow, swift) = tokio::join!(slow.append(&early), swift.append(&late));
    assert_eq!(swift.unwrap().version, 1);
    assert!(matches!(slow, Err(AppendError::Conflict)), "{slow:?}");
}

#[tokio::test]
async fn a_plan_is_the_same_for_the_same_seed_and_ends_what_lasts() {
    async fn met(seed: u64) -> (Vec<Fault>, u64) {
        let factory = MemoryStores::default();
        let plan = Plan::seeded(seed).one_in(3).outage(2);
        let store = FaultyStore::following(factory.open(&Place::unused()).await, plan);
        store.open_chain(&main(), &ChainMeta::default()).await.unwrap();
        let mut head = RunHead::START;
        for _ in 0..200 {
            if let Ok(next) = store.append(&second(head)).await {
                head = next;
            }
        }
        (store.met(), head.version)
    }
    let (faults, versions) = met(7).await;
    assert_eq!(met(7).await, (faults.clone(), versions));
    assert_ne!(met(8).await.0, faults);
    assert!(versions > 50, "what lasts does not end: {versions}");
    for kind in [Fault::LostAnswer, Fault::CrashBefore, Fault::CrashAfter, Fault::Slow(2), Fault::FullDisk] {
        assert!(faults.contains(&kind), "{kind:?} never came");
    }
    let only = Plan::seeded(1).one_in(1).only([Fault::LostAnswer]);
    let factory = MemoryStores::default();
    let store = FaultyStore::following(factory.open(&Place::unused()).await, only);
    store.open_chain(&main(), &ChainMeta::default()).await.unwrap();
    assert_eq!(kind(store.append(&first()).await), StoreErrorKind::Unknown);
    assert_eq!(store.met(), [Fault::LostAnswer]);
}
