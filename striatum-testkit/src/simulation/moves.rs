//! What may be tried next: a table of moves, each with how often it is tried.
//!
//! To teach the simulation something new, write a move and add its line to [`MOVES`].

use striatum_core::{
    id::{CommandId, Fence, JobId, SessionId},
    run::{
        Actor, Claim, Command, DeliveryMode, Intent, JobStatus, LeaseReport, Outcome, Pending, Resolution,
        Ruling, RunStatus, Severity, State, Submit, Verdict,
    },
    transport::AgentIdentity,
};

use super::{
    step::{Act, Step},
    words,
};
use crate::{dice::Dice, faulty::Fault};

/// Something that may be tried, if there is occasion for it.
type Move = fn(&mut Chance<'_>) -> Option<Act>;

/// How often what is tried.
const MOVES: &[(usize, Move)] = &[
    (26, claim),
    (30, work),
    (7, hand_over),
    (6, give_up),
    (5, expire),
    (4, with_an_old_fence),
    (6, repeat),
    (9, answer),
    (3, retry),
    (1, steer),
    (4, confirm),
    (5, wait),
    (2, renew),
    (2, reopen),
    (1, reindex),
    (5, race),
];

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
    dice: &'a mut Dice,
    state: &'a State,
    lapsed: &'a [Fence],
    grants: &'a [Fence],
    sessions: &'a [SessionId],
    given: &'a [Command],
}

impl View<'_> {
    pub(super) fn chance<'a>(&'a self, dice: &'a mut Dice) -> Chance<'a> {
        let Self { state, lapsed, grants, sessions, given } = self;
        Chance { dice, state, lapsed, grants, sessions, given }
    }
}

