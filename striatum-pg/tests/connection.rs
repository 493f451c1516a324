//! Connections that break between the question and the answer.

use std::time::Duration;

use striatum_core::store::{AppendError, Batch, ChainMeta, Renewal, RunHead, Store, StoreErrorKind};
use striatum_pg::PgStore;
use striatum_testkit::fixture::{Draft, fence, ready, run};

use crate::{
    proxy::Proxy,
    server::{Schema, chain, verify},
};

fn batch(number: u8) -> Batch {
    let id = run(number);
    let draft = Draft::new(&chain(), id, RunHead::START).events(2).ready(ready("draft"));
    draft.grant(fence(id, "draft", 1), Duration::from_secs(600)).batch()
}

/// More than there are messages of an append, with or without a connection to be made first.
const MOST: i64 = 60;

/// The patient store finds out by itself: its callers are never in doubt. Once the connection is there and the statement
/// prepared, and once neither is.
#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_is_cut_anywhere_is_one_write() {
    let Some(schema) = Schema::new().await else { return };
    let direct = schema.store().await;
    let proxy = Proxy::new(&schema.address);
    let store = PgStore::connect(&schema.at(proxy.address.clone()).runtime()).await.unwrap();
    let mut number = 0;
    for is_warm in [true, false] {
        for messages in 0..MOST {
            if !is_warm {
                proxy.break_all();
            }
            proxy.cut_after(messages);
            let (id, batch) = (run(number), batch(number));
            let head = store.append(&batch).await.unwrap();
            let was_cut = proxy.was_cut();
            assert_eq!(head.version, 2, "cut after {messages}");
            assert_eq!(store.append(&batch).await.unwrap(), head, "cut after {messages}");
            let found = direct.read_run(&id, RunHead::START, 9).await.unwrap();
            assert_eq!(found.len(), 2, "cut after {messages}");
            number += 1;
            if !was_cut {
                break;
            }
            assert!(messages + 1 < MOST, "an append never passed whole");
        }
    }
    assert_eq!(verify(&direct).await.seq, 2 * u64::from(number));
}

/// What is said from a new connection to the end of a call.
const EVERY_MESSAGE: &str = ">start <R <S <K <Z >Q <C >P >D >S <1 <t <T >B >E <2 <D";

/// Which messages are the last ones by their number depends on how both directions meet; by its kind each one is.
#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_is_cut_at_any_kind_of_message_is_one_write() {
    let Some(schema) = Schema::new().await else { return };
    let direct = schema.store().await;
    let proxy = Proxy::new(&schema.address);
    let store = PgStore::connect(&schema.at(proxy.address.clone()).runtime()).await.unwrap();
    let mut number = 0;
    for message in EVERY_MESSAGE.split(' ') {
        proxy.break_all();
        proxy.cut_at(message);
        let batch = batch(number);
        let head = store.append(&batch).await.unwrap();
        assert!(proxy.was_cut_at(), "{message} never came");
        assert_eq!(head.version, 2, "cut at {message}");
        assert_eq!(store.append(&batch).await.unwrap(), head, "cut at {message}");
        assert_eq!(
            direct.read_run(&run(number), RunHead::START, 9).await.unwrap().len(),
            2,
            "cut at {message}"
        );
        number += 1;
    }
    assert_eq!(verify(&direct).await.seq, 2 * u64::from(number));
}

/// Several batches travel together, one of which is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_cut_anywhere_is_one_write_of_each() {
    let Some(schema) = Schema::new().await else { return };
    let direct = schema.store().await;
    let proxy = Proxy::new(&schema.address);
    let store = PgStore::connect(&schema.at(proxy.address.clone()).runtime()).await.unwrap();
    let (mut number, mut events) = (0_u8, 0);
    for messages in 0..MOST {
        let mut batches: Vec<_> = (number..number + 4).map(batch).collect();
        // The run of this one has moved.
        direct
            .append(&Draft::new(&chain(), run(number + 3), RunHead::START).says("other").batch())
            .await
            .unwrap();
        proxy.cut_after(messages);
        let [one, two, three, late] = batches.as_mut_slice() else { unreachable!() };
        let (one, two, three, late) =
            tokio::join!(store.append(one), store.append(two), store.append(three), store.append(late));
        let was_cut = proxy.was_cut();
        proxy.cut_after(i64::MAX);
        for (answer, batch) in [one, two, three].into_iter().zip(&batches) {
            let head = answer.unwrap();
            assert_eq!(head.version, 2, "cut after {messages}");
            assert_eq!(store.append(batch).await.unwrap(), head, "cut after {messages}");
        }
        match late {
            Err(AppendError::Conflict) => {}
            // It might have landed before the other: the store cannot know.
            Err(AppendError::Store(error)) if was_cut => assert_eq!(error.kind(), StoreErrorKind::Unknown),
            other => panic!("cut after {messages}: {other:?}"),
        }
        assert!(
            matches!(store.append(&batches[3]).await, Err(AppendError::Conflict)),
            "cut after {messages}"
        );
        number += 4;
        events += 3 * 2 + 1;
        if !was_cut {
            break;
        }
    }
    assert!(number > 4 * 5, "a group has more messages than {number} / 4");
    assert_eq!(verify(&direct).await.seq, events);
}

