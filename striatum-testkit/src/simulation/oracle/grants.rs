//! How grants begin and end.

use std::time::Duration;

use striatum_core::{
    id::{Fence, JobId, SessionId},
    run::{DeliveryMode, Event, JobClaimed, JobReadied, JobStatus, LeaseCause, LeaseEnd, RunStatus},
};

use super::{Oracle, model::Lease};
use crate::simulation::property::{Holds, Property};

/// What clocks may differ by within one append.
const SLACK: Duration = Duration::from_secs(1);

impl Oracle {
    pub(super) fn claim(&mut self, event: &JobClaimed) -> Holds {
        let (rules, index) = (Property::Rules, self.job(&event.job)?);
        let (plan, model) = (&self.plan, &self.model);
        let (spec, job) = (plan.job(index), &model.jobs[index]);
        let show = |what: &str| format!("{} was granted to {}: {what}", event.job, event.session.short());
        Property::Grants.holds(job.lease.is_none(), || show("somebody holds it"))?;
        Property::Grants
            .holds(event.epoch == job.epoch + 1, || show("its epochs are not one behind the other"))?;
        rules.holds(job.status == JobStatus::Ready && event.attempt == job.attempt, || show("not ready"))?;
        rules.holds(model.status == Some(RunStatus::Running), || show("the run does not run"))?;
        rules.holds(!model.paused, || show("the run is paused"))?;
        let limit = plan.workflow.parallelism.max_active_jobs as usize;
        rules.holds(model.held() < limit, || show("there is no room"))?;
        let place = (spec.role_id.clone(), spec.lane_id.clone());
        match (model.sessions.get(&event.session), &event.begins) {
            (Some(known), None) => {
                rules.holds(*known == place, || show("the session is of another role or lane"))?
            }
            (None, Some(begins)) => rules
                .holds(begins.ordinal as usize == model.sessions.len() + 1, || {
                    show("the sessions are not numbered one behind the other")
                })?,
            _ => rules.holds(false, || show("a session begins with its first grant, and only with that"))?,
        }
        let is_busy =
            model.jobs.iter().any(|job| job.lease.as_ref().is_some_and(|it| it.session == event.session));
        rules.holds(!is_busy, || show("the session holds another job"))?;
        let took_part = |job: usize| model.jobs[job].hands.contains(&event.session);
        let mut held = (0..plan.len()).filter(|other| model.jobs[*other].lease.is_some());
        let in_the_way = held.find(|other| plan.excludes(index, *other));
        rules.holds(in_the_way.is_none(), || show("what it uses, or where it writes, is taken"))?;
        let is_fresh = !spec.fresh_session_required || !(0..plan.len()).any(took_part);
        rules.holds(is_fresh, || show("it wants a fresh session"))?;
        if plan.judges(index) {
            let part = plan.under_judgement(index).into_iter().find(|job| took_part(*job));
            Property::Independence
                .holds(part.is_none(), || show("the session took part in what is judged"))?;
            let same = self.declared_same(index);
            Property::Independence
                .holds(!same, || show("its lane declares a model of the family of an author"))?;
        }
        let early = job.not_before.is_some_and(|from| self.block.at.after(SLACK) < from);
        rules.holds(!early, || show("it waits"))?;
        let seconds = spec.lease_seconds.unwrap_or(match event.mode {
            DeliveryMode::Push => 60,
            DeliveryMode::Pull => 30 * 60,
        });
        rules.holds(event.lease_seconds == seconds, || show("for another time than is said"))?;

        self.model.sessions.insert(event.session, place);
        let (run, job) = (self.model.run, &mut self.model.jobs[index]);
        job.moves(match event.mode {
            DeliveryMode::Push => JobStatus::Running,
            DeliveryMode::Pull => JobStatus::Claimed,
        });
        job.epoch = event.epoch;
        job.deliveries += 1;
        job.hands.insert(event.session);
        let deadline = self.block.at.after(Duration::from_secs(seconds.into()));
        job.lease = Some(Lease { session: event.session, deadline });
        let run = run.ok_or_else(|| rules.broken("a grant before the run began"))?;
        let fence = Fence { run, job: event.job.clone(), epoch: event.epoch, session: event.session };
        Property::Grants
            .holds(self.grants.insert(fence), || format!("{} was granted so before", event.job))?;
        let most = self.plan.grants().saturating_mul(self.leaves.saturating_add(1));
        Property::Progress.holds(self.grants.len() as u64 <= most, || {
            format!("{} grants, where {most} are the most", self.grants.len())
        })
    }

