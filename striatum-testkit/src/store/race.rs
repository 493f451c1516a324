//! Cases about what happens at the same time, on real threads.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a case fails by panicking")]

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll};

use striatum_core::{
    chain::{Position, Verifier},
    id::RunId,
    store::{AppendError, Batch, ChainMeta, Guard, Renewal, RunHead, Store},
};
use tokio::sync::Barrier;

use super::{
    StoreFactory,
    bench::{Bench, TERM, within},
};
use crate::fixture::{Draft, chain, fence, resource, run};

type Answer = Result<RunHead, AppendError>;

/// How many take part in a race, each through a handle of its own, as another process would have one.
const RACERS: u8 = 16;

/// A handle for each who takes part.
async fn handles(bench: &Bench<'_>) -> Vec<Arc<dyn Store>> {
    let mut handles = vec![Arc::clone(&bench.store)];
    while handles.len() < usize::from(RACERS) {
        handles.push(bench.again().await);
    }
    handles
}

/// Sends all batches at the same moment, each through another handle.
async fn at_once(bench: &Bench<'_>, batches: Vec<Batch>) -> Vec<Answer> {
    let handles = handles(bench).await;
    let barrier = Arc::new(Barrier::new(batches.len()));
    let send = |(index, batch): (usize, Batch)| {
        let (store, barrier) = (Arc::clone(&handles[index % handles.len()]), Arc::clone(&barrier));
        tokio::spawn(async move {
            barrier.wait().await;
            store.append(&batch).await
        })
    };
    let sent: Vec<_> = batches.into_iter().enumerate().map(send).collect();
    let mut answers = Vec::new();
    for task in sent {
        answers.push(within(task).await.unwrap());
    }
    answers
}

/// The run moves once; whoever did not move it is told to look again.
pub async fn one_of_many_appends_after_the_same_head_wins(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let mut head = RunHead::START;
    for round in 1..=5 {
        let batches = (0..RACERS).map(|n| bench.next(run(1), head).says(&n.to_string()).batch()).collect();
        let answers = at_once(&bench, batches).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1, "round {round}");
        assert!(lost.iter().all(|answer| matches!(answer, Err(AppendError::Conflict))), "{lost:?}");
        head = *won[0].as_ref().unwrap();
        assert_eq!(head.version, round);
    }
    assert_eq!(bench.verify(&bench.chain).await, Position { seq: 5, digest: head.digest });
}

/// An impatient caller that sends the same batch many times has written it once.
pub async fn the_same_batch_at_the_same_time_is_one_write(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let batch = bench.first(run(1)).events(3).take("one", resource("db")).batch();
    let answers = at_once(&bench, vec![batch; usize::from(RACERS)]).await;
    let digest = bench.head().await.digest;
    for answer in answers {
        assert_eq!(answer.unwrap(), RunHead { version: 3, digest });
    }
    assert_eq!(bench.verify(&bench.chain).await.seq, 3);
}

async fn grow(store: &dyn Store, main: &striatum_core::id::ChainId, id: RunId, batches: u64) {
    let mut head = RunHead::START;
    for _ in 0..batches {
        head = store.append(&Draft::new(main, id, head).batch()).await.unwrap();
    }
}

