//! Rehearsing a workflow: every run that matters, played to its end before anything is started.
//!
//! [`rehearse`] plays the machine of [`run`](crate::run) with agents that do not exist: no store, no process, no clock. It looks
//! for what the validator cannot see in a document: a run that stands still, a job that never gets its turn, an exit that is
//! lost although nobody did anything wrong.
//!
//! # What is played
//!
//! Agents work on plain processes, are what their lanes declare, and leave every required artifact. Then
//!
//! - every job does well, and a principal answers each checkpoint in each possible way;
//! - one job does anything it may, at every attempt, and all others do well: a review gives each verdict, an agent fails, is
//!   lost, gives the job back, asks for help or asks a question, or uses up its budget;
//! - each pair of reviews gives any verdicts, at every attempt, and all others do well;
//! - for each way back, all who may take it do so until it is spent;
//! - one run is as dear as agents can make it;
//! - agents and principals do anything, in any order, by the numbers of so many seeds.
//!
//! Jobs that may be held at the same time are, whatever they share outside the repository: a store keeps such jobs apart, and they
//! wait. Nobody pauses a run. States that differ in names, times and numbers of attempts alone are equal,
//! and what follows from one of them is played once. A principal grants at most [`ROUNDS`] more rounds within one run.
//!
//! The rehearsal is a function of its arguments: the same document gives the same report.

mod finding;
mod fingerprint;
mod observe;
mod position;
mod report;
mod script;
mod search;
mod wander;

pub use finding::{Finding, FindingCode};
pub use report::{Asked, JobReport, Report};
pub use script::{Answer, ROUNDS};

use crate::workflow::{InvalidSnapshot, Workflow};

/// How far a rehearsal goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// How many runs are played by chance, each with the numbers of its own seed.
    pub seeds: u64,
    /// How much is done at most: a command counts as one, and the end of a run as the number of its jobs. Both take some
    /// microseconds, and some tens of bytes are kept of each command.
    pub effort: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { seeds: 50, effort: 150_000 }
    }
}

/// Plays a workflow to its ends.
///
/// ```
/// use striatum_core::{
///     id::WorkflowId,
///     rehearsal::{Options, rehearse},
///     run::{JobStatus, RunStatus},
///     workflow::{Rules, Shape, Workflow},
/// };
///
/// let document = Shape::CodeChange.generate(&WorkflowId::new("parser")?, "").document;
/// let workflow = Workflow::parse(document.as_bytes(), &Rules::default())?.workflow;
/// let report = rehearse(&workflow, &Options::default())?;
/// assert!(report.findings.is_empty());
/// assert!(report.ends[&RunStatus::Completed] > 0 && report.ends[&RunStatus::Failed] > 0);
/// // A review that is not content in the end leaves the decision to a person.
/// let review = workflow.jobs.iter().position(|job| job.kind.is_verdict_capable()).ok_or("a review")?;
/// assert!(report.jobs[review].statuses.contains(&JobStatus::WaitingHuman));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`InvalidSnapshot`]; none for a workflow that was parsed or built.
pub fn rehearse(workflow: &Workflow, options: &Options) -> Result<Report, InvalidSnapshot> {
    search::Search::over(workflow, options).map(search::Search::report)
}
