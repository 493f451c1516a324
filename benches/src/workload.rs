//! Workload **W**, the same for every store.
//!
//! A run is started; its draft is reviewed, sent back, drafted again and accepted: nine durable commands, by steps that do
//! nothing and leave nothing. Preparing the run and confirming its branch come before it, closing its work trees and
//! delivering it behind it; neither is part of the count or of the time. Nobody asks the store what is ready: W knows.

use std::sync::Arc;

use striatum_core::{
    engine::Engine,
    id::{ChainId, CommandId, CommitId, Fence, InstanceId, JobId, RunId, SessionId},
    run::{Actor, Claim, Command, DeliveryMode, Intent, Outcome as Outcomes, Owner, Submit, Verdict},
    sandbox::{Isolation, Level},
    store::{ChainMeta, MemoryBlobs, MemoryStore, Store},
    time::Timestamp,
    workflow::{JobBuilder, LaneBuilder, Snapshot, Workflow},
};

use crate::Outcome;

/// The commands of one run that count.
pub(crate) const COMMANDS: usize = 9;

/// Draws numbers that look random and are the same in every process.
#[derive(Debug)]
pub(crate) struct Lot(u64);

impl Lot {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn identity(&mut self) -> [u8; 16] {
        (u128::from(self.next()) << 64 | u128::from(self.next())).to_be_bytes()
    }
}

/// Who works off runs: an engine, and the names that its commands need.
#[derive(Debug)]
pub(crate) struct Shell {
    pub(crate) engine: Arc<Engine>,
    chain: ChainId,
    snapshot: Snapshot,
    names: Names,
    lot: Lot,
}

#[derive(Debug, Clone)]
struct Names {
    draft: JobId,
    review: JobId,
    person: Actor,
    service: Actor,
    owner: Owner,
}

/// The time that the shell tells. It stands still: reading a clock is not what is measured.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000)
}

impl Shell {
    /// A shell over a store. Shells with other numbers make other runs.
    pub(crate) async fn new(store: Arc<dyn Store>, number: u64) -> Outcome<Self> {
        let chain = ChainId::new("bench")?;
        store.open_chain(&chain, &ChainMeta { label: "a repository".to_owned() }).await?;
        let engine = Arc::new(Engine::new(store, Arc::new(MemoryBlobs::default()), Arc::new(now)));
        Self::of(engine, chain, cycle()?, number)
    }

    /// One over the memory store.
    pub(crate) async fn in_memory(number: u64) -> Outcome<Self> {
        Self::new(Arc::new(MemoryStore::new(Arc::new(now))), number).await
    }

    /// Another shell over the same engine, for work at the same time.
    pub(crate) fn beside(&self, number: u64) -> Outcome<Self> {
        Self::of(self.engine.clone(), self.chain.clone(), self.snapshot.clone(), number)
    }

    fn of(engine: Arc<Engine>, chain: ChainId, snapshot: Snapshot, number: u64) -> Outcome<Self> {
        let names = Names {
            draft: JobId::new("draft")?,
            review: JobId::new("review")?,
            person: Actor::Human("ada".to_owned()),
            service: Actor::Service("bench".to_owned()),
            owner: Owner::unproven(InstanceId::from_bytes([7; 16])),
        };
        Ok(Self { engine, chain, snapshot, names, lot: Lot(number << 40) })
    }

    pub(crate) fn chain(&self) -> &ChainId {
        &self.chain
    }

    /// The same with a workflow of this many jobs, each behind the one before.
    pub(crate) fn in_line(mut self, jobs: usize) -> Outcome<Self> {
        self.snapshot = line(jobs)?;
        Ok(self)
    }

    /// Prepares a run and confirms its branch.
    pub(crate) async fn prepare(&mut self) -> Outcome<RunId> {
        let run = RunId::from_bytes(self.lot.identity());
        let id = CommandId::from_bytes(self.lot.identity());
        self.engine.prepare(&self.chain, run, self.snapshot.clone(), id, self.names.person.clone()).await?;
        let branch = Intent::ConfirmBranch { branch: "striatum/w".to_owned(), at: None };
        self.give(run, self.names.person.clone(), branch).await?;
        Ok(run)
    }

