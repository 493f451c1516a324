//! Bringing a run to its end: workers that take what the store shows, and a principal who answers what is asked.

use std::time::Duration;

use striatum_core::{
    id::{CommandId, InstanceId, JobId, SessionId},
    run::{
        Actor, Checkpoint, Claim, Command, DeliveryMode, Intent, JobStatus, LeaseReport, Outcome, Resolution,
        Ruling, RunStatus, Severity, State, Verdict,
    },
    store::ReadyQuery,
    transport::AgentIdentity,
};

use super::{
    property::{Broken, Holds, Property},
    step::{Act, Step},
    world::{RUN, World, unexpected},
};
use crate::{dice::Dice, words};

/// How often each job may be looked at before the run counts as stuck.
const PATIENCE: usize = 60;

impl World<'_> {
    /// Lets workers and a principal have their way until the run has ended.
    pub(super) async fn drain(&mut self, seed: u64) -> Holds {
        let mut dice = Dice::new(!seed);
        let rounds = PATIENCE * (self.snapshot.workflow().jobs.len() + 1);
        for _ in 0..rounds {
            let Some(act) = self.next(self.state(), &mut dice).await? else { break };
            self.perform(&Step { engine: dice.below(2), fault: None, act }).await?;
        }
        Property::Progress.holds(self.status().is_some_and(RunStatus::has_ended), || {
            format!("a run that is left to its workers and a principal does not end: {}", self.oracle.show())
        })
    }

    /// What is to be done next; nothing once the run has ended.
    async fn next(&self, state: &State, dice: &mut Dice) -> Result<Option<Act>, Broken> {
        let give = |dice: &mut Dice, intent| Some(Act::Give(vec![command(dice, intent)]));
        let start = match state.status() {
            Some(RunStatus::NeedsBranchConfirmation) => {
                Some(Intent::ConfirmBranch { branch: "striatum/drained".to_owned(), at: None })
            }
            Some(RunStatus::Ready) => Some(Intent::Start),
            Some(RunStatus::Running) if state.is_paused() => Some(Intent::Resume),
            Some(RunStatus::Running) => None,
            _ => return Ok(None),
        };
        if let Some(intent) = start {
            return Ok(give(dice, intent));
        }
        let query = ReadyQuery::all(InstanceId::from_bytes([2; 16]), 100);
        let shown = self.store.ready(&query).await.map_err(unexpected)?;
        if let Some(job) = shown.iter().find(|shown| shown.run == RUN) {
            return Ok(give(dice, claim(dice.clone(), &job.job)));
        }
        if let Some(intent) = self.work(state).or_else(|| resolve(state)) {
            return Ok(give(dice, intent));
        }
        let due = self.store.due(Some(&self.chain), 100).await.map_err(unexpected)?;
        let next = due.next.map_or(1, |next| next.max(Duration::from_secs(1)).as_secs() + 1);
        Ok(Some(Act::Advance(next)))
    }
}

impl World<'_> {
    /// The good end of a job that is held. Whoever was refused it says that a person is needed, since the same again would be
    /// refused again.
    fn work(&self, state: &State) -> Option<Intent> {
        let (spec, job) = state.jobs().find(|(_, job)| job.lease.is_some())?;
        let fence = state.fence(&spec.id)?;
        if job.status == JobStatus::Claimed {
            return Some(Intent::Acknowledge { fence, agent: AgentIdentity::default() });
        }
        let last = self.given.last().map(|command| &command.intent);
        if matches!(last, Some(Intent::Submit(refused)) if refused.fence == fence) {
            let report = LeaseReport::new(fence);
            return Some(Intent::Block { report, severity: Severity::HumanCheckpoint });
        }
        let outcome = if spec.kind.is_verdict_capable() {
            Outcome::Verdict { verdict: Verdict::Accept, findings: None }
        } else {
            Outcome::Done
        };
        Some(Intent::Submit(words::submit(state, &fence, outcome)))
    }
}

fn command(dice: &mut Dice, intent: Intent) -> Command {
    Command { id: CommandId::from_bytes(identity(dice)), actor: Actor::Human("ada".to_owned()), intent }
}

fn identity(dice: &mut Dice) -> [u8; 16] {
    let mut bytes = [0xd1; 16];
    bytes[8..].copy_from_slice(&dice.bits().to_be_bytes());
    bytes
}

fn claim(mut dice: Dice, job: &JobId) -> Intent {
    Intent::Claim(Claim {
        job: job.clone(),
        session: SessionId::from_bytes(identity(&mut dice)),
        owner: words::owner(),
        mode: DeliveryMode::Push,
        isolation: words::isolation(),
    })
}

/// What a principal says to a job that waits for one.
fn resolve(state: &State) -> Option<Intent> {
    if let Some((_, question)) = state.open_questions().next() {
        let (question, answer) = (question.number, words::blob("an answer"));
        return Some(Intent::Answer { question, answer });
    }
    let waits = [JobStatus::WaitingHuman, JobStatus::Blocked, JobStatus::Parked];
    let (spec, waiting) = state.jobs().find(|(_, job)| waits.contains(&job.status))?;
    let job = spec.id.clone();
    let go_on = |artifacts| Resolution::Continue { artifacts };
    let resolution = match waiting.checkpoint {
        None => Resolution::Resume,
        Some(Checkpoint::Planned) => go_on(words::artifacts(state, &job, "a person's words")),
        Some(Checkpoint::Blocked | Checkpoint::BudgetSpent) => go_on(Vec::new()),
        Some(_) => {
            let of_job = state.decisions().filter(|it| it.job == job && it.attempt == waiting.attempt);
            match of_job.last().filter(|it| it.ruling == Ruling::Accept) {
                Some(last) => Resolution::Override { decision: last.decision },
                None => {
                    let rationale = words::blob("because");
                    return Some(Intent::Decide { job, ruling: Ruling::Accept, rationale });
                }
            }
        }
    };
    Some(Intent::Resolve { job, resolution })
}
