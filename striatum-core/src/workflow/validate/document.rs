//! Reads a document as a whole.

use std::collections::BTreeMap;

use super::{
    Rules, enforcement, job,
    job::Written,
    json::Node,
    known::Context,
    lane, lints,
    order::Order,
    reader::{At, Fields},
    report::Report,
    scopes, text,
    text::PathKind,
    ties,
};
use crate::{
    id::{IdError, WorkflowId},
    workflow::{
        Branch, BranchMode, ContextDoc, Coordinator, FindingCode, Parallelism, RecoveryPolicy, Role,
        SchemaVersion, Workflow, is_branch_name,
    },
};

const MAX_JOBS: usize = 10_000;
const MAX_EDGES: usize = 100_000;
const MAX_CYCLES: usize = 10_000;

/// Keys of the format that change nothing about a run.
const IGNORED: &[&str] = &["review_revision_policy", "harness_profiles", "shape"];

/// Keys of later versions of the format.
const LATER: &[&str] = &["phases", "budget", "independence", "require_judged_delivery", "ai_operator_may"];

/// What could be read of a document, and where it stood: what could not be read is not there.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) workflow: Workflow,
    /// For each job of the workflow.
    pub(super) jobs: Vec<Written>,
    /// For each edge, its index in the document.
    pub(super) edges: Vec<usize>,
    /// For each cycle, its index in the document.
    pub(super) cycles: Vec<usize>,
    /// Whether jobs and edges are all there: without, what follows from them cannot be judged.
    pub(super) is_whole: bool,
}

/// Reads a document and applies every rule to it. `None` if so much is missing that there is nothing to return.
pub(super) fn read<'n>(tree: &'n Node<'n>, report: &'n Report, rules: &'n Rules) -> Option<Workflow> {
    let root = At::root(tree, report);
    let fields = root.fields()?;
    let context = Context::of(tree, report, rules);
    let draft = draft(&fields, &context);
    fields.finish();
    let draft = draft?;
    enforcement::judge(&draft.workflow, &context);
    scopes::judge(&draft, report);
    let order = ties::judge(&draft, &context);
    lints::judge(&draft, order.as_ref().map(Order::graph), report);
    Some(draft.workflow)
}

fn draft(fields: &Fields<'_>, context: &Context<'_>) -> Option<Draft> {
    let schema_version = schema_version(fields);
    let workflow_id: Option<WorkflowId> = fields.required("workflow_id").and_then(|at| at.name());
    let workflow_version = fields.text("workflow_version");
    let name = fields.text("name");
    let branch = branch(fields, workflow_id.as_ref());
    let coordinator = fields.get("coordinator").and_then(|at| coordinator(&at, context));
    let lanes = named(fields, "lanes", |at| lane::read(at, context));
    let roles = named(fields, "roles", role);
    let context_docs = fields.list("context_docs", |at| context_doc(&at));
    let parallelism = parallelism(fields);
    let jobs = fields
        .required("jobs")
        .and_then(|at| placed(&at, MAX_JOBS, |at, index| job::read(at, index, context)));
    let edges = placed_or_none(fields, "edges", MAX_EDGES, |at, _| ties::edge(at, context));
    let cycles = placed_or_none(fields, "cycles", MAX_CYCLES, |at, _| ties::cycle(at, context));
    let pairing = fields.flag("allow_same_model_review_pairing");
    let provenance_mode = fields.choice("provenance_mode");
    let recovery_policy = recovery_policy(fields);
    fields.ignore(IGNORED);
    fields.later(LATER);

    let (jobs, edges, cycles) = (jobs?, edges?, cycles?);
    let is_whole = jobs.is_whole && edges.is_whole;
    let (jobs, written) = jobs.list.into_iter().map(|(_, job)| job).unzip();
    let (edges_at, edges) = edges.list.into_iter().unzip();
    let (cycles_at, cycles) = cycles.list.into_iter().unzip();
    let workflow_id = workflow_id.or_else(stand_in)?;
    let workflow = Workflow {
        schema_version,
        workflow_version: workflow_version.unwrap_or_else(|| "1".to_owned()),
        name: name.unwrap_or_else(|| workflow_id.to_string()),
        workflow_id,
        branch,
        coordinator,
        lanes,
        roles,
        context_docs,
        parallelism,
        jobs,
        edges,
        cycles,
        allow_same_model_review_pairing: pairing.unwrap_or(false),
        provenance_mode: provenance_mode.unwrap_or_default(),
        recovery_policy,
    };
    Some(Draft { workflow, jobs: written, edges: edges_at, cycles: cycles_at, is_whole })
}

/// A name in place of one that could not be read, so that the rest can be judged. It never leaves the validator, because
/// what could not be read is an error.
pub(super) fn stand_in<T: TryFrom<String, Error = IdError>>() -> Option<T> {
    T::try_from("_".to_owned()).ok()
}

/// What could be read of a list, with the indices.
struct Placed<T> {
    list: Vec<(usize, T)>,
    is_whole: bool,
}

fn placed<T>(at: &At<'_>, limit: usize, read: impl Fn(&At<'_>, usize) -> Option<T>) -> Option<Placed<T>> {
    let items = at.items()?;
    let count = items.len();
    if count > limit {
        at.error(FindingCode::DocumentTooLarge, format!("{count} entries, and {limit} are allowed"));
        return None;
    }
    let list: Vec<_> = items
        .enumerate()
        .filter_map(|(index, item)| read(&item, index).map(|value| (index, value)))
        .collect();
    let is_whole = list.len() == count;
    Some(Placed { list, is_whole })
}

