//! What the format has and the machine cannot run yet.
//!
//! Each entry of the list is one feature. Whoever teaches it to the machine removes its entry, and the function with it.

use std::collections::HashMap;

use super::{
    document::{Draft, inside},
    report::Report,
};
use crate::{
    id::JobId,
    workflow::{FindingCode, IndependenceModel, Job, PanelRole},
};

/// The name of a feature, and where a document uses it.
type Entry = (&'static str, fn(&Draft) -> Vec<String>);

const LATER: &[Entry] = &[
    ("a division into phases", |draft| whole(!draft.workflow.phases.is_empty(), "/phases")),
    ("a budget for the run", |draft| whole(draft.workflow.budget.is_some(), "/budget")),
    ("independence of models", |draft| {
        let is_asked = draft.workflow.independence_model() != IndependenceModel::Off;
        whole(is_asked, "/independence")
    }),
    ("judged delivery", |draft| whole(draft.workflow.require_judged_delivery, "/require_judged_delivery")),
    ("leave for an AI operator", |draft| {
        whole(!draft.workflow.ai_operator_may.is_empty(), "/ai_operator_may")
    }),
    ("a parallel group", |draft| jobs(draft, "parallel_group", |job| job.parallel_group.is_some())),
    ("a shared resource", |draft| jobs(draft, "shared_resources", |job| !job.shared_resources.is_empty())),
    ("asking another job", |draft| {
        jobs(draft, "interrogation_targets", |job| !job.interrogation_targets.is_empty())
    }),
    ("an advisory review", |draft| jobs(draft, "panel_role", |job| job.panel_role == PanelRole::Advisory)),
    ("an attested lane", |draft| jobs(draft, "require_attested_lane", |job| job.require_attested_lane)),
    ("a required posture", |draft| {
        jobs(draft, "required_review_postures", |job| !job.required_review_postures.is_empty())
    }),
    ("an abstention", |draft| jobs(draft, "max_gating_abstentions", |job| job.max_gating_abstentions > 0)),
    ("a quorum", |draft| jobs(draft, "quorum", |job| job.quorum.is_some())),
    ("a budget of a job", |draft| jobs(draft, "budget", |job| job.budget.is_some())),
    ("a way back that does not hear everybody", debounced),
    ("a second way back to one job", shared_targets),
    ("a second way back from one review", shared_reviews),
];

pub(super) fn judge(draft: &Draft, report: &Report) {
    for (feature, places) in LATER {
        for pointer in places(draft) {
            let message = format!("{feature} cannot be run by this version yet");
            report.error(FindingCode::NotYetSupported, pointer, message);
        }
    }
}

fn whole(is_used: bool, pointer: &str) -> Vec<String> {
    is_used.then(|| pointer.to_owned()).into_iter().collect()
}

fn jobs(draft: &Draft, key: &str, is_used: impl Fn(&Job) -> bool) -> Vec<String> {
    let jobs = draft.workflow.jobs.iter().zip(&draft.jobs).filter(|(job, _)| is_used(job));
    jobs.map(|(_, written)| inside("jobs", written.index, &format!("/{key}"))).collect()
}

fn debounced(draft: &Draft) -> Vec<String> {
    let cycles = draft.workflow.cycles.iter().zip(&draft.cycles);
    let debounced = cycles.filter(|(cycle, _)| cycle.debounce_cohort.is_some());
    debounced.map(|(_, index)| inside("cycles", *index, "/debounce_cohort")).collect()
}

fn shared_targets(draft: &Draft) -> Vec<String> {
    let mut reviews: HashMap<&JobId, &JobId> = HashMap::new();
    let cycles = draft.workflow.cycles.iter().zip(&draft.cycles);
    let shared = cycles.filter(|(cycle, _)| *reviews.entry(&cycle.to).or_insert(&cycle.from) != &cycle.from);
    shared.map(|(_, index)| inside("cycles", *index, "/to")).collect()
}

fn shared_reviews(draft: &Draft) -> Vec<String> {
    let mut targets: HashMap<&JobId, &JobId> = HashMap::new();
    let cycles = draft.workflow.cycles.iter().zip(&draft.cycles);
    let shared = cycles.filter(|(cycle, _)| *targets.entry(&cycle.from).or_insert(&cycle.to) != &cycle.to);
    shared.map(|(_, index)| inside("cycles", *index, "/from")).collect()
}
