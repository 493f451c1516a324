//! Looking at runs and at what is in them.

use std::str::FromStr as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use striatum_core::{
    chain::{Position, Sealed},
    digest::Digest,
    engine::EngineError,
    id::{ChainId, JobId, RunId},
    run::{Escalation, EscalationTopic, Rejection, RunStatus, State},
    store::{RunHead, RunQuery},
};

use super::steering::{OfJob, OfRun};
use crate::operators::{
    blobs,
    operation::{Operation, Request},
    page::{Page, Part, run_cursor},
    problem::{Fault, Problem},
    view::{
        ArtifactView, CheckpointView, DecisionView, EscalationView, JobBrief, JobView, QuestionView,
        RunBrief, RunView, SessionView, moment,
    },
};

/// How much of a text a tool is given at once, in bytes.
const TEXT: usize = 64 << 10;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::reads("list_runs", "/v1/runs", "Lists runs, the newest first.", runs),
        Operation::reads("show_run", "/v1/runs/{run}", "Shows a run.", run),
        Operation::reads(
            "list_jobs",
            "/v1/runs/{run}/jobs",
            "Lists the jobs of a run, in document order.",
            jobs,
        ),
        Operation::reads("show_job", "/v1/runs/{run}/jobs/{job}", "Shows a job with its verdicts.", job),
        Operation::reads(
            "list_artifacts",
            "/v1/runs/{run}/artifacts",
            "Lists what the jobs of a run published, of every attempt.",
            artifacts,
        ),
        Operation::reads(
            "list_sessions",
            "/v1/runs/{run}/sessions",
            "Lists the sessions of a run.",
            sessions,
        ),
        Operation::reads(
            "list_checkpoints",
            "/v1/runs/{run}/checkpoints",
            "Lists the jobs that wait for a principal to resolve them.",
            checkpoints,
        ),
        Operation::reads(
            "list_questions",
            "/v1/runs/{run}/questions",
            "Lists the questions of agents that wait for an answer.",
            questions,
        ),
        Operation::reads(
            "list_escalations",
            "/v1/runs/{run}/escalations",
            "Lists what was escalated, settled or not: proposals of further work, say, or what an agent waits for leave to do.",
            escalations,
        ),
        Operation::reads(
            "list_decisions",
            "/v1/runs/{run}/decisions",
            "Lists the decisions on a run.",
            decisions,
        ),
        Operation::reads(
            "list_run_events",
            "/v1/runs/{run}/events",
            "Lists the events of a run, the oldest first.",
            run_events,
        ),
        Operation::reads(
            "read_text",
            "/v1/runs/{run}/texts/{digest}",
            "Reads a text or artifact that a run names, as UTF-8, at most 64 KiB at once.",
            text,
        ),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Runs {
    /// The repository; that of the token unless given.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    repository: Option<ChainId>,
    /// Only runs that stand at one of these.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    status: Vec<RunStatus>,
    /// Only runs for which there is something to do or to wait for.
    #[serde(default)]
    active: bool,
    /// Only runs behind this place: the `next` of the page before.
    #[serde(default)]
    after: Option<String>,
    /// At most this many, 1 to 200; 50 unless given.
    #[serde(default)]
    limit: Option<u32>,
}

async fn runs(request: Request, input: Runs) -> Result<Page<RunBrief>, Problem> {
    let part = Part { after: input.after, limit: input.limit };
    let query = RunQuery {
        chain: Some(request.desk.chain(&request.caller, input.repository.as_ref())?),
        statuses: input.status,
        active: input.active,
        after: part.after_run()?,
        limit: part.limit()?,
    };
    let page = request.desk.engine.store().runs(&query).await?;
    let items = page.items.iter().map(RunBrief::from).collect();
    Ok(Page { items, next: page.next.as_ref().map(run_cursor) })
}

async fn run(request: Request, input: OfRun) -> Result<RunView, Problem> {
    Ok(RunView::from(&request.load(input.run).await?))
}

async fn job(request: Request, input: OfJob) -> Result<JobView, Problem> {
    let state = request.load(input.run).await?;
    let found = state.jobs().find(|(spec, _)| spec.id == input.job);
    found.map(JobView::from).ok_or_else(|| unknown(input.job))
}

