//! Doing jobs once more.

use std::collections::BTreeSet;

use striatum_core::run::{JobStatus, JobsReopened, ReopenCause, RunStatus};

use super::Oracle;
use crate::simulation::property::{Holds, Property};

/// One reopening, which may come in several events.
#[derive(Debug)]
pub(super) struct Reopening {
    cause: ReopenCause,
    /// What has to be listed: the target, and all behind it that has begun or ended.
    due: BTreeSet<usize>,
    /// The counters that have to begin anew.
    reset: BTreeSet<usize>,
}

impl Oracle {
    pub(super) fn reopened(&mut self, event: &JobsReopened) -> Holds {
        let (rules, target) = (Property::Rules, self.job(&event.target)?);
        rules.holds(self.model.status == Some(RunStatus::Running), || {
            format!("{} was reopened in a run that has ended", event.target)
        })?;
        if !self.block.reopened.contains_key(&target) {
            self.begin(target, &event.cause)?;
        }
        for reopened in &event.jobs {
            let index = self.job(&reopened.job)?;
            let is_due = self.block.reopened.get_mut(&target).is_some_and(|it| it.due.remove(&index));
            Property::Reopening.holds(is_due, || {
                format!("{} was reopened with {}, which is not before it", reopened.job, event.target)
            })?;
            self.end(&reopened.job, reopened.ended.as_ref())?;
            self.keep(index, reopened.submission.as_ref().map(|submission| submission.manifest.digest));
            let job = &mut self.model.jobs[index];
            let attempt = job.attempt + u32::from(job.is_touched() || index == target);
            Property::Reopening.holds(reopened.attempt == attempt, || {
                format!("{} was reopened at attempt {}, not {attempt}", reopened.job, reopened.attempt)
            })?;
            job.moves(JobStatus::Pending);
            if attempt > job.attempt {
                job.begins_attempt();
            }
            job.failures = 0;
        }
        for reset in &event.reset {
            let index = self.job(reset)?;
            let is_due = self.block.reopened.get_mut(&target).is_some_and(|it| it.reset.remove(&index));
            rules.holds(is_due, || format!("the counter of {reset} began anew with {}", event.target))?;
            self.model.counters.remove(&index);
        }
        let same = self.block.reopened.get(&target).is_some_and(|it| it.cause == event.cause);
        rules.holds(same, || format!("{} was reopened for two causes", event.target))
    }

    fn begin(&mut self, target: usize, cause: &ReopenCause) -> Holds {
        let rules = Property::Rules;
        let behind = self.plan.downstream(target);
        let begun = behind.iter().copied().filter(|job| self.model.jobs[*job].status != JobStatus::Pending);
        let due = begun.chain([target]).collect();
        let counters = self.model.counters.keys().copied();
        let reset = counters.filter(|counter| behind.contains(counter)).collect();
        let name = self.name(target).clone();
        match cause {
            ReopenCause::Retry => {
                self.expect_principal("retried a job")?;
                self.leaves += 1;
            }
            ReopenCause::Superseded { .. } => {
                self.expect_person(None)?;
                self.leaves += 1;
                let was = self.model.jobs[target].status;
                let done = was == JobStatus::Completed && !self.plan.judges(target);
                rules.holds(done, || format!("{name} was superseded, which was {was}"))?;
            }
            ReopenCause::Revision { review, iteration, with } => {
                let review = self.job(review)?;
                // What comes behind it in the same block was decided on before the first target moved.
                if self.block.reopened.is_empty() {
                    let leads = self.plan.ways_back(review).iter().any(|(to, ..)| *to == target);
                    let wants = leads && self.model.dissents(&self.plan, review);
                    rules.holds(wants, || format!("{name} was sent back by nobody"))?;
                    self.expect_closed(review)?;
                    let may = self.model.has_round_left(&self.plan, target);
                    Property::Progress.holds(may, || format!("{name} was sent back once too often"))?;
                    for other in with {
                        let wants = self.model.dissents(&self.plan, self.job(other)?);
                        rules.holds(wants, || {
                            format!("{name} was sent back by {other}, which did not say so")
                        })?;
                    }
                }
                let counter = self.model.counters.entry(target).or_default();
                counter.taken += 1;
                let fits = counter.taken == *iteration;
                rules.holds(fits, || format!("{name} was sent back and miscounted"))?;
            }
            ReopenCause::Granted { review, iteration } => {
                self.expect_principal("granted a revision")?;
                self.leaves += 1;
                let review = self.job(review)?;
                let asked = self.model.jobs[review].status == JobStatus::WaitingHuman
                    || self.block.reopened.keys().any(|it| self.plan.downstream(*it).contains(&review));
                let counter = self.model.counters.entry(target).or_default();
                counter.taken += 1;
                counter.granted += 1;
                let fits = counter.taken == *iteration;
                rules.holds(asked && fits, || format!("{name} was granted a revision unasked"))?;
            }
        }
        self.block.reopened.insert(target, Reopening { cause: cause.clone(), due, reset });
        Ok(())
    }

    /// Whether a person has just put something else in the place of what this job published.
    pub(super) fn is_superseded(&self, job: usize) -> bool {
        let reopening = self.block.reopened.get(&job);
        reopening.is_some_and(|it| matches!(it.cause, ReopenCause::Superseded { .. }))
    }

    /// What was reopened is open, with everything behind it.
    pub(super) fn expect_reopened(&self) -> Holds {
        for (target, reopening) in &self.block.reopened {
            let left: Vec<_> = reopening.due.iter().map(|job| self.name(*job)).collect();
            Property::Reopening
                .holds(left.is_empty(), || format!("{} was reopened without {left:?}", self.name(*target)))?;
            Property::Rules.holds(reopening.reset.is_empty(), || {
                format!("counters behind {} go on", self.name(*target))
            })?;
        }
        Property::Rules.holds(!self.block.run_reopened || !self.block.reopened.is_empty(), || {
            "a run was reopened without a job".to_owned()
        })
    }
}
