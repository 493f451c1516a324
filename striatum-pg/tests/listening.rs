//! What travels together, what is heard of it, and what happens when it is not heard.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use striatum_core::store::{Batch, Mark, Renewal, RunHead, Store, Wait};
use striatum_pg::PgStore;
use striatum_testkit::fixture::{Draft, fence, run};

use crate::{
    proxy::Proxy,
    server::{Schema, chain, verify, wide},
};

/// Longer than a store leaves the heads unlooked at.
const LONG: Duration = Duration::from_secs(31);

/// The most that share a transaction.
const GROUP: usize = 256;

fn first(number: u64) -> Batch {
    Draft::new(&chain(), wide(number), RunHead::START).batch()
}

/// A store behind a proxy, with its listener at work.
async fn listening(schema: &Schema, proxy: &Proxy) -> PgStore {
    let store = PgStore::connect(&schema.at(proxy.address.clone()).runtime()).await.unwrap();
    // Which is told once, when the listener has begun to listen and has looked for itself.
    store.requests().wait().await;
    store
}

/// The connection stays whole, so nothing but the time that passes says that there is something to look for.
#[tokio::test]
async fn a_lost_notification_is_made_up_for_by_looking() {
    let Some(schema) = Schema::new().await else { return };
    let direct = schema.store().await;
    let proxy = Proxy::new(&schema.address);
    let store = listening(&schema, &proxy).await;
    let mark = store.changed(&Wait { chain: Some(chain()), after: Mark::default() }).await.unwrap();
    proxy.lose("<A");
    let wait = Wait { chain: Some(chain()), after: mark };
    let waiting = tokio::spawn(async move { store.changed(&wait).await });
    direct.append(&first(1)).await.unwrap();
    proxy.has_lost().await;
    assert!(!waiting.is_finished());
    tokio::time::pause();
    tokio::time::advance(LONG).await;
    tokio::time::resume();
    let seen = tokio::time::timeout(LONG, waiting).await.unwrap().unwrap().unwrap();
    assert!(seen > mark);
}

#[tokio::test]
async fn a_group_is_one_statement_and_one_notification() {
    let Some(schema) = Schema::new().await else { return };
    schema.store().await;
    let (work, ears) = (Proxy::new(&schema.address), Proxy::new(&schema.address));
    let store = Arc::new(PgStore::connect(&schema.at(work.address.clone()).runtime()).await.unwrap());
    let other = listening(&schema, &ears).await;
    // The statement is prepared.
    store.append(&first(0)).await.unwrap();
    let before = work.count(">E");
    // All of them wait before the first group is made up; one does not fit in.
    let append = |number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.append(&first(number)).await })
    };
    for appended in (1..).take(GROUP + 1).map(append).collect::<Vec<_>>() {
        appended.await.unwrap().unwrap();
    }
    assert_eq!(work.count(">E") - before, 2);
    let (events, mut mark) = (GROUP as u64 + 2, Mark::default());
    while mark <= Mark(events) {
        mark = other.changed(&Wait { chain: Some(chain()), after: mark }).await.unwrap();
    }
    assert_eq!(ears.count("<A"), 3);
    assert_eq!(verify(&store).await.seq, events);
}

#[tokio::test]
async fn renewals_of_one_process_travel_as_one_statement() {
    let Some(schema) = Schema::new().await else { return };
    let direct = schema.store().await;
    let term = Duration::from_secs(60);
    let lease = fence(run(1), "draft", 1);
    let draft = Draft::new(&chain(), run(1), RunHead::START).grant(lease.clone(), term);
    direct.append(&draft.batch()).await.unwrap();
    let proxy = Proxy::new(&schema.address);
    let store = PgStore::connect(&schema.at(proxy.address.clone()).runtime()).await.unwrap();
    let one = [(lease.clone(), term)];
    store.renew(&one).await.unwrap();
    let before = proxy.count(">E");
    // Some of a lease that is not there: each is told of its own.
    let lost = [(fence(run(2), "draft", 1), term)];
    let renewals = join_all((0..16).map(|n| store.renew(if n % 2 == 0 { &one } else { &lost }))).await;
    assert_eq!(proxy.count(">E") - before, 1);
    for (number, renewal) in renewals.into_iter().enumerate() {
        let held = matches!(renewal.unwrap().as_slice(), [Renewal::Held(_)]);
        assert_eq!(held, number % 2 == 0, "{number}");
    }
}
