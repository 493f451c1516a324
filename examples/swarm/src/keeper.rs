//! Prepares the runs, starts the workers, plays fate, and waits for the end.

use std::{
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use striatum::{
    core::{
        engine::Engine,
        id::{ChainId, CommitId},
        run::{Actor, Command, Intent, RunStatus},
        store::{ChainMeta, RunQuery, Store},
        workflow::Snapshot,
    },
    mint,
    pg::PgStore,
    workspace::ObjectBlobs,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command as Process},
    time,
};

use crate::{Args, Outcome, config, ledger, worker, workflow};

/// For how long a worker is stopped: longer than a lease lasts.
const STOPPED: Duration = Duration::from_millis(2_500);

/// Longer than any swarm should take.
const PATIENCE: Duration = Duration::from_secs(300);

/// The chain of the repository that all work on.
pub(crate) fn chain() -> Outcome<ChainId> {
    Ok(ChainId::new("swarm")?)
}

pub(crate) async fn run(args: &Args, database: &str) -> Outcome {
    let schema = format!("swarm_{}", std::process::id());
    let config = config(database, &schema)?;
    PgStore::migrate(&config).await?;
    let store = Arc::new(PgStore::connect(&config).await?);
    let folder = tempfile::tempdir()?;
    let blobs = Arc::new(ObjectBlobs::local(folder.path())?);
    let engine = Engine::new(store.clone(), blobs.clone(), Arc::new(mint::SystemClock));
    store.open_chain(&chain()?, &ChainMeta { label: "a repository".to_owned() }).await?;
    prepare(&engine, args.runs).await?;
    println!("{} runs in schema {schema}, {} workers", args.runs, args.workers);

    let begun = Instant::now();
    let mut swarm = Swarm {
        args,
        database,
        schema: &schema,
        blobs: folder.path(),
        stale: Arc::default(),
        started: 0,
        workers: Vec::new(),
    };
    time::timeout(PATIENCE, swarm.until_done(&store)).await.map_err(|_| "the runs did not end in time")??;
    let took = begun.elapsed();
    println!("all runs ended after {:.1} s", took.as_secs_f64());
    println!(
        "workers started {}, stale writes refused {}",
        swarm.started,
        swarm.stale.load(Ordering::Relaxed)
    );
    drop(swarm);
    ledger::close(&*store, &*blobs, args.runs).await
}

async fn prepare(engine: &Engine, runs: usize) -> Outcome {
    let snapshot = Snapshot::new(workflow::workflow()?, CommitId::new("0".repeat(40))?, Vec::new())?;
    let person = Actor::Human("ada".to_owned());
    for _ in 0..runs {
        let run = mint::run_id()?;
        engine.prepare(&chain()?, run, snapshot.clone(), mint::command_id()?, person.clone()).await?;
        let together =
            [Intent::ConfirmBranch { branch: format!("swarm/{}", run.short()), at: None }, Intent::Start];
        let command = |intent| Ok(Command { id: mint::command_id()?, actor: person.clone(), intent });
        let together = together.into_iter().map(command).collect::<Outcome<Vec<_>>>()?;
        engine.execute_all(run, &together).await?;
    }
    Ok(())
}

struct Swarm<'a> {
    args: &'a Args,
    database: &'a str,
    schema: &'a str,
    blobs: &'a Path,
    /// How often a worker said that its work came too late.
    stale: Arc<AtomicUsize>,
    started: usize,
    workers: Vec<Child>,
}

impl Swarm<'_> {
    async fn until_done(&mut self, store: &PgStore) -> Outcome {
        let mut fate = Fate(self.args.seed);
        loop {
            while self.workers.len() < self.args.workers {
                let worker = self.start()?;
                self.workers.push(worker);
            }
            time::sleep(Duration::from_millis(100 + fate.below(200))).await;
            let open = RunQuery {
                statuses: vec![RunStatus::Running],
                active: true,
                limit: 1,
                ..RunQuery::default()
            };
            if store.runs(&open).await?.items.is_empty() {
                return Ok(());
            }
            if self.args.chaos {
                self.strike(&mut fate).await?;
            }
            // One that has ended by itself is replaced too, unless it found an error.
            for (place, worker) in self.workers.iter_mut().enumerate().rev().collect::<Vec<_>>() {
                if let Some(status) = worker.try_wait()?
                    && status.code().is_some_and(|code| code != 0)
                {
                    return Err(format!("worker {place} ended with {status}").into());
                }
            }
            self.workers.retain_mut(|worker| matches!(worker.try_wait(), Ok(None)));
        }
    }

    /// Kills a worker, or stops it until its leases have lapsed.
    async fn strike(&mut self, fate: &mut Fate) -> Outcome {
        let Some(victim) = self.workers.get_mut(usize::try_from(fate.below(self.args.workers as u64))?)
        else {
            return Ok(());
        };
        if fate.below(4) > 0 {
            victim.kill().await?;
            return Ok(());
        }
        let pid = victim.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        if let Some(pid) = pid {
            kill_process(pid, Signal::STOP)?;
            tokio::spawn(async move {
                time::sleep(STOPPED).await;
                // It may have been killed meanwhile, and is not yet waited for.
                let _gone = kill_process(pid, Signal::CONT);
            });
        }
        Ok(())
    }

    fn start(&mut self) -> Outcome<Child> {
        self.started += 1;
        let mut child = Process::new(std::env::current_exe()?)
            // Not as an argument: the address may hold a password, and others can read those.
            .env("DATABASE_URL", self.database)
            .args(["--schema", self.schema, "--number", &self.started.to_string(), "--blobs"])
            .arg(self.blobs)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(said) = child.stdout.take() {
            let stale = Arc::clone(&self.stale);
            tokio::spawn(async move {
                let mut lines = BufReader::new(said).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    stale.fetch_add(usize::from(line == worker::STALE), Ordering::Relaxed);
                }
            });
        }
        Ok(child)
    }
}

/// Draws numbers that look random and are the same every time.
struct Fate(u64);

impl Fate {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end.max(1)
    }
}
