//! What is allowed and yet worth a look. A lint never refuses a document.

use std::collections::{HashMap, HashSet};

use super::{
    document::{Draft, inside},
    report::Report,
};
use crate::{
    id::JobId,
    workflow::{
        FindingCode, Graph, Job, JobType, OnReject, ReviewContext, Workflow, WorktreeIsolation, WriteMode,
        analysis::exits_without, order::Order,
    },
};

/// For so many reviews it is worked out what their rejection would leave.
const MAX_WORKED_OUT: usize = 32;

pub(super) fn judge(draft: &Draft, order: Option<&Order>, report: &Report) {
    let pairs = Pairs::of(&draft.workflow);
    for (position, (job, written)) in draft.workflow.jobs.iter().zip(&draft.jobs).enumerate() {
        broad_write_scope(job, written.index, report);
        repo_write_without_worktree_isolation(&draft.workflow, job, written.index, report);
        if job.kind.is_verdict_capable() {
            review_without_fresh_context(job, written.index, report);
            if let Some(order) = order {
                let pointer = inside("jobs", written.index, "/lane_id");
                pairs.judge(position, order.graph(), &pointer, report);
            }
        }
    }
    pairs.judge_cycles(draft, report);
    if let Some(order) = order.filter(|_| draft.is_whole) {
        if draft.has_whole_cycles {
            missing_review_escalation_path(draft, order.graph(), report);
        }
        unreachable_exit(draft, order, report);
    }
}

/// A review that sends work back must have somewhere to send it, or somebody who was told to expect it.
fn missing_review_escalation_path(draft: &Draft, graph: &Graph, report: &Report) {
    let workflow = &draft.workflow;
    let policy = workflow.review_revision_policy.as_ref();
    if policy.is_some_and(|policy| policy.root_review_needs_revision.is_some()) {
        return;
    }
    let sends_back: HashSet<_> = workflow.cycles.iter().map(|cycle| &cycle.from).collect();
    for (position, (job, written)) in workflow.jobs.iter().zip(&draft.jobs).enumerate() {
        let is_silent = job.is_gating_review() && !sends_back.contains(&job.id);
        if is_silent && !graph.is_adjudicated(position) {
            let message = format!("when {} wants a revision, nobody makes it and a person is asked", job.id);
            let pointer = inside("jobs", written.index, "");
            report.lint(FindingCode::MissingReviewEscalationPath, pointer, message, &[job.id.as_str()]);
        }
    }
}

/// A rejection that is to end a branch only, where nothing is left beside the branch.
fn unreachable_exit(draft: &Draft, order: &Order, report: &Report) {
    let (workflow, graph) = (&draft.workflow, order.graph());
    let exits: Vec<usize> = graph.exits().collect();
    let is_before_all =
        |review: usize| exits.iter().all(|exit| *exit == review || order.is_before(review, *exit));
    let reviews = workflow.jobs.iter().enumerate().filter(|(position, job)| {
        job.on_reject == OnReject::SkipBranch
            && job.kind.is_verdict_capable()
            && !job.is_advisory()
            && !graph.is_adjudicated(*position)
            && is_before_all(*position)
    });
    for (position, job) in reviews.take(MAX_WORKED_OUT) {
        if exits_without(workflow, graph, position) == 0 {
            let message = format!("when {} rejects, every exit of the workflow is skipped", job.id);
            let pointer = inside("jobs", draft.jobs[position].index, "/on_reject");
            report.lint(FindingCode::UnreachableExit, pointer, message, &[job.id.as_str()]);
        }
    }
}

/// Here every grant has a tree of its own. Elsewhere the lane decides, and jobs that run side by side would share one.
fn repo_write_without_worktree_isolation(workflow: &Workflow, job: &Job, index: usize, report: &Report) {
    let is_shared = workflow
        .lanes
        .get(&job.lane_id)
        .is_some_and(|lane| lane.worktree_isolation == WorktreeIsolation::Off);
    let is_writing = job.write_scope.mode == WriteMode::RepoWrite && job.kind != JobType::HumanCheckpoint;
    if is_writing && is_shared && workflow.parallelism.max_active_jobs > 1 {
        let message =
            format!("{} writes to the repository beside others, on a lane without isolation", job.id);
        let pointer = inside("jobs", index, "/lane_id");
        let subject = [job.id.as_str()];
        report.lint(FindingCode::RepoWriteWithoutWorktreeIsolation, pointer, message, &subject);
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
    /// From reviewer to author, where work goes back: these are judged by the way back.
    tied: HashSet<(&'w JobId, &'w JobId)>,
}

impl<'w> Pairs<'w> {
    fn of(workflow: &'w Workflow) -> Self {
        Self { workflow, tied: workflow.cycles.iter().map(|way| (&way.from, &way.to)).collect() }
    }

    fn judge(&self, review: usize, graph: &Graph, pointer: &str, report: &Report) {
        if self.workflow.allow_same_model_review_pairing {
            return;
        }
        let job = &self.workflow.jobs[review];
        let authors = graph.upstream(review).iter().map(|author| &self.workflow.jobs[*author]);
        let authors = authors.filter(|author| author.kind.has_author() && self.is_same_model(author, job));
        for author in authors.filter(|author| !self.tied.contains(&(&job.id, &author.id))) {
            let message = format!("{} is reviewed by {} on the same model", author.id, job.id);
            let subject = [author.id.as_str(), job.id.as_str()];
            report.lint(FindingCode::SameModelReviewPair, pointer.to_owned(), message, &subject);
        }
    }

    fn judge_cycles(&self, draft: &Draft, report: &Report) {
        if self.workflow.allow_same_model_review_pairing {
            return;
        }
        let jobs: HashMap<_, _> = self.workflow.jobs.iter().map(|job| (&job.id, job)).collect();
        for (way, index) in self.workflow.cycles.iter().zip(&draft.cycles) {
            let (Some(review), Some(author)) = (jobs.get(&way.from), jobs.get(&way.to)) else { continue };
            let is_same_lane = review.lane_id == author.lane_id;
            let has_leave = way.allow_same_model == Some(true)
                || is_same_lane && way.allow_same_lane == Some(true)
                || !author.kind.has_author()
                || !review.is_gating_review();
            if self.is_same_model(author, review) && !has_leave {
                let message = format!("{} revises what {} found, on the same model", author.id, review.id);
                let subject = [author.id.as_str(), review.id.as_str()];
                let pointer = inside("cycles", *index, "");
                report.lint(FindingCode::SameModelRevisionCycle, pointer, message, &subject);
            }
        }
    }

    /// Two lanes are known to use one model if they are one lane, or declare the same.
    fn is_same_model(&self, one: &Job, other: &Job) -> bool {
        let model = |job: &Job| self.workflow.lanes.get(&job.lane_id)?.display_model.as_deref();
        one.lane_id == other.lane_id || model(one).is_some_and(|declared| model(other) == Some(declared))
    }
}
