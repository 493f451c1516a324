//! Engines of several workers, each with a clock of its own, on one database.

use std::{sync::Arc, time::Duration};

use striatum_core::{
    engine::{Engine, EngineError},
    id::{CommandId, CommitId, Fence, InstanceId, SessionId},
    run::{Actor, Claim, Command, DeliveryMode, Intent, LeaseReport, Outcome, Owner, Submit},
    sandbox::{Isolation, Level},
    store::{MemoryBlobs, ReadyQuery, Renewal},
    time::Timestamp,
    transport::AgentIdentity,
    workflow::{JobBuilder, LaneBuilder, RecoveryPolicy, Snapshot, Workflow},
};
use striatum_testkit::fixture::{caller, run};

use crate::server::{Schema, chain};

const TERM: Duration = Duration::from_secs(60);
const HOUR: u64 = 3_600_000_000;
/// What the clocks show that are right.
const NOON: u64 = 1_800_000_000_000_000;

fn command(id: u8, intent: Intent) -> Command {
    Command { id: CommandId::from_bytes([id; 16]), actor: Actor::Human("ada".to_owned()), intent }
}

fn claim(session: u8) -> Intent {
    Intent::Claim(Claim {
        job: "draft".parse().unwrap(),
        session: SessionId::from_bytes([session; 16]),
        // All workers go under one name.
        owner: Owner::unproven(InstanceId::from_bytes([7; 16])),
        mode: DeliveryMode::Push,
        isolation: Isolation::uniform(Level::Advisory),
    })
}

/// A worker with a store, a cache and a clock of its own.
async fn worker(schema: &Schema, blobs: &Arc<MemoryBlobs>, clock: u64) -> Engine {
    let store = Arc::new(schema.store().await);
    Engine::new(store, blobs.clone(), Arc::new(move || Timestamp::from_micros(clock)))
}

/// Workers with these clocks, and a run that one of them began.
async fn workers<const N: usize>(schema: &Schema, clocks: [u64; N]) -> [Engine; N] {
    let blobs = Arc::new(MemoryBlobs::default());
    let mut engines = Vec::new();
    for clock in clocks {
        engines.push(worker(schema, &blobs, clock).await);
    }
    let draft = JobBuilder::draft("draft").by("author", "lane").objective("Write.").writes(["docs/"]);
    let workflow = Workflow::builder("engines")
        .lane("lane", LaneBuilder::adapter("function"))
        .role("author", "Writes.")
        .job(draft)
        .recovery_policy(&RecoveryPolicy { max_requeues: 100, max_quarantinable_jobs: 0 })
        .build()
        .unwrap()
        .workflow;
    let snapshot = Snapshot::new(workflow, CommitId::new("0".repeat(40)).unwrap(), Vec::new()).unwrap();
    let ada = Actor::Human("ada".to_owned());
    engines[0].prepare(&chain(), run(1), snapshot, CommandId::from_bytes([1; 16]), ada).await.unwrap();
    let branch = Intent::ConfirmBranch { branch: "result".to_owned(), at: None };
    engines[0].execute(run(1), command(2, branch)).await.unwrap();
    engines[0].execute(run(1), command(3, Intent::Start)).await.unwrap();
    engines.try_into().unwrap()
}

async fn grant(engine: &Engine, id: u8) -> Fence {
    let granted = engine.execute(run(1), command(id, claim(id))).await.unwrap();
    granted.state.fence(&"draft".parse().unwrap()).unwrap()
}

fn code<T: std::fmt::Debug>(answer: Result<T, EngineError>) -> &'static str {
    answer.unwrap_err().code()
}

