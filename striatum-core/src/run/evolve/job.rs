//! How jobs move.

use std::{sync::Arc, time::Duration};

use super::{Fold, Step, ensure};
use crate::{
    id::{Fence, JobId, LaneId, RoleId, SessionId},
    run::{
        JobStatus, RunStatus,
        command::DeliveryMode,
        event::{
            Checkpoint, Freshness, JobClaimed, JobReadied, JobsReopened, LeaseEnd, QuestionAnswered,
            QuestionAsked, QuestionReferred, ReopenCause, Reopened, SessionStart, Submission, Usage,
        },
        state::{JobState, Lease, Question, Session, Tree, Wait},
    },
};

impl Fold<'_> {
    pub(super) fn ready(&mut self, e: &JobReadied) -> Step {
        let index = self.index(&e.job)?;
        self.expect_run(&[RunStatus::Running])?;
        let status = self.state.jobs[index].status;
        let is_first = e.fresh == Freshness::First;
        ensure(is_first == (status == JobStatus::Pending) && status != JobStatus::Ready, || {
            format!("the job is {status}")
        })?;
        self.expect_open(index)?;
        self.end_lease(index, e.ended.as_ref())?;
        let job = self.set(index, JobStatus::Ready);
        match e.freshness() {
            NewAttempt::No => ensure(job.attempt == e.attempt, || other_attempt(job.attempt))?,
            NewAttempt::Yes => {
                ensure(job.attempt + 1 == e.attempt, || "the attempt is not the next".to_owned())?;
                job.begin_attempt();
            }
        }
        match e.fresh {
            Freshness::AfterFailure => job.failures += 1,
            Freshness::Granted => job.failures = 0,
            Freshness::First | Freshness::Again => {}
        }
        if let Some(wait) = e.wait {
            let wait = Wait { epoch: job.epoch, wait_ms: wait.wait_ms, until: wait.until };
            job.wait = Some(wait);
            self.touched.waits.push((e.job.clone(), wait.epoch, Duration::from_millis(wait.wait_ms)));
        }
        Ok(())
    }

    pub(super) fn claim(&mut self, e: &JobClaimed) -> Step {
        let index = self.index(&e.job)?;
        self.expect_run(&[RunStatus::Running])?;
        self.expect_job(index, &[JobStatus::Ready])?;
        let (epoch, attempt) = (self.state.jobs[index].epoch + 1, self.state.jobs[index].attempt);
        ensure(e.epoch == epoch && e.attempt == attempt, || {
            format!("expected grant {epoch} of attempt {attempt}")
        })?;
        match &e.begins {
            Some(start) => {
                let spec = self.state.spec(index);
                let (role, lane) = (spec.role_id.clone(), spec.lane_id.clone());
                self.begin(e.session, start, role, lane)?;
            }
            None => ensure(self.state.sessions.contains_key(&e.session), || {
                "the session is not registered".to_owned()
            })?,
        }
        self.state.begun_at.get_or_insert(e.granted_at);
        let status = match e.mode {
            DeliveryMode::Push => JobStatus::Running,
            DeliveryMode::Pull => JobStatus::Claimed,
        };
        let job = self.set(index, status);
        job.epoch = epoch;
        job.deliveries += 1;
        job.add_holder(e.session);
        job.lease = Some(Lease {
            session: e.session,
            mode: e.mode,
            seconds: e.lease_seconds,
            packet: e.packet,
            granted_at: e.granted_at,
        });
        let tree = Tree { attempt, session: e.session, granted_at: e.granted_at };
        self.state.add_tree(index, epoch, tree);
        let fence = Fence { run: self.state.run, job: e.job.clone(), epoch, session: e.session };
        self.touched.granted.push((fence, Duration::from_secs(e.lease_seconds.into())));
        Ok(())
    }

    pub(super) fn begin(
        &mut self,
        session: SessionId,
        start: &SessionStart,
        role: RoleId,
        lane: LaneId,
    ) -> Step {
        let ordinal = self.state.next_ordinal();
        ensure(start.ordinal == ordinal, || format!("expected session {ordinal}"))?;
        let known = self.state.sessions.contains_key(&session);
        ensure(!known, || "the session is registered already".to_owned())?;
        let begun = Session { ordinal, role, lane, owner: start.owner.clone(), agent: None };
        self.state.sessions.insert_mut(session, begun);
        Ok(())
    }

    pub(super) fn ask(&mut self, e: &QuestionAsked) -> Step {
        let index = self.index(&e.job)?;
        self.expect_job(index, &[JobStatus::Running])?;
        self.expect_attempt(index, e.attempt)?;
        ensure(e.question == self.state.questions + 1, || "questions are out of order".to_owned())?;
        self.end_lease(index, Some(&e.ended))?;
        self.state.questions = e.question;
        let job = self.set(index, JobStatus::AwaitingInput);
        job.checkpoint = Some(Checkpoint::Question);
        job.asked += 1;
        job.questions.push(Arc::new(Question {
            number: e.question,
            text: e.text,
            resume: e.resume.clone(),
            session: e.ended.session,
            of: e.of.clone(),
            referred: false,
            told: false,
            answer: None,
            by: None,
        }));
        Ok(())
    }

    pub(super) fn answer(&mut self, e: &QuestionAnswered) -> Step {
        let question = self.question(&e.job, e.question)?;
        ensure(e.session.is_none() || question.awaited() == e.session, || {
            "another session was asked".to_owned()
        })?;
        question.answer = Some(e.text);
        question.by = e.session;
        let index = self.index(&e.job)?;
        match e.session {
            // A person has looked at it just now.
            None => self.job(index).used = Usage::default(),
            Some(_) => self.spend(index, e.usage),
        }
        self.set(index, JobStatus::Ready);
        Ok(())
    }

    pub(super) fn refer(&mut self, e: &QuestionReferred) -> Step {
        let question = self.question(&e.job, e.question)?;
        ensure(question.awaited().is_some(), || "it is for a person already".to_owned())?;
        question.referred = true;
        let index = self.index(&e.job)?;
        self.spend(index, e.usage);
        Ok(())
    }

    /// The question that a job waits for an answer to.
    pub(super) fn question(&mut self, job: &JobId, number: u32) -> Result<&mut Question, String> {
        let index = self.index(job)?;
        let open = self.state.jobs[index].open_question().map(|question| question.number);
        ensure(open == Some(number), || "the job does not wait for this answer".to_owned())?;
        let question = self.job(index).questions.last_mut().map(Arc::make_mut);
        question.ok_or_else(|| "the job has asked nothing".to_owned())
    }

    fn spend(&mut self, index: usize, usage: Option<Usage>) {
        if let Some(usage) = &usage {
            self.job(index).used.add(usage);
            self.state.used.add(usage);
        }
    }

    pub(super) fn reopen(&mut self, e: &JobsReopened) -> Step {
        self.expect_run(&[RunStatus::Running])?;
        for Reopened { job, attempt, submission, ended } in &e.jobs {
            let index = self.index(job)?;
            self.end_lease(index, ended.as_ref())?;
            self.keep(index, submission.as_ref());
            let state = self.set(index, JobStatus::Pending);
            ensure((state.attempt..=state.attempt + 1).contains(attempt), || {
                "the attempt is not the next".to_owned()
            })?;
            if *attempt > state.attempt {
                state.begin_attempt();
            }
            state.failures = 0;
        }
        let target = self.index(&e.target)?;
        let counters = Arc::make_mut(&mut self.state.iterations);
        match &e.cause {
            ReopenCause::Revision { iteration, .. } => {
                counters.entry(target).or_default().taken = *iteration;
            }
            ReopenCause::Granted { iteration, .. } => {
                let iterations = counters.entry(target).or_default();
                // A further event of the same reopening grants nothing more.
                iterations.granted += u32::from(iterations.taken < *iteration);
                iterations.taken = *iteration;
            }
            ReopenCause::Retry | ReopenCause::Superseded { .. } => {}
        }
        for job in &e.reset {
            let index = self.index(job)?;
            Arc::make_mut(&mut self.state.iterations).remove(&index);
        }
        Ok(())
    }

    /// Ends the lease of a job. A job that is held must be given the end of its lease, and only such a job.
    pub(super) fn end_lease(&mut self, index: usize, ended: Option<&LeaseEnd>) -> Step {
        let job = &self.state.jobs[index];
        match (&job.lease, ended) {
            (None, None) => Ok(()),
            (Some(lease), Some(end)) if lease.session == end.session && job.epoch == end.epoch => {
                let fence = Fence {
                    run: self.state.run,
                    job: self.state.spec(index).id.clone(),
                    epoch: end.epoch,
                    session: end.session,
                };
                let job = self.job(index);
                job.lease = None;
                if end.set_aside.is_some() {
                    job.set_aside = end.set_aside.clone();
                }
                job.end_grant(end);
                self.spend(index, end.usage);
                self.touched.ended.push(fence);
                Ok(())
            }
            (Some(_), None) => Err("the job is held".to_owned()),
            (_, Some(end)) => {
                Err(format!("grant {} by session {} is not live", end.epoch, end.session.short()))
            }
        }
    }

    pub(super) fn keep(&mut self, index: usize, submission: Option<&Submission>) {
        if let Some(submission) = submission {
            self.job(index).submission = Some(submission.clone());
        }
    }

    /// Moves a job, keeps the counts, and clears what belongs to the status that it leaves.
    pub(super) fn set(&mut self, index: usize, status: JobStatus) -> &mut JobState {
        self.touch(index);
        let state = &mut *self.state;
        let job = &mut state.jobs[index];
        let before = std::mem::replace(&mut job.status, status);
        state.open_jobs =
            state.open_jobs + usize::from(!status.is_terminal()) - usize::from(!before.is_terminal());
        state.held_jobs = state.held_jobs + usize::from(status.is_held()) - usize::from(before.is_held());
        if let Some(wait) = job.wait.take() {
            self.touched.waited.push((state.snapshot.workflow().jobs[index].id.clone(), wait.epoch));
        }
        job.checkpoint = None;
        if status != JobStatus::Completed {
            job.ground = None;
            job.author = None;
        }
        if status != JobStatus::Skipped {
            job.skipped = None;
        }
        job.canceled = None;
        job.doubt = None;
        if status == JobStatus::Completed && job.wants_revision() && state.snapshot.graph().is_binding(index)
        {
            state.dissents.insert(index);
        } else if before == JobStatus::Completed {
            state.dissents.remove(&index);
        }
        job
    }

    fn touch(&mut self, index: usize) {
        if self.touched.jobs.last() != Some(&index) {
            self.touched.jobs.push(index);
        }
    }

    pub(super) fn job(&mut self, index: usize) -> &mut JobState {
        self.touch(index);
        &mut self.state.jobs[index]
    }

    pub(super) fn index(&self, job: &JobId) -> Result<usize, String> {
        self.state.snapshot.graph().index(job).ok_or_else(|| format!("there is no job {job}"))
    }

    pub(super) fn expect_job(&self, index: usize, allowed: &[JobStatus]) -> Step {
        let status = self.state.jobs[index].status;
        ensure(allowed.contains(&status), || format!("job {} is {status}", self.state.spec(index).id))
    }

    pub(super) fn expect_open(&self, index: usize) -> Step {
        let status = self.state.jobs[index].status;
        ensure(!status.is_terminal(), || format!("job {} is {status}", self.state.spec(index).id))
    }

    pub(super) fn expect_attempt(&self, index: usize, attempt: u32) -> Step {
        let present = self.state.jobs[index].attempt;
        ensure(attempt == present, || other_attempt(present))
    }
}

fn other_attempt(present: u32) -> String {
    format!("the job is at attempt {present}")
}

enum NewAttempt {
    Yes,
    No,
}

impl JobReadied {
    fn freshness(&self) -> NewAttempt {
        match self.fresh {
            Freshness::AfterFailure | Freshness::Granted => NewAttempt::Yes,
            Freshness::First | Freshness::Again => NewAttempt::No,
        }
    }
}

impl JobState {
    fn begin_attempt(&mut self) {
        self.attempt += 1;
        self.deliveries = 0;
        self.set_aside = None;
        self.questions = Vec::new();
        self.asked = 0;
        self.used = Usage::default();
    }
}
