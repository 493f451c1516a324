//! Appends that meet: in one process, and from several.

use std::{sync::Arc, time::Duration};

use striatum_core::{
    id::Fence,
    store::{AppendError, ChainMeta, Guard, RunHead, Store, StoreErrorKind, StoreExt},
};
use striatum_pg::PgStore;
use striatum_testkit::fixture::{self, Draft, fence, ready, resource, run};
use tokio::sync::Barrier;

use crate::server::{OWNER, Schema, chain, verify, wide};

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_batch_fails_alone() {
    let Some(schema) = Schema::new().await else { return };
    let store = Arc::new(schema.store().await);
    // They queue up behind the first and travel together.
    let tasks: Vec<_> = (0..32_u8)
        .map(|number| {
            let store = Arc::clone(&store);
            let mut row = ready("draft");
            if number == 17 {
                // No text of Postgres holds this character.
                row.adapter = "\0".to_owned();
            }
            let batch = Draft::new(&chain(), run(number), RunHead::START).ready(row).batch();
            tokio::spawn(async move { store.append(&batch).await })
        })
        .collect();
    for (number, task) in tasks.into_iter().enumerate() {
        match task.await.unwrap() {
            Ok(head) => assert_eq!((head.version, number == 17), (1, false)),
            Err(AppendError::Store(error)) => {
                assert_eq!((error.kind(), number), (StoreErrorKind::Other, 17), "{error:?}");
            }
            Err(other) => panic!("{number}: {other:?}"),
        }
    }
    assert_eq!(verify(&store).await.seq, 31);
}

/// Each of these groups holds batches of every kind of answer, and all meet the others on runs and resources.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn groups_of_several_processes_neither_lock_up_nor_mix_their_answers() {
    let Some(schema) = Schema::new().await else { return };
    let mut stores = Vec::new();
    for _ in 0..4 {
        stores.push(Arc::new(schema.store().await));
    }
    for round in 0..10 {
        let barrier = Arc::new(Barrier::new(64));
        let tasks: Vec<_> = (0..64_u64)
            .map(|n| {
                let (store, barrier) = (Arc::clone(&stores[(n % 4) as usize]), Arc::clone(&barrier));
                // Four send the same batch; each run wants two of eight resources, in an order of its own.
                let id = wide(round * 100 + n / 4);
                let (one, two) = (n / 4 % 8, (n / 4 * 3 + 1) % 8);
                let draft = Draft::new(&chain(), id, RunHead::START).ready(ready("draft"));
                let draft = draft.take("draft", resource(&format!("{round}-{one}")));
                let batch = draft.take("draft", resource(&format!("{round}-{two}"))).batch();
                tokio::spawn(async move {
                    barrier.wait().await;
                    (id, store.append(&batch).await)
                })
            })
            .collect();
        let mut written = std::collections::BTreeMap::new();
        for task in tasks {
            let (id, answer) = tokio::time::timeout(Duration::from_secs(30), task).await.unwrap().unwrap();
            match answer {
                Ok(head) => assert_eq!(*written.entry(id).or_insert(head), head),
                Err(AppendError::Busy { holder, .. }) => assert_ne!(holder.run, id),
                Err(other) => panic!("{other:?}"),
            }
        }
        assert!(!written.is_empty());
        for (id, head) in written {
            assert_eq!(stores[0].read_run(&id, head, 9).await.unwrap(), []);
        }
    }
    verify(&stores[0]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_first_appends_make_one_chain() {
    let Some(schema) = Schema::new().await else { return };
    let mut stores = Vec::new();
    for _ in 0..16 {
        stores.push(Arc::new(PgStore::connect(&schema.runtime().connections(1)).await.unwrap()));
    }
    let lanes: Vec<_> = stores
        .chunks(2)
        .enumerate()
        .map(|(lane, pair)| {
            let pair = [Arc::clone(&pair[0]), Arc::clone(&pair[1])];
            tokio::spawn(async move {
                for round in 0..125_u64 {
                    let chain = fixture::chain(&format!("lane-{lane}-{round}"));
                    let first = |side: u64| {
                        let (store, chain) = (Arc::clone(&pair[side as usize]), chain.clone());
                        let id = wide((lane as u64 * 1_000 + round) * 2 + side);
                        tokio::spawn(async move {
                            store.open_chain(&chain, &ChainMeta::default()).await.unwrap();
                            store.append(&Draft::new(&chain, id, RunHead::START).batch()).await.unwrap()
                        })
                    };
                    let (one, other) = (first(0), first(1));
                    assert_ne!(one.await.unwrap(), other.await.unwrap());
                    let head = pair[0].verify(&chain, None, |_| {}).await.unwrap();
                    assert_eq!(head.seq, 2);
                }
            })
        })
        .collect();
    for lane in lanes {
        lane.await.unwrap();
    }
}

/// The guard and the renewal meet on the lease's row, whichever process each comes from.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_guard_in_a_group_never_ends_a_renewed_lease() {
    let Some(schema) = Schema::new().await else { return };
    let (one, other) = (Arc::new(schema.store().await), Arc::new(schema.store().await));
    let term = Duration::from_secs(600);
    for round in 0..10_u64 {
        let leases: Vec<_> = (0..16).map(|n| fence(wide(round * 16 + n), "draft", 1)).collect();
        let mut heads = Vec::new();
        for lease in &leases {
            let batch =
                Draft::new(&chain(), lease.run, RunHead::START).grant(lease.clone(), Duration::ZERO).batch();
            heads.push(one.append(&batch).await.unwrap());
        }
        let renewing = {
            let (other, leases) = (Arc::clone(&other), leases.clone());
            tokio::spawn(async move {
                let terms: Vec<_> = leases.into_iter().map(|lease| (lease, term)).collect();
                other.renew(&terms).await.unwrap()
            })
        };
        let expiring: Vec<_> = leases
            .iter()
            .zip(&heads)
            .map(|(lease, head)| {
                let draft = Draft::new(&chain(), lease.run, *head).end(lease.clone());
                let (one, batch) = (Arc::clone(&one), draft.guard(Guard::Lapsed(lease.clone())).batch());
                tokio::spawn(async move { one.append(&batch).await })
            })
            .collect();
        let renewed = renewing.await.unwrap();
        for (expiring, renewal) in expiring.into_iter().zip(renewed) {
            use striatum_core::store::Renewal;
            let expired = expiring.await.unwrap();
            let one_won = matches!(
                (&expired, renewal),
                (Err(AppendError::GuardFailed), Renewal::Held(_)) | (Ok(_), Renewal::Lost)
            );
            assert!(one_won, "{expired:?}, {renewal:?}");
        }
    }
}

