//! Whether those who judge can be independent of those who write, by what their lanes declare.

use std::{borrow::Cow, collections::HashMap};

use super::{
    document::{Draft, inside},
    report::Report,
};
use crate::{
    id::LaneId,
    workflow::{FindingCode, IndependenceModel, order::Order},
};

pub(super) fn judge(draft: &Draft, order: &Order, report: &Report) {
    let workflow = &draft.workflow;
    let is_off = workflow.independence_model() != IndependenceModel::Declared;
    if is_off || workflow.allow_same_model_review_pairing {
        return;
    }
    let (graph, jobs) = (order.graph(), &workflow.jobs);
    let declared =
        |lane: &LaneId| Some(workflow.family_of(workflow.lanes.get(lane)?.display_model.as_ref()?));
    let families: HashMap<&LaneId, Cow<'_, str>> =
        workflow.lanes.keys().filter_map(|lane| Some((lane, declared(lane)?))).collect();
    let family = |job: usize| families.get(&jobs[job].lane_id);
    for review in (0..jobs.len()).filter(|review| graph.is_binding(*review)) {
        let Some(own) = family(review) else { continue };
        let is_forbidden = |author: &usize| {
            jobs[*author].kind.has_author()
                && family(*author) == Some(own)
                && !workflow.allows_same_model(&jobs[review].id, &jobs[*author].id)
        };
        if let Some(author) = order.with_all_before(graph.inputs(review)).find(is_forbidden) {
            let message = format!(
                "{} judges what {} makes, and the lanes of both declare a model of the family {own}",
                jobs[review].id, jobs[author].id
            );
            let pointer = inside("jobs", draft.jobs[review].index, "/lane_id");
            report.error(FindingCode::ModelsNotIndependent, pointer, message);
        }
    }
}
