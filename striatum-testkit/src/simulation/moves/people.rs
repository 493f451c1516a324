//! What principals may do.

use striatum_core::run::{Intent, JobStatus, Resolution, Ruling, RunStatus, Supersede};

use crate::{
    simulation::{chance::Chance, step::Act},
    words,
};

/// What a principal is asked, or is not asked.
pub(super) fn answer(chance: &mut Chance<'_>) -> Option<Act> {
    if let Some((_, question)) = chance.state.open_questions().next().filter(|_| !chance.dice.once_in(4)) {
        let (question, answer) = (question.number, words::blob("an answer"));
        return Some(chance.give(Intent::Answer { question, answer }));
    }
    let waiting = [JobStatus::WaitingHuman, JobStatus::Blocked, JobStatus::Parked, JobStatus::AwaitingInput];
    let job = match chance.job_that_is(&waiting) {
        Some(job) => job,
        None if chance.dice.once_in(6) => chance.any_job()?,
        None => return None,
    };
    let decisions = u32::try_from(chance.state.decisions().len()).unwrap_or(u32::MAX);
    let resolution = match chance.dice.below(8) {
        0 => Resolution::Resume,
        1 => Resolution::Continue { artifacts: Vec::new() },
        2 => Resolution::Continue { artifacts: words::artifacts(chance.state, &job, "a person's words") },
        3 | 4 => Resolution::Override { decision: decisions },
        5 if chance.dice.once_in(3) => Resolution::Cancel,
        _ => {
            let ruling = if chance.dice.once_in(4) { Ruling::Reject } else { Ruling::Accept };
            return Some(chance.give(Intent::Decide { job, ruling, rationale: words::blob("because") }));
        }
    };
    Some(chance.give(Intent::Resolve { job, resolution }))
}

pub(super) fn escalate(chance: &mut Chance<'_>) -> Option<Act> {
    let job = chance.any_job();
    Some(chance.give(Intent::Escalate { job, reason: words::blob("somebody must look") }))
}

/// A principal rules on something that was escalated, or calls a completed run unsound.
pub(super) fn settle(chance: &mut Chance<'_>) -> Option<Act> {
    let rationale = words::blob("because");
    if chance.state.status() == Some(RunStatus::Completed) && chance.dice.once_in(8) {
        return Some(chance.give(Intent::Compromise { rationale }));
    }
    let escalations = u32::try_from(chance.state.escalations().len()).ok()?;
    let escalation = u32::try_from(chance.dice.below(escalations as usize + 1)).ok()?;
    let ruling = if chance.dice.once_in(3) { Ruling::Reject } else { Ruling::Accept };
    Some(chance.give(Intent::Settle { escalation, ruling, rationale: Some(rationale) }))
}

pub(super) fn retry(chance: &mut Chance<'_>) -> Option<Act> {
    let lost = [JobStatus::Failed, JobStatus::Canceled, JobStatus::Quarantined, JobStatus::Skipped];
    let job = match chance.job_that_is(&lost) {
        Some(job) => job,
        None if chance.dice.once_in(6) => chance.any_job()?,
        None => return None,
    };
    Some(chance.give(Intent::Retry { job }))
}

/// A principal ends a job, whatever it is at.
pub(super) fn cancel_job(chance: &mut Chance<'_>) -> Option<Act> {
    let held = chance.held().filter(|_| chance.dice.once_in(2)).map(|fence| fence.job);
    let job = held.or_else(|| chance.any_job())?;
    Some(chance.give(Intent::CancelJob { job }))
}

/// A person puts something else in the place of what was published.
pub(super) fn supersede(chance: &mut Chance<'_>) -> Option<Act> {
    let job = chance.job_that_is(&[JobStatus::Completed]).or_else(|| chance.any_job())?;
    let present = chance.state.job(&job)?.attempt;
    let attempt = if chance.dice.once_in(8) { present + 1 } else { present };
    let artifacts = words::artifacts_at(chance.state, &job, attempt + 1, "better words");
    let few = chance.dice.below(artifacts.len() + 1);
    let artifacts = artifacts.into_iter().skip(few).collect();
    let rationale = words::blob("because");
    Some(chance.give(Intent::Supersede(Supersede { job, attempt, artifacts, submission: None, rationale })))
}

pub(super) fn steer(chance: &mut Chance<'_>) -> Option<Act> {
    let intent = match chance.dice.below(8) {
        0 => Intent::Cancel { reason: None },
        1..4 => Intent::Pause,
        4 => Intent::Start,
        _ => Intent::Resume,
    };
    Some(chance.give(intent))
}
