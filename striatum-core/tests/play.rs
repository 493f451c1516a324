//! Somebody who gives commands at random, sound ones and others, the same for the same seed.

use striatum_core::{
    digest::Digest,
    id::{Fence, JobId, SessionId},
    run::{
        Actor, DeliveryMode, Deviation, Intent, JobStatus, LeaseReport, Outcome, Packet, Pending, Resolution,
        Ruling, RunStatus, Severity, State, Submit, Usage, Verdict,
    },
    transport::AgentIdentity,
};

use crate::{
    document::commit,
    drive::{Drive, ada, blob, bot, claim, go_on, session},
};

/// A sequence of numbers that looks random: SplitMix64.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }

    pub(crate) fn one_of<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() { None } else { Some(from[self.below(from.len())].clone()) }
    }
}

/// Whether principals take part: without them a run must come to rest by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum People {
    There,
    Away,
}

#[derive(Debug)]
pub(crate) struct Player {
    pub(crate) dice: Dice,
    people: People,
    sessions: u64,
    fences: Vec<Fence>,
}

impl Player {
    pub(crate) fn new(seed: u64, people: People) -> Self {
        Self { dice: Dice::new(seed), people, sessions: 0, fences: Vec::new() }
    }

    /// The next command for a run that stands so.
    pub(crate) fn next(&mut self, state: &State) -> (Actor, Intent) {
        let begin = match state.status() {
            None => Some(Intent::Prepare),
            Some(RunStatus::NeedsBranchConfirmation) => {
                Some(Intent::ConfirmBranch { branch: "b".to_owned(), at: None })
            }
            Some(RunStatus::Ready) => Some(Intent::Start),
            Some(_) => None,
        };
        if let Some(intent) = begin.filter(|_| self.dice.below(10) > 0) {
            return (ada(), intent);
        }
        let intent = match self.dice.below(100) {
            0..32 => self.claim(state),
            32..66 => self.work(state),
            66..72 => self.give_up(state),
            72..74 => self.ask(state),
            74..78 => self.with_an_old_fence(state),
            78..82 => self.confirm(state),
            82..94 if self.people == People::There => self.answer(state),
            94..99 if self.people == People::There => self.retry(state),
            99 if self.people == People::There => self.steer(),
            _ => self.claim(state),
        };
        (if self.dice.below(20) == 0 { bot() } else { ada() }, intent)
    }

    fn any(&mut self, state: &State) -> JobId {
        let all: Vec<_> = state.jobs().map(|(spec, _)| spec.id.clone()).collect();
        self.dice.one_of(&all).unwrap()
    }

    /// A job that stands in one of these ways, if there is one.
    fn standing(&mut self, state: &State, statuses: &[JobStatus]) -> Option<JobId> {
        let such = state.jobs().filter(|(_, job)| statuses.contains(&job.status));
        let such: Vec<_> = such.map(|(spec, _)| spec.id.clone()).collect();
        self.dice.one_of(&such)
    }

    fn session(&mut self) -> SessionId {
        if self.sessions > 0 && self.dice.below(5) == 0 {
            return session(1 + self.dice.below(usize::try_from(self.sessions).unwrap()) as u64);
        }
        self.sessions += 1;
        session(self.sessions)
    }

    fn claim(&mut self, state: &State) -> Intent {
        let ready = self.standing(state, &[JobStatus::Ready]);
        let id = ready.unwrap_or_else(|| self.any(state));
        let mode = self.dice.one_of(&[DeliveryMode::Push, DeliveryMode::Push, DeliveryMode::Pull]).unwrap();
        let by = self.session();
        Intent::Claim(claim(id.as_str(), by, mode))
    }

    /// A fence, most often the live one of a job that is held.
    fn held(&mut self, state: &State) -> Option<Fence> {
        let id = self.standing(state, &[JobStatus::Claimed, JobStatus::Running])?;
        let fence = state.fence(&id)?;
        self.fences.push(fence.clone());
        Some(fence)
    }

    fn work(&mut self, state: &State) -> Intent {
        let Some(fence) = self.held(state) else { return self.claim(state) };
        if state.job(&fence.job).unwrap().status == JobStatus::Claimed && self.dice.below(5) > 0 {
            return Intent::Acknowledge { fence, agent: self.agent() };
        }
        let run = Drive::over(state.clone());
        let artifacts = run.artifacts(fence.job.as_str()).into_iter();
        let job = state.job(&fence.job).unwrap();
        let artifacts: Vec<_> = artifacts.filter(|it| job.live_artifact(&it.name).is_none()).collect();
        match self.dice.below(12) {
            0 => Intent::Publish { fence, artifacts },
            1 => Intent::Identify { fence, agent: self.agent() },
            _ => {
                let outcome = self.outcome(state, &fence.job);
                Intent::Submit(Submit { artifacts, ..run.submit(&fence, outcome) })
            }
        }
    }

    fn outcome(&mut self, state: &State, id: &JobId) -> Outcome {
        let judges = state.workflow().job(id).unwrap().kind.is_verdict_capable();
        if judges == (self.dice.below(20) == 0) {
            return Outcome::Done;
        }
        let verdict = match self.dice.below(10) {
            0..4 => Verdict::Accept,
            4 => Verdict::AcceptWithFindings,
            5..9 => Verdict::NeedsRevision,
            _ => Verdict::Reject,
        };
        Outcome::Verdict { verdict, findings: Some(blob("findings")) }
    }

    fn agent(&mut self) -> AgentIdentity {
        let model = self.dice.one_of(&[None, Some("m1".to_owned()), Some("m2".to_owned())]).unwrap();
        AgentIdentity { model, ..AgentIdentity::default() }
    }

