//! Whole runs in a test of a few lines: no process, no git, no waiting.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::Arc,
};

use striatum_core::{
    engine::{Engine, EngineError},
    id::{CommandId, Fence, InstanceId, JobId, RunId, SessionId},
    run::{
        Actor, Checkpoint, Claim, Command, DeliveryMode, Event, Intent, JobState, JobStatus, LeaseReport,
        Outcome, Packet, Resolution, Ruling, RunStatus, Severity, State, Verdict,
    },
    store::{ChainMeta, MemoryBlobs, MemoryStore, ReadyQuery, Store, StoreError},
    workflow::{InvalidSnapshot, Workflow},
};

use crate::{clock::ManualClock, words};

/// What somebody does with a job that they were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Turn {
    /// Leaves what is asked for, and is done.
    Done,
    /// Leaves what is asked for, and judges.
    Judges(Verdict),
    /// Tries, and fails.
    Fails,
    /// Vanishes without a word.
    Vanishes,
    /// Says that a person is needed.
    AsksAPerson,
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Judges(verdict) => write!(f, "{verdict}"),
            Self::Fails => f.write_str("fails"),
            Self::Vanishes => f.write_str("vanishes"),
            Self::AsksAPerson => f.write_str("asks a person"),
        }
    }
}

/// A run over a store in memory, with workers that do what a test says.
///
/// Each job is done by a session of its own, which leaves every artifact that the job declares; what is in them is made up. Time
/// stands still, except where a job waits: then it passes at once.
///
/// ```
/// use striatum_core::{run::{RunStatus, Verdict}, workflow::{JobBuilder, LaneBuilder, Workflow}};
/// use striatum_testkit::harness::{Harness, Turn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let workflow = Workflow::builder("twice")
///     .lane("l", LaneBuilder::process(["agent"]))
///     .role("r", "Works.")
///     .job(JobBuilder::draft("draft").by("r", "l").objective("Write.").writes(["docs/"]))
///     .job(JobBuilder::review("review").by("r", "l").objective("Judge.").after("draft"))
///     .cycle("review", "draft", 2)
///     .build()?
///     .workflow;
///
/// let mut run = Harness::start(&workflow).await?;
/// run.script("review", [Turn::Judges(Verdict::NeedsRevision)]);
/// run.play().await?;
/// assert_eq!(run.told(), ["draft 1: done", "review 1: needs_revision", "draft 2: done", "review 2: accept"]);
/// assert_eq!(run.status(), RunStatus::Completed);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Harness {
    engine: Arc<Engine>,
    store: Arc<MemoryStore>,
    clock: ManualClock,
    state: Arc<State>,
    scripts: BTreeMap<String, VecDeque<Turn>>,
    told: Vec<String>,
    minted: u64,
}

/// Why a harness could not do what a test wants.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HarnessError {
    /// The machine refused, or a store failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The workflow cannot be frozen.
    #[error(transparent)]
    Snapshot(#[from] InvalidSnapshot),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such job.
    #[error("the workflow has no job {0:?}")]
    NoSuchJob(String),
    /// Nobody holds the job.
    #[error("nobody holds job {0}")]
    NotHeld(JobId),
    /// So much was done that the run will hardly ever end.
    #[error("after {turns} turns the run has not come to rest; the last were: {last}")]
    Restless {
        /// How many turns were taken.
        turns: usize,
        /// The last of them.
        last: String,
    },
}

const RUN: RunId = RunId::from_bytes([0x7e; 16]);

/// More turns than a test has patience for.
const PATIENCE: usize = 10_000;

