//! What waits for a principal.

use schemars::JsonSchema;
use serde::Serialize;
use striatum_core::{
    id::{JobId, RunId},
    run::{Checkpoint, DecisionRecorded, Escalation, JobState, JobStatus, Question, State},
    workflow,
};

use super::{Blob, word};

/// Whether a job waits for a principal.
pub(super) const fn waits(status: JobStatus) -> bool {
    matches!(
        status,
        JobStatus::WaitingHuman | JobStatus::Blocked | JobStatus::Parked | JobStatus::AwaitingInput
    )
}

/// A job that waits for a principal.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(in crate::operators) struct CheckpointView {
    /// The run.
    #[schemars(with = "String")]
    run: RunId,
    /// The job.
    #[schemars(with = "String")]
    job: JobId,
    /// What it is for, in a few words.
    title: String,
    /// Where it stands.
    status: String,
    /// What is asked; nothing for a job that only an operator is to let go on.
    checkpoint: Option<String>,
    /// How it can be resolved.
    possible: Vec<String>,
    /// What has to be published to pass it.
    artifacts: Vec<String>,
    /// Whether the workflow leaves it to an AI operator.
    ai_operator_may: bool,
}

impl CheckpointView {
    /// The job as a checkpoint, if it waits for a resolution. One that asks waits for an answer instead.
    pub(in crate::operators) fn of(state: &State, spec: &workflow::Job, job: &JobState) -> Option<Self> {
        if !waits(job.status) || job.status == JobStatus::AwaitingInput {
            return None;
        }
        let planned = job.checkpoint == Some(Checkpoint::Planned);
        let required = spec.expected_artifacts.iter().filter(|artifact| planned && artifact.required);
        let names = required.filter_map(|artifact| artifact.name_at(job.attempt));
        Some(Self {
            run: state.run(),
            job: spec.id.clone(),
            title: spec.title.clone(),
            status: job.status.as_str().to_owned(),
            checkpoint: job.checkpoint.as_ref().map(word),
            possible: possible(job).iter().map(|&how| how.to_owned()).collect(),
            artifacts: names.map(|name| name.to_string()).collect(),
            ai_operator_may: job
                .checkpoint
                .is_none_or(|asked| state.workflow().ai_operator_may.contains(&asked)),
        })
    }
}

const fn possible(job: &JobState) -> &'static [&'static str] {
    match (job.status, job.checkpoint) {
        (JobStatus::WaitingHuman, Some(Checkpoint::BudgetSpent | Checkpoint::Blocked)) => {
            &["continue", "cancel"]
        }
        (JobStatus::WaitingHuman, _) => &["continue", "override", "cancel"],
        (_, Some(Checkpoint::Identity)) => &["resume", "continue", "override", "cancel"],
        _ => &["resume", "continue", "cancel"],
    }
}

/// A question that waits for an answer.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(in crate::operators) struct QuestionView {
    /// The run.
    #[schemars(with = "String")]
    run: RunId,
    /// Its number in the run, from 1.
    question: u32,
    /// The job that asks.
    #[schemars(with = "String")]
    job: JobId,
    /// The question.
    text: Blob,
    /// The earlier job whose session was asked; nothing if a person was.
    #[schemars(with = "Option<String>")]
    of: Option<JobId>,
    /// Whether a person is to answer. One may answer what a session was asked as well.
    waits_for_person: bool,
    /// Whether the workflow leaves it to an AI operator.
    ai_operator_may: bool,
}

impl From<(&State, &workflow::Job, &Question)> for QuestionView {
    fn from((state, spec, question): (&State, &workflow::Job, &Question)) -> Self {
        Self {
            run: state.run(),
            of: question.of.as_ref().map(|of| of.job.clone()),
            waits_for_person: question.awaited().is_none(),
            question: question.number,
            job: spec.id.clone(),
            text: Blob::from(&question.text),
            ai_operator_may: state.workflow().ai_operator_may.contains(&Checkpoint::Question),
        }
    }
}

/// An escalation.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(in crate::operators) struct EscalationView {
    /// The run.
    #[schemars(with = "String")]
    run: RunId,
    /// Its number in the run, from 1.
    escalation: u32,
    /// What it is about.
    topic: String,
    /// The job, if it is about one.
    #[schemars(with = "Option<String>")]
    job: Option<JobId>,
    /// What it is in words.
    reason: Option<Blob>,
    /// Whether somebody was told.
    notified: bool,
    /// How a principal ruled, once one has.
    ruling: Option<String>,
}

impl From<(&State, &Escalation)> for EscalationView {
    fn from((state, escalation): (&State, &Escalation)) -> Self {
        Self {
            run: state.run(),
            escalation: escalation.raised.escalation,
            topic: word(&escalation.raised.topic),
            job: escalation.raised.job.clone(),
            reason: escalation.raised.reason.as_ref().map(Blob::from),
            notified: escalation.notified,
            ruling: escalation.ruling.as_ref().map(word),
        }
    }
}

/// A decision.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(in crate::operators) struct DecisionView {
    /// Its number in the run, from 1.
    decision: u32,
    /// The job that it is about.
    #[schemars(with = "String")]
    job: JobId,
    /// At which attempt.
    attempt: u32,
    /// The ruling.
    ruling: String,
    /// The reasons.
    rationale: Blob,
    /// Who ruled.
    by: String,
}

impl From<&DecisionRecorded> for DecisionView {
    fn from(decision: &DecisionRecorded) -> Self {
        Self {
            decision: decision.decision,
            job: decision.job.clone(),
            attempt: decision.attempt,
            ruling: word(&decision.ruling),
            rationale: Blob::from(&decision.rationale),
            by: decision.by.clone(),
        }
    }
}
