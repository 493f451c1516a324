//! Reads the bounds and rules of a run as a whole.

use std::collections::BTreeMap;

use super::{
    reader::{At, Fields},
    report::Detail,
};
use crate::workflow::{
    FindingCode, Independence, Parallelism, ProvenanceMode, RecoveryPolicy, ReviewRevisionPolicy,
    SchemaVersion, Severity,
};

pub(super) fn parallelism(fields: &Fields<'_>) -> Parallelism {
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

pub(super) fn recovery(fields: &Fields<'_>) -> RecoveryPolicy {
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

/// Author lines and commits are the engine's own in every mode; what more the other modes promise nobody does yet.
pub(super) fn provenance(fields: &Fields<'_>) -> ProvenanceMode {
    let Some(at) = fields.get("provenance_mode") else { return ProvenanceMode::default() };
    let mode = at.choice().unwrap_or_default();
    if mode != ProvenanceMode::Advisory {
        let message = "authorship is recorded as reported, whatever is asked for";
        at.add(Severity::Warning, FindingCode::NotYetSupported, || {
            Detail::new(at.pointer(), message).suggest(Some("advisory"))
        });
    }
    mode
}

/// In a document of the second version models are compared unless it says otherwise; before it they never are.
pub(super) fn independence(fields: &Fields<'_>, version: SchemaVersion) -> Option<Independence> {
    let written = fields.get("independence").and_then(|at| {
        let fields = at.fields()?;
        let independence = Independence {
            model: fields.choice("model").unwrap_or_default(),
            families: fields.get("families").map(|at| families(&at)).unwrap_or_default(),
        };
        fields.finish();
        Some(independence)
    });
    (version >= SchemaVersion::V2).then(|| written.unwrap_or_default())
}

fn families(at: &At<'_>) -> BTreeMap<String, String> {
    let mut families = BTreeMap::new();
    for (prefix, at) in at.members().into_iter().flatten() {
        if prefix.trim().is_empty() {
            at.error(FindingCode::EmptyValue, "every model begins with nothing");
        }
        families.extend(at.filled().map(|family| (prefix.to_owned(), family.to_owned())));
    }
    families
}

/// Another engine's policy: it may say anything else.
pub(super) fn revisions(at: &At<'_>) -> Option<ReviewRevisionPolicy> {
    let fields = at.fields()?;
    Some(ReviewRevisionPolicy {
        root_review_needs_revision: fields.text("root_review_needs_revision"),
        description: fields.text("description"),
    })
}
