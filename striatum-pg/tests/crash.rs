//! Servers that die while they work, and servers that come back from the past.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use striatum_core::{
    chain::Position,
    id::RunId,
    store::{AppendError, Batch, Renewal, RunHead, Store, StoreErrorKind},
};
use striatum_pg::PgStore;
use striatum_testkit::{
    fixture::{Draft, fence, run},
    pg::Cluster,
    store::cases,
};
use tokio::sync::Notify;

use crate::{
    conformance::Schemas,
    server::{self, OWNER, Schema, chain, verify},
};

const CLIENTS: u8 = 64;

/// The processes die, not the machine: what they gave to the kernel is safe without a flush.
const QUICK: &[(&str, &str)] = &[("fsync", "off")];

fn cluster() -> Option<Cluster> {
    server::found(Cluster::start_with(QUICK))
}

/// What one client was told before the server was gone.
#[derive(Debug, Default)]
struct Told {
    acknowledged: Vec<RunHead>,
    last: Option<(Batch, StoreErrorKind)>,
}

/// Appends to a run of its own until the store fails.
async fn append_until_it_fails(
    store: Arc<PgStore>,
    id: RunId,
    written: Arc<AtomicUsize>,
    enough: Arc<Notify>,
) -> Told {
    let mut told = Told::default();
    loop {
        let head = told.acknowledged.last().copied().unwrap_or(RunHead::START);
        let batch = Draft::new(&chain(), id, head).events(2).batch();
        match store.append(&batch).await {
            Ok(head) => told.acknowledged.push(head),
            Err(AppendError::Store(error)) => {
                told.last = Some((batch, error.kind()));
                return told;
            }
            Err(other) => panic!("{other:?}"),
        }
        if written.fetch_add(1, Ordering::SeqCst) == 4 * usize::from(CLIENTS) {
            enough.notify_one();
        }
    }
}

/// 64 clients append; `end` ends the server when they are well under way.
async fn append_until(schema: &Schema, end: impl Future<Output = ()>) -> Vec<Told> {
    let store = Arc::new(PgStore::connect(&schema.runtime().patience(Duration::ZERO)).await.unwrap());
    let (written, enough) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (written, enough) = (Arc::clone(&written), Arc::clone(&enough));
            tokio::spawn(append_until_it_fails(Arc::clone(&store), run(number), written, enough))
        })
        .collect();
    enough.notified().await;
    end.await;
    let mut told = Vec::new();
    for client in clients {
        told.push(tokio::time::timeout(Duration::from_secs(60), client).await.unwrap().unwrap());
    }
    told
}

/// What was acknowledged stands there; what was refused does not; what is unknown is settled by asking again.
async fn check(store: &PgStore, told: Vec<Told>) {
    let mut events = 0;
    for (number, Told { acknowledged, last }) in (0..CLIENTS).zip(told) {
        let found = store.read_run(&run(number), RunHead::START, 100_000).await.unwrap();
        for head in &acknowledged {
            let event = &found[usize::try_from(head.version).unwrap() - 1];
            assert_eq!(event.digest, head.digest);
        }
        let (batch, kind) = last.unwrap();
        let behind = found.len() - 2 * acknowledged.len();
        match kind {
            StoreErrorKind::Unavailable => assert_eq!(behind, 0),
            StoreErrorKind::Unknown => assert!(behind == 0 || behind == 2, "{behind}"),
            other => panic!("{other:?}"),
        }
        let head = store.append(&batch).await.unwrap();
        assert_eq!(head.version, 2 * (acknowledged.len() as u64 + 1));
        events += head.version;
    }
    assert_eq!(verify(store).await.seq, events);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_acknowledged_survives_the_death_of_the_server() {
    let Some(mut cluster) = cluster() else { return };
    let schema = Schema::on(&cluster.url()).await;
    schema.store().await;
    for _ in 0..3 {
        let told = append_until(&schema, async { cluster.kill().unwrap() }).await;
        cluster.restart().unwrap();
        check(&schema.store().await, told).await;
        let owner = schema.client(OWNER).await;
        let again = "ALTER TABLE batches DISABLE TRIGGER USER; DELETE FROM batches; DELETE FROM runs; DELETE FROM chains;
                     ALTER TABLE batches ENABLE TRIGGER USER";
        owner.batch_execute(again).await.unwrap();
        schema.store().await;
    }
}

/// The cases of the suite for which everybody's server would have to die.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_cases_about_crashes_hold_on_a_server_that_dies() {
    let Some(cluster) = cluster() else { return };
    let stores = Schemas::on_their_own(cluster).await;
    let cases: Vec<_> = cases().into_iter().filter(|case| case.name().ends_with("_after_a_crash")).collect();
    assert_eq!(cases.len(), 3);
    for case in cases {
        case.check(&stores).await;
    }
}