impl Chance<'_> {
    /// The next step.
    pub(super) fn step(&mut self) -> Step {
        let fault = self.dice.once_in(12).then(|| {
            let faults = [Fault::LostAnswer, Fault::CrashBefore, Fault::Slow(2), Fault::FullDisk];
            faults[self.dice.below(faults.len())]
        });
        let engine = self.dice.below(2);
        let act = self.begin().or_else(|| self.any_move(MOVES)).unwrap_or(Act::Advance(1));
        Step { engine, fault, act }
    }

    /// What a run needs before anything else, where it would only be refused otherwise.
    fn begin(&mut self) -> Option<Act> {
        let (act, one_in) = match self.state.status()? {
            RunStatus::NeedsBranchConfirmation => {
                (self.give(Intent::ConfirmBranch { branch: "striatum/simulated".to_owned(), at: None }), 1)
            }
            RunStatus::Ready => (self.give(Intent::Start), 1),
            RunStatus::Running if self.state.is_paused() => (self.give(Intent::Resume), 4),
            RunStatus::Failed | RunStatus::Canceled | RunStatus::NeedsOperator => (retry(self)?, 3),
            _ => return None,
        };
        (self.dice.once_in(one_in) && !self.dice.once_in(10)).then_some(act)
    }

    fn any_move(&mut self, moves: &[(usize, Move)]) -> Option<Act> {
        for _ in 0..8 {
            let mut at = self.dice.below(moves.iter().map(|(weight, _)| weight).sum());
            let chosen = moves.iter().find(|(weight, _)| {
                let found = at < *weight;
                at = at.saturating_sub(*weight);
                found
            });
            if let Some(act) = chosen.and_then(|(_, chosen)| chosen(self)) {
                return Some(act);
            }
        }
        None
    }

    /// A command of somebody from outside, most often a person.
    fn give(&mut self, intent: Intent) -> Act {
        Act::Give(vec![self.command(intent)])
    }

    fn command(&mut self, intent: Intent) -> Command {
        let actor = match self.dice.below(20) {
            0..3 => Actor::Service("bot".to_owned()),
            3 => Actor::AiOperator("deputy".to_owned()),
            _ => Actor::Human("ada".to_owned()),
        };
        self.command_of(actor, intent)
    }

    fn command_of(&mut self, actor: Actor, intent: Intent) -> Command {
        Command { id: CommandId::from_bytes(self.identity()), actor, intent }
    }

    /// A command of the session that holds a grant, or of whoever speaks for it.
    fn command_under(&mut self, fence: &Fence, intent: Intent) -> Command {
        if self.dice.once_in(4) {
            return self.command_of(Actor::Session(fence.session), intent);
        }
        self.command(intent)
    }

    fn identity(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.dice.bits().to_be_bytes());
        bytes[8..].copy_from_slice(&self.dice.bits().to_be_bytes());
        bytes
    }

    fn any_job(&mut self) -> Option<JobId> {
        let all: Vec<JobId> = self.state.jobs().map(|(spec, _)| spec.id.clone()).collect();
        self.dice.one_of(&all).cloned()
    }

    /// A job that stands in one of these ways.
    fn job_that_is(&mut self, statuses: &[JobStatus]) -> Option<JobId> {
        let such = self.state.jobs().filter(|(_, job)| statuses.contains(&job.status));
        let such: Vec<JobId> = such.map(|(spec, _)| spec.id.clone()).collect();
        self.dice.one_of(&such).cloned()
    }

    /// The grant of a job that is held.
    fn held(&mut self) -> Option<Fence> {
        let job = self.job_that_is(&[JobStatus::Claimed, JobStatus::Running])?;
        self.state.fence(&job)
    }

    /// Somebody for a job: most often somebody new, else somebody of its role and lane, or just anybody.
    fn session(&mut self, job: &JobId) -> SessionId {
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

    fn claim_of(&mut self, job: JobId) -> Command {
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

    fn agent(&mut self) -> AgentIdentity {
        let model = self.dice.one_of(&[None, Some("claude-1"), Some("gpt-1")]).copied().flatten();
        AgentIdentity { model: model.map(str::to_owned), ..AgentIdentity::default() }
    }

    /// The outcome of a job: sometimes of the wrong kind, and of a review any verdict.
    fn outcome(&mut self, job: &JobId) -> Outcome {
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

    fn submission(&mut self, fence: &Fence) -> Submit {
        let outcome = self.outcome(&fence.job);
        let mut submit = words::submit(self.state, fence, outcome);
        match self.dice.below(25) {
            0 => submit.artifacts.clear(),
            1 => submit.artifacts.iter_mut().for_each(|it| it.content = words::blob("the same words")),
            2 => submit.changed_paths.push("outside/everything".to_owned()),
            3 => submit.agent = Some(self.agent()),
            _ => {}
        }
        submit
    }

    fn end(&mut self, fence: Fence) -> Intent {
        let report = LeaseReport { reason: Some(words::blob("why")), ..LeaseReport::new(fence) };
        match self.dice.below(8) {
            0 | 1 => Intent::Release(report),
            2 | 3 => Intent::Crash(report),
            4 | 5 => Intent::Fail(report),
            6 => Intent::Block { report, severity: Severity::Operator },
            _ => Intent::Block { report, severity: Severity::HumanCheckpoint },
        }
    }
}

fn claim(chance: &mut Chance<'_>) -> Option<Act> {
    let ready = chance.job_that_is(&[JobStatus::Ready]);
    let any = chance.dice.once_in(8);
    let job = ready.or_else(|| if any { chance.any_job() } else { None })?;
    Some(Act::Give(vec![chance.claim_of(job)]))
}

fn work(chance: &mut Chance<'_>) -> Option<Act> {
    let fence = chance.held()?;
    let is_claimed = chance.state.job(&fence.job)?.status == JobStatus::Claimed;
    let intent = match chance.dice.below(12) {
        _ if is_claimed && !chance.dice.once_in(8) => {
            Intent::Acknowledge { fence: fence.clone(), agent: chance.agent() }
        }
        0 => Intent::Publish {
            artifacts: words::artifacts(chance.state, &fence.job, &words::of_grant(&fence)),
            fence: fence.clone(),
        },
        1 => Intent::Publish {
            artifacts: words::all_artifacts(chance.state, &fence.job, "other bytes"),
            fence: fence.clone(),
        },
        2 => Intent::Identify { fence: fence.clone(), agent: chance.agent() },
        _ => Intent::Submit(chance.submission(&fence)),
    };
    Some(Act::Give(vec![chance.command_under(&fence, intent)]))
}

/// Ends one job and takes the next in one append.
fn hand_over(chance: &mut Chance<'_>) -> Option<Act> {
    let fence = chance.held()?;
    let submit = Intent::Submit(chance.submission(&fence));
    let next = chance.any_job()?;
    Some(Act::Give(vec![chance.command_under(&fence, submit), chance.claim_of(next)]))
}

fn give_up(chance: &mut Chance<'_>) -> Option<Act> {
    let fence = chance.held()?;
    let intent = chance.end(fence.clone());
    Some(Act::Give(vec![chance.command_under(&fence, intent)]))
}

fn expire(chance: &mut Chance<'_>) -> Option<Act> {
    let lapsed = chance.dice.one_of(chance.lapsed).cloned();
    let fence = lapsed.or_else(|| chance.held())?;
    Some(chance.give(Intent::Expire { fence }))
}

fn with_an_old_fence(chance: &mut Chance<'_>) -> Option<Act> {
    let fence = chance.dice.one_of(chance.grants)?.clone();
    let intent = match chance.dice.below(7) {
        0 | 1 => Intent::Submit(chance.submission(&fence)),
        2 => Intent::Acknowledge { fence: fence.clone(), agent: chance.agent() },
        3 => Intent::Publish {
            artifacts: words::artifacts(chance.state, &fence.job, "late words"),
            fence: fence.clone(),
        },
        4 => Intent::Identify { fence: fence.clone(), agent: chance.agent() },
        5 => Intent::TreeClosed { fence: fence.clone(), kept: None },
        _ => chance.end(fence.clone()),
    };
    Some(Act::Give(vec![chance.command_under(&fence, intent)]))
}

/// Gives a command again, as it was or with something else in it.
fn repeat(chance: &mut Chance<'_>) -> Option<Act> {
    let mut command = chance.dice.one_of(chance.given)?.clone();
    match chance.dice.below(5) {
        0 => command.actor = Actor::Human("somebody else".to_owned()),
        1 => command.intent = Intent::Cancel { reason: Some(words::blob("another intent")) },
        _ => {}
    }
    Some(Act::Give(vec![command]))
}

/// What a principal is asked, or is not asked.
fn answer(chance: &mut Chance<'_>) -> Option<Act> {
    let waiting = [JobStatus::WaitingHuman, JobStatus::Blocked, JobStatus::Parked];
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

fn retry(chance: &mut Chance<'_>) -> Option<Act> {
    let lost = [JobStatus::Failed, JobStatus::Canceled, JobStatus::Quarantined, JobStatus::Skipped];
    let job = match chance.job_that_is(&lost) {
        Some(job) => job,
        None if chance.dice.once_in(6) => chance.any_job()?,
        None => return None,
    };
    Some(chance.give(Intent::Retry { job }))
}

fn steer(chance: &mut Chance<'_>) -> Option<Act> {
    let intent = match chance.dice.below(8) {
        0 => Intent::Cancel { reason: None },
        1..4 => Intent::Pause,
        4 => Intent::Start,
        _ => Intent::Resume,
    };
    Some(chance.give(intent))
}

/// What the shell owes, or believes it owes.
fn confirm(chance: &mut Chance<'_>) -> Option<Act> {
    let owed: Vec<Pending> = chance.state.pending().collect();
    let commit = words::commit("kept");
    let intent = match chance.dice.one_of(&owed)? {
        Pending::CloseTree { fence, .. } | Pending::Drive { fence, .. } => {
            Intent::TreeClosed { fence: fence.clone(), kept: commit }
        }
        Pending::Deliver { .. } => Intent::Delivered { commit: commit?, deviations: Vec::new() },
        Pending::Notify { escalation, .. } => Intent::Notified { escalation: *escalation },
        _ => return None,
    };
    Some(chance.give(intent))
}

fn wait(chance: &mut Chance<'_>) -> Option<Act> {
    chance.dice.one_of(&[1, 9, 30, 61, 301, 1801]).copied().map(Act::Advance)
}

fn renew(chance: &mut Chance<'_>) -> Option<Act> {
    let held = chance.held();
    let old = chance.dice.one_of(chance.grants).cloned();
    Some(Act::Renew(held.into_iter().chain(old).collect()))
}

fn reopen(_: &mut Chance<'_>) -> Option<Act> {
    Some(Act::Reopen)
}

fn reindex(_: &mut Chance<'_>) -> Option<Act> {
    Some(Act::Reindex)
}

/// Two things at once, the second by somebody who does not know of the first.
fn race(chance: &mut Chance<'_>) -> Option<Act> {
    const AT_ONCE: &[(usize, Move)] =
        &[(5, claim), (5, work), (2, give_up), (3, expire), (1, answer), (1, retry), (1, repeat)];
    let mut one = || match chance.any_move(AT_ONCE)? {
        Act::Give(mut commands) => commands.pop(),
        _ => None,
    };
    let (first, second) = (one()?, one()?);
    let second = if chance.dice.once_in(5) { first.clone() } else { second };
    Some(Act::Race(Box::new((first, second))))
}
