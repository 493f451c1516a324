//! What is allowed and yet worth a look. A lint never refuses a document.

use std::collections::HashSet;

use super::{
    document::{Draft, inside},
    report::Report,
};
use crate::{
    id::JobId,
    workflow::{FindingCode, Graph, Job, JobType, ReviewContext, Workflow, WriteMode},
};

pub(super) fn judge(draft: &Draft, graph: Option<&Graph>, report: &Report) {
    let pairs = Pairs::of(&draft.workflow);
    for (position, (job, written)) in draft.workflow.jobs.iter().zip(&draft.jobs).enumerate() {
        broad_write_scope(job, written.index, report);
        if job.kind.is_verdict_capable() {
            review_without_fresh_context(job, written.index, report);
            if let Some(graph) = graph {
                let pointer = inside("jobs", written.index, "/lane_id");
                pairs.judge(position, graph, &pointer, report);
            }
        }
    }
}

fn broad_write_scope(job: &Job, index: usize, report: &Report) {
    let scope = &job.write_scope;
    let everything = scope.allowed_paths.iter().position(|path| path == ".");
    if let Some(position) = everything.filter(|_| scope.mode == WriteMode::RepoWrite) {
        let pointer = inside("jobs", index, &format!("/write_scope/allowed_paths/{position}"));
        let message = format!("{} may write everywhere", job.id);
        report.lint(FindingCode::BroadWriteScope, pointer, message, &[job.id.as_str()]);
    }
}

fn review_without_fresh_context(job: &Job, index: usize, report: &Report) {
    let is_fresh = job.fresh_session_required || job.reviewer_context_policy == Some(ReviewContext::Fresh);
    if !is_fresh {
        let message = format!("{} may be done by a session that has seen earlier rounds", job.id);
        let pointer = inside("jobs", index, "");
        report.lint(FindingCode::ReviewWithoutFreshContext, pointer, message, &[job.id.as_str()]);
    }
}

/// Authors and their reviewers.
struct Pairs<'w> {
    workflow: &'w Workflow,
    /// From reviewer to author, where the document gives leave to share a model.
    excused: HashSet<(&'w JobId, &'w JobId)>,
}

impl<'w> Pairs<'w> {
    fn of(workflow: &'w Workflow) -> Self {
        let excused = workflow.cycles.iter().filter(|way| way.allow_same_model == Some(true));
        Self { workflow, excused: excused.map(|way| (&way.from, &way.to)).collect() }
    }

    fn judge(&self, review: usize, graph: &Graph, pointer: &str, report: &Report) {
        if self.workflow.allow_same_model_review_pairing {
            return;
        }
        let job = &self.workflow.jobs[review];
        let authors = graph.upstream(review).iter().map(|author| &self.workflow.jobs[*author]);
        let authors = authors.filter(|author| has_author(author.kind) && self.is_same_model(author, job));
        for author in authors.filter(|author| !self.excused.contains(&(&job.id, &author.id))) {
            let message = format!("{} is reviewed by {} on the same model", author.id, job.id);
            let subject = [author.id.as_str(), job.id.as_str()];
            report.lint(FindingCode::SameModelReviewPair, pointer.to_owned(), message, &subject);
        }
    }

    /// Two lanes are known to use one model if they are one lane, or declare the same.
    fn is_same_model(&self, one: &Job, other: &Job) -> bool {
        let model = |job: &Job| self.workflow.lanes.get(&job.lane_id)?.display_model.as_deref();
        one.lane_id == other.lane_id || model(one).is_some_and(|declared| model(other) == Some(declared))
    }
}

/// Whether an agent writes in a job of this kind.
fn has_author(kind: JobType) -> bool {
    !kind.is_verdict_capable() && kind != JobType::HumanCheckpoint
}