/// A store that is patient goes on as if nothing had been.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_patient_store_goes_on_after_a_restart() {
    let Some(mut cluster) = cluster() else { return };
    let schema = Schema::on(&cluster.url()).await;
    let config = schema.runtime().patience(Duration::from_secs(60));
    schema.store().await;
    let store = Arc::new(PgStore::connect(&config).await.unwrap());
    let (half, all) = (Arc::new(tokio::sync::Barrier::new(usize::from(CLIENTS) + 1)), 20);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (store, half) = (Arc::clone(&store), Arc::clone(&half));
            tokio::spawn(async move {
                let mut head = RunHead::START;
                for n in 0..all {
                    if n == all / 2 {
                        half.wait().await;
                    }
                    head = store.append(&Draft::new(&chain(), run(number), head).batch()).await.unwrap();
                }
            })
        })
        .collect();
    half.wait().await;
    cluster.kill().unwrap();
    cluster.restart().unwrap();
    for client in clients {
        tokio::time::timeout(Duration::from_secs(60), client).await.unwrap().unwrap();
    }
    assert_eq!(verify(&store).await.seq, u64::from(CLIENTS) * all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_acknowledged_survives_the_death_of_the_primary() {
    let Some(mut primary) = cluster() else { return };
    let schema = Schema::on(&primary.url()).await;
    schema.store().await;
    let mut standby = primary.standby("second").unwrap();
    let admin = server::client(&primary.url(), "postgres").await;
    admin.batch_execute("ALTER SYSTEM SET synchronous_standby_names = 'second'").await.unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let is_synchronous = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
    tokio::time::timeout(Duration::from_secs(30), async {
        while admin.query_one(is_synchronous, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();

    let told = append_until(&schema, async { primary.kill().unwrap() }).await;
    standby.promote().unwrap();
    check(&schema.at(standby.url()).store().await, told).await;
}

/// A copy that was taken earlier is put in the server's place: nobody goes on as if nothing had happened.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_restored_from_an_older_backup_is_noticed() {
    let Some(primary) = cluster() else { return };
    let schema = Schema::on(&primary.url()).await;
    let store = schema.store().await;
    let term = Duration::from_secs(600);
    let old = fence(run(1), "draft", 1);
    let draft = Draft::new(&chain(), run(1), RunHead::START).grant(old.clone(), term);
    let early = store.append(&draft.batch()).await.unwrap();
    let mut backup = primary.standby("backup").unwrap();
    backup.promote().unwrap();

    let lost = fence(run(1), "draft", 2);
    let draft = Draft::new(&chain(), run(1), early).end(old.clone()).grant(lost.clone(), term);
    let late = store.append(&draft.batch()).await.unwrap();
    let head = store.head(&chain()).await.unwrap();

    let restored = schema.at(backup.url()).store().await;
    let kind =
        |answer: Result<_, striatum_core::store::StoreError>| answer.map(|_: Vec<_>| ()).unwrap_err().kind();
    assert_eq!(kind(restored.read(&chain(), head, 9).await), StoreErrorKind::HistoryChanged);
    assert_eq!(kind(restored.read_run(&run(1), late, 9).await), StoreErrorKind::HistoryChanged);
    // The fence that the backup does not know is honoured by nothing: neither by a renewal nor by an append behind it.
    assert_eq!(restored.renew(&[(lost.clone(), term)]).await.unwrap(), [Renewal::Lost]);
    let submit = Draft::new(&chain(), run(1), late).end(lost.clone()).batch();
    assert!(matches!(restored.append(&submit).await, Err(AppendError::Conflict)));
    // Also when as many other events stand there now.
    let other = Draft::new(&chain(), run(1), early).says("another history").end(old).batch();
    restored.append(&other).await.unwrap();
    assert_eq!(restored.head(&chain()).await.unwrap().seq, head.seq);
    assert_eq!(kind(restored.read(&chain(), head, 9).await), StoreErrorKind::HistoryChanged);
    assert_eq!(kind(restored.read_run(&run(1), late, 9).await), StoreErrorKind::HistoryChanged);
    assert!(matches!(restored.append(&submit).await, Err(AppendError::Conflict)));
    assert_eq!(restored.read(&chain(), Position::genesis(&chain()), 9).await.unwrap().len(), 2);
}
