//! Reads a document as a whole.

use std::collections::BTreeMap;

use super::{
    Rules, enforcement, groups, independence, job,
    job::Written,
    json::Node,
    known::Context,
    lane, lints, panel, panels, phases, policy,
    reader::{At, Fields, one_of},
    report::Report,
    scopes, text,
    text::PathKind,
    ties,
};
use crate::{
    id::{IdError, WorkflowId},
    workflow::{
        Branch, BranchMode, ContextDoc, Coordinator, FindingCode, Role, SchemaVersion, Workflow,
        is_branch_name,
    },
};

const MAX_JOBS: usize = 10_000;
const MAX_EDGES: usize = 100_000;
const MAX_CYCLES: usize = 10_000;

/// Keys that came with the second version.
const SINCE_V2: &[&str] = &["budget", "independence", "require_judged_delivery", "ai_operator_may"];

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
    /// For each phase.
    pub(super) phases: Vec<phases::Written>,
    /// Whether jobs, edges and phases are all there: without, what follows from them cannot be judged.
    pub(super) is_whole: bool,
    /// Whether all ways back are there.
    pub(super) has_whole_cycles: bool,
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
    groups::judge(&draft, report);
    phases::judge(&draft, report);
    let order = ties::judge(&draft, &context);
    if let Some(order) = order.as_ref().filter(|_| draft.is_whole) {
        panels::judge(&draft, order, report);
        independence::judge(&draft, order, report);
    }
    lints::judge(&draft, order.as_ref(), report);
    Some(draft.workflow)
}

fn draft(fields: &Fields<'_>, context: &Context<'_>) -> Option<Draft> {
    schema_version(fields);
    let workflow_id: Option<WorkflowId> = fields.required("workflow_id").and_then(|at| at.name());
    let workflow_version = fields.text("workflow_version");
    let name = fields.text("name");
    let branch = branch(fields, workflow_id.as_ref());
    let coordinator = fields.get("coordinator").and_then(|at| coordinator(&at, context));
    let lanes = fields.required("lanes").map(|at| named(&at, |at| lane::read(at, context)));
    let roles = fields.required("roles").map(|at| named(&at, role));
    let context_docs = fields.list("context_docs", |at| context_doc(&at));
    let parallelism = policy::parallelism(fields);
    let phases = placed_or_none(fields, "phases", MAX_JOBS, |at, index| phases::read(at, index, context));
    let jobs = fields
        .required("jobs")
        .and_then(|at| placed(&at, MAX_JOBS, |at, index| job::read(at, index, context)));
    let edges = placed_or_none(fields, "edges", MAX_EDGES, |at, _| ties::edge(at, context));
    let cycles = placed_or_none(fields, "cycles", MAX_CYCLES, |at, _| ties::cycle(at, context));
    let pairing = fields.flag("allow_same_model_review_pairing");
    let provenance_mode = policy::provenance(fields);
    let recovery_policy = policy::recovery(fields);
    let review_revision_policy = fields.get("review_revision_policy").and_then(|at| policy::revisions(&at));
    let harness_profiles = fields.get("harness_profiles").map(|at| named(&at, lane::profile));
    let shape = fields.text("shape");
    let budget = fields.get("budget").and_then(|at| panel::budget(&at));
    let independence = policy::independence(fields, context.version);
    let require_judged_delivery = fields.flag("require_judged_delivery").unwrap_or(false);
    let ai_operator_may = panel::distinct(fields, "ai_operator_may", |at| at.choice());
    fields.since(SchemaVersion::V1_1, &["phases"], context.version);
    fields.since(SchemaVersion::V2, SINCE_V2, context.version);

    let (jobs, edges, cycles, phases) = (jobs?, edges?, cycles?, phases?);
    let has_whole_cycles = cycles.is_whole;
    let is_whole = jobs.is_whole && edges.is_whole && phases.is_whole;
    let (jobs, written): (Vec<_>, _) = jobs.list.into_iter().map(|(_, job)| job).unzip();
    let (edges_at, edges) = edges.list.into_iter().unzip();
    let (cycles_at, cycles) = cycles.list.into_iter().unzip();
    let (phases, phases_written) =
        phases::settle(phases.list.into_iter().map(|(_, phase)| phase).collect(), &jobs);
    let workflow_id = workflow_id.or_else(stand_in)?;
    let workflow = Workflow {
        schema_version: context.version,
        workflow_version: workflow_version.unwrap_or_else(|| "1".to_owned()),
        name: name.unwrap_or_else(|| workflow_id.to_string()),
        workflow_id,
        branch,
        coordinator,
        lanes: lanes.unwrap_or_default(),
        roles: roles.unwrap_or_default(),
        context_docs,
        parallelism,
        jobs,
        edges,
        cycles,
        allow_same_model_review_pairing: pairing.unwrap_or(false),
        provenance_mode,
        recovery_policy,
        phases,
        review_revision_policy,
        harness_profiles: harness_profiles.unwrap_or_default(),
        shape,
        budget,
        independence,
        require_judged_delivery,
        ai_operator_may,
    };
    Some(Draft {
        workflow,
        jobs: written,
        edges: edges_at,
        cycles: cycles_at,
        phases: phases_written,
        is_whole,
        has_whole_cycles,
    })
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

/// Reports a version that is not known. Which one it is the context knows: much of the reading depends on it.
fn schema_version(fields: &Fields<'_>) {
    let Some(at) = fields.required("schema_version") else { return };
    let Some(version) = at.text() else { return };
    if let Err(known) = one_of::<SchemaVersion>(version) {
        let message = format!("the version {version:?} of the format is not known");
        let correct = text::nearest(version, known.iter().copied()).map(str::to_owned);
        at.suggest(FindingCode::UnsupportedSchemaVersion, message, correct);
    }
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
fn named<K, V>(at: &At<'_>, read: impl Fn(&At<'_>) -> Option<V>) -> BTreeMap<K, V>
where
    K: Ord + TryFrom<String, Error = IdError>,
{
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

/// The pointer of something inside a job, a lane or the like.
pub(super) fn inside(list: &str, index: usize, rest: &str) -> String {
    format!("/{list}/{index}{rest}")
}