#[tokio::test]
async fn a_worker_whose_clock_is_an_hour_wrong_neither_steals_nor_loses_a_lease() {
    let Some(schema) = Schema::new().await else { return };
    let clocks = [NOON, NOON + HOUR, NOON - HOUR];
    let [right, early, late] = &workers(&schema, clocks).await;
    for (id, (holder, other)) in
        (10..).step_by(10).zip([(right, early), (right, late), (early, right), (late, right)])
    {
        let fence = grant(holder, id).await;
        let expire = Intent::Expire { fence: fence.clone() };
        assert_eq!(code(other.execute(run(1), command(id + 1, expire)).await), "guard_failed");
        assert_eq!(other.store().due(None, 9).await.unwrap().lapsed, []);
        let renewed = holder.store().renew(&[(fence.clone(), TERM)]).await.unwrap();
        assert!(matches!(renewed.as_slice(), [Renewal::Held(_)]), "{renewed:?}");
        let release = Intent::Release(LeaseReport::new(fence));
        holder.execute(run(1), command(id + 2, release)).await.unwrap();
        // What was given back can be claimed at once, whatever the clocks say.
        let ready = other.store().ready(&ReadyQuery::all(caller(1), 9)).await.unwrap();
        assert_eq!(ready.len(), 1);
    }
}

#[tokio::test]
async fn the_stale_one_of_two_workers_under_one_name_is_refused_everything() {
    let Some(schema) = Schema::new().await else { return };
    let [one, other] = &workers(&schema, [NOON, NOON]).await;
    let stale = grant(one, 10).await;
    schema.set_clock_ahead(61_000_000).await;
    let expire = Intent::Expire { fence: stale.clone() };
    other.execute(run(1), command(11, expire.clone())).await.unwrap();
    let live = grant(other, 12).await;

    let report = || LeaseReport::new(stale.clone());
    let agent = AgentIdentity { model: Some("late".to_owned()), ..AgentIdentity::default() };
    let verbs = [
        Intent::Acknowledge { fence: stale.clone(), agent },
        Intent::Publish { fence: stale.clone(), artifacts: Vec::new() },
        Intent::Submit(Submit::new(stale.clone(), Outcome::Done)),
        Intent::Release(report()),
        Intent::Fail(report()),
        Intent::Crash(report()),
        expire,
    ];
    let before = one.store().head(&chain()).await.unwrap();
    for (id, verb) in (20..).zip(verbs) {
        for engine in [one, other] {
            assert_eq!(
                code(engine.execute(run(1), command(id, verb.clone())).await),
                "stale_fence",
                "{}",
                verb.name()
            );
        }
    }
    assert_eq!(one.store().renew(&[(stale, TERM)]).await.unwrap(), [Renewal::Lost]);
    assert_eq!(one.store().head(&chain()).await.unwrap(), before);
    let renewed = other.store().renew(&[(live, TERM)]).await.unwrap();
    assert!(matches!(renewed.as_slice(), [Renewal::Held(_)]), "{renewed:?}");
}

/// Commands on one run from several processes meet at its head; whoever loses decides again, and none goes on losing: the
/// engine, which gives up after eight losses, never has to.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn commands_on_one_run_from_several_processes_all_get_their_turn() {
    let Some(schema) = Schema::new().await else { return };
    let engines = workers(&schema, [NOON; 8]).await.map(Arc::new);
    let before = engines[0].store().head(&chain()).await.unwrap();
    let tasks: Vec<_> = (0..8_u8)
        .zip(engines)
        .map(|(process, engine)| {
            tokio::spawn(async move {
                let mut appended = 0;
                for turn in 0..20_u8 {
                    let intent = if turn.is_multiple_of(2) { Intent::Pause } else { Intent::Resume };
                    let id = CommandId::from_bytes([process, turn, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
                    let command = Command { id, ..command(0, intent) };
                    match engine.execute(run(1), command).await {
                        Ok(applied) => appended += applied.events.len() as u64,
                        // It is paused already, or goes on already.
                        Err(EngineError::Rejected(_)) => {}
                        Err(error) => panic!("process {process}, turn {turn}: {error:?}"),
                    }
                }
                appended
            })
        })
        .collect();
    let mut appended = 0;
    for task in tasks {
        appended += tokio::time::timeout(TERM, task).await.unwrap().unwrap();
    }
    assert_eq!(crate::server::verify(&schema.store().await).await.seq, before.seq + appended);
    assert!(appended > 8, "they hardly met");
}
