//! How long it takes until the job of a killed worker is worked on again, when nobody can prove that the worker is dead.
//!
//! The worker is this program again: an engine that claims the job under the name of another host and renews its lease until it
//! is killed. Whoever takes over is an [`Orchestrator`] as it is delivered; its agent ends at once.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use async_trait::async_trait;
use striatum::{
    Document, Progress,
    adapter::{AdapterError, Assignment, End, Finished, LaneAdapter},
    core::{
        engine::Engine,
        id::{InstanceId, JobId, RunId, SessionId},
        run::{self, Actor, Claim, DeliveryMode, Event, Intent, Owner, Usage},
        sandbox::{Isolation, Level},
        store::Store,
        time::Timestamp,
        workflow::{BranchMode, JobBuilder, LaneBuilder, Offers, Workflow},
    },
    mint,
    workspace::ObjectBlobs,
};
use striatum_sqlite::SqliteStore;

use crate::{Outcome, site::Site, table::Table};

/// The lease of the job, and so the longest that its holder may be silent.
const LEASE: Duration = Duration::from_secs(3);
/// Only ever reached if nobody takes over.
const HANG: Duration = Duration::from_secs(30);
/// What the worker is told by its environment: the data folder and the run.
const TOLD: [&str; 2] = ["STRIATUM_BENCH_DATA", "STRIATUM_BENCH_RUN"];
const JOB: &str = "draft";

pub(crate) async fn run(folder: &Path, quick: bool) -> Outcome {
    let rounds = if quick { 1 } else { 5 };
    let mut times = Vec::new();
    for _ in 0..rounds {
        times.push(kill_and_wait(folder).await?);
    }
    times.sort_unstable();
    let seconds = |time: &Duration| format!("{:.2} s", time.as_secs_f64());
    let mut table = Table::new(&format!("Take-over, a lease of {} s", LEASE.as_secs()));
    let wanted = format!("≤ {} s", LEASE.as_secs() + 1);
    table.base("from kill -9 to the next grant, at best", times.first().map(seconds).unwrap_or_default());
    table.plain("at worst", times.last().map(seconds).unwrap_or_default(), &wanted);
    table.print();
    match times.last() {
        Some(worst) if *worst > LEASE + Duration::from_secs(1) => Err("it took too long".into()),
        _ => Ok(()),
    }
}

async fn kill_and_wait(folder: &Path) -> Outcome<Duration> {
    let folder = tempfile::tempdir_in(folder)?;
    let site = Site::plant(folder.path(), 0)?;
    let orchestrator = site.orchestrator().await?.adapter("idle", Arc::new(Idle)).build().await?;
    let ada = Actor::Human("ada".to_owned());
    let document = Document::new(serde_json::to_vec(&workflow().document())?, &site.data);
    let run = orchestrator.prepare(&document, ada.clone()).await?.run;
    orchestrator.command(run, ada, Intent::Start).await?;

    let mut worker = Command::new(std::env::current_exe()?)
        .arg("worker")
        .env(TOLD[0], &site.data)
        .env(TOLD[1], run.to_string())
        .stdout(Stdio::piped())
        .spawn()?;
    let said = worker.stdout.take().ok_or("its output is piped")?;
    // It has claimed the job, and renewed the lease once.
    let mut lines = BufReader::new(said).lines();
    for _ in 0..2 {
        lines.next().ok_or("the worker ended")??;
    }
    let mut progress = orchestrator.progress();
    let working = orchestrator.clone();
    let work = tokio::spawn(async move { working.run().await });
    // The lease is fresh: whoever takes over has to wait for nearly all of it.
    lines.next().ok_or("the worker ended")??;
    worker.kill()?;
    let killed = Instant::now();
    let taken = tokio::time::timeout(HANG, async {
        loop {
            if let Progress::Event { event: Event::JobClaimed(_), .. } = progress.recv().await? {
                return Outcome::Ok(killed.elapsed());
            }
        }
    });
    let taken = taken.await??;
    worker.wait()?;
    orchestrator.stop();
    work.await??;
    Ok(taken)
}

/// The body of the worker: it holds the job until it is killed.
pub(crate) async fn worker() -> Outcome {
    let [data, run] = TOLD.map(|name| std::env::var(name).unwrap_or_default());
    let (data, run) = (Path::new(&data), run.parse::<RunId>()?);
    let store = Arc::new(SqliteStore::open(data.join("striatum.db")).await?);
    let blobs = Arc::new(ObjectBlobs::local(&data.join("blobs"))?);
    let engine = Engine::new(store.clone(), blobs, Arc::new(now));
    let owner = Owner { host: "elsewhere".to_owned(), ..Owner::unproven(InstanceId::from_bytes([9; 16])) };
    let claim = Claim {
        job: JobId::new(JOB)?,
        session: SessionId::from_bytes([8; 16]),
        owner,
        mode: DeliveryMode::Push,
        isolation: Isolation::uniform(Level::Unsupported),
    };
    let id = mint::command_id()?;
    let actor = Actor::Service("elsewhere".to_owned());
    let state = engine.execute(run, run::Command { id, actor, intent: Intent::Claim(claim) }).await?.state;
    let fence = state.fence(&JobId::new(JOB)?).ok_or("the claim was granted")?;
    println!("claimed");
    loop {
        store.renew(&[(fence.clone(), LEASE)]).await?;
        println!("renewed");
        tokio::time::sleep(LEASE / 10).await;
    }
}

fn now() -> Timestamp {
    Timestamp::default().after(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

fn workflow() -> striatum::core::workflow::WorkflowBuilder {
    let draft = JobBuilder::draft(JOB)
        .by("author", "main")
        .objective("Write.")
        .max_attempts(3)
        .lease_seconds(u32::try_from(LEASE.as_secs()).unwrap_or(u32::MAX))
        .writes(["out/"]);
    Workflow::builder("takeover")
        .branch(BranchMode::Auto, "result")
        .lane("main", LaneBuilder::adapter("idle"))
        .role("author", "Works.")
        .job(draft)
}

/// An agent that has nothing to do.
#[derive(Debug)]
struct Idle;

#[async_trait]
impl LaneAdapter for Idle {
    fn offers(&self, sandbox: &Isolation) -> Offers {
        Offers::process().within(sandbox)
    }

    async fn work(&self, _: Assignment) -> Result<Finished, AdapterError> {
        Ok(Finished::new(End::Ended, None, Usage::default()))
    }
}
