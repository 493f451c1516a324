//! Seeded interleavings of everybody who may touch a run, watched by somebody who knows the rules.
//!
//! A simulation takes a workflow and a [`StoreFactory`], so it serves whoever writes a document, a store or the machine. It lets
//! workers claim, publish, judge, fail, vanish and come back late; principals answer, overrule, retry, pause and cancel; two
//! engines with caches of their own work through stores that lose answers, crash, dawdle and run full; commands come twice, and
//! with other contents; time passes by steps. After every append an oracle, which is written from the rules and shares no code
//! with the machine, reads the log and checks every [`Property`]; every 64 appends, and at the end, the whole log is folded again
//! and compared with states and indexes. At last the run is left to its workers and a principal, and must end.
//!
//! ```
//! use striatum_core::workflow::{JobBuilder, LaneBuilder, Workflow};
//! use striatum_testkit::{simulation::Simulation, store::MemoryStores};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let workflow = Workflow::builder("twice")
//!     .lane("l", LaneBuilder::process(["agent"]))
//!     .role("author", "Writes.")
//!     .role("reviewer", "Judges.")
//!     .job(JobBuilder::draft("draft").by("author", "l").objective("Write.").writes(["docs/"]))
//!     .job(JobBuilder::review("review").by("reviewer", "l").objective("Judge.").after("draft"))
//!     .cycle("review", "draft", 2)
//!     .build()?
//!     .workflow;
//! let simulation = Simulation::of(&workflow)?;
//! let tally = simulation.seeds(0..5, &MemoryStores::default()).await?;
//! assert_eq!(tally.runs, 5);
//! # Ok(())
//! # }
//! ```
//!
//! What fails is shortened and shown with the call that plays it again: [`Simulation::run`] with its seed, or
//! [`Simulation::replay`] with the steps that are left.

mod agreement;
mod chance;
mod drain;
mod failure;
mod moves;
mod oracle;
mod property;
mod shrink;
mod step;
mod world;

use std::{collections::BTreeMap, ops::Range};

use striatum_core::{
    run::RunStatus,
    workflow::{InvalidSnapshot, Snapshot, Workflow},
};

pub use self::{failure::Failure, property::Property};
use self::{property::Broken, step::Step, world::World};
use crate::{dice::Dice, store::StoreFactory, words};

/// How many steps are taken before a run is left to itself.
const STEPS: usize = 120;

/// Simulates the runs of one workflow.
#[derive(Debug, Clone)]
pub struct Simulation {
    snapshot: Snapshot,
    steps: usize,
}

/// What has happened in simulated runs, so that a test can say that it was enough.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// How many runs there were.
    pub runs: u64,
    /// How many events of each kind were appended.
    pub events: BTreeMap<&'static str, u64>,
    /// How many commands were refused, by the code of the refusal.
    pub refusals: BTreeMap<&'static str, u64>,
    /// How often a run ended how; one that is retried ends again.
    pub ends: BTreeMap<RunStatus, u64>,
}

impl Tally {
    /// Adds what has happened elsewhere.
    pub fn merge(&mut self, other: &Self) {
        fn add<K: Ord + Clone>(to: &mut BTreeMap<K, u64>, more: &BTreeMap<K, u64>) {
            for (key, count) in more {
                *to.entry(key.clone()).or_default() += count;
            }
        }
        self.runs += other.runs;
        add(&mut self.events, &other.events);
        add(&mut self.refusals, &other.refusals);
        add(&mut self.ends, &other.ends);
    }
}

impl Simulation {
    /// Simulates a workflow, with stand-ins for the files that it refers to.
    ///
    /// # Errors
    /// [`InvalidSnapshot`]; none for a workflow that was parsed or built.
    pub fn of(workflow: &Workflow) -> Result<Self, InvalidSnapshot> {
        Ok(Self::over(words::snapshot(workflow)?))
    }

    /// Simulates what a run would execute.
    pub const fn over(snapshot: Snapshot) -> Self {
        Self { snapshot, steps: STEPS }
    }

    /// Takes this many steps, instead of 120, before the run is left to its workers and a principal.
    #[must_use]
    pub fn steps(self, steps: usize) -> Self {
        Self { steps, ..self }
    }

    /// Simulates one run. The same seed is the same run, as far as the store does the same.
    ///
    /// # Errors
    /// [`Failure`], shortened.
    pub async fn run(&self, seed: u64, factory: &dyn StoreFactory) -> Result<Tally, Box<Failure>> {
        let mut history = Vec::new();
        let broken = match self.roam(seed, factory, &mut history).await {
            Ok(tally) => return Ok(tally),
            Err(broken) => broken,
        };
        let length = history.len();
        let property = broken.property;
        let fails = async |steps: Vec<Step>| matches!(self.play(seed, &steps, factory).await, Err(again) if again.property == property);
        let steps = shrink::shortened(history, fails).await;
        // The last word is that of the history that is shown.
        let broken = self.play(seed, &steps, factory).await.err().unwrap_or(broken);
        Err(Box::new(Failure::new(self.snapshot.workflow(), seed, broken, length, steps)))
    }

    /// Simulates one run for each seed, up to the first that fails.
    ///
    /// # Errors
    /// [`Failure`], shortened.
    pub async fn seeds(&self, seeds: Range<u64>, factory: &dyn StoreFactory) -> Result<Tally, Box<Failure>> {
        let mut tally = Tally::default();
        for seed in seeds {
            tally.merge(&self.run(seed, factory).await?);
        }
        Ok(tally)
    }

    /// Plays a history, as a [`Failure`] shows it, and then leaves the run to its workers and a principal as that seed has it.
    ///
    /// # Errors
    /// [`Failure`]; of [`Property::Rules`] if the history cannot be read.
    pub async fn replay(
        &self,
        seed: u64,
        history: &str,
        factory: &dyn StoreFactory,
    ) -> Result<Tally, Box<Failure>> {
        let workflow = self.snapshot.workflow();
        let failure =
            |broken, steps: Vec<Step>| Box::new(Failure::new(workflow, seed, broken, steps.len(), steps));
        let steps: Vec<Step> = serde_json::from_str(history)
            .map_err(|error| failure(Property::Rules.broken(format!("no history: {error}")), Vec::new()))?;
        self.play(seed, &steps, factory).await.map_err(|broken| failure(broken, steps))
    }

    /// Plays at random, and writes down what it does.
    async fn roam(
        &self,
        seed: u64,
        factory: &dyn StoreFactory,
        history: &mut Vec<Step>,
    ) -> Result<Tally, Broken> {
        let mut dice = Dice::new(seed);
        let mut world = World::new(factory, &self.snapshot).await?;
        for _ in 0..self.steps {
            // Little can be done to a run that is completed.
            if world.status() == Some(RunStatus::Completed) && dice.once_in(12) {
                break;
            }
            let view = world.view().await?;
            let step = view.chance(&mut dice).step();
            history.push(step.clone());
            world.perform(&step).await?;
        }
        world.finish(seed).await
    }

    async fn play(&self, seed: u64, steps: &[Step], factory: &dyn StoreFactory) -> Result<Tally, Broken> {
        let mut world = World::new(factory, &self.snapshot).await?;
        for step in steps {
            world.perform(step).await?;
        }
        world.finish(seed).await
    }
}
