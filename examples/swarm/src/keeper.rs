//! Prepares the runs, starts the workers, plays fate, and waits for the end.

use std::{
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use striatum::{
    Orchestrator,
    core::{
        run::{Actor, Intent},
        store::{RunQuery, Store},
    },
    pg::PgStore,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    time,
};

use crate::{Args, Outcome, agent::Register, config, ledger, site::Site, worker, workflow};

/// For how long a worker is stopped: longer than a lease lasts.
const STOPPED: Duration = Duration::from_millis(3_500);

/// How often it is looked whether all is done.
const LOOK: Duration = Duration::from_millis(100);

/// Of how many grants one is the undoing of its worker.
const FATAL: u64 = 6;

/// Longer than any swarm should take, and than each of its runs should add.
const PATIENCE: Duration = Duration::from_secs(120);
const RUN: Duration = Duration::from_secs(10);

/// `owner` and `worker` are the addresses of the same database.
pub(crate) async fn run(args: &Args, owner: &str, worker: &str) -> Outcome {
    let schema = format!("swarm_{}", std::process::id());
    PgStore::migrate(&config(owner, &schema)?).await?;
    let store = Arc::new(PgStore::connect(&config(worker, &schema)?).await?);
    let folder = tempfile::tempdir()?;
    let site = Site::make(folder.path())?;
    let orchestrator = site.orchestrator(store.clone()).await?;
    prepare(&orchestrator, &site, args.runs).await?;
    println!("{} runs in schema {schema}, {} workers", args.runs, args.workers);

    let begun = Instant::now();
    let mut swarm = Swarm::new(args, worker, &schema, &site);
    let patience = PATIENCE + RUN * u32::try_from(args.runs)?;
    time::timeout(patience, swarm.until_done(&store)).await.map_err(|_| "the runs did not end in time")??;
    println!("all runs ended after {:.1} s", begun.elapsed().as_secs_f64());
    time::timeout(PATIENCE, swarm.end()).await.map_err(|_| "the workers did not end in time")??;
    println!("workers started {}, killed {}, stopped {}", swarm.started, swarm.killed, swarm.stopped);
    println!("stale writes refused {}", swarm.stale);
    let Register { begun, cut_short } = Register::close(&site.register())?;
    println!("agents begun {begun}, cut short {cut_short}, none is left");
    if site.trees()? > 1 {
        return Err("a tree was left open".into());
    }
    ledger::close(&*store, &orchestrator, args.runs).await
}

async fn prepare(orchestrator: &Orchestrator, site: &Site, runs: usize) -> Outcome {
    let (document, person) = (workflow::workflow(site)?, Actor::Human("ada".to_owned()));
    for _ in 0..runs {
        let prepared = orchestrator.prepare(&document, person.clone()).await?;
        orchestrator.command(prepared.run, person.clone(), Intent::Start).await?;
    }
    Ok(())
}

struct Swarm<'a> {
    args: &'a Args,
    database: &'a str,
    schema: &'a str,
    site: &'a Site,
    fate: Fate,
    workers: Vec<(usize, Child)>,
    /// What the workers say, each under its number.
    heard: UnboundedReceiver<(usize, String)>,
    say: UnboundedSender<(usize, String)>,
    started: usize,
    killed: usize,
    stopped: usize,
    /// How often a worker said that its work came too late.
    stale: usize,
}

impl<'a> Swarm<'a> {
    fn new(args: &'a Args, database: &'a str, schema: &'a str, site: &'a Site) -> Self {
        let (say, heard) = mpsc::unbounded_channel();
        let (fate, workers) = (Fate(args.seed), Vec::new());
        let (started, killed, stopped, stale) = (0, 0, 0, 0);
        Self { args, database, schema, site, fate, workers, heard, say, started, killed, stopped, stale }
    }

    async fn until_done(&mut self, store: &PgStore) -> Outcome {
        let open = RunQuery { active: true, limit: 1, ..RunQuery::default() };
        while !store.runs(&open).await?.items.is_empty() {
            self.recruit()?;
            if let Ok(Some((worker, said))) = time::timeout(LOOK, self.heard.recv()).await {
                self.stale += usize::from(said == worker::STALE);
                if self.args.chaos && said == worker::GRANTED && self.fate.below(FATAL) == 0 {
                    self.strike(worker).await?;
                }
            }
        }
        Ok(())
    }

    /// Puts a new worker in the place of each that was killed.
    fn recruit(&mut self) -> Outcome {
        for (number, worker) in &mut self.workers {
            if let Some(status) = worker.try_wait()? {
                return Err(format!("worker {number} ended with {status}").into());
            }
        }
        while self.workers.len() < self.args.workers {
            let worker = self.start()?;
            self.workers.push((self.started, worker));
        }
        Ok(())
    }

    /// Kills a worker while it works on its grant, or stops it until its leases have lapsed.
    async fn strike(&mut self, number: usize) -> Outcome {
        time::sleep(Duration::from_millis(self.fate.below(400))).await;
        let Some(place) = self.workers.iter().position(|(known, _)| *known == number) else { return Ok(()) };
        let victim = &mut self.workers[place].1;
        if self.fate.below(4) > 0 {
            victim.kill().await?;
            self.workers.remove(place);
            self.killed += 1;
        } else if let Some(pid) = victim.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            kill_process(pid, Signal::STOP)?;
            self.stopped += 1;
            tokio::spawn(async move {
                time::sleep(STOPPED).await;
                // It may have been killed meanwhile.
                let _gone = kill_process(pid, Signal::CONT);
            });
        }
        Ok(())
    }

    fn start(&mut self) -> Outcome<Child> {
        self.started += 1;
        let mut child = Command::new(std::env::current_exe()?)
            // Not as an argument: the address may hold a password, and others can read those.
            .env("WORKER_DATABASE_URL", self.database)
            .env_remove("DATABASE_URL")
            .args(["worker", self.schema])
            .arg(self.site.folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(said) = child.stdout.take() {
            let (number, say) = (self.started, self.say.clone());
            tokio::spawn(async move {
                let mut lines = BufReader::new(said).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    let _unheard = say.send((number, line));
                }
            });
        }
        Ok(child)
    }

    /// Lets go of the workers, and hears what they still have to say.
    async fn end(&mut self) -> Outcome {
        for (number, worker) in &mut self.workers {
            let status = worker.wait().await?;
            if !status.success() {
                return Err(format!("worker {number} ended with {status}").into());
            }
        }
        while let Ok((_, said)) = self.heard.try_recv() {
            self.stale += usize::from(said == worker::STALE);
        }
        Ok(())
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
