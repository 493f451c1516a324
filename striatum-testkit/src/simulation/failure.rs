//! What is shown when something does not hold.

use std::fmt;

use striatum_core::{id::WorkflowId, workflow::Workflow};

use super::{
    property::{Broken, Property},
    step::Step,
};

/// A property that did not hold in a simulated run: which, how that shows, and the shortest history that was found for it.
#[derive(Debug)]
pub struct Failure {
    property: Property,
    detail: String,
    workflow: WorkflowId,
    seed: u64,
    length: usize,
    steps: Vec<Step>,
}

impl Failure {
    pub(super) fn new(
        workflow: &Workflow,
        seed: u64,
        broken: Broken,
        length: usize,
        steps: Vec<Step>,
    ) -> Self {
        let Broken { property, detail } = broken;
        Self { property, detail, workflow: workflow.workflow_id.clone(), seed, length, steps }
    }

    /// What did not hold.
    pub const fn property(&self) -> Property {
        self.property
    }

    /// How that shows.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Of which seed.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The history, for [`Simulation::replay`](super::Simulation::replay).
    pub fn history(&self) -> String {
        // Steps are enums, names and numbers, which always serialise.
        serde_json::to_string(&self.steps).unwrap_or_default()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { property, detail, workflow, seed, length, steps } = self;
        writeln!(f, "{property}: this does not hold for workflow {workflow} with seed {seed}")?;
        writeln!(f, "{detail}")?;
        writeln!(f, "{} of {length} steps are left:", steps.len())?;
        for (step, n) in steps.iter().zip(1..) {
            writeln!(f, "{n:4}. {step}")?;
        }
        writeln!(f, "again, with everything: simulation.run({seed}, &stores).await")?;
        write!(
            f,
            "again, with what is left: simulation.replay({seed}, r#\"{}\"#, &stores).await",
            self.history()
        )
    }
}

impl std::error::Error for Failure {}
