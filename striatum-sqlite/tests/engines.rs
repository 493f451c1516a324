//! Two engines on one file, each with a store and a cache of its own: what one process would see of another.

use std::{path::Path, sync::Arc, time::Duration};

use striatum_core::{
    engine::{Engine, EngineError},
    id::{CommandId, CommitId, Fence, InstanceId, RunId, SessionId},
    run::{Actor, Claim, Command, DeliveryMode, Intent, LeaseReport, Outcome, Owner, Severity, Submit},
    sandbox::{Isolation, Level},
    store::{ChainMeta, MemoryBlobs},
    time::Timestamp,
    transport::AgentIdentity,
    workflow::{JobBuilder, LaneBuilder, Snapshot, Workflow},
};
use striatum_sqlite::SqliteStore;
use striatum_testkit::clock::ManualClock;
use tempfile::TempDir;

use crate::fixture::{chain, run};

struct Table {
    _folder: TempDir,
    hand: ManualClock,
    one: Engine,
    other: Engine,
}

fn person() -> Actor {
    Actor::Human("ada".to_owned())
}

fn command(id: u8, actor: Actor, intent: Intent) -> Command {
    Command { id: CommandId::from_bytes([id; 16]), actor, intent }
}

fn claim(session: u8) -> Intent {
    Intent::Claim(Claim {
        job: "draft".parse().unwrap(),
        session: SessionId::from_bytes([session; 16]),
        owner: Owner::unproven(InstanceId::from_bytes([session; 16])),
        mode: DeliveryMode::Push,
        isolation: Isolation::uniform(Level::Advisory),
    })
}

async fn engine(path: &Path, hand: &ManualClock, blobs: &Arc<MemoryBlobs>) -> Engine {
    let store = SqliteStore::builder(path).clock(Arc::new(hand.clone())).open().await.unwrap();
    Engine::new(Arc::new(store), blobs.clone(), Arc::new(hand.clone()))
}

async fn table() -> Table {
    let folder = TempDir::new().unwrap();
    let hand = ManualClock::new(Timestamp::from_micros(1_000_000));
    let (path, blobs) = (folder.path().join("striatum.db"), Arc::new(MemoryBlobs::default()));
    let (one, other) = (engine(&path, &hand, &blobs).await, engine(&path, &hand, &blobs).await);
    one.store().open_chain(&chain(), &ChainMeta::default()).await.unwrap();
    let draft = JobBuilder::draft("draft").by("author", "lane").objective("Write.").writes(["docs/"]);
    let workflow = Workflow::builder("two-engines")
        .lane("lane", LaneBuilder::adapter("function"))
        .role("author", "Writes.")
        .job(draft)
        .build()
        .unwrap()
        .workflow;
    let snapshot = Snapshot::new(workflow, CommitId::new("0".repeat(40)).unwrap(), Vec::new()).unwrap();
    one.prepare(&chain(), run(1), snapshot, CommandId::from_bytes([1; 16]), person()).await.unwrap();
    let branch = Intent::ConfirmBranch { branch: "result".to_owned(), at: None };
    one.execute(run(1), command(2, person(), branch)).await.unwrap();
    Table { _folder: folder, hand, one, other }
}

fn code<T: std::fmt::Debug>(answer: Result<T, EngineError>) -> &'static str {
    answer.unwrap_err().code()
}

#[tokio::test]
async fn a_refusal_is_never_older_than_the_call() {
    let Table { one, other, .. } = &table().await;
    // Both know the run as it was before it began.
    assert_eq!(code(other.execute(run(1), command(3, person(), claim(1))).await), "run_status");
    one.execute(run(1), command(4, person(), Intent::Start)).await.unwrap();
    let granted = other.execute(run(1), command(3, person(), claim(1))).await.unwrap();
    let fence = granted.state.fence(&"draft".parse().unwrap()).unwrap();
    // The first engine has not seen the grant; its refusal has.
    assert_eq!(code(one.execute(run(1), command(5, person(), claim(2))).await), "job_status");
    one.execute(run(1), command(6, person(), Intent::Release(LeaseReport::new(fence)))).await.unwrap();
    other.execute(run(1), command(7, person(), claim(3))).await.unwrap();
}

#[tokio::test]
async fn a_stale_fence_is_refused_on_every_verb_whichever_engine_is_asked() {
    let Table { one, other, hand, .. } = &table().await;
    one.execute(run(1), command(4, person(), Intent::Start)).await.unwrap();
    let granted = one.execute(run(1), command(5, person(), claim(1))).await.unwrap();
    let fence: Fence = granted.state.fence(&"draft".parse().unwrap()).unwrap();
    hand.advance(Duration::from_secs(61));
    other.execute(run(1), command(6, person(), Intent::Expire { fence: fence.clone() })).await.unwrap();
    other.execute(run(1), command(7, person(), claim(2))).await.unwrap();

    let report = || LeaseReport::new(fence.clone());
    let agent = AgentIdentity { model: Some("late".to_owned()), ..AgentIdentity::default() };
    let verbs = [
        Intent::Acknowledge { fence: fence.clone(), agent: agent.clone() },
        Intent::Identify { fence: fence.clone(), agent },
        Intent::Publish { fence: fence.clone(), artifacts: Vec::new() },
        Intent::Submit(Submit::new(fence.clone(), Outcome::Done)),
        Intent::Release(report()),
        Intent::Crash(report()),
        Intent::Fail(report()),
        Intent::Block { report: report(), severity: Severity::Operator },
        Intent::Expire { fence: fence.clone() },
    ];
    for (id, verb) in (20..).zip(verbs) {
        for engine in [one, other] {
            let name = verb.name();
            let refused = engine.execute(run(1), command(id, person(), verb.clone())).await;
            assert_eq!(code(refused), "stale_fence", "{name}");
        }
    }
    let renewals = one.store().renew(&[(fence, Duration::from_secs(60))]).await.unwrap();
    assert_eq!(renewals, [striatum_core::store::Renewal::Lost]);
}

#[tokio::test]
async fn a_command_sent_to_both_engines_is_one_write() {
    let Table { one, other, .. } = &table().await;
    let start = || command(4, person(), Intent::Start);
    let before = one.store().head(&chain()).await.unwrap().seq;
    let (first, second) = tokio::join!(one.execute(run(1), start()), other.execute(run(1), start()));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.events, second.events);
    let after = other.store().head(&chain()).await.unwrap().seq;
    assert_eq!(after - before, first.events.len() as u64);
    let runs: RunId = run(1);
    assert_eq!(one.load(runs).await.unwrap(), other.load(runs).await.unwrap());
}
