//! Judging: what a person is asked, and an AI operator where the workflow leaves it to one. The machine decides which of the two may.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use striatum_core::{
    digest::BlobRef,
    id::{JobId, RunId},
    run::{DecisionRecorded, Intent, Publication, Resolution, Ruling, State, Supersede},
};

use crate::{
    authority::Capability::Review,
    operators::{
        desk::{Changed, Made},
        operation::{Operation, Request},
        problem::{Fault, Problem},
    },
};

type Answer = Result<(Changed, Made), Problem>;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::changes(
            "resolve_checkpoint",
            "/v1/runs/{run}/jobs/{job}/resolve",
            Review,
            "Resolves a job that waits for a principal.",
            resolve,
        ),
        Operation::changes(
            "decide",
            "/v1/runs/{run}/jobs/{job}/decide",
            Review,
            "Records a ruling on a job that waits; an accepting one can authorise an override.",
            decide,
        ),
        Operation::changes(
            "supersede_artifacts",
            "/v1/runs/{run}/jobs/{job}/supersede",
            Review,
            "Puts something else in the place of what a completed job published; everything behind the job is done again.",
            supersede,
        ),
        Operation::changes(
            "answer_question",
            "/v1/runs/{run}/questions/{question}/answer",
            Review,
            "Answers what an agent asks; its job is handed out again with the answer.",
            answer,
        ),
        Operation::changes(
            "settle_escalation",
            "/v1/runs/{run}/escalations/{escalation}/settle",
            Review,
            "Rules on an escalation: whether what was held back may happen.",
            settle,
        ),
        Operation::changes(
            "compromise_run",
            "/v1/runs/{run}/compromise",
            Review,
            "Declares a completed run unsound.",
            compromise,
        ),
    ]
}

/// How a principal rules.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Judgement {
    /// The work may go on as it is; what was held back may happen.
    Accept,
    /// It may not.
    Reject,
}

impl From<Judgement> for Ruling {
    fn from(judgement: Judgement) -> Self {
        match judgement {
            Judgement::Accept => Self::Accept,
            Judgement::Reject => Self::Reject,
        }
    }
}

/// How a job that waits goes on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum How {
    /// Go on: a checkpoint with its artifacts, a review with one more round, anything else with another attempt.
    Continue,
    /// Go on at the same attempt: for jobs that were blocked or parked.
    Resume,
    /// Count the job as completed, under an accepting decision: the one that `decision` names, or one that is recorded with this, for
    /// the reasons in `reason`.
    Override,
    /// End the job.
    Cancel,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Resolve {
    /// The run: 32 hexadecimal digits.
    #[schemars(with = "String")]
    run: RunId,
    /// The job.
    #[schemars(with = "String")]
    job: JobId,
    /// How it goes on.
    how: How,
    /// For `continue`: what is published in the caller's name.
    #[serde(default)]
    artifacts: Vec<Artifact>,
    /// For `override`: the reasons of a decision that is recorded with it.
    #[serde(default)]
    reason: Option<String>,
    /// For `override`: the number of a decision that stands already.
    #[serde(default)]
    decision: Option<u32>,
}