    /// W: the nine commands, one by one.
    pub(crate) async fn work(&mut self, run: RunId) -> Outcome<[Fence; 4]> {
        let steps = self.steps(run);
        self.start(run).await?;
        for (fence, outcome) in &steps {
            let claim = self.claim(fence);
            self.engine.execute(run, claim).await?;
            let submit = self.submit(fence, outcome);
            self.engine.execute(run, submit).await?;
        }
        Ok(steps.map(|(fence, _)| fence))
    }

    /// W fused: each submission goes with the next claim, and the start with the first.
    pub(crate) async fn work_fused(&mut self, run: RunId) -> Outcome<[Fence; 4]> {
        let steps = self.steps(run);
        let mut together = vec![self.command(self.names.person.clone(), Intent::Start)];
        for (fence, outcome) in &steps {
            together.push(self.claim(fence));
            self.engine.execute_all(run, &together).await?;
            together.clear();
            together.push(self.submit(fence, outcome));
        }
        self.engine.execute_all(run, &together).await?;
        Ok(steps.map(|(fence, _)| fence))
    }

    /// What a shell owes a run behind W: its trees are closed, its result is delivered.
    pub(crate) async fn finish(&mut self, run: RunId, fences: &[Fence]) -> Outcome {
        let mut owed: Vec<Command> = fences.iter().map(|fence| self.close(fence)).collect();
        owed.push(self.deliver()?);
        self.engine.execute_all(run, &owed).await?;
        Ok(())
    }

    /// A whole run, finished in two appends: for filling a store, not for measuring.
    pub(crate) async fn fill(&mut self) -> Outcome {
        let run = self.prepare().await?;
        let mut together = vec![self.command(self.names.person.clone(), Intent::Start)];
        for (fence, outcome) in self.steps(run) {
            together.push(self.claim(&fence));
            together.push(self.submit(&fence, &outcome));
            together.push(self.close(&fence));
        }
        together.push(self.deliver()?);
        self.engine.execute_all(run, &together).await?;
        Ok(())
    }

    /// A run that is canceled as soon as it begins.
    #[cfg(feature = "pg")]
    pub(crate) async fn fill_short(&mut self) -> Outcome {
        let run = self.prepare().await?;
        let begin = self.command(self.names.person.clone(), Intent::Start);
        let cancel = self.command(self.names.person.clone(), Intent::Cancel { reason: None });
        self.engine.execute_all(run, &[begin, cancel]).await?;
        Ok(())
    }

    /// Begins the run.
    pub(crate) async fn start(&mut self, run: RunId) -> Outcome {
        self.give(run, self.names.person.clone(), Intent::Start).await
    }

    /// Claims the only ready job of a line, submits it and closes its tree.
    pub(crate) async fn step(&mut self, run: RunId, number: usize) -> Outcome {
        let session = SessionId::from_bytes(self.lot.identity());
        let fence = Fence { run, job: job(number)?, epoch: 1, session };
        for command in [self.claim(&fence), self.submit(&fence, &Outcomes::Done), self.close(&fence)] {
            self.engine.execute(run, command).await?;
        }
        Ok(())
    }

    /// Claims the draft of a run that was started.
    #[cfg(feature = "pg")]
    pub(crate) async fn grab(&mut self, run: RunId) -> Outcome<Fence> {
        let session = SessionId::from_bytes(self.lot.identity());
        let fence = Fence { run, job: self.names.draft.clone(), epoch: 1, session };
        let claim = self.claim(&fence);
        self.engine.execute(run, claim).await?;
        Ok(fence)
    }

