//! Cases about [`Store::changed`](striatum_core::store::Store::changed).
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a case fails by panicking")]

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll};

use striatum_core::{
    id::ChainId,
    store::{Mark, RunHead, Store, StoreErrorKind, Wait},
};

use super::{
    StoreFactory,
    bench::{Bench, kind, within},
};
use crate::fixture::{Draft, chain, run};

async fn changed(store: &Arc<dyn Store>, chain: Option<&ChainId>, after: Mark) -> Mark {
    within(store.changed(&Wait { chain: chain.cloned(), after })).await.unwrap()
}

/// Whoever has seen nothing is told at once how far the log has grown.
pub async fn waiting_from_the_default_mark_returns_at_once(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let empty = changed(&bench.store, Some(&bench.chain), Mark::default()).await;
    assert!(empty > Mark::default(), "whoever waits with the mark of an empty log would spin");
    assert!(changed(&bench.store, None, Mark::default()).await > Mark::default());
    bench.append(bench.first(run(1))).await;
    assert!(changed(&bench.store, Some(&bench.chain), Mark::default()).await > empty);
    let unknown = Wait { chain: Some(chain("none")), after: Mark::default() };
    assert_eq!(kind(bench.store.changed(&unknown).await), StoreErrorKind::Other);
}

/// What was appended between two calls is not missed.
pub async fn waiting_from_an_old_mark_returns_at_once(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    for scope in [Some(&bench.chain), None] {
        let before = changed(&bench.store, scope, Mark::default()).await;
        bench.append(bench.first(run(u8::from(scope.is_some())))).await;
        assert!(changed(&bench.store, scope, before).await > before);
    }
}

/// An append by anybody, through any handle, ends the wait for its chain and the wait for the store.
pub async fn an_append_elsewhere_ends_the_wait(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let other = bench.again().await;
    for (round, scope) in [Some(bench.chain.clone()), None].into_iter().enumerate() {
        for (turn, appender) in [&bench.store, &other].into_iter().enumerate() {
            let before = changed(&bench.store, scope.as_ref(), Mark::default()).await;
            let wait = Wait { chain: scope.clone(), after: before };
            let store = Arc::clone(&bench.store);
            let waiting = tokio::spawn(async move { store.changed(&wait).await });
            tokio::task::yield_now().await;
            let id = run(u8::try_from(2 * round + turn).unwrap());
            appender.append(&bench.first(id).batch()).await.unwrap();
            assert!(within(waiting).await.unwrap().unwrap() > before);
        }
    }
}

/// One append wakes everybody who waits for it.
pub async fn every_waiter_is_woken(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let mark = changed(&bench.store, Some(&bench.chain), Mark::default()).await;
    let wait = || {
        let (store, wait) =
            (Arc::clone(&bench.store), Wait { chain: Some(bench.chain.clone()), after: mark });
        tokio::spawn(async move { store.changed(&wait).await })
    };
    let waiting: Vec<_> = (0..16).map(|_| wait()).collect();
    tokio::task::yield_now().await;
    bench.append(bench.first(run(1))).await;
    for waiter in waiting {
        assert!(within(waiter).await.unwrap().unwrap() > mark);
    }
}

/// A chain's waiter does not return when another chain grows.
pub async fn the_growth_of_another_chain_does_not_end_the_wait(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let side = chain("side");
    bench.open_chain(&side).await;
    let mark = changed(&bench.store, Some(&bench.chain), Mark::default()).await;
    let wait = Wait { chain: Some(bench.chain.clone()), after: mark };
    let mut waiting = bench.store.changed(&wait);
    let mut seen = changed(&bench.store, None, Mark::default()).await;
    for number in 0..8 {
        let growth = async {
            bench.append(Draft::new(&side, run(number), RunHead::START)).await;
            changed(&bench.store, None, seen).await
        };
        tokio::select! {
            biased;
            mark = &mut waiting => panic!("returned {mark:?} although its chain did not grow"),
            grown = growth => seen = grown,
        }
    }
    bench.append(bench.first(run(9))).await;
    assert!(within(waiting).await.unwrap() > mark);
}

/// Dropping a wait in the middle loses nothing: the next one is given the same mark.
pub async fn a_wait_that_was_dropped_loses_nothing(factory: &dyn StoreFactory) {
    let bench = Bench::new(factory).await;
    let mut mark = changed(&bench.store, Some(&bench.chain), Mark::default()).await;
    for number in 0..20 {
        let wait = Wait { chain: Some(bench.chain.clone()), after: mark };
        {
            let mut dropped = pin!(bench.store.changed(&wait));
            let polled = poll_fn(|context| Poll::Ready(dropped.as_mut().poll(context))).await;
            assert!(polled.is_pending(), "returned although nothing was appended");
            bench.append(bench.first(run(number))).await;
        }
        let next = changed(&bench.store, Some(&bench.chain), mark).await;
        assert!(next > mark);
        mark = next;
    }
}
