//! Reads a job.

use super::{
    document::stand_in,
    known::Context,
    panel,
    reader::{At, Fields},
    report::Detail,
    text,
    text::PathKind,
};
use crate::{
    id::JobId,
    workflow::{
        ExpectedArtifact, FindingCode, Job, JobType, OnExpiry, OnReject, PanelRole, SchemaVersion, Severity,
        TaskPrompt, WriteMode, WriteScope,
    },
};

/// Keys of the format that change nothing about how a job is done here.
const IGNORED: &[&str] = &["placement", "path_prefix", "capabilities", "model", "allow_gating_abstentions"];

/// Keys that came with the second version.
const SINCE_V2: &[&str] = &["quorum", "budget"];

/// Keys that only mean something on a job that ends in a verdict.
const VERDICTS_ONLY: &[&str] =
    &["reviewer_access_scope", "reviewer_context_policy", "review_posture", "require_attested_lane"];

/// Keys that only mean something where an agent works.
const AGENTS_ONLY: &[&str] =
    &["lease_seconds", "shared_resources", "interrogable", "interrogation_targets", "budget"];

/// What a document says about a job and the job does not keep.
#[derive(Debug)]
pub(super) struct Written {
    /// Its index in the document.
    pub(super) index: usize,
    /// Whether its id is its own, and not a stand-in.
    pub(super) is_named: bool,
    /// What it waits for, which the edges say too.
    pub(super) needs: Option<Vec<JobId>>,
    /// Whether it says which phase it belongs to, be it there or not.
    pub(super) names_phase: bool,
}

pub(super) fn read(at: &At<'_>, index: usize, context: &Context<'_>) -> Option<(Job, Written)> {
    let fields = at.fields()?;
    let id: Option<JobId> = fields.required("id").and_then(|at| at.name());
    let kind = fields.required("type").and_then(|at| at.choice()).unwrap_or(JobType::Generic);
    let title = fields.text("title");
    let role_id = fields.required("role_id").and_then(|at| context.roles.resolve(&at));
    let lane_id = fields.required("lane_id").and_then(|at| context.lanes.resolve(&at));
    let objective = fields.get("objective").and_then(|at| at.text());
    let task_prompt = fields.get("task_prompt").and_then(|at| task_prompt(&at));
    if fields.get("objective").is_none() && fields.get("task_prompt").is_none() {
        fields.missing("objective", "a job needs an objective or a task_prompt".to_owned());
    }
    let is_named = id.is_some();
    let needs = fields.get("needs").and_then(|at| needs(&at, context));
    let job = Job {
        title: title.unwrap_or_else(|| id.as_ref().map(JobId::to_string).unwrap_or_default()),
        id: id.or_else(stand_in)?,
        kind,
        role_id: role_id.or_else(stand_in)?,
        lane_id: lane_id.or_else(stand_in)?,
        objective: objective.unwrap_or_default().to_owned(),
        task_prompt,
        inputs: fields.list("inputs", |at| Some(input(&at, context).unwrap_or_default())),
        max_attempts: fields.number("max_attempts", 1..=1000).unwrap_or(1),
        fresh_session_required: fields.flag("fresh_session_required").unwrap_or(false),
        reviewer_access_scope: fields.choice("reviewer_access_scope"),
        reviewer_context_policy: fields.choice("reviewer_context_policy"),
        review_posture: fields.get("review_posture").and_then(|at| panel::posture(&at)),
        write_scope: fields.required("write_scope").and_then(|at| write_scope(&at)).unwrap_or_else(nothing),
        expected_artifacts: fields.list("expected_artifacts", |at| Some(artifact(&at))),
        on_reject: fields.choice("on_reject").unwrap_or_default(),
        on_expiry: fields.choice("on_expiry").unwrap_or_default(),
        lease_seconds: fields.number("lease_seconds", 1..=86_400),
        phase_id: fields.get("phase_id").and_then(|at| context.phases.resolve(&at)),
        parallel_group: fields.get("parallel_group").and_then(|at| at.name()),
        shared_resources: panel::resources(&fields),
        interrogable: fields.flag("interrogable").unwrap_or(false),
        interrogation_targets: fields.list("interrogation_targets", |at| panel::target(&at, context)),
        panel_role: fields.choice("panel_role").unwrap_or_default(),
        require_attested_lane: fields.flag("require_attested_lane").unwrap_or(false),
        required_review_postures: panel::postures(&fields),
        max_gating_abstentions: fields.number("max_gating_abstentions", 0..=10_000).unwrap_or(0),
        quorum: fields.get("quorum").and_then(|at| panel::quorum(&at, context)),
        budget: fields.get("budget").and_then(|at| panel::budget(&at)),
    };
    fields.since(SchemaVersion::V2, SINCE_V2, context.version);
    fields.ignore(IGNORED);
    let names_phase = fields.get("phase_id").is_some();
    let job = misplaced(&fields, job);
    fields.finish();
    Some((job, Written { index, is_named, needs, names_phase }))
}

