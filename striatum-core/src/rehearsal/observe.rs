//! Taking note of what a rehearsal shows.

use std::{cmp::Reverse, collections::BTreeSet};

use crate::{
    rehearsal::{
        Answer, Asked, Finding, FindingCode, Report,
        script::{Act, Step},
        search::{BEGINNING, Node, Search},
    },
    run::{IdentityDoubt, JobState, JobStatus, Rejection, RunStatus, Verdict},
};

/// A history shows so many steps at most.
const SHOWN: usize = 12;

impl Search<'_> {
    /// Takes note of where every job stands.
    pub(super) fn observe_all(&mut self, node: &Node) {
        for job in 0..self.workflow.jobs.len() {
            self.observe(node, job);
        }
    }

    /// Takes note of where a job stands, and compares its grants with the bound.
    pub(super) fn observe(&mut self, node: &Node, job: usize) {
        let state = node.position.job(job);
        let report = &mut self.report.jobs[job];
        report.statuses.insert(state.status);
        if node.position.is_assisted {
            return;
        }
        report.most_attempts = report.most_attempts.max(state.attempt);
        report.most_grants = report.most_grants.max(state.epoch);
        let bound = report.grants_bound;
        if u64::from(state.epoch) > bound {
            let message = format!("{} is handed out {} times; the bound is {bound}", report.id, state.epoch);
            self.find(FindingCode::BoundExceeded, Some(job), node, message);
        }
    }

    /// Takes note of what was said: of verdicts, and of answers that were possible.
    pub(super) fn observe_step(&mut self, before: &Node, step: Step) {
        match step {
            Step::Act(job, Act::Judge(verdict)) if !before.position.is_assisted => {
                let attempt = before.position.job(job).attempt;
                let given = self.report.jobs[job].verdicts.entry(attempt).or_default();
                if !given.contains(&verdict) {
                    given.push(verdict);
                    given.sort_unstable_by_key(|verdict| Verdict::ALL.iter().position(|one| one == verdict));
                }
            }
            Step::Answer(job, answer) => self.observe_answer(before, job, answer),
            Step::Claim(_) | Step::Act(..) | Step::Settle(..) | Step::Retry(_) => {}
        }
    }

    fn observe_answer(&mut self, before: &Node, job: usize, answer: Answer) {
        let JobState { status, checkpoint, .. } = *before.position.job(job);
        let asked = &mut self.report.jobs[job].asked;
        let known = asked.iter().position(|asked| (asked.status, asked.checkpoint) == (status, checkpoint));
        let place = known.unwrap_or_else(|| {
            asked.push(Asked { status, checkpoint, answers: BTreeSet::new() });
            asked.len() - 1
        });
        asked[place].answers.insert(answer);
    }

    /// Takes note of the end of a run.
    pub(super) fn end(&mut self, node: &Node, status: RunStatus) {
        self.report.runs += 1;
        *self.report.ends.entry(status).or_default() += 1;
        let position = &node.position;
        if !position.is_assisted {
            let jobs = position.state().jobs();
            let grants = jobs.fold(0_u64, |sum, (_, job)| sum.saturating_add(job.epoch.into()));
            self.report.most_grants = self.report.most_grants.max(grants);
            if status == RunStatus::Completed {
                for (report, (_, job)) in self.report.jobs.iter_mut().zip(position.state().jobs()) {
                    report.completed_at.extend((job.status == JobStatus::Completed).then_some(job.attempt));
                }
            }
        }
        if status != RunStatus::Completed && !position.is_harmed {
            let exits = position.state().snapshot().graph().exits();
            let lost = exits.filter(|exit| position.job(*exit).status != JobStatus::Completed);
            for exit in lost.collect::<Vec<_>>() {
                let stands = position.job(exit).status;
                let message = format!(
                    "a run ends as {status} with {} {stands}, although nobody rejected, failed or cancelled anything",
                    self.workflow.jobs[exit].id
                );
                self.find(FindingCode::ExitLost, Some(exit), node, message);
            }
        }
    }

    /// Takes note of a run in which nobody can do anything.
    pub(super) fn stuck(&mut self, node: &Node, refused: Option<(usize, Rejection)>) {
        if let Some((job, refusal)) = refused {
            let message = format!("no session may claim {}: {refusal}", self.workflow.jobs[job].id);
            return self.find(FindingCode::JobUnclaimable, Some(job), node, message);
        }
        let mut open =
            node.position.state().jobs().enumerate().filter(|(_, (_, job))| !job.status.is_terminal());
        let first = open.next().map(|(job, (spec, state))| (job, format!("{} is {}", spec.id, state.status)));
        let (job, what) = first.map_or((None, "no job is open".to_owned()), |(job, what)| (Some(job), what));
        let message = format!("nobody can do anything, and the run goes on: {what}");
        self.find(FindingCode::RunStuck, job, node, message);
    }

    pub(super) fn unresolvable(&mut self, node: &Node, job: usize, refusal: &Rejection) {
        let message = format!("no answer to {} is possible: {refusal}", self.workflow.jobs[job].id);
        self.find(FindingCode::CheckpointUnresolvable, Some(job), node, message);
    }

    pub(super) fn unplanned(&mut self, node: &Node, job: usize) {
        let (id, state) = (&self.workflow.jobs[job].id, node.position.job(job));
        let why = match &state.doubt {
            Some(IdentityDoubt::SameFamily { family, .. }) => {
                format!("author and reviewer are of the family {family}")
            }
            Some(IdentityDoubt::Unreported { job }) => {
                format!("the agent of {job} has not reported its model")
            }
            Some(IdentityDoubt::Unattested { .. }) => {
                "its agent has not shown that it is that of the lane".to_owned()
            }
            None => "a person is asked".to_owned(),
        };
        let message = format!("{id} is {}, although every agent has done well: {why}", state.status);
        self.find(FindingCode::CheckpointUnplanned, Some(job), node, message);
    }

    pub(super) fn outcome_refused(&mut self, node: &Node, job: usize, refusal: &Rejection) {
        let message = format!("what {} ends with is refused: {refusal}", self.workflow.jobs[job].id);
        self.find(FindingCode::OutcomeRefused, Some(job), node, message);
    }

    pub(super) fn cannot_begin(&mut self, refusal: &Rejection) {
        let nowhere = self.beginning();
        self.find(FindingCode::RunStuck, None, &nowhere, format!("no run can be started: {refusal}"));
    }

    pub(super) fn give_up(&mut self, what: &str) {
        let message = format!("after {} commands the rehearsal was given up {what}", self.report.commands);
        let nowhere = self.beginning();
        self.find(FindingCode::RehearsalIncomplete, None, &nowhere, message);
    }

    /// What only shows when everything was played.
    pub(super) fn judge(&mut self) {
        if self.report.ends.contains_key(&RunStatus::Completed) {
            self.judge_jobs();
        } else {
            let message = "no run came to completion, whatever agents and principals did".to_owned();
            let nowhere = self.beginning();
            self.find(FindingCode::RunNeverCompletes, None, &nowhere, message);
        }
    }

    fn judge_jobs(&mut self) {
        let nowhere = self.beginning();
        for job in 0..self.workflow.jobs.len() {
            let report = &self.report.jobs[job];
            let had_turn = [JobStatus::Claimed, JobStatus::Running, JobStatus::WaitingHuman];
            let is_exit = nowhere.position.state().snapshot().graph().is_exit(job);
            if !had_turn.iter().any(|status| report.statuses.contains(status)) {
                let message = format!("{} is never handed out", report.id);
                self.find(FindingCode::JobNeverRuns, Some(job), &nowhere, message);
            } else if is_exit && !report.statuses.contains(&JobStatus::Completed) {
                let message = format!("{} is an exit and is never completed", report.id);
                self.find(FindingCode::ExitLost, Some(job), &nowhere, message);
            }
        }
    }

    /// Takes note of something, if it is new.
    fn find(&mut self, code: FindingCode, job: Option<usize>, node: &Node, message: String) {
        if !self.found.contains_key(&(code, job)) {
            let finding = Finding::new(code, job, message, self.history(node.last));
            self.found.insert((code, job), finding);
        }
    }

    /// What led to a step, in words.
    fn history(&self, mut last: usize) -> Vec<String> {
        let mut history = Vec::new();
        while last != BEGINNING && history.len() < SHOWN {
            let (before, step) = self.steps[last];
            last = before;
            let told = match step {
                Step::Claim(_) => None,
                Step::Act(job, act) => Some((Some(job), act.to_string())),
                Step::Answer(job, answer) => Some((Some(job), answer.to_string())),
                Step::Settle(_, answer) => Some((None, answer.to_string())),
                Step::Retry(job) => Some((Some(job), "retry".to_owned())),
            };
            let who = |job: Option<usize>| job.map_or("the run", |job| self.workflow.jobs[job].id.as_str());
            history.extend(told.map(|(job, what)| format!("{}: {what}", who(job))));
        }
        history.reverse();
        history
    }

    /// Everything that was seen.
    pub(super) fn report(self) -> Report {
        let mut findings: Vec<Finding> = self.found.into_values().collect();
        findings.sort_by_key(|finding| Reverse(finding.severity));
        Report { findings, states: self.seen.len() as u64, ..self.report }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::JobId,
        rehearsal::Options,
        workflow::{JobBuilder, LaneBuilder, Workflow},
    };

    fn workflow() -> Workflow {
        let job = |job: JobBuilder| job.by("r", "l").objective("Work.");
        Workflow::builder("w")
            .lane("l", LaneBuilder::process(["agent"]))
            .role("r", "Works.")
            .job(job(JobBuilder::draft("a")))
            .job(job(JobBuilder::draft("b")).after("a"))
            .build()
            .unwrap()
            .workflow
    }

    /// What is found where the machine does what it must not: a sound one never gives these.
    fn found(provoke: impl FnOnce(&mut Search)) -> Vec<(FindingCode, String, String)> {
        let workflow = workflow();
        let mut search = Search::over(&workflow, &Options { seeds: 0, ..Options::default() }).unwrap();
        provoke(&mut search);
        let findings = search.report().findings;
        findings.into_iter().map(|found| (found.code, found.pointer, found.message)).collect()
    }

    #[test]
    fn a_workflow_that_does_what_it_must_gives_no_finding() {
        assert_eq!(found(|_| {}), []);
    }

    #[test]
    fn a_job_that_is_handed_out_beyond_the_bound_is_told() {
        let told = found(|search| {
            let node = search.after(&search.beginning(), Step::Claim(0), search.beginning().script).unwrap();
            search.report.jobs[0].grants_bound = 0;
            search.observe(&node, 0);
        });
        let message = "a is handed out 1 times; the bound is 0".to_owned();
        assert_eq!(told, [(FindingCode::BoundExceeded, "/jobs/0".to_owned(), message)]);
    }

    #[test]
    fn an_exit_that_is_lost_without_harm_is_told() {
        let told = found(|search| search.end(&search.beginning(), RunStatus::Failed));
        let message =
            "a run ends as failed with b pending, although nobody rejected, failed or cancelled anything";
        assert_eq!(told, [(FindingCode::ExitLost, "/jobs/1".to_owned(), message.to_owned())]);
        let never = found(|search| {
            search.report.jobs[1].statuses.remove(&JobStatus::Completed);
            search.judge();
        });
        let message = "b is an exit and is never completed".to_owned();
        assert_eq!(never, [(FindingCode::ExitLost, "/jobs/1".to_owned(), message)]);
    }

    #[test]
    fn a_job_that_never_has_its_turn_is_told() {
        let told = found(|search| {
            search.report.jobs[1].statuses = [JobStatus::Pending, JobStatus::Skipped].into();
            search.judge();
        });
        let message = "b is never handed out".to_owned();
        assert_eq!(told, [(FindingCode::JobNeverRuns, "/jobs/1".to_owned(), message)]);
    }

    #[test]
    fn a_refusal_that_leaves_nothing_to_do_is_told_with_its_reason() {
        let refusal = || Rejection::SessionNotFresh { job: JobId::new("a").unwrap() };
        let told = found(|search| {
            let node = search.beginning();
            search.stuck(&node, Some((0, refusal())));
            search.unresolvable(&node, 1, &refusal());
            search.cannot_begin(&refusal());
        });
        let told: Vec<_> =
            told.iter().map(|(code, at, message)| (*code, at.as_str(), message.as_str())).collect();
        let reason = "job a wants a fresh session";
        assert_eq!(
            told,
            [
                (FindingCode::RunStuck, "", format!("no run can be started: {reason}").as_str()),
                (FindingCode::JobUnclaimable, "/jobs/0", &format!("no session may claim a: {reason}")),
                (
                    FindingCode::CheckpointUnresolvable,
                    "/jobs/1",
                    &format!("no answer to b is possible: {reason}")
                ),
            ]
        );
    }
}
