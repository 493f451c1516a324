//! Reads what a job says about others: who sits on a panel, whom it may ask, what it shares, and what it may use up.

use std::collections::HashSet;

use super::{
    known::Context,
    reader::{At, Fields},
    report::Detail,
    text,
};
use crate::workflow::{
    Budget, FindingCode, InterrogationTarget, Posture, Quorum, ResourceMode, Severity, SharedResource,
};

const MOST: u64 = 1_000_000_000_000;

pub(super) fn quorum(at: &At<'_>, context: &Context<'_>) -> Option<Quorum> {
    let fields = at.fields().filter(|_| !at.is_neutral())?;
    let k = fields.required("k").and_then(|at| at.number(1..=10_000));
    let veto_roles = distinct(&fields, "veto_roles", |at| context.roles.resolve(at));
    fields.finish();
    Some(Quorum { k: k?, veto_roles })
}

/// A budget that bounds nothing is none.
pub(super) fn budget(at: &At<'_>) -> Option<Budget> {
    let fields = at.fields()?;
    let budget = Budget {
        turns: fields.number("turns", 1..=MOST),
        wall_seconds: fields.number("wall_seconds", 1..=MOST),
        tokens: fields.number("tokens", 1..=MOST),
    };
    fields.finish();
    (budget != Budget::default()).then_some(budget)
}

pub(super) fn posture(at: &At<'_>) -> Option<Posture> {
    let text = at.text()?;
    let posture = Posture::try_from(text.to_owned());
    if let Err(error) = &posture {
        let known = Posture::NAMED.iter().map(|(_, name)| *name);
        let correct = text::nearest(text, known).map(str::to_owned);
        at.suggest(FindingCode::UnknownValue, error.to_string(), correct);
    }
    posture.ok()
}

pub(super) fn postures(fields: &Fields<'_>) -> Vec<Posture> {
    distinct(fields, "required_review_postures", posture)
}

/// The whole of a resource by its id, or what is wanted of it.
pub(super) fn resources(fields: &Fields<'_>) -> Vec<SharedResource> {
    let resources = fields.list("shared_resources", |at| Some((at.pointer(), resource(&at)?)));
    let mut seen = HashSet::new();
    for (pointer, resource) in &resources {
        if !seen.insert((&resource.id, &resource.namespace)) {
            fields.repeated(pointer, &resource.id);
        }
    }
    resources.into_iter().map(|(_, resource)| resource).collect()
}

fn resource(at: &At<'_>) -> Option<SharedResource> {
    if at.is_text() {
        return at.filled().map(SharedResource::exclusive);
    }
    let fields = at.fields()?;
    let id = fields.required("id").and_then(|at| at.filled());
    let mode = fields.choice("mode").unwrap_or(ResourceMode::Exclusive);
    let namespace = fields.get("namespace").and_then(|at| at.filled()).map(str::to_owned);
    let description = fields.text("description");
    match (mode, fields.get("namespace")) {
        (ResourceMode::PerLaneNamespace, None) => {
            fields.missing("namespace", "a resource that is wanted in part needs a namespace".to_owned());
        }
        (ResourceMode::Exclusive, Some(at)) => {
            at.error(FindingCode::Contradiction, "a resource that is wanted as a whole has no namespace");
        }
        _ => {}
    }
    fields.finish();
    Some(SharedResource { id: id?.to_owned(), mode, namespace, description })
}

/// The id of a job, or what is wanted of it.
pub(super) fn target(at: &At<'_>, context: &Context<'_>) -> Option<InterrogationTarget> {
    if at.is_text() {
        let workflow_job_id = context.jobs.resolve(at)?;
        return Some(InterrogationTarget { workflow_job_id, required: false });
    }
    let fields = at.fields()?;
    let job = fields.required("workflow_job_id").and_then(|at| context.jobs.resolve(&at));
    let required = fields.flag("required").unwrap_or(false);
    if let (true, Some(at)) = (required, fields.get("required")) {
        let message = "nobody is made to ask: the job may ask this one, and need not";
        at.add(Severity::Warning, FindingCode::NotYetSupported, || Detail::new(at.pointer(), message));
    }
    fields.finish();
    Some(InterrogationTarget { workflow_job_id: job?, required })
}

/// A list without repetitions.
pub(super) fn distinct<T: std::hash::Hash + Eq + Clone>(
    fields: &Fields<'_>,
    key: &'static str,
    read: impl Fn(&At<'_>) -> Option<T>,
) -> Vec<T> {
    let mut seen = HashSet::new();
    fields.list(key, |at| {
        let value = read(&at)?;
        let is_new = seen.insert(value.clone());
        if !is_new {
            fields.repeated(&at.pointer(), at.text().unwrap_or_default());
        }
        is_new.then_some(value)
    })
}