fn placed_or_none<T>(
    fields: &Fields<'_>,
    key: &'static str,
    limit: usize,
    read: impl Fn(&At<'_>, usize) -> Option<T>,
) -> Option<Placed<T>> {
    match fields.get(key) {
        Some(at) => placed(&at, limit, read),
        None => Some(Placed { list: Vec::new(), is_whole: true }),
    }
}

fn schema_version(fields: &Fields<'_>) -> SchemaVersion {
    const LATER: [&str; 2] = ["striatum.workflow.v1.1", "striatum.workflow.v2"];
    let Some(at) = fields.required("schema_version") else { return SchemaVersion::V1 };
    match at.text() {
        None | Some("striatum.workflow.v1") => {}
        Some(later) if LATER.contains(&later) => at.later(later),
        Some(other) => {
            let message = format!("the version {other:?} of the format is not known");
            let correct = text::nearest(other, ["striatum.workflow.v1"].into_iter()).map(str::to_owned);
            at.suggest(FindingCode::UnsupportedSchemaVersion, message, correct);
        }
    }
    SchemaVersion::V1
}

fn branch(fields: &Fields<'_>, workflow: Option<&WorkflowId>) -> Branch {
    let default_name = workflow.map_or_else(String::new, |id| format!("striatum/{id}"));
    let default = Branch { mode: BranchMode::Confirm, suggested_name: default_name, allow_dirty: false };
    let Some(fields) = fields.get("branch").and_then(|at| at.fields()) else { return default };
    let suggested = fields.get("suggested_name").and_then(|at| {
        let name = at.text()?;
        if !is_branch_name(name) {
            let message = format!("{name:?} cannot be the name of a branch");
            at.suggest(FindingCode::InvalidBranchName, message, text::cleaned_branch(name));
        }
        Some(name.to_owned())
    });
    let branch = Branch {
        mode: fields.choice("mode").unwrap_or(default.mode),
        suggested_name: suggested.unwrap_or(default.suggested_name),
        allow_dirty: fields.flag("allow_dirty").unwrap_or(default.allow_dirty),
    };
    fields.finish();
    branch
}

fn coordinator(at: &At<'_>, context: &Context<'_>) -> Option<Coordinator> {
    let fields = at.fields()?;
    let role_id = fields.required("role_id").and_then(|at| context.roles.resolve(&at));
    let lane_id = fields.required("lane_id").and_then(|at| context.lanes.resolve(&at));
    fields.finish();
    Some(Coordinator { role_id: role_id?, lane_id: lane_id? })
}

/// Reads an object whose keys are names.
fn named<K, V>(fields: &Fields<'_>, key: &'static str, read: impl Fn(&At<'_>) -> Option<V>) -> BTreeMap<K, V>
where
    K: Ord + TryFrom<String, Error = IdError>,
{
    let Some(at) = fields.required(key) else { return BTreeMap::new() };
    let Some(members) = at.members() else { return BTreeMap::new() };
    let entry = |(name, at): (&str, At<'_>)| {
        let id = at.own_name(name);
        let value = read(&at);
        Some((id?, value?))
    };
    members.filter_map(entry).collect()
}

fn role(at: &At<'_>) -> Option<Role> {
    let fields = at.fields()?;
    let role = Role {
        definition_path: fields.get("definition_path").and_then(|at| at.path(PathKind::File)),
        summary: fields.text("summary"),
        description: fields.text("description"),
    };
    fields.finish();
    Some(role)
}

fn context_doc(at: &At<'_>) -> Option<ContextDoc> {
    let fields = at.fields()?;
    let path = fields.required("path").and_then(|at| at.path(PathKind::File));
    let required = fields.flag("required").unwrap_or(true);
    fields.finish();
    Some(ContextDoc { path: path?, required })
}

fn parallelism(fields: &Fields<'_>) -> Parallelism {
    let mut parallelism = Parallelism { max_active_jobs: 1, require_disjoint_write_scopes: true };
    let Some(fields) = fields.get("parallelism").and_then(|at| at.fields()) else { return parallelism };
    if let Some(jobs) = fields.number("max_active_jobs", 1..=10_000) {
        parallelism.max_active_jobs = jobs;
    }
    if let Some(disjoint) = fields.flag("require_disjoint_write_scopes") {
        parallelism.require_disjoint_write_scopes = disjoint;
    }
    fields.ignore(&["mode"]);
    fields.finish();
    parallelism
}

fn recovery_policy(fields: &Fields<'_>) -> RecoveryPolicy {
    let mut policy = RecoveryPolicy::default();
    let Some(fields) = fields.get("recovery_policy").and_then(|at| at.fields()) else { return policy };
    if let Some(requeues) = fields.number("max_requeues", 0..=1000) {
        policy.max_requeues = requeues;
    }
    if let Some(jobs) = fields.number("max_quarantinable_jobs", 0..=10_000) {
        policy.max_quarantinable_jobs = jobs;
    }
    fields.ignore(&["max_transfers"]);
    fields.finish();
    policy
}

/// The pointer of something inside a job, a lane or the like.
pub(super) fn inside(list: &str, index: usize, rest: &str) -> String {
    format!("/{list}/{index}{rest}")
}
