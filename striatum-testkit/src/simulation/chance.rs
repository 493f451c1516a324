//! What a simulation may choose from, and how it chooses.

use striatum_core::{
    id::{CommandId, Fence, JobId, SessionId},
    run::{
        Actor, Claim, Command, DeliveryMode, Intent, JobStatus, LeaseReport, Outcome, Severity, State,
        Submit, Verdict,
    },
    transport::AgentIdentity,
};

use super::step::Act;
use crate::{dice::Dice, words};

/// What there is to choose from.
#[derive(Debug)]
pub(super) struct View<'a> {
    /// The run as it stands.
    pub(super) state: &'a State,
    /// Leases whose deadline has passed.
    pub(super) lapsed: Vec<Fence>,
    /// Every grant that was ever made.
    pub(super) grants: Vec<Fence>,
    /// Every session that ever held a job.
    pub(super) sessions: Vec<SessionId>,
    /// Every command that was ever given.
    pub(super) given: &'a [Command],
}

/// The same, with the dice that choose.
#[derive(Debug)]
pub(super) struct Chance<'a> {
    pub(super) dice: &'a mut Dice,
    pub(super) state: &'a State,
    pub(super) lapsed: &'a [Fence],
    pub(super) grants: &'a [Fence],
    pub(super) sessions: &'a [SessionId],
    pub(super) given: &'a [Command],
}

impl View<'_> {
    pub(super) fn chance<'a>(&'a self, dice: &'a mut Dice) -> Chance<'a> {
        let Self { state, lapsed, grants, sessions, given } = self;
        Chance { dice, state, lapsed, grants, sessions, given }
    }
}

