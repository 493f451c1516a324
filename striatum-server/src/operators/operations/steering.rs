//! Steering runs: what whoever operates them may do without judging anything.

use schemars::JsonSchema;
use serde::Deserialize;
use striatum_core::{
    id::{JobId, RunId},
    run::Intent,
};

use crate::{
    authority::Capability::Write,
    operators::{
        desk::{Changed, Made},
        operation::{Operation, Request},
        problem::Problem,
    },
};

type Answer = Result<(Changed, Made), Problem>;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::changes(
            "start_run",
            "/v1/runs/{run}/start",
            Write,
            "Hands out the jobs of a run that is ready.",
            start,
        ),
        Operation::changes(
            "pause_run",
            "/v1/runs/{run}/pause",
            Write,
            "Hands out no more jobs of a run for now.",
            pause,
        ),
        Operation::changes(
            "resume_run",
            "/v1/runs/{run}/resume",
            Write,
            "Hands out jobs of a paused run again; if its budget was used up, grants as much again.",
            resume,
        ),
        Operation::changes("cancel_run", "/v1/runs/{run}/cancel", Write, "Ends a run.", cancel),
        Operation::changes(
            "cancel_job",
            "/v1/runs/{run}/jobs/{job}/cancel",
            Write,
            "Ends a job, whatever it is at: its agent is stopped, and what waits for it is skipped.",
            cancel_job,
        ),
        Operation::changes(
            "retry_job",
            "/v1/runs/{run}/jobs/{job}/retry",
            Write,
            "Does a job that ended without success once more, with everything behind it.",
            retry,
        ),
        Operation::changes(
            "raise_escalation",
            "/v1/runs/{run}/escalations",
            Write,
            "Raises something that a principal is to settle.",
            escalate,
        ),
    ]
}

/// A run.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OfRun {
    /// The run: 32 hexadecimal digits.
    #[schemars(with = "String")]
    pub(super) run: RunId,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Cancel {
    /// The run: 32 hexadecimal digits.
    #[schemars(with = "String")]
    run: RunId,
    /// Why.
    #[serde(default)]
    reason: Option<String>,
}

/// A job of a run.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OfJob {
    /// The run: 32 hexadecimal digits.
    #[schemars(with = "String")]
    pub(super) run: RunId,
    /// The job.
    #[schemars(with = "String")]
    pub(super) job: JobId,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Escalate {
    /// The run: 32 hexadecimal digits.
    #[schemars(with = "String")]
    run: RunId,
    /// What it is.
    reason: String,
    /// The job that it is about.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    job: Option<JobId>,
}

async fn start(request: Request, input: OfRun) -> Answer {
    request.command(input.run, Intent::Start).await
}

async fn pause(request: Request, input: OfRun) -> Answer {
    request.command(input.run, Intent::Pause).await
}

async fn resume(request: Request, input: OfRun) -> Answer {
    request.command(input.run, Intent::Resume).await
}

async fn cancel(request: Request, input: Cancel) -> Answer {
    let reason = match input.reason {
        Some(reason) => Some(request.keep(reason).await?),
        None => None,
    };
    request.command(input.run, Intent::Cancel { reason }).await
}

async fn cancel_job(request: Request, input: OfJob) -> Answer {
    request.command(input.run, Intent::CancelJob { job: input.job }).await
}

async fn retry(request: Request, input: OfJob) -> Answer {
    request.command(input.run, Intent::Retry { job: input.job }).await
}

async fn escalate(request: Request, input: Escalate) -> Answer {
    let reason = request.keep(input.reason).await?;
    request.command(input.run, Intent::Escalate { job: input.job, reason }).await
}