    /// Cancels a run.
    #[cfg(feature = "pg")]
    pub(crate) async fn end(&mut self, run: RunId, fence: Fence) -> Outcome {
        let cancel = self.command(self.names.person.clone(), Intent::Cancel { reason: None });
        let close = self.close(&fence);
        self.engine.execute_all(run, &[cancel, close]).await?;
        Ok(())
    }

    async fn give(&mut self, run: RunId, actor: Actor, intent: Intent) -> Outcome {
        let command = self.command(actor, intent);
        self.engine.execute(run, command).await?;
        Ok(())
    }

    fn steps(&mut self, run: RunId) -> [(Fence, Outcomes); 4] {
        let judged = |verdict| Outcomes::Verdict { verdict, findings: None };
        let Names { draft, review, .. } = self.names.clone();
        [
            (draft.clone(), 1, Outcomes::Done),
            (review.clone(), 1, judged(Verdict::NeedsRevision)),
            (draft, 2, Outcomes::Done),
            (review, 2, judged(Verdict::Accept)),
        ]
        .map(|(job, epoch, outcome)| {
            let session = SessionId::from_bytes(self.lot.identity());
            (Fence { run, job, epoch, session }, outcome)
        })
    }

    fn claim(&mut self, fence: &Fence) -> Command {
        let claim = Claim {
            job: fence.job.clone(),
            session: fence.session,
            owner: self.names.owner.clone(),
            mode: DeliveryMode::Push,
            isolation: Isolation::uniform(Level::Advisory),
        };
        self.command(self.names.service.clone(), Intent::Claim(claim))
    }

    fn submit(&mut self, fence: &Fence, outcome: &Outcomes) -> Command {
        let submit = Submit::new(fence.clone(), outcome.clone());
        self.command(Actor::Session(fence.session), Intent::Submit(submit))
    }

    fn close(&mut self, fence: &Fence) -> Command {
        self.command(self.names.service.clone(), Intent::TreeClosed { fence: fence.clone(), kept: None })
    }

    fn deliver(&mut self) -> Outcome<Command> {
        let delivered = Intent::Delivered { commit: commit()?, deviations: Vec::new() };
        Ok(self.command(self.names.service.clone(), delivered))
    }

    fn command(&mut self, actor: Actor, intent: Intent) -> Command {
        Command { id: CommandId::from_bytes(self.lot.identity()), actor, intent }
    }
}

fn commit() -> Outcome<CommitId> {
    Ok(CommitId::new("0".repeat(40))?)
}

fn cycle() -> Outcome<Snapshot> {
    let draft = JobBuilder::draft("draft").by("author", "author").objective("Write it.").writes(["docs/"]);
    let review = JobBuilder::review("review")
        .by("reviewer", "reviewer")
        .objective("Is it good?")
        .after("draft")
        .fresh_session();
    let workflow = Workflow::builder("w")
        .lane("author", LaneBuilder::process(["author"]).model("author-1"))
        .lane("reviewer", LaneBuilder::process(["reviewer"]).model("reviewer-1"))
        .role("author", "Writes what is asked for.")
        .role("reviewer", "Judges it.")
        .job(draft)
        .job(review)
        .cycle("review", "draft", 2);
    Ok(Snapshot::new(workflow.build()?.workflow, commit()?, Vec::new())?)
}

fn line(jobs: usize) -> Outcome<Snapshot> {
    let mut workflow = Workflow::builder("line")
        .lane("author", LaneBuilder::process(["author"]).model("author-1"))
        .role("author", "Writes what is asked for.");
    for number in 0..jobs {
        let mut job = JobBuilder::draft(job(number)?.to_string())
            .by("author", "author")
            .objective("Write it.")
            .writes(["docs/"]);
        if let Some(before) = number.checked_sub(1) {
            job = job.after(self::job(before)?.to_string());
        }
        workflow = workflow.job(job);
    }
    Ok(Snapshot::new(workflow.build()?.workflow, commit()?, Vec::new())?)
}

fn job(number: usize) -> Outcome<JobId> {
    Ok(JobId::new(format!("job-{number:05}"))?)
}
