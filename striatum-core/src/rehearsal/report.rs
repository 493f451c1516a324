//! What a rehearsal has seen.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    id::JobId,
    rehearsal::{Answer, Finding},
    run::{Checkpoint, JobStatus, RunStatus, Verdict},
    workflow::Severity,
};

/// What a rehearsal has seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// What is wrong or doubtful, errors first. Each thing is told once, however often it showed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// How many runs were played to their end.
    pub runs: u64,
    /// How many others came to a state from which everything was played already.
    pub joined: u64,
    /// How many different states there were.
    pub states: u64,
    /// How many commands were played.
    pub commands: u64,
    /// How often a run ended how.
    pub ends: BTreeMap<RunStatus, u64>,
    /// The most grants of a run to which no principal added any.
    pub most_grants: u64,
    /// The most that such a run can make, by [`Analysis`](crate::workflow::Analysis).
    pub grants_bound: u64,
    /// What was seen of each job, in document order.
    pub jobs: Vec<JobReport>,
}

impl Report {
    /// Whether nothing was found that speaks against running the workflow.
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity < Severity::Error)
    }
}

/// What was seen of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct JobReport {
    /// The job.
    pub id: JobId,
    /// Where it stood.
    pub statuses: BTreeSet<JobStatus>,
    /// The verdicts that it gave at each attempt, in runs to which no principal added any; none if it gives no verdicts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub verdicts: BTreeMap<u32, Vec<Verdict>>,
    /// What principals were asked about it.
    pub asked: Vec<Asked>,
    /// At which attempts it was completed in runs that came to completion, and to which no principal added any.
    pub completed_at: BTreeSet<u32>,
    /// Its highest attempt in a run to which no principal added any.
    pub most_attempts: u32,
    /// Its most grants in such a run.
    pub most_grants: u32,
    /// The most that are possible in such a run, by [`Analysis`](crate::workflow::Analysis).
    pub grants_bound: u64,
}

impl JobReport {
    /// The answers that were possible when a person was asked this; none if nobody was.
    pub fn answers_to(&self, checkpoint: Checkpoint) -> BTreeSet<Answer> {
        let asked = self.asked.iter().find(|asked| asked.checkpoint == Some(checkpoint));
        asked.map(|asked| asked.answers.clone()).unwrap_or_default()
    }
}

/// What principals were asked about a job, and how they could answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Asked {
    /// Where the job stood.
    pub status: JobStatus,
    /// What a person was asked; nothing for a job that was blocked or parked.
    pub checkpoint: Option<Checkpoint>,
    /// The answers that were possible.
    pub answers: BTreeSet<Answer>,
}