fn unknown(job: JobId) -> Problem {
    EngineError::from(Rejection::UnknownJob { job }).into()
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PartOfRun {
    /// The run: 32 hexadecimal digits.
    #[schemars(with = "String")]
    run: RunId,
    /// Only items behind this place: the `next` of the page before.
    #[serde(default)]
    after: Option<String>,
    /// At most this many, 1 to 200; 50 unless given.
    #[serde(default)]
    limit: Option<u32>,
}

/// A page of something that the state of a run lists.
async fn listed<T>(
    request: Request,
    input: PartOfRun,
    list: impl FnOnce(&State) -> Vec<((u64, u64), T)>,
) -> Result<Page<T>, Problem> {
    let state = request.load(input.run).await?;
    Part { after: input.after, limit: input.limit }.of(list(&state).into_iter())
}

async fn jobs(request: Request, input: PartOfRun) -> Result<Page<JobBrief>, Problem> {
    let list =
        |state: &State| (0..).zip(state.jobs()).map(|(n, job)| ((n, 0), JobBrief::from(job))).collect();
    listed(request, input, list).await
}

async fn artifacts(request: Request, input: PartOfRun) -> Result<Page<ArtifactView>, Problem> {
    let list = |state: &State| {
        let of = |(n, (_, job))| {
            let numbered = (0..).zip(
                &{
                    let job: &striatum_core::run::JobState = job;
                    job
                }
                .artifacts,
            );
            numbered.map(move |(m, artifact)| ((n, m), ArtifactView::from((job, artifact.as_ref()))))
        };
        (0..).zip(state.jobs()).flat_map(of).collect()
    };
    listed(request, input, list).await
}

async fn sessions(request: Request, input: PartOfRun) -> Result<Page<SessionView>, Problem> {
    let list = |state: &State| {
        let mut sessions: Vec<_> = state.sessions().collect();
        sessions.sort_by_key(|(_, session)| session.ordinal);
        let view = |(id, session): (_, &striatum_core::run::Session)| {
            ((u64::from(session.ordinal), 0), SessionView::from((id, session)))
        };
        sessions.into_iter().map(view).collect()
    };
    listed(request, input, list).await
}

async fn checkpoints(request: Request, input: PartOfRun) -> Result<Page<CheckpointView>, Problem> {
    let list = |state: &State| {
        let jobs = (0..).zip(state.jobs());
        jobs.filter_map(|(n, (spec, job))| Some(((n, 0), CheckpointView::of(state, spec, job)?))).collect()
    };
    listed(request, input, list).await
}

async fn questions(request: Request, input: PartOfRun) -> Result<Page<QuestionView>, Problem> {
    let list = |state: &State| {
        let open = state.open_questions();
        let mut open: Vec<_> = open
            .map(|(spec, question)| {
                ((question.number.into(), 0), QuestionView::from((state, spec, question)))
            })
            .collect();
        open.sort_by_key(|(number, _)| *number);
        open
    };
    listed(request, input, list).await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Escalations {
    /// The run: 32 hexadecimal digits.
    #[schemars(with = "String")]
    run: RunId,
    /// Only escalations that are about this: `needs_operator`, `budget_spent`, `unjudged_delivery`, `raised`, `follow_up` or
    /// `leave`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    topic: Option<EscalationTopic>,
    /// Only escalations that nobody has ruled on.
    #[serde(default)]
    open: bool,
    /// Only items behind this place: the `next` of the page before.
    #[serde(default)]
    after: Option<String>,
    /// At most this many, 1 to 200; 50 unless given.
    #[serde(default)]
    limit: Option<u32>,
}

async fn escalations(request: Request, input: Escalations) -> Result<Page<EscalationView>, Problem> {
    let Escalations { run, topic, open, after, limit } = input;
    let is_wanted = |escalation: &Escalation| {
        topic.is_none_or(|topic| escalation.raised.topic == topic) && !(open && escalation.ruling.is_some())
    };
    let list = |state: &State| {
        let numbered = (1..).zip(state.escalations()).filter(|(_, escalation)| is_wanted(escalation));
        numbered.map(|(n, escalation)| ((n, 0), EscalationView::from((state, escalation)))).collect()
    };
    listed(request, PartOfRun { run, after, limit }, list).await
}

async fn decisions(request: Request, input: PartOfRun) -> Result<Page<DecisionView>, Problem> {
    let list = |state: &State| {
        let numbered = (1..).zip(state.decisions());
        numbered.map(|(n, decision)| ((n, 0), DecisionView::from(decision))).collect()
    };
    listed(request, input, list).await
}

/// An event as the chain holds it. The digest is SHA-256 over `prev`, `seq`, `at_us` and the stored bytes of the body, as
/// `docs/formats.md` says; the stream gives these bytes as they are.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::operators) struct EventView {
    /// Its number in the chain of the repository.
    seq: u64,
    /// When it was sealed.
    at: String,
    /// The same in microseconds since the Unix epoch.
    at_us: u64,
    /// The digest of the event before it.
    #[schemars(with = "String")]
    prev: Digest,
    /// Its digest.
    #[schemars(with = "String")]
    digest: Digest,
    /// What happened, as `docs/formats.md` says.
    body: serde_json::Value,
}

impl EventView {
    pub(in crate::operators) fn of(event: &Sealed) -> Result<Self, Problem> {
        let unreadable =
            |error: serde_json::Error| Problem::new(Fault::Defect, format!("a stored event: {error}"));
        Ok(Self {
            seq: event.seq,
            at: moment(event.at),
            at_us: event.at.as_micros(),
            prev: event.prev,
            digest: event.digest,
            body: serde_json::from_slice(&event.body).map_err(unreadable)?,
        })
    }
}

/// The cursor of this list is the run's own version and the digest of its event.
async fn run_events(request: Request, input: PartOfRun) -> Result<Page<EventView>, Problem> {
    let part = Part { after: input.after, limit: input.limit };
    let limit = part.limit()?;
    request.load(input.run).await?;
    let after = match &part.after {
        None => RunHead::START,
        Some(text) => {
            let Position { seq, digest } =
                Position::from_str(text).map_err(|error| Problem::new(Fault::Invalid, error.to_string()))?;
            RunHead { version: seq, digest }
        }
    };
    let events = request.desk.engine.store().read_run(&input.run, after, limit).await?;
    let is_full = events.len() == limit;
    let last = events
        .last()
        .map(|event| Position { seq: after.version + events.len() as u64, digest: event.digest });
    let items = events.iter().map(EventView::of).collect::<Result<_, _>>()?;
    Ok(Page { items, next: last.filter(|_| is_full).map(|last| last.to_string()) })
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Text {
    /// The run: 32 hexadecimal digits.
    #[schemars(with = "String")]
    run: RunId,
    /// The digest by which the run names it.
    #[schemars(with = "String")]
    digest: Digest,
    /// From this byte on.
    #[serde(default)]
    offset: u64,
}

/// A text, or part of one.
#[derive(Debug, Serialize, JsonSchema)]
struct TextView {
    /// The text; what is no UTF-8 in it is replaced.
    text: String,
    /// How many bytes it has in all.
    size: u64,
    /// From which byte on there is more.
    next_offset: Option<u64>,
}

async fn text(request: Request, input: Text) -> Result<TextView, Problem> {
    let bytes = blobs::read(&request, input.run, &input.digest).await?;
    let from = usize::try_from(input.offset).unwrap_or(usize::MAX).min(bytes.len());
    let to = boundary(&bytes, from.saturating_add(TEXT));
    Ok(TextView {
        text: String::from_utf8_lossy(&bytes[from..to.max(from)]).into_owned(),
        size: bytes.len() as u64,
        next_offset: (to < bytes.len()).then_some(to as u64),
    })
}

/// The last place up to `at` that does not cut a character in two.
fn boundary(bytes: &[u8], at: usize) -> usize {
    let at = at.min(bytes.len());
    let continues = |at: usize| bytes.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
    (0..4).map(|back| at.saturating_sub(back)).find(|&at| !continues(at)).unwrap_or(at)
}
