//! Runs that are asked for in a transaction of the application's own.

use std::sync::Arc;

use striatum_core::{
    engine::Engine,
    id::{CommandId, CommitId, RunId},
    run::{Actor, RunStatus},
    store::MemoryBlobs,
    workflow::{JobBuilder, LaneBuilder, Snapshot, Workflow},
};
use striatum_pg::{PgStore, RunRequest};
use striatum_testkit::{clock::ManualClock, fixture::run};

use crate::server::{OWNER, RUNTIME, Schema, chain};

fn snapshot() -> Snapshot {
    let draft = JobBuilder::draft("draft").by("author", "lane").objective("Write.").writes(["docs/"]);
    let workflow = Workflow::builder("requested")
        .lane("lane", LaneBuilder::adapter("function"))
        .role("author", "Writes.")
        .job(draft)
        .build()
        .unwrap()
        .workflow;
    Snapshot::new(workflow, CommitId::new("0".repeat(40)).unwrap(), Vec::new()).unwrap()
}

fn request(run: RunId, command: u8) -> RunRequest {
    RunRequest {
        chain: chain(),
        run,
        snapshot: snapshot(),
        command: CommandId::from_bytes([command; 16]),
        actor: Actor::Service("shop".to_owned()),
    }
}

fn engine(store: &Arc<PgStore>) -> Engine {
    Engine::new(store.clone(), Arc::new(MemoryBlobs::default()), Arc::new(ManualClock::default()))
}

#[tokio::test]
async fn a_run_begins_with_the_row_that_asked_for_it_or_not_at_all() {
    let Some(schema) = Schema::new().await else { return };
    let store = Arc::new(schema.store().await);
    let table =
        format!("CREATE TABLE {0}_orders (id int); GRANT ALL ON {0}_orders TO {RUNTIME}", schema.name);
    let owner = schema.client("postgres").await;
    owner.batch_execute(&format!("SET search_path = public; {table}")).await.unwrap();
    let mut client = schema.client(RUNTIME).await;
    // The application has a search path of its own.
    client.batch_execute("SET search_path = public").await.unwrap();
    let order = format!("INSERT INTO {}_orders VALUES (1)", schema.name);

    let given_up = client.transaction().await.unwrap();
    given_up.execute(&order, &[]).await.unwrap();
    store.request_run(&given_up, &request(run(1), 1)).await.unwrap();
    given_up.rollback().await.unwrap();

    let (one, mut requests) = (engine(&store), store.requests());
    assert_eq!(requests.begin(&one).await.unwrap(), []);
    let kept = client.transaction().await.unwrap();
    kept.execute(&order, &[]).await.unwrap();
    store.request_run(&kept, &request(run(2), 2)).await.unwrap();
    assert_eq!(requests.begin(&one).await.unwrap(), []);
    kept.commit().await.unwrap();

    // The commit wakes those who wait.
    let wait = async { requests.wait().await };
    tokio::time::timeout(std::time::Duration::from_secs(10), wait).await.unwrap();
    assert_eq!(requests.begin(&one).await.unwrap(), [run(2)]);
    assert_eq!(requests.begin(&one).await.unwrap(), []);
    assert_eq!(one.load(run(2)).await.unwrap().state.status(), Some(RunStatus::NeedsBranchConfirmation));
    assert_eq!(one.load(run(1)).await.unwrap_err().code(), "run_unknown");
}