/// What a principal publishes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Artifact {
    /// The name that the job declares.
    name: String,
    /// Its content, if it is a text.
    #[serde(default)]
    text: Option<String>,
    /// Its content otherwise, in base64.
    #[serde(default)]
    base64: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Decide {
    /// The run: 32 hexadecimal digits.
    #[schemars(with = "String")]
    run: RunId,
    /// The job.
    #[schemars(with = "String")]
    job: JobId,
    /// The ruling.
    ruling: Judgement,
    /// The reasons.
    reason: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Superseding {
    /// The run: 32 hexadecimal digits.
    #[schemars(with = "String")]
    run: RunId,
    /// The job.
    #[schemars(with = "String")]
    job: JobId,
    /// The attempt whose artifacts are superseded: the present one.
    attempt: u32,
    /// What is published instead, under the names that the job declares for the attempt after that.
    artifacts: Vec<Artifact>,
    /// The reasons.
    reason: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Answered {
    /// The run: 32 hexadecimal digits.
    #[schemars(with = "String")]
    run: RunId,
    /// The number of the question.
    question: u32,
    /// The answer.
    text: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settle {
    /// The run: 32 hexadecimal digits.
    #[schemars(with = "String")]
    run: RunId,
    /// The number of the escalation.
    escalation: u32,
    /// The ruling.
    ruling: Judgement,
    /// The reasons.
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Compromise {
    /// The run: 32 hexadecimal digits.
    #[schemars(with = "String")]
    run: RunId,
    /// The reasons.
    reason: String,
}

async fn resolve(request: Request, input: Resolve) -> Answer {
    let Resolve { run, job, how, artifacts, reason, decision } = input;
    let misplaced =
        |what: &str| Err(Problem::new(Fault::Invalid, format!("{what} does not go with this resolution")));
    let is_override = matches!(how, How::Override);
    if !artifacts.is_empty() && !matches!(how, How::Continue) {
        return misplaced("artifacts");
    }
    if (reason.is_some() || decision.is_some()) && !is_override {
        return misplaced("a reason or decision");
    }
    let resolution = match how {
        How::Resume => Resolution::Resume,
        How::Cancel => Resolution::Cancel,
        How::Continue => {
            let state = request.load(run).await?;
            let attempt = state.job(&job).map_or(1, |job| job.attempt);
            Resolution::Continue {
                artifacts: publications(&request, &state, &job, attempt, artifacts).await?,
            }
        }
        How::Override => return overrule(&request, run, job, reason, decision).await,
    };
    request.command(run, Intent::Resolve { job, resolution }).await
}

/// Overrides under a decision: one that stands, or one that stands or falls together with this.
async fn overrule(
    request: &Request,
    run: RunId,
    job: JobId,
    reason: Option<String>,
    decision: Option<u32>,
) -> Answer {
    let resolve =
        |decision| Intent::Resolve { job: job.clone(), resolution: Resolution::Override { decision } };
    match (reason, decision) {
        (None, Some(decision)) => request.command(run, resolve(decision)).await,
        (Some(reason), None) => {
            let rationale = request.keep(reason).await?;
            let decision = next_decision(&request.load(run).await?, &job, &rationale);
            let decide = Intent::Decide { job: job.clone(), ruling: Ruling::Accept, rationale };
            request.commands(run, vec![decide, resolve(decision)]).await
        }
        _ => Err(Problem::new(Fault::Invalid, "an override takes either a reason or a decision")),
    }
}

/// The number of the decision: the next one, or, of a job that waits no more, the one that let it go on for these reasons, so that
/// the request can be repeated.
fn next_decision(state: &State, job: &JobId, rationale: &BlobRef) -> u32 {
    let waits = state.job(job).is_some_and(|job| job.checkpoint.is_some());
    let stands = |it: &&DecisionRecorded| it.job == *job && it.rationale == *rationale;
    let standing = state.decisions().filter(stands).last().filter(|_| !waits);
    let next = || u32::try_from(state.decisions().len()).unwrap_or(u32::MAX).saturating_add(1);
    standing.map_or_else(next, |decision| decision.decision)
}

async fn supersede(request: Request, input: Superseding) -> Answer {
    let Superseding { run, job, attempt, artifacts, reason } = input;
    let state = request.load(run).await?;
    let artifacts = publications(&request, &state, &job, attempt.saturating_add(1), artifacts).await?;
    let rationale = request.keep(reason).await?;
    let wanted = Supersede { job, attempt, artifacts, submission: None, rationale };
    let unserved = || Problem::new(Fault::RepositoryUnknown, "nothing is committed here");
    let repository = request.desk.repository(state.chain()).ok_or_else(unserved)?;
    let wanted = repository.amend(run, &request.caller.actor, wanted).await?;
    request.command(run, Intent::Supersede(wanted)).await
}

/// Keeps what is published, under the names and paths that the workflow declares for an attempt.
async fn publications(
    request: &Request,
    state: &State,
    job: &JobId,
    attempt: u32,
    artifacts: Vec<Artifact>,
) -> Result<Vec<Publication>, Problem> {
    let mut publications = Vec::new();
    for Artifact { name, text, base64 } in artifacts {
        let declared = state.workflow().job(job).into_iter().flat_map(|job| &job.expected_artifacts);
        let named =
            declared.filter_map(|artifact| Some((artifact.name_at(attempt)?, artifact.path_at(attempt))));
        let found = named.into_iter().find(|(declared, _)| declared.as_str() == name);
        let undeclared =
            || Problem::new(Fault::ArtifactNotDeclared, format!("job {job} expects no artifact {name:?}"));
        let (name, path) = found.ok_or_else(undeclared)?;
        let content = request.keep(content(text, base64)?).await?;
        publications.push(Publication { name, path, content });
    }
    Ok(publications)
}

fn content(text: Option<String>, base64: Option<String>) -> Result<Bytes, Problem> {
    let invalid = |what: String| Problem::new(Fault::Invalid, what);
    match (text, base64) {
        (Some(text), None) => Ok(text.into()),
        (None, Some(base64)) => match BASE64_STANDARD.decode(base64) {
            Ok(bytes) => Ok(bytes.into()),
            Err(error) => Err(invalid(format!("an artifact is not base64: {error}"))),
        },
        _ => Err(invalid("an artifact has either a text or base64".to_owned())),
    }
}

async fn decide(request: Request, input: Decide) -> Answer {
    let rationale = request.keep(input.reason).await?;
    let intent = Intent::Decide { job: input.job, ruling: input.ruling.into(), rationale };
    request.command(input.run, intent).await
}

async fn answer(request: Request, input: Answered) -> Answer {
    let answer = request.keep(input.text).await?;
    request.command(input.run, Intent::Answer { question: input.question, answer }).await
}

async fn settle(request: Request, input: Settle) -> Answer {
    let rationale = match input.reason {
        Some(reason) => Some(request.keep(reason).await?),
        None => None,
    };
    let intent = Intent::Settle { escalation: input.escalation, ruling: input.ruling.into(), rationale };
    request.command(input.run, intent).await
}

async fn compromise(request: Request, input: Compromise) -> Answer {
    let rationale = request.keep(input.reason).await?;
    request.command(input.run, Intent::Compromise { rationale }).await
}