    fn give_up(&mut self, state: &State) -> Intent {
        let Some(fence) = self.held(state) else { return self.claim(state) };
        self.end(fence)
    }

    fn ask(&mut self, state: &State) -> Intent {
        let Some(fence) = self.held(state) else { return self.claim(state) };
        let whom = Packet::of(state, &fence).and_then(|packet| packet.may_ask.first().cloned());
        let any = self.any(state);
        let of = self.dice.one_of(&[None, Some(any), whom.clone(), whom]).unwrap();
        Intent::Ask { report: self.report(fence), question: blob("which?"), resume: None, of }
    }

    fn report(&mut self, fence: Fence) -> LeaseReport {
        let set_aside = self.dice.one_of(&[None, Some(commit(1))]).unwrap();
        let turns = self.dice.one_of(&[None, Some(1), Some(2)]).unwrap();
        let usage = Some(Usage { wall_ms: 10, turns, ..Usage::default() });
        LeaseReport { set_aside, usage, ..LeaseReport::new(fence) }
    }

    fn end(&mut self, fence: Fence) -> Intent {
        let report = self.report(fence);
        match self.dice.below(8) {
            0 | 1 => Intent::Release(report),
            2 | 3 => Intent::Expire { fence: report.fence },
            4 => Intent::Crash(report),
            5 | 6 => Intent::Fail(report),
            _ => {
                let severity = self.dice.one_of(&[Severity::Operator, Severity::HumanCheckpoint]).unwrap();
                Intent::Block { report, severity }
            }
        }
    }

    fn with_an_old_fence(&mut self, state: &State) -> Intent {
        let fences = self.fences.clone();
        let Some(fence) = self.dice.one_of(&fences) else { return self.claim(state) };
        match self.dice.below(3) {
            0 => Intent::Submit(Drive::over(state.clone()).submit(&fence, Outcome::Done)),
            1 => Intent::TreeClosed { fence, kept: None },
            _ => self.end(fence),
        }
    }

    fn confirm(&mut self, state: &State) -> Intent {
        let owed: Vec<_> = state.pending().collect();
        match self.dice.one_of(&owed) {
            Some(Pending::CloseTree { fence, .. }) => Intent::TreeClosed { fence, kept: Some(commit(2)) },
            Some(Pending::Deliver { .. }) => {
                let judged = Digest::of(b"judged");
                let job = state.workflow().jobs[0].id.clone();
                let deviation = Deviation { job, path: "out/a".to_owned(), judged, delivered: None };
                match self.dice.below(3) {
                    0 => Intent::Delivered { commit: commit(3), deviations: Vec::new() },
                    1 => Intent::Delivered { commit: commit(3), deviations: vec![deviation] },
                    _ => Intent::Withhold { commit: commit(3), deviations: vec![deviation] },
                }
            }
            Some(Pending::Notify { escalation, .. }) => Intent::Notified { escalation },
            Some(Pending::Tell { question, .. }) => Intent::Told { question },
            Some(Pending::Interrogate { question, .. }) => {
                Intent::Refer { question, reason: None, usage: None }
            }
            _ => self.claim(state),
        }
    }

    fn answer(&mut self, state: &State) -> Intent {
        let asked: Vec<u32> = state.open_questions().map(|(_, question)| question.number).collect();
        if let Some(question) = self.dice.one_of(&asked).filter(|_| self.dice.below(3) > 0) {
            return match self.dice.below(3) {
                0 => Intent::Refer { question, reason: None, usage: None },
                _ => Intent::Answer { question, answer: blob("this") },
            };
        }
        let raised = u32::try_from(state.escalations().len()).unwrap();
        if raised > 0 && self.dice.below(4) == 0 {
            let ruling = self.dice.one_of(&[Ruling::Accept, Ruling::Accept, Ruling::Reject]).unwrap();
            let escalation = 1 + u32::try_from(self.dice.below(raised as usize)).unwrap();
            return Intent::Settle { escalation, ruling, rationale: None };
        }
        let waiting =
            [JobStatus::WaitingHuman, JobStatus::Blocked, JobStatus::Parked, JobStatus::AwaitingInput];
        let id = self.standing(state, &waiting).unwrap_or_else(|| self.any(state));
        let decisions = u32::try_from(state.decisions().len()).unwrap();
        let resolution = match self.dice.below(6) {
            0 => Resolution::Resume,
            1 => go_on(),
            2 => Resolution::Continue { artifacts: Drive::over(state.clone()).artifacts(id.as_str()) },
            3 => Resolution::Override { decision: decisions },
            4 if self.dice.below(3) == 0 => Resolution::Cancel,
            _ => {
                let ruling = self.dice.one_of(&[Ruling::Accept, Ruling::Accept, Ruling::Reject]).unwrap();
                return Intent::Decide { job: id, ruling, rationale: blob("because") };
            }
        };
        Intent::Resolve { job: id, resolution }
    }

    fn retry(&mut self, state: &State) -> Intent {
        if self.dice.below(8) == 0 {
            return Intent::CancelJob { job: self.any(state) };
        }
        let lost = [JobStatus::Failed, JobStatus::Canceled, JobStatus::Quarantined, JobStatus::Skipped];
        let id = self.standing(state, &lost).unwrap_or_else(|| self.any(state));
        Intent::Retry { job: id }
    }

    fn steer(&mut self) -> Intent {
        let (reason, rationale) = (blob("stuck"), blob("wrong"));
        let escalate = Intent::Escalate { job: None, reason };
        let compromise = Intent::Compromise { rationale };
        let end = Intent::Cancel { reason: None };
        let all = [Intent::Pause, Intent::Resume, Intent::Resume, end, escalate, compromise];
        self.dice.one_of(&all).unwrap()
    }
}