impl Chance<'_> {
    /// A command of somebody from outside, most often a person.
    pub(super) fn give(&mut self, intent: Intent) -> Act {
        Act::Give(vec![self.command(intent)])
    }

    pub(super) fn command(&mut self, intent: Intent) -> Command {
        let actor = match self.dice.below(20) {
            0..3 => Actor::Service("bot".to_owned()),
            3 => Actor::AiOperator("deputy".to_owned()),
            _ => Actor::Human("ada".to_owned()),
        };
        self.command_of(actor, intent)
    }

    pub(super) fn command_of(&mut self, actor: Actor, intent: Intent) -> Command {
        Command { id: CommandId::from_bytes(self.identity()), actor, intent }
    }

    /// A command of the session that holds a grant, or of whoever speaks for it.
    pub(super) fn command_under(&mut self, fence: &Fence, intent: Intent) -> Command {
        if self.dice.once_in(4) {
            return self.command_of(Actor::Session(fence.session), intent);
        }
        self.command(intent)
    }

    pub(super) fn identity(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.dice.bits().to_be_bytes());
        bytes[8..].copy_from_slice(&self.dice.bits().to_be_bytes());
        bytes
    }

    pub(super) fn any_job(&mut self) -> Option<JobId> {
        let all: Vec<JobId> = self.state.jobs().map(|(spec, _)| spec.id.clone()).collect();
        self.dice.one_of(&all).cloned()
    }

    /// A job that stands in one of these ways.
    pub(super) fn job_that_is(&mut self, statuses: &[JobStatus]) -> Option<JobId> {
        let such = self.state.jobs().filter(|(_, job)| statuses.contains(&job.status));
        let such: Vec<JobId> = such.map(|(spec, _)| spec.id.clone()).collect();
        self.dice.one_of(&such).cloned()
    }

    /// A job that stands before another, near or far.
    pub(super) fn job_before(&mut self, job: &JobId) -> Option<JobId> {
        let graph = self.state.snapshot().graph();
        let before = graph.all_upstream(graph.index(job)?);
        let chosen = *self.dice.one_of(&before)?;
        self.state.workflow().jobs.get(chosen).map(|spec| spec.id.clone())
    }

    /// A question that waits for its answer, and the session that is to give it.
    pub(super) fn open_question(&mut self) -> Option<(u32, Option<SessionId>)> {
        let open: Vec<_> =
            self.state.open_questions().map(|(_, asked)| (asked.number, asked.awaited())).collect();
        self.dice.one_of(&open).copied()
    }

    /// The grant of a job that is held.
    pub(super) fn held(&mut self) -> Option<Fence> {
        let job = self.job_that_is(&[JobStatus::Claimed, JobStatus::Running])?;
        self.state.fence(&job)
    }

    /// Somebody for a job: most often somebody new, else somebody of its role and lane, or just anybody.
    pub(super) fn session(&mut self, job: &JobId) -> SessionId {
        let spec = self.state.workflow().job(job);
        let fits = |session: &&SessionId| {
            let known = self.state.session(session);
            known
                .zip(spec)
                .is_some_and(|(known, spec)| (&known.role, &known.lane) == (&spec.role_id, &spec.lane_id))
        };
        let fitting: Vec<SessionId> = self.sessions.iter().filter(fits).copied().collect();
        let chosen = match self.dice.below(10) {
            0..4 => self.dice.one_of(&fitting).copied(),
            4 => self.dice.one_of(self.sessions).copied(),
            _ => None,
        };
        chosen.unwrap_or_else(|| SessionId::from_bytes(self.identity()))
    }

    pub(super) fn claim_of(&mut self, job: JobId) -> Command {
        let session = self.session(&job);
        let mode = if self.dice.once_in(3) { DeliveryMode::Pull } else { DeliveryMode::Push };
        let intent =
            Intent::Claim(Claim { job, session, owner: words::owner(), mode, isolation: words::isolation() });
        let actor = if self.dice.once_in(5) {
            Actor::Session(session)
        } else {
            Actor::Service("orchestrator".to_owned())
        };
        self.command_of(actor, intent)
    }

    pub(super) fn agent(&mut self) -> AgentIdentity {
        let model = self.dice.one_of(&[None, Some("claude-1"), Some("gpt-1")]).copied().flatten();
        AgentIdentity { model: model.map(str::to_owned), ..AgentIdentity::default() }
    }

    /// The outcome of a job: sometimes of the wrong kind, and of a review any verdict.
    pub(super) fn outcome(&mut self, job: &JobId) -> Outcome {
        let judges = self.state.workflow().job(job).is_some_and(|spec| spec.kind.is_verdict_capable());
        if judges == self.dice.once_in(25) {
            return Outcome::Done;
        }
        let verdict = match self.dice.below(20) {
            0..8 => Verdict::Accept,
            8..10 => Verdict::AcceptWithFindings,
            10..18 => Verdict::NeedsRevision,
            _ => Verdict::Reject,
        };
        Outcome::Verdict { verdict, findings: Some(words::blob("findings")) }
    }

    pub(super) fn submission(&mut self, fence: &Fence) -> Submit {
        let outcome = self.outcome(&fence.job);
        let mut submit = words::submit(self.state, fence, outcome);
        match self.dice.below(25) {
            0 => submit.artifacts.clear(),
            1 | 8..11 => {
                submit.artifacts.iter_mut().for_each(|it| it.content = words::blob("the same words"))
            }
            2 => submit.changed_paths.push("outside/everything".to_owned()),
            3 => submit.agent = Some(self.agent()),
            4..8 => submit.usage = Some(words::usage()),
            11 => submit.artifacts.iter_mut().for_each(|it| it.path.push_str(".elsewhere")),
            12 => submit.artifacts.extend(words::another(&submit.artifacts)),
            _ => {}
        }
        submit
    }

    pub(super) fn end(&mut self, fence: Fence) -> Intent {
        let usage = self.dice.once_in(3).then(words::usage);
        let report = LeaseReport { reason: Some(words::blob("why")), usage, ..LeaseReport::new(fence) };
        match self.dice.below(8) {
            0 | 1 => Intent::Release(report),
            2 | 3 => Intent::Crash(report),
            4 | 5 => Intent::Fail(report),
            6 => Intent::Block { report, severity: Severity::Operator },
            _ => Intent::Block { report, severity: Severity::HumanCheckpoint },
        }
    }
}
