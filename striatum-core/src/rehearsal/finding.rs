//! What a rehearsal has to say about a workflow.

use std::fmt;

use serde::Serialize;

use crate::workflow::{Severity, codes};

codes! {
    /// No run came to completion, whatever agents and principals did.
    RunNeverCompletes, "run_never_completes", "Follow the history of the finding beside it: it shows what stands in the way.";
    /// A run stands still: no job is held or may be claimed, and nobody is asked.
    RunStuck, "run_stuck", "Look at what the job waits for; nothing brings it about.";
    /// A job was never handed out, or, if it asks a person, never did.
    JobNeverRuns, "job_never_runs", "Remove the job, or change what it waits for.";
    /// A job may be claimed, and every session is refused.
    JobUnclaimable, "job_unclaimable", "Change what the job demands of its session, as the message says.";
    /// A run ended without its exits although nobody rejected, failed, lost or cancelled anything; or an exit was never completed.
    ExitLost, "exit_lost", "Follow the history to the job that was skipped, and change what it waits for.";
    /// A person is asked, and no answer is possible.
    CheckpointUnresolvable, "checkpoint_unresolvable", "Change what the job demands of the answer, as the message says.";
    /// A person is asked what the workflow did not plan to ask, although every agent does well.
    CheckpointUnplanned, "checkpoint_unplanned", "Expect to be asked in every run, run it where agents report more than plain processes do, or demand less.";
    /// An agent that did all that its packet asks for was refused.
    OutcomeRefused, "outcome_refused", "Change what the job demands, as the message says.";
    /// A job was handed out more often than the bound that is known beforehand.
    BoundExceeded, "bound_exceeded", "Report this as a defect of striatum, with the document.";
    /// The rehearsal was given up before everything was played.
    RehearsalIncomplete, "rehearsal_incomplete", "Allow more commands, or divide the workflow.";
}

impl FindingCode {
    /// Whether the workflow should not be run.
    pub const fn severity(self) -> Severity {
        match self {
            Self::CheckpointUnplanned | Self::RehearsalIncomplete => Severity::Warning,
            Self::RunNeverCompletes
            | Self::RunStuck
            | Self::JobNeverRuns
            | Self::JobUnclaimable
            | Self::ExitLost
            | Self::CheckpointUnresolvable
            | Self::OutcomeRefused
            | Self::BoundExceeded => Severity::Error,
        }
    }
}

/// One thing that is wrong, or doubtful, about a workflow, and how it shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What kind of finding it is.
    pub code: FindingCode,
    /// Whether the workflow should not be run.
    pub severity: Severity,
    /// Where it is in the document: a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What was found, for a person.
    pub message: String,
    /// What led to it when it was first found: the last steps of that run, without the claims.
    pub history: Vec<String>,
}

impl Finding {
    pub(super) fn new(code: FindingCode, job: Option<usize>, message: String, history: Vec<String>) -> Self {
        let pointer = job.map(|job| format!("/jobs/{job}")).unwrap_or_default();
        Self { code, severity: code.severity(), pointer, message, history }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.pointer.is_empty() { "(document)" } else { &self.pointer };
        write!(f, "{}: {place}: {} [{}]", self.severity, self.message, self.code)
    }
}