/// A renewal locks leases by their keys. So does the end of several, in whichever order they are named.
#[tokio::test]
async fn leases_end_in_the_order_of_their_keys() {
    let Some(schema) = Schema::new().await else { return };
    let store = Arc::new(schema.store().await);
    let leases = ["a", "b", "c"].map(|job| fence(run(1), job, 1));
    let grant = |draft: Draft, lease: &Fence| draft.grant(lease.clone(), Duration::from_secs(600));
    let begin = leases.iter().fold(Draft::new(&chain(), run(1), RunHead::START), grant);
    let head = store.append(&begin.batch()).await.unwrap();
    let end =
        leases.iter().rev().fold(Draft::new(&chain(), run(1), head), |draft, lease| draft.end(lease.clone()));

    let (mut owner, watcher) = (schema.client(OWNER).await, schema.client(OWNER).await);
    let holds = owner.transaction().await.unwrap();
    let own: i32 = holds.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    holds.batch_execute("SELECT FROM leases WHERE job = 'a' FOR UPDATE").await.unwrap();
    let ending = {
        let (store, batch) = (Arc::clone(&store), end.batch());
        tokio::spawn(async move { store.append(&batch).await })
    };
    let waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND $1 = ANY (pg_blocking_pids(pid)))";
    tokio::time::timeout(Duration::from_secs(30), async {
        while !watcher.query_one(waits, &[&own]).await.unwrap().get::<_, bool>(0) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    let free = watcher.query("SELECT job FROM leases FOR UPDATE SKIP LOCKED", &[]).await.unwrap();
    assert_eq!(free.iter().map(|row| row.get(0)).collect::<Vec<String>>(), ["b", "c"]);
    holds.rollback().await.unwrap();
    ending.await.unwrap().unwrap();
}

/// Several leases are written at once as if none of them stood, and again if one does.
#[tokio::test]
async fn a_lease_that_stands_keeps_its_deadline_among_others() {
    let Some(schema) = Schema::new().await else { return };
    let store = schema.store().await;
    let [stands, new] = ["a", "b"].map(|job| fence(run(1), job, 1));
    let draft = Draft::new(&chain(), run(1), RunHead::START).grant(stands.clone(), Duration::from_secs(600));
    let head = store.append(&draft.batch()).await.unwrap();
    let term = Duration::from_secs(60);
    let draft = Draft::new(&chain(), run(1), head).grant(stands, term).grant(new, term);
    store.append(&draft.batch()).await.unwrap();
    let order = "SELECT job FROM leases ORDER BY deadline";
    let rows = schema.client(OWNER).await.query(order, &[]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<String>>(), ["b", "a"]);
}