fn task_prompt(at: &At<'_>) -> Option<TaskPrompt> {
    let fields = at.fields()?;
    let path = fields.get("path").and_then(|at| at.path(PathKind::File));
    let inline = fields.get("inline").and_then(|at| at.filled());
    match (fields.get("path").is_some(), fields.get("inline").is_some()) {
        (true, true) => {
            at.error(FindingCode::Contradiction, "a task_prompt has a path or is inline, not both")
        }
        (false, false) => fields.missing("path", "a task_prompt needs a path or inline text".to_owned()),
        _ => {}
    }
    fields.finish();
    path.map(TaskPrompt::Path).or_else(|| inline.map(|text| TaskPrompt::Inline(text.to_owned())))
}

/// The jobs that `needs` names; `None` if one of them is not there, which is finding enough.
fn needs(at: &At<'_>, context: &Context<'_>) -> Option<Vec<JobId>> {
    let items = at.items()?;
    let needs: Vec<Option<JobId>> = items.map(|at| context.jobs.resolve(&at)).collect();
    needs.into_iter().collect()
}

/// The id of a job, or else a path.
fn input(at: &At<'_>, context: &Context<'_>) -> Option<String> {
    let input = at.text()?;
    if context.jobs.contains(input) {
        return Some(input.to_owned());
    }
    let path = at.path(PathKind::Scope)?;
    if !path.contains(['/', '.'])
        && let Some(job) = context.jobs.nearest(&path)
    {
        context.report.add(Severity::Warning, FindingCode::InputLooksLikeJob, || {
            let message = format!("{path:?} is no job, and is taken for a path");
            Detail::new(at.pointer(), message).suggest(Some(job))
        });
    }
    Some(path)
}

/// The scope of a job whose own could not be read: one that contradicts nothing.
fn nothing() -> WriteScope {
    WriteScope {
        mode: WriteMode::ReviewOnlyArtifact,
        allowed_paths: vec![".".into()],
        forbidden_paths: Vec::new(),
    }
}

fn write_scope(at: &At<'_>) -> Option<WriteScope> {
    let fields = at.fields()?;
    let mode: Option<WriteMode> = fields.required("mode").and_then(|at| at.choice());
    let flag = fields.get("repo_write");
    if let (Some(mode), Some(at)) = (mode, &flag)
        && at.flag().is_some_and(|flag| flag != (mode == WriteMode::RepoWrite))
    {
        let correct = (mode == WriteMode::RepoWrite).to_string();
        at.suggest(FindingCode::Contradiction, "repo_write does not agree with the mode", Some(correct));
    }
    let scope = WriteScope {
        mode: mode.unwrap_or(WriteMode::ReviewOnlyArtifact),
        allowed_paths: fields.list("allowed_paths", |at| Some(at.path(PathKind::Scope).unwrap_or_default())),
        forbidden_paths: fields.list("forbidden_paths", |at| at.path(PathKind::Forbidden)),
    };
    fields.ignore(&["placement", "path_prefix"]);
    fields.finish();
    Some(scope)
}

/// What cannot be read of an artifact is left empty, so that those behind it keep their places.
fn artifact(at: &At<'_>) -> ExpectedArtifact {
    let mut artifact = ExpectedArtifact {
        logical_name: String::new(),
        kind: "artifact".to_owned(),
        path: String::new(),
        required: true,
    };
    let Some(fields) = at.fields() else { return artifact };
    let name = fields.required("logical_name");
    artifact.logical_name = name.and_then(|at| at.text()).unwrap_or_default().to_owned();
    artifact.path = fields.required("path").and_then(|at| at.path(PathKind::File)).unwrap_or_default();
    if let Some(kind) = fields.get("kind").and_then(|at| at.filled()) {
        artifact.kind = kind.to_owned();
    }
    if let Some(required) = fields.flag("required") {
        artifact.required = required;
    }
    // With the highest attempt in it, a name is as long as it can become.
    if let Some(at) = name
        && artifact.name_at(u32::MAX).is_none()
    {
        let name = &artifact.logical_name;
        at.suggest(FindingCode::InvalidName, format!("{name:?} cannot be a name"), text::cleaned_name(name));
    }
    fields.ignore(&["placement", "path_prefix"]);
    fields.finish();
    artifact
}

/// Reports keys that mean nothing on a job of this type, and takes back what would look as if they did.
fn misplaced(fields: &Fields<'_>, mut job: Job) -> Job {
    let is_checkpoint = job.kind == JobType::HumanCheckpoint;
    let here = match job.kind {
        JobType::HumanCheckpoint => "a human_checkpoint",
        JobType::PhaseSynthesis => "a phase_synthesis",
        _ => "a job that is no review",
    };
    if !job.kind.is_verdict_capable() {
        fields.misplaced(VERDICTS_ONLY, here);
        job.require_attested_lane = false;
    }
    if job.kind != JobType::Review && job.panel_role != PanelRole::Gating {
        fields.misplaced(&["panel_role"], here);
        job.panel_role = PanelRole::Gating;
    }
    if job.kind != JobType::Build && !job.required_review_postures.is_empty() {
        fields.misplaced(&["required_review_postures"], "a job that is no build");
        job.required_review_postures = Vec::new();
    }
    if is_checkpoint {
        fields.misplaced(AGENTS_ONLY, here);
        (job.shared_resources, job.interrogation_targets) = Default::default();
        (job.interrogable, job.budget) = Default::default();
        if job.on_expiry != OnExpiry::default() {
            fields.misplaced(&["on_expiry"], here);
        }
        // Nobody fails at it either.
        if job.on_reject != OnReject::default() {
            fields.misplaced(&["on_reject"], here);
        }
    }
    job
}
