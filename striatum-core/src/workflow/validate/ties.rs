//! What ties jobs together: edges, ways back, `needs` and inputs.

use std::collections::{HashMap, HashSet};

use super::{
    document::{Draft, inside},
    known::Context,
    reader::At,
    report::{Detail, Report},
};
use crate::{
    id::JobId,
    workflow::{Cycle, Edge, EdgeOn, FindingCode, Graph, Job, Severity, UnsoundGraph, order::Order},
};

const NEEDS_REVISION: &str = "needs_revision";

/// Reads an edge; `None` if an end of it is not there.
pub(super) fn edge(at: &At<'_>, context: &Context<'_>) -> Option<Edge> {
    let fields = at.fields()?;
    let from = fields.required("from").and_then(|at| context.jobs.resolve(&at));
    let to = fields.required("to").and_then(|at| context.jobs.resolve(&at));
    let on = fields.choice("on").unwrap_or(EdgeOn::Completed);
    fields.finish();
    Some(Edge { from: from?, to: to?, on })
}

/// Reads a way back; `None` if an end of it is not there.
pub(super) fn cycle(at: &At<'_>, context: &Context<'_>) -> Option<Cycle> {
    let fields = at.fields()?;
    let from = fields.required("from").and_then(|at| context.jobs.resolve(&at));
    let to = fields.required("to").and_then(|at| context.jobs.resolve(&at));
    if let Some(at) = fields.get("on_verdict")
        && let Some(verdict) = at.text().filter(|verdict| *verdict != NEEDS_REVISION)
    {
        let message = format!("{verdict:?} takes no way back, only {NEEDS_REVISION} does");
        at.suggest(FindingCode::UnknownValue, message, Some(NEEDS_REVISION.to_owned()));
    }
    let max_iterations = fields.required("max_iterations").and_then(|at| at.number(1..=1000)).unwrap_or(1);
    let (allow_same_lane, allow_same_model) =
        (fields.flag("allow_same_lane"), fields.flag("allow_same_model"));
    let debounce_cohort = fields.get("debounce_cohort").and_then(|at| debounce(&at));
    fields.finish();
    Some(Cycle {
        from: from?,
        to: to?,
        on_verdict: NEEDS_REVISION.to_owned(),
        max_iterations,
        allow_same_lane,
        allow_same_model,
        debounce_cohort,
    })
}

/// So many dissents; `all` is what happens anyway.
fn debounce(at: &At<'_>) -> Option<u32> {
    if !at.is_text() {
        return at.number(1..=10_000);
    }
    if at.text() != Some("all") {
        let message = "a cohort is \"all\", or the number of dissents that are enough";
        at.suggest(FindingCode::UnknownValue, message, Some("all".to_owned()));
    }
    None
}

/// Judges the jobs as a graph, which is returned if there is one.
pub(super) fn judge(draft: &Draft, context: &Context<'_>) -> Option<Order> {
    let report = context.report;
    let jobs = &draft.workflow.jobs;
    if draft.workflow.jobs.is_empty() && draft.is_whole {
        report.error(FindingCode::EmptyValue, "/jobs".to_owned(), "a workflow has at least one job");
    }
    duplicate_jobs(draft, report);
    duplicate_edges(draft, report);
    let order = match Graph::new(&draft.workflow) {
        Ok(graph) => Some(Order::of(graph, jobs.len())),
        Err(UnsoundGraph::Cyclic { jobs }) => {
            ring(draft, &jobs, report);
            None
        }
        // Both have been reported, each where it stands.
        Err(UnsoundGraph::Duplicate(_) | UnsoundGraph::Unknown(_)) => None,
    };
    cycles(draft, order.as_ref(), report);
    let order = order?;
    if draft.is_whole {
        needs(draft, &order, report);
        inputs(draft, &order, report);
    }
    Some(order)
}

fn duplicate_jobs(draft: &Draft, report: &Report) {
    let mut seen = HashSet::new();
    for (job, written) in draft.workflow.jobs.iter().zip(&draft.jobs) {
        if written.is_named && !seen.insert(&job.id) {
            let pointer = inside("jobs", written.index, "/id");
            report.error(FindingCode::DuplicateJob, pointer, format!("the job {} is declared twice", job.id));
        }
    }
}