#[tokio::test]
async fn what_is_asked_for_another_chain_is_left_to_whoever_serves_that() {
    let Some(schema) = Schema::new().await else { return };
    let store = Arc::new(schema.store().await);
    let (engine, mut client) = (engine(&store), schema.client(RUNTIME).await);
    let other = striatum_testkit::fixture::chain("other");
    let transaction = client.transaction().await.unwrap();
    for number in 1..=70 {
        let chain = if number % 2 == 0 { chain() } else { other.clone() };
        let request = RunRequest { chain, ..request(run(number), number) };
        store.request_run(&transaction, &request).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let mine: Vec<RunId> = (1..=35).map(|number| run(2 * number)).collect();
    assert_eq!(store.requests().of(chain()).begin(&engine).await.unwrap(), mine);
    assert_eq!(store.requests().of(chain()).begin(&engine).await.unwrap(), []);
    assert_eq!(store.requests().of(other).begin(&engine).await.unwrap().len(), 35);
}

#[tokio::test]
async fn what_follows_on_a_run_is_done_again_until_it_succeeds() {
    let Some(schema) = Schema::new().await else { return };
    let store = Arc::new(schema.store().await);
    let (engine, mut client) = (engine(&store), schema.client(RUNTIME).await);
    let transaction = client.transaction().await.unwrap();
    store.request_run(&transaction, &request(run(1), 1)).await.unwrap();
    transaction.commit().await.unwrap();
    let mut requests = store.requests();
    let engine = &engine;
    let then = |run| async move { engine.load(run).await.and(Err(unready())) };
    let failed = requests.begin_each(engine, then).await;
    assert_eq!(failed.unwrap_err().code(), "store_unavailable");
    assert_eq!(requests.begin(engine).await.unwrap(), [run(1)]);
    assert_eq!(requests.begin(engine).await.unwrap(), []);
}

fn unready() -> striatum_core::engine::EngineError {
    use striatum_core::store::{StoreError, StoreErrorKind};
    StoreError::new(StoreErrorKind::Unavailable, "be ready").into()
}

#[tokio::test]
async fn however_many_serve_the_inbox_a_run_begins_once() {
    let Some(schema) = Schema::new().await else { return };
    let store = Arc::new(schema.store().await);
    let mut client = schema.client(RUNTIME).await;
    let transaction = client.transaction().await.unwrap();
    for number in 1..=20 {
        store.request_run(&transaction, &request(run(number), number)).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (engine, mut requests) = (engine(&store), store.requests());
            tokio::spawn(async move { requests.begin(&engine).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let mut events = 0;
    crate::server::verify(&store).await;
    for number in 1..=20 {
        events += engine(&store)
            .store()
            .read_run(&run(number), striatum_core::store::RunHead::START, 9)
            .await
            .unwrap()
            .len();
    }
    assert_eq!(events as u64, crate::server::verify(&store).await.seq);
    assert_eq!(events, 20);
}

#[tokio::test]
async fn a_request_that_cannot_become_a_run_says_why() {
    let Some(schema) = Schema::new().await else { return };
    let store = Arc::new(schema.store().await);
    let engine = engine(&store);
    let mut requests = store.requests();
    let mut client = schema.client(RUNTIME).await;
    for command in [1, 2] {
        let transaction = client.transaction().await.unwrap();
        store.request_run(&transaction, &request(run(1), command)).await.unwrap();
        // Asking twice at the same time is a mistake of the application's.
        let twice = client_refuses(&store, transaction, command).await;
        assert!(twice.contains("duplicate key"), "{twice}");
        let transaction = client.transaction().await.unwrap();
        store.request_run(&transaction, &request(run(1), command)).await.unwrap();
        transaction.commit().await.unwrap();
        let expected: &[RunId] = if command == 1 { &[run(1)] } else { &[] };
        assert_eq!(requests.begin(&engine).await.unwrap(), expected);
    }
    let refused = requests.refused().await.unwrap();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].0, run(1));
    let body = "UPDATE requests SET refusal = NULL, body = 'not a request'";
    schema.client(OWNER).await.execute(body, &[]).await.unwrap();
    assert_eq!(requests.begin(&engine).await.unwrap(), []);
    assert_eq!(requests.refused().await.unwrap().len(), 1);
}

async fn client_refuses(
    store: &PgStore,
    transaction: tokio_postgres::Transaction<'_>,
    command: u8,
) -> String {
    let error = store.request_run(&transaction, &request(run(1), command)).await.unwrap_err();
    transaction.rollback().await.unwrap();
    std::error::Error::source(&error).unwrap().to_string()
}