    pub(super) fn ready(&mut self, event: &JobReadied) -> Holds {
        use striatum_core::run::Freshness::{AfterFailure, Again, First, Granted};
        let (rules, index) = (Property::Rules, self.job(&event.job)?);
        let status = self.model.jobs[index].status;
        let show = || format!("{} became ready ({:?}) from {status}", event.job, event.fresh);
        let cause = event.ended.as_ref().map(|end| end.cause);
        let is_lost = matches!(cause, Some(LeaseCause::Released | LeaseCause::Expired | LeaseCause::Crashed));
        let from = match event.fresh {
            First => status == JobStatus::Pending && cause.is_none(),
            AfterFailure => status == JobStatus::Running && cause == Some(LeaseCause::Failed),
            Again if is_lost => matches!(status, JobStatus::Claimed | JobStatus::Running),
            Again => {
                let waits = [JobStatus::Blocked, JobStatus::Parked, JobStatus::AwaitingInput];
                waits.contains(&status) && cause.is_none() && self.is_principal()
            }
            Granted => {
                let waits = [JobStatus::Blocked, JobStatus::Parked, JobStatus::WaitingHuman];
                waits.contains(&status) && cause.is_none() && self.is_principal()
            }
        };
        rules.holds(from, show)?;
        self.end(&event.job, event.ended.as_ref())?;
        if event.fresh == First {
            rules.holds(self.model.may_begin(&self.plan, index), || {
                format!("{} became ready before what it waits for", event.job)
            })?;
        }
        let at = self.block.at;
        let most = self.plan.workflow.recovery_policy.max_requeues;
        let (spec, job) = (self.plan.job(index), &mut self.model.jobs[index]);
        job.moves(JobStatus::Ready);
        match event.fresh {
            First => {}
            Again if is_lost => {
                rules.holds(job.deliveries.saturating_sub(job.asked) <= most, || {
                    format!("{} is handed out again after {} grants", event.job, job.deliveries)
                })?;
            }
            Again => self.leaves += 1,
            AfterFailure => {
                job.failures += 1;
                rules.holds(job.failures < spec.max_attempts, || {
                    format!("{} failed {} times and is tried again", event.job, job.failures)
                })?;
                let seconds = 10_u64.saturating_mul(1 << (job.failures - 1).min(10)).min(300);
                let wait_ms = event.wait.map(|wait| wait.wait_ms);
                rules.holds(wait_ms == Some(seconds * 1000), || {
                    format!("{} waits {wait_ms:?} ms after failure {}", event.job, job.failures)
                })?;
                job.begins_attempt();
            }
            Granted => {
                job.failures = 0;
                job.begins_attempt();
                self.leaves += 1;
            }
        }
        rules.holds(event.attempt == job.attempt, || format!("{} is ready at another attempt", event.job))?;
        if let Some(wait) = event.wait {
            job.waits(at, wait.wait_ms);
        }
        Ok(())
    }

    /// Ends the lease of a job, which must be the one that is named, if there is one.
    pub(super) fn end(&mut self, job: &JobId, end: Option<&LeaseEnd>) -> Holds {
        let index = self.job(job)?;
        let job_epoch = self.model.jobs[index].epoch;
        let live = self.model.jobs[index].lease.as_ref().map(|lease| (job_epoch, lease.session));
        let ended = end.map(|end| (end.epoch, end.session));
        Property::Grants.holds(live == ended, || {
            format!("{job} is held by {live:?}, and the grant that ended is {ended:?}")
        })?;
        self.model.jobs[index].lease = None;
        Ok(())
    }

    /// A session is at work at a grant.
    pub(super) fn expect_at_work(&self, index: usize, epoch: u32, session: SessionId, kind: &Event) -> Holds {
        let job = &self.model.jobs[index];
        let holds = job.lease.as_ref().is_some_and(|lease| lease.session == session) && job.epoch == epoch;
        Property::Grants.holds(holds && job.status == JobStatus::Running, || {
            format!("{} by {}, which is not at work on {}", kind.kind(), session.short(), self.name(index))
        })
    }
}