impl Harness {
    /// Prepares a run of a workflow, with stand-ins for the files that it refers to, and starts it.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub async fn start(workflow: &Workflow) -> Result<Self, HarnessError> {
        let (snapshot, clock) = (words::snapshot(workflow)?, ManualClock::default());
        let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
        let blobs = Arc::new(MemoryBlobs::default());
        let engine = Arc::new(Engine::new(store.clone(), blobs, Arc::new(clock.clone())));
        let chain = crate::fixture::chain("harness");
        store.open_chain(&chain, &ChainMeta::default()).await?;
        let applied = engine.prepare(&chain, RUN, snapshot, CommandId::from_bytes([0; 16]), person()).await?;
        let state = applied.state;
        let (scripts, told) = (BTreeMap::new(), Vec::new());
        let mut run = Self { engine, store, clock, state, scripts, told, minted: 0 };
        run.give(Intent::ConfirmBranch { branch: "harness".to_owned(), at: None }).await?;
        run.give(Intent::Start).await?;
        Ok(run)
    }

    /// Says what comes of a job, each time that it is worked on. After that, and for all others, the work is done, and every
    /// verdict is to accept.
    pub fn script(&mut self, job: &str, turns: impl IntoIterator<Item = Turn>) {
        self.scripts.entry(job.to_owned()).or_default().extend(turns);
    }

    /// Works on whatever is ready, until the run has ended or waits for a principal.
    ///
    /// # Errors
    /// [`HarnessError`]; [`HarnessError::Restless`] for a script that goes in circles.
    pub async fn play(&mut self) -> Result<(), HarnessError> {
        for _ in 0..PATIENCE {
            let query = ReadyQuery::all(InstanceId::from_bytes([1; 16]), 1);
            if let Some(ready) = self.store.ready(&query).await?.first() {
                self.work(ready.job.as_str()).await?;
                continue;
            }
            // Only what waits for its time makes time pass: a lease of somebody who still works does not run out here.
            let waits = self.state.jobs().any(|(_, job)| job.wait.is_some());
            match self.store.due(None, 1).await?.next {
                Some(next) if waits && !self.status().has_ended() => self.clock.advance(next),
                _ => return Ok(()),
            }
        }
        let last = self.told.iter().rev().take(4).rev().cloned().collect::<Vec<_>>().join(", ");
        Err(HarnessError::Restless { turns: PATIENCE, last })
    }

    /// Lets a new session take a job and do what the script says.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub async fn work(&mut self, job: &str) -> Result<(), HarnessError> {
        let scripted = self.scripts.get_mut(job).and_then(VecDeque::pop_front);
        self.claim(job).await?;
        let id = self.id(job)?;
        let judges = self.state.workflow().job(&id).is_some_and(|spec| spec.kind.is_verdict_capable());
        let turn = scripted.unwrap_or(if judges { Turn::Judges(Verdict::Accept) } else { Turn::Done });
        self.turn(job, turn).await
    }

    /// Lets a new session take a job, which it then holds; returns what it is told.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub async fn claim(&mut self, job: &str) -> Result<Packet, HarnessError> {
        let id = self.id(job)?;
        let claim = Claim {
            job: id.clone(),
            session: SessionId::from_bytes(self.mint()),
            owner: words::owner(),
            mode: DeliveryMode::Push,
            isolation: words::isolation(),
        };
        self.give(Intent::Claim(claim)).await?;
        let fence = self.fence(job)?;
        Packet::of(&self.state, &fence).ok_or(HarnessError::NotHeld(id))
    }

    /// Lets whoever holds a job take a turn.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub async fn turn(&mut self, job: &str, turn: Turn) -> Result<(), HarnessError> {
        let fence = self.fence(job)?;
        let attempt = self.job(job)?.attempt;
        let submit = |outcome| Intent::Submit(words::submit(&self.state, &fence, outcome));
        let report = LeaseReport { reason: Some(words::blob("why")), ..LeaseReport::new(fence.clone()) };
        let intent = match turn {
            Turn::Done => submit(Outcome::Done),
            Turn::Judges(verdict) => {
                submit(Outcome::Verdict { verdict, findings: Some(words::blob("findings")) })
            }
            Turn::Fails => Intent::Fail(report),
            Turn::Vanishes => Intent::Crash(report),
            Turn::AsksAPerson => Intent::Block { report, severity: Severity::HumanCheckpoint },
        };
        self.give(intent).await?;
        self.told.push(format!("{job} {attempt}: {turn}"));
        Ok(())
    }

    /// Lets a person say that a job which waits for one may go on, with the artifacts that it asks for: a checkpoint is passed, a
    /// review gets one more round, anything else another attempt.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub async fn pass(&mut self, job: &str) -> Result<(), HarnessError> {
        let id = self.id(job)?;
        let planned = self.job(job)?.checkpoint == Some(Checkpoint::Planned);
        let asked = words::artifacts(&self.state, &id, "a person's words");
        let artifacts = if planned { asked } else { Vec::new() };
        self.resolve(job, Resolution::Continue { artifacts }).await
    }

    /// Lets a person decide that what a job waits for counts as done, in spite of everything.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub async fn overrule(&mut self, job: &str) -> Result<(), HarnessError> {
        let id = self.id(job)?;
        let rationale = words::blob("because");
        self.give(Intent::Decide { job: id, ruling: Ruling::Accept, rationale }).await?;
        let decision = self.state.decisions().last().map_or(0, |recorded| recorded.decision);
        self.resolve(job, Resolution::Override { decision }).await
    }

    /// Lets a person resolve what a job waits for.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub async fn resolve(&mut self, job: &str, resolution: Resolution) -> Result<(), HarnessError> {
        let job = self.id(job)?;
        self.give(Intent::Resolve { job, resolution }).await?;
        Ok(())
    }

    /// Gives any other command in the name of a person; returns what happened.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub async fn give(&mut self, intent: Intent) -> Result<Vec<Event>, HarnessError> {
        let command = Command { id: CommandId::from_bytes(self.mint()), actor: person(), intent };
        let applied = self.engine.execute(RUN, command).await?;
        self.state = applied.state;
        Ok(applied.events)
    }

    /// What was done so far: job, attempt and turn.
    pub fn told(&self) -> &[String] {
        &self.told
    }

    /// Where the run stands.
    pub fn status(&self) -> RunStatus {
        // A harness begins with a run that is prepared.
        self.state.status().unwrap_or(RunStatus::NeedsBranchConfirmation)
    }

    /// Where everything else stands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Where a job stands.
    ///
    /// # Errors
    /// [`HarnessError::NoSuchJob`].
    pub fn job(&self, job: &str) -> Result<&JobState, HarnessError> {
        self.state.job(&self.id(job)?).ok_or_else(|| HarnessError::NoSuchJob(job.to_owned()))
    }

    /// The jobs that wait for a principal, in document order.
    pub fn waiting(&self) -> Vec<&str> {
        let waits = [JobStatus::WaitingHuman, JobStatus::Blocked, JobStatus::Parked];
        let such = self.state.jobs().filter(|(_, job)| waits.contains(&job.status));
        such.map(|(spec, _)| spec.id.as_str()).collect()
    }

    /// The engine, for an interface that is tried out over the run. What is done by it shows here once something was done here again.
    pub const fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The clock by which leases and waits run.
    pub const fn clock(&self) -> &ManualClock {
        &self.clock
    }

    fn id(&self, job: &str) -> Result<JobId, HarnessError> {
        let spec = self.state.workflow().jobs.iter().find(|spec| spec.id.as_str() == job);
        spec.map(|spec| spec.id.clone()).ok_or_else(|| HarnessError::NoSuchJob(job.to_owned()))
    }

    fn fence(&self, job: &str) -> Result<Fence, HarnessError> {
        let id = self.id(job)?;
        self.state.fence(&id).ok_or(HarnessError::NotHeld(id))
    }

    fn mint(&mut self) -> [u8; 16] {
        self.minted += 1;
        u128::from(self.minted).to_be_bytes()
    }
}

fn person() -> Actor {
    Actor::Human("ada".to_owned())
}