fn duplicate_edges(draft: &Draft, report: &Report) {
    let mut seen = HashSet::new();
    for (edge, index) in draft.workflow.edges.iter().zip(&draft.edges) {
        if !seen.insert((&edge.from, &edge.to)) {
            let message = format!("there already is an edge from {} to {}", edge.from, edge.to);
            report.warning(FindingCode::DuplicateEdge, inside("edges", *index, ""), message);
        }
    }
}

/// Reports a ring at the edge that closes it, or at another of it if no declared edge does.
fn ring(draft: &Draft, jobs: &[JobId], report: &Report) {
    let declared: HashMap<_, _> = draft
        .workflow
        .edges
        .iter()
        .zip(&draft.edges)
        .map(|(edge, index)| ((&edge.from, &edge.to), *index))
        .collect();
    let mut steps = jobs.windows(2).rev().filter_map(|step| declared.get(&(&step[0], &step[1])));
    let pointer = steps.next().map_or_else(|| "/edges".to_owned(), |edge| inside("edges", *edge, ""));
    let listed: Vec<_> = jobs.iter().map(JobId::as_str).take(32).collect();
    let more = if jobs.len() > listed.len() { " → …" } else { "" };
    let message = format!("jobs wait for one another: {}{more}", listed.join(" → "));
    report.error(FindingCode::DependencyCycle, pointer, message);
}

fn cycles(draft: &Draft, order: Option<&Order>, report: &Report) {
    let jobs: HashMap<_, _> = draft.workflow.jobs.iter().map(|job| (&job.id, job)).collect();
    let mut taken = HashSet::new();
    for (cycle, index) in draft.workflow.cycles.iter().zip(&draft.cycles) {
        let Cycle { from, to, .. } = cycle;
        let place = |rest| inside("cycles", *index, rest);
        if !taken.insert((from, to)) {
            let message = format!("there already is a way back from {from} to {to}");
            report.error(FindingCode::DuplicateCycle, place(""), message);
        }
        if jobs.get(from).is_some_and(|job| !job.kind.is_verdict_capable()) {
            let message = format!("{from} gives no verdict");
            report.error(FindingCode::CycleSourceNotReview, place("/from"), message);
        } else if jobs.get(from).is_some_and(|job| job.is_advisory()) {
            let message = format!("{from} is advisory, and takes no way back");
            report.warning(FindingCode::MisplacedKey, place("/from"), message);
        }
        let Some(order) = order.filter(|_| draft.is_whole) else { continue };
        let (Some(first), Some(then)) = (order.graph().index(to), order.graph().index(from)) else {
            continue;
        };
        if !order.is_before(first, then) {
            let message = format!("no edges lead from {to} to {from}");
            report.error(FindingCode::CycleTargetNotUpstream, place("/to"), message);
        }
    }
}

fn needs(draft: &Draft, order: &Order, report: &Report) {
    let mut declared: HashMap<&JobId, HashSet<&JobId>> = HashMap::new();
    for edge in draft.workflow.edges.iter().filter(|_| !draft.workflow.phases.is_empty()) {
        declared.entry(&edge.to).or_default().insert(&edge.from);
    }
    for (job, written) in draft.jobs.iter().enumerate() {
        let Some(needs) = &written.needs else { continue };
        let sources: Vec<_> =
            order.graph().upstream(job).iter().map(|up| &draft.workflow.jobs[*up].id).collect();
        let needs: HashSet<_> = needs.iter().collect();
        // The edges that phases add need not be repeated, and may.
        if needs != sources.iter().copied().collect()
            && declared.get(&draft.workflow.jobs[job].id) != Some(&needs)
        {
            report.add(Severity::Error, FindingCode::NeedsMismatch, || {
                let sources = sources.iter().map(|id| format!("\"{id}\"")).collect::<Vec<_>>().join(", ");
                let message = "needs is not what the edges say".to_owned();
                Detail::new(inside("jobs", written.index, "/needs"), message)
                    .suggest(Some(format!("[{sources}]")))
            });
        }
    }
}

fn inputs(draft: &Draft, order: &Order, report: &Report) {
    for (job, written) in draft.jobs.iter().enumerate() {
        let Job { id, inputs, .. } = &draft.workflow.jobs[job];
        for (position, input) in inputs.iter().enumerate() {
            let source = JobId::new(input).ok().and_then(|input| order.graph().index(&input));
            if source.is_some_and(|source| !order.is_before(source, job)) {
                let pointer = inside("jobs", written.index, &format!("/inputs/{position}"));
                let message = format!("{input} need not be completed when {id} starts");
                report.error(FindingCode::InputNotUpstream, pointer, message);
            }
        }
    }
}