/// Appends to different runs never meet: each is written, and the chain has one gapless order.
pub async fn appends_to_many_runs_leave_no_gap(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let handles = handles(&bench).await;
    let tasks: Vec<_> = (0..RACERS)
        .zip(&handles)
        .map(|(number, store)| {
            let (store, main) = (Arc::clone(store), bench.chain.clone());
            tokio::spawn(async move { grow(&*store, &main, run(number), 50).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(bench.verify(&bench.chain).await.seq, 800);
    for number in 0..RACERS {
        assert_eq!(bench.events_of(run(number)).await.len(), 50);
    }
}

/// Whoever reads while others write sees the beginning of what is there in the end, never a gap.
pub async fn a_reader_among_writers_sees_no_gap(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let handles = handles(&bench).await;
    let tasks: Vec<_> = (0..RACERS)
        .zip(&handles)
        .map(|(number, store)| {
            let (store, main) = (Arc::clone(store), bench.chain.clone());
            tokio::spawn(async move { grow(&*store, &main, run(number), 25).await })
        })
        .collect();
    let mut verifier = Verifier::new(&bench.chain);
    let mut at = Position::genesis(&bench.chain);
    within(async {
        while at.seq < 400 {
            for event in bench.store.read(&bench.chain, at, 7).await.unwrap() {
                assert_eq!(verifier.push(&event), Ok(()));
                at = event.position();
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(verifier.finish(bench.head().await), Ok(at));
}

/// However many open a chain and append first, it begins once.
pub async fn a_chain_that_many_open_begins_once(factory: &dyn StoreFactory) {
    let bench = Bench::empty(factory).await;
    let handles = handles(&bench).await;
    let barrier = Arc::new(Barrier::new(handles.len()));
    let tasks: Vec<_> = (0..RACERS)
        .zip(&handles)
        .map(|(number, store)| {
            let (store, barrier) = (Arc::clone(store), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                store.open_chain(&chain("main"), &ChainMeta::default()).await.unwrap();
                grow(&*store, &chain("main"), run(number), 1).await;
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(bench.store.chains().await.unwrap().len(), 1);
    assert_eq!(bench.verify(&bench.chain).await.seq, 16);
}

/// Claims of different runs meet at the resource; one goes through.
pub async fn one_of_many_claims_of_a_resource_wins(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let claim = |number: u8| bench.first(run(number)).take(&number.to_string(), resource("db")).batch();
    let answers = at_once(&bench, (0..RACERS).map(claim).collect()).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    assert!(lost.iter().all(|answer| matches!(answer, Err(AppendError::Busy { .. }))), "{lost:?}");
    assert_eq!(bench.head().await.seq, 1);
}

/// Claims that want the same resources in different orders do not wait for each other forever.
pub async fn claims_of_several_resources_do_not_lock_up(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let claim = |number: u8| {
        let (one, two) = if number.is_multiple_of(2) { ("a", "b") } else { ("b", "a") };
        bench.first(run(number)).take("it", resource(one)).take("it", resource(two)).batch()
    };
    let answers = at_once(&bench, (0..RACERS).map(claim).collect()).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
}

/// Either the renewal came first and the guard failed, or the guard held and the lease is lost; never both.
pub async fn a_guard_and_a_renewal_never_both_win(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let other = bench.again().await;
    for number in 0..50 {
        let lease = fence(run(number), "draft", 1);
        let head = bench.append(bench.first(run(number)).grant(lease.clone(), TERM)).await;
        bench.advance(TERM).await;
        let expiry = bench.next(run(number), head).end(lease.clone()).guard(Guard::Lapsed(lease.clone()));
        let barrier = Arc::new(Barrier::new(2));
        let expiring = {
            let (store, barrier, batch) = (Arc::clone(&bench.store), Arc::clone(&barrier), expiry.batch());
            tokio::spawn(async move {
                barrier.wait().await;
                store.append(&batch).await
            })
        };
        let renewing = {
            let store = Arc::clone(&other);
            tokio::spawn(async move {
                barrier.wait().await;
                store.renew(&[(lease, TERM)]).await
            })
        };
        let expired = within(expiring).await.unwrap();
        let renewed = within(renewing).await.unwrap().unwrap();
        let one_won = matches!(
            (&expired, renewed.as_slice()),
            (Err(AppendError::GuardFailed), [Renewal::Held(_)]) | (Ok(_), [Renewal::Lost])
        );
        assert!(one_won, "round {number}: {expired:?}, {renewed:?}");
    }
}

/// A caller that stops waiting leaves either nothing behind or the whole batch; sending it again settles it.
pub async fn an_append_whose_caller_left_is_all_or_nothing(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    for number in 0..20 {
        let batch = bench.first(run(number)).events(3).batch();
        {
            let mut left = pin!(bench.store.append(&batch));
            let _ = poll_fn(|context| Poll::Ready(left.as_mut().poll(context))).await;
        }
        let found = bench.events_of(run(number)).await.len();
        assert!(found == 0 || found == 3, "{found} of 3 events");
        within(bench.store.append(&batch)).await.unwrap();
        assert_eq!(bench.events_of(run(number)).await.len(), 3);
    }
    assert_eq!(bench.verify(&bench.chain).await.seq, 60);
}
