//! Runs that are asked for in a transaction of the application's own.

use std::sync::Arc;

use striatum::{
    Document,
    core::{
        id::{ChainId, CommandId, RunId},
        run::{Event, RunStatus},
        store::MemoryBlobs,
        workflow::{BranchMode, WorkflowBuilder},
    },
    pg::{Config, PgStore, RunRequest},
};
use striatum_testkit::{
    clock::ManualClock,
    pg::{self, ClusterError},
    store::Place,
};
use tokio_postgres::{Client, NoTls};

use crate::fixture::{Agent, Scene, ada, draft, soon, start, state, status, until, workflow};

/// A store in a schema of its own, and a connection of the application's; nothing without Postgres binaries.
async fn database() -> Option<(Arc<PgStore>, Client)> {
    let address = match pg::shared() {
        Ok(address) => address,
        Err(missing @ ClusterError::NoBinaries) => {
            pg::skip(missing);
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    let config = Config::new(address).expect("an address").schema(Place::unused().as_str()).expect("a name");
    PgStore::migrate(&config).await.expect("it is migrated");
    let store = PgStore::connect(&config).await.expect("it connects");
    let (client, connection) = tokio_postgres::connect(address, NoTls).await.expect("it connects");
    tokio::spawn(connection);
    Some((Arc::new(store), client))
}

fn document(scene: &Scene, workflow: &WorkflowBuilder) -> Document {
    Document::new(serde_json::to_vec(&workflow.document()).expect("a document"), scene.data())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_asked_for_is_begun_worked_on_and_delivered() {
    let Some((store, mut application)) = database().await else { return };
    let scene = Scene::over(store.clone(), Arc::new(MemoryBlobs::default()), ManualClock::default());
    let orchestrator = scene.orchestrator(&Agent::diligent()).await;
    let (auto, asks) = (workflow([draft("a")]), workflow([draft("a")]).branch(BranchMode::Confirm, "asked"));
    let (mine, other) = (orchestrator.repository().chain().clone(), ChainId::new("other").expect("a name"));
    let id = |number| RunId::from_bytes([number; 16]);
    let transaction = application.transaction().await.expect("a transaction");
    for (number, workflow, chain) in [(1, &auto, &mine), (2, &asks, &mine), (3, &auto, &other)] {
        let snapshot = orchestrator.snapshot(&document(&scene, workflow)).await.expect("it is frozen");
        let command = CommandId::from_bytes([number; 16]);
        let request = RunRequest { chain: chain.clone(), run: id(number), snapshot, command, actor: ada() };
        store.request_run(&transaction, &request).await.expect("it is asked for");
    }
    transaction.commit().await.expect("it is committed");

    let mut progress = orchestrator.progress();
    let (serving, requests) = (orchestrator.clone(), store.requests());
    let serving = tokio::spawn(async move { serving.serve_requests(requests).await });
    let work = start(&orchestrator);
    until(&mut progress, |update| {
        matches!(update, striatum::Progress::Event { event: Event::RunDelivered(_), .. }).then_some(())
    })
    .await;
    let asked = async {
        while orchestrator.load(id(2)).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    soon(asked).await;
    orchestrator.drain();
    soon(serving).await.expect("it ends").expect("it serves");
    soon(work).await.expect("it ends");
    assert_eq!(status(&orchestrator, id(1)).await, Some(RunStatus::Completed));
    assert_eq!(scene.git(&["show", "result:out/a.md"]), "a at attempt 1");
    // One waits for a person, and one for whoever works on its repository.
    assert_eq!(state(&orchestrator, id(2)).await.status(), Some(RunStatus::NeedsBranchConfirmation));
    let left = store.requests().of(other).begin(orchestrator.engine()).await.expect("the store is there");
    assert_eq!(left, [id(3)]);
}
