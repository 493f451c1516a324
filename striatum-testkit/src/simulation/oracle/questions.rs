//! What agents ask: of people, of those who worked before them, and for leave.

use striatum_core::run::{
    Checkpoint, EscalationRaised, EscalationResolved, EscalationTopic, JobStatus, LeaseCause,
    QuestionAnswered, QuestionAsked, QuestionNotified, QuestionReferred, Ruling, RunStatus,
};

use super::{
    Oracle,
    model::{Asked, Leave},
};
use crate::simulation::property::{Holds, Property};

const RULES: Property = Property::Rules;

/// How often one attempt may ask other jobs.
pub(super) const ROUNDS: u64 = 4;
/// How often one grant may ask for leave.
const REQUESTS: usize = 64;

impl Oracle {
    pub(super) fn asked(&mut self, e: &QuestionAsked) -> Holds {
        let index = self.job(&e.job)?;
        self.model.questions += 1;
        let (questions, attempt) = (self.model.questions, self.model.jobs[index].attempt);
        RULES.holds(e.question == questions && e.attempt == attempt, || {
            format!("question {} of {} is not number {questions}", e.question, e.job)
        })?;
        if let Some(of) = &e.of {
            let target = self.job(&of.job)?;
            let asked = &self.model.jobs[target];
            let may = self.plan.may_ask(index).contains(&target) && asked.status == JobStatus::Completed;
            RULES.holds(may, || format!("{} asked {}, which it may not", e.job, of.job))?;
            RULES.holds(of.session == asked.author, || {
                format!("{} asked {:?} of {}, which is not its author", e.job, of.session, of.job)
            })?;
            let job = &mut self.model.jobs[index];
            job.rounds += 1;
            let rounds = job.rounds;
            RULES.holds(rounds <= ROUNDS, || format!("{} asked {rounds} times at one attempt", e.job))?;
        }
        self.model.jobs[index].asked += 1;
        self.lost(&e.job, &e.ended, &[JobStatus::Running], LeaseCause::Asked, JobStatus::AwaitingInput)?;
        let job = &mut self.model.jobs[index];
        job.checkpoint = Some(Checkpoint::Question);
        let awaited = e.of.as_ref().and_then(|of| of.session);
        job.question = Some(Asked { number: e.question, awaited, told: false });
        Ok(())
    }

    pub(super) fn answered(&mut self, e: &QuestionAnswered) -> Holds {
        let index = self.job(&e.job)?;
        let job = &mut self.model.jobs[index];
        let (was, asked) = (job.status, job.question.take());
        job.moves(JobStatus::Ready);
        let asked = asked.filter(|asked| asked.number == e.question && was == JobStatus::AwaitingInput);
        RULES.holds(asked.is_some() && self.model.status == Some(RunStatus::Running), || {
            format!("question {} of {} was answered, which was {was}", e.question, e.job)
        })?;
        match e.session {
            None => {
                self.leaves += 1;
                self.expect_person(Some(Checkpoint::Question))
            }
            // Nothing is granted by it: what one agent says to another is bounded by the rounds.
            Some(session) => RULES.holds(asked.and_then(|asked| asked.awaited) == Some(session), || {
                format!("question {} was answered by {}, which was not asked", e.question, session.short())
            }),
        }
    }

    pub(super) fn referred(&mut self, e: &QuestionReferred) -> Holds {
        self.expect_principal("passed a question on")?;
        let index = self.job(&e.job)?;
        let asked = self.model.jobs[index].question.as_mut().filter(|asked| asked.number == e.question);
        let awaited = asked.and_then(|asked| asked.awaited.take());
        RULES.holds(awaited.is_some(), || format!("question {} was for a person already", e.question))
    }

    pub(super) fn told(&mut self, e: &QuestionNotified) -> Holds {
        self.expect_principal("told a person")?;
        let index = self.job(&e.job)?;
        let asked = self.model.jobs[index].question.as_mut().filter(|asked| asked.number == e.question);
        let is_news =
            asked.is_some_and(|asked| !std::mem::replace(&mut asked.told, true) && asked.awaited.is_none());
        RULES.holds(is_news, || format!("a person was told of question {} in vain", e.question))
    }

    pub(super) fn raised(&mut self, e: &EscalationRaised) -> Holds {
        self.model.escalations += 1;
        self.block.escalated += usize::from(e.topic == EscalationTopic::NeedsOperator);
        self.block.asked_for_budget |= e.topic == EscalationTopic::BudgetSpent;
        RULES.holds(e.escalation == self.model.escalations, || "an escalation is missing".to_owned())?;
        if e.topic == EscalationTopic::UnjudgedDelivery {
            self.model.withheld.insert(e.escalation);
        }
        let (EscalationTopic::Leave, Some(job)) = (e.topic, &e.job) else {
            return RULES.holds(e.epoch.is_none() && e.topic != EscalationTopic::Leave, || {
                format!("escalation {} is about no grant, or about one", e.escalation)
            });
        };
        let index = self.job(job)?;
        let state = &self.model.jobs[index];
        let at_work = state.status == JobStatus::Running && Some(state.epoch) == e.epoch;
        Property::Grants.holds(at_work, || format!("leave was asked for by nobody at work on {job}"))?;
        let of_grant = self.model.requests.values();
        let before = of_grant.filter(|it| (it.job, Some(it.epoch)) == (index, e.epoch)).count();
        self.model.requests.insert(e.escalation, Leave { job: index, epoch: state.epoch });
        RULES.holds(before < REQUESTS, || format!("{job} asked for leave more than {REQUESTS} times"))
    }

    pub(super) fn settled(&mut self, e: &EscalationResolved) -> Holds {
        let known = e.escalation <= self.model.escalations;
        let is_new = self.model.settled.insert(e.escalation);
        let leave = self.model.requests.get(&e.escalation);
        RULES.holds(known && is_new && (self.is_principal() || leave.is_some()), || {
            format!("escalation {} was resolved again, or by a session", e.escalation)
        })?;
        self.model.may_differ |= e.ruling == Ruling::Accept && self.model.withheld.contains(&e.escalation);
        let Some(leave) = leave.filter(|_| e.ruling == Ruling::Accept) else { return Ok(()) };
        let job = &self.model.jobs[leave.job];
        let waits = job.lease.is_some() && job.epoch == leave.epoch;
        RULES.holds(waits, || format!("leave {} was given when nobody waited for it", e.escalation))?;
        self.expect_person(None)
    }

    /// Nobody is left asking for leave under a grant that is over.
    pub(super) fn expect_no_moot_leave(&self) -> Holds {
        let open = self.model.requests.iter().filter(|(number, _)| !self.model.settled.contains(number));
        let mut moot = open.filter(|(_, leave)| {
            let job = &self.model.jobs[leave.job];
            job.lease.is_none() || job.epoch != leave.epoch
        });
        let moot = moot.next();
        RULES.holds(moot.is_none(), || format!("leave {moot:?} is asked for, and nobody waits for it"))
    }
}
