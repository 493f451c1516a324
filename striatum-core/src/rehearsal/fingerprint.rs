//! When two states of a run are equal for all that can follow.

use std::{
    hash::{DefaultHasher, Hash, Hasher as _},
    mem::discriminant,
};

use crate::run::{JobState, State, Usage, Verdict};

/// The fingerprint of a state, kept up to date job by job.
#[derive(Debug, Clone)]
pub(super) struct Fingerprint {
    jobs: Vec<u64>,
    sum: u64,
}

impl Fingerprint {
    pub(super) fn of(state: &State) -> Self {
        let jobs: Vec<u64> = (0..state.jobs().len()).map(|job| of_job(state, job)).collect();
        let sum = jobs.iter().fold(0_u64, |sum, job| sum.wrapping_add(*job));
        Self { jobs, sum }
    }

    /// Takes note of a job that has changed.
    pub(super) fn update(&mut self, state: &State, job: usize) {
        let after = of_job(state, job);
        let before = std::mem::replace(&mut self.jobs[job], after);
        self.sum = self.sum.wrapping_sub(before).wrapping_add(after);
    }

    /// The number that stands for the state.
    pub(super) fn number(&self, state: &State) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.sum.hash(&mut hasher);
        (state.status(), state.is_paused()).hash(&mut hasher);
        for cycle in &state.workflow().cycles {
            let iterations = state.iterations(&cycle.to);
            (iterations.taken, iterations.granted).hash(&mut hasher);
        }
        for escalation in state.escalations() {
            discriminant(&escalation.raised.topic).hash(&mut hasher);
            escalation.ruling.as_ref().map(discriminant).hash(&mut hasher);
        }
        if state.workflow().budget.is_some() {
            spent(state.used()).hash(&mut hasher);
        }
        hasher.finish()
    }
}

/// Names, times and the numbers of attempts and grants tell the past; what can follow does not depend on them. The past of a job
/// that has ended is over.
fn of_job(state: &State, place: usize) -> u64 {
    let (spec, job) = state.at(place);
    // Every field is named, so that whoever adds one has to say here whether the future depends on it.
    let JobState {
        status,
        attempt,
        epoch: _,
        deliveries,
        failures,
        lease: _,
        wait: _,
        artifacts: _,
        submission: _,
        ground,
        verdicts: _,
        checkpoint,
        skipped,
        canceled,
        doubt: _,
        questions: _,
        asked,
        used,
        set_aside: _,
        failed: _,
        holders: _,
        author: _,
    } = job;
    let mut hasher = DefaultHasher::new();
    let verdict = job.live_verdict().map(|said| match said.verdict {
        Verdict::AcceptWithFindings => Verdict::Accept,
        other => other,
    });
    (place, status, verdict, job.live_artifacts().count()).hash(&mut hasher);
    (ground.as_ref().map(discriminant), checkpoint.as_ref().map(discriminant)).hash(&mut hasher);
    (skipped.as_ref().map(discriminant), canceled.as_ref().map(discriminant)).hash(&mut hasher);
    if !status.is_terminal() {
        (deliveries.saturating_sub(*asked), *deliveries > 0, failures).hash(&mut hasher);
        spec.budget.as_ref().map(|_| spent(used)).hash(&mut hasher);
        let rulings = state.decisions().filter(|it| it.job == spec.id && it.attempt == *attempt);
        rulings.last().map(|decision| discriminant(&decision.ruling)).hash(&mut hasher);
    }
    hasher.finish()
}

fn spent(used: &Usage) -> (u64, u64, Option<u64>) {
    (used.wall_ms, used.tokens(), used.turns)
}

#[cfg(test)]
mod tests {
    use crate::{
        rehearsal::{
            position::Position,
            script::{Act, Answer, Step},
        },
        run::Verdict,
        workflow::{JobBuilder, LaneBuilder, Workflow},
    };

    /// A run of a draft that a review may send back once, after these steps.
    fn after(steps: &[Step]) -> u64 {
        let job = |job: JobBuilder| job.by("r", "l").objective("Work.");
        let workflow = Workflow::builder("w")
            .lane("l", LaneBuilder::process(["agent"]))
            .role("r", "Works.")
            .job(job(JobBuilder::draft("a")).max_attempts(2))
            .job(job(JobBuilder::review("b")).after("a"))
            .cycle("b", "a", 1)
            .build()
            .unwrap()
            .workflow;
        let mut position = Position::before(&workflow).unwrap();
        position.begin().unwrap();
        for step in steps {
            position.play(*step).unwrap();
        }
        position.fingerprint()
    }

    const CLAIM: Step = Step::Claim(0);
    const DONE: Step = Step::Act(0, Act::Done);

    fn judge(verdict: Verdict) -> Vec<Step> {
        vec![CLAIM, DONE, Step::Claim(1), Step::Act(1, Act::Judge(verdict))]
    }

    #[test]
    fn the_past_of_what_has_ended_makes_no_difference() {
        let done = after(&[CLAIM, DONE]);
        assert_eq!(after(&[CLAIM, Step::Act(0, Act::Lose), CLAIM, DONE]), done);
        assert_eq!(after(&[CLAIM, Step::Act(0, Act::Fail), CLAIM, DONE]), done);
        let blocked = Step::Act(0, Act::Block(crate::run::Severity::Operator));
        assert_eq!(after(&[CLAIM, blocked, Step::Answer(0, Answer::Continue), CLAIM, DONE]), done);
        assert_eq!(after(&judge(Verdict::Accept)), after(&judge(Verdict::AcceptWithFindings)));
    }

    #[test]
    fn whatever_the_future_depends_on_makes_a_difference() {
        let lost = [CLAIM, Step::Act(0, Act::Lose)];
        let failed = [CLAIM, Step::Act(0, Act::Fail)];
        let mut all = vec![after(&[]), after(&[CLAIM]), after(&lost), after(&failed), after(&[CLAIM, DONE])];
        all.push(after(&[lost, lost].concat()));
        let ends = [Verdict::Accept, Verdict::NeedsRevision, Verdict::Reject];
        all.extend(ends.map(|verdict| after(&judge(verdict))));
        all.push(after(&[judge(Verdict::NeedsRevision), judge(Verdict::NeedsRevision)].concat()));
        let different: std::collections::BTreeSet<u64> = all.iter().copied().collect();
        assert_eq!(different.len(), all.len());
    }
}