/// Without patience the caller is told the truth: it stands there, or nobody knows, or nothing was sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_is_told_nothing_wrong_when_the_answer_is_lost() {
    let Some(schema) = Schema::new().await else { return };
    let direct = schema.store().await;
    let proxy = Proxy::new(&schema.address);
    let config = schema.at(proxy.address.clone()).runtime().patience(Duration::ZERO);
    let (mut number, mut unknown, mut landed) = (0, 0, 0);
    for is_warm in [false, true] {
        for messages in 0..MOST {
            proxy.cut_after(i64::MAX);
            let store = PgStore::connect(&config).await.unwrap();
            if is_warm {
                store.open_chain(&chain(), &ChainMeta::default()).await.unwrap();
                store.append(&batch(number)).await.unwrap();
                number += 1;
            }
            let batch = batch(number);
            proxy.cut_after(messages);
            let answer = store.append(&batch).await;
            let was_cut = proxy.was_cut();
            let found = direct.read_run(&run(number), RunHead::START, 9).await.unwrap().len();
            match &answer {
                Ok(_) => assert_eq!(found, 2, "cut after {messages}"),
                Err(AppendError::Store(error)) if error.kind() == StoreErrorKind::Unknown => {
                    unknown += 1;
                    landed += usize::from(found == 2);
                }
                Err(AppendError::Store(error)) if error.kind() == StoreErrorKind::Unavailable => {
                    assert_eq!(found, 0, "cut after {messages}: {error:?}");
                }
                other => panic!("cut after {messages}: {other:?}"),
            }
            proxy.cut_after(i64::MAX);
            assert_eq!(store.append(&batch).await.unwrap().version, 2, "cut after {messages}");
            assert_eq!(direct.read_run(&run(number), RunHead::START, 9).await.unwrap().len(), 2);
            number += 1;
            if !was_cut {
                break;
            }
        }
    }
    // Some of the lost answers were those of writes that stand.
    assert!(unknown > landed && landed > 0, "{unknown} unknown, {landed} of them landed");
    verify(&direct).await;
}

/// Others went on behind the lost answer: the store does not take the conflict for a refusal.
#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_behind_a_lost_answer_is_no_answer() {
    let Some(schema) = Schema::new().await else { return };
    let direct = schema.store().await;
    let proxy = Proxy::new(&schema.address);
    let config = schema.at(proxy.address.clone()).runtime().patience(Duration::ZERO);
    let store = PgStore::connect(&config).await.unwrap();
    store.append(&batch(0)).await.unwrap();
    // Bind, execute and sync reach the server; what it says does not come back.
    proxy.cut_after(3);
    let lost = batch(1);
    assert!(
        matches!(store.append(&lost).await, Err(AppendError::Store(error)) if error.kind() == StoreErrorKind::Unknown)
    );
    let head = direct.append(&lost).await.unwrap();
    direct.append(&Draft::new(&chain(), run(1), head).batch()).await.unwrap();
    assert!(matches!(store.append(&lost).await, Err(AppendError::Conflict)));
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_and_renewals_pass_over_a_broken_connection() {
    let Some(schema) = Schema::new().await else { return };
    let direct = schema.store().await;
    direct.append(&batch(1)).await.unwrap();
    let proxy = Proxy::new(&schema.address);
    let store = PgStore::connect(&schema.at(proxy.address.clone()).runtime()).await.unwrap();
    let lease = fence(run(1), "draft", 1);
    for messages in 0..12 {
        proxy.cut_after(messages);
        assert_eq!(store.head(&chain()).await.unwrap().seq, 2);
        proxy.cut_after(messages);
        assert_eq!(store.read_run(&run(1), RunHead::START, 9).await.unwrap().len(), 2);
        proxy.cut_after(messages);
        let renewed = store.renew(&[(lease.clone(), Duration::from_secs(600))]).await.unwrap();
        assert!(matches!(renewed.as_slice(), [Renewal::Held(_)]), "{renewed:?}");
    }
}

/// The listener comes back and looks at what it may have missed.
#[tokio::test(flavor = "multi_thread")]
async fn a_wait_outlives_the_connection_that_listens() {
    use striatum_core::store::{Mark, Wait};
    let Some(schema) = Schema::new().await else { return };
    let direct = schema.store().await;
    let proxy = Proxy::new(&schema.address);
    let store = PgStore::connect(&schema.at(proxy.address.clone()).runtime()).await.unwrap();
    let mut mark = store.changed(&Wait { chain: Some(chain()), after: Mark::default() }).await.unwrap();
    for number in 0..10 {
        let (wait, batch) = (Wait { chain: Some(chain()), after: mark }, batch(number));
        proxy.cut_after(i64::from(number));
        let waiting = tokio::time::timeout(Duration::from_secs(20), store.changed(&wait));
        let (grown, _) = tokio::join!(waiting, direct.append(&batch));
        let grown = grown.unwrap().unwrap();
        assert!(grown > mark);
        mark = grown;
    }
}
