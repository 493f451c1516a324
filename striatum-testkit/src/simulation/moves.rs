//! What may be tried next: a table of moves, each with how often it is tried.
//!
//! To teach the simulation something new, write a move and add its line to [`MOVES`].

use striatum_core::run::{Actor, Intent, JobStatus, LeaseReport, Pending, RunStatus};

mod people;

use super::{
    chance::Chance,
    step::{Act, Step},
};
use crate::{faulty::Fault, words};
use people::{answer, cancel_job, escalate, retry, settle, steer, supersede};

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
    (4, with_a_forged_fence),
    (3, meddle),
    (6, repeat),
    (9, answer),
    (3, retry),
    (1, cancel_job),
    (1, supersede),
    (1, steer),
    (4, confirm),
    (4, ask),
    (2, reply),
    (3, refer),
    (1, request_leave),
    (1, escalate),
    (1, propose),
    (2, settle),
    (7, wait),
    (2, renew),
    (2, reopen),
    (1, reindex),
    (5, race),
];

impl Chance<'_> {
    /// The next step.
    pub(super) fn step(&mut self) -> Step {
        let fault = self.dice.once_in(12).then(|| {
            let faults =
                [Fault::LostAnswer, Fault::CrashBefore, Fault::CrashAfter, Fault::Slow(2), Fault::FullDisk];
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
            RunStatus::Running if !self.lapsed.is_empty() => (expire(self)?, 3),
            RunStatus::Running if self.state.is_paused() => (self.give(Intent::Resume), 4),
            RunStatus::Failed | RunStatus::Canceled | RunStatus::NeedsOperator => (retry(self)?, 3),
            RunStatus::Completed => (confirm(self).or_else(|| settle(self))?, 2),
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

/// Acts under a live grant in the name of somebody who does not hold it.
fn with_a_forged_fence(chance: &mut Chance<'_>) -> Option<Act> {
    let mut fence = chance.held()?;
    fence.session = *chance.dice.one_of(chance.sessions)?;
    let intent = match chance.dice.below(4) {
        0 => Intent::Submit(chance.submission(&fence)),
        1 => Intent::Identify { fence: fence.clone(), agent: chance.agent() },
        2 => Intent::Publish {
            artifacts: words::artifacts(chance.state, &fence.job, "forged words"),
            fence: fence.clone(),
        },
        _ => chance.end(fence.clone()),
    };
    Some(Act::Give(vec![chance.command_under(&fence, intent)]))
}

/// A session does what is not for it to do.
fn meddle(chance: &mut Chance<'_>) -> Option<Act> {
    let session = *chance.dice.one_of(chance.sessions)?;
    let held = chance.held();
    let intent = match (chance.dice.below(7), held) {
        (0, Some(fence)) => Intent::Expire { fence },
        (1, Some(fence)) => Intent::Submit(chance.submission(&fence)),
        (2, Some(fence)) => chance.end(fence),
        (3, _) => Intent::Cancel { reason: None },
        (4, _) => Intent::Pause,
        (5, _) => Intent::CancelJob { job: chance.any_job()? },
        (_, _) => match answer(chance)? {
            Act::Give(mut commands) => commands.pop()?.intent,
            _ => return None,
        },
    };
    Some(Act::Give(vec![chance.command_of(Actor::Session(session), intent)]))
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

/// An agent asks a person, or somebody who worked before it, and gives its job up meanwhile.
fn ask(chance: &mut Chance<'_>) -> Option<Act> {
    let fence =
        if chance.dice.once_in(6) { chance.dice.one_of(chance.grants)?.clone() } else { chance.held()? };
    let report = LeaseReport::new(fence.clone());
    let of = match chance.dice.below(4) {
        0 => None,
        1 => chance.any_job(),
        _ => chance.job_before(&fence.job),
    };
    let (question, resume) = (words::blob("which one?"), Some("thread".to_owned()));
    let intent = Intent::Ask { report, question, resume, of };
    Some(Act::Give(vec![chance.command_under(&fence, intent)]))
}

/// Somebody answers for a session: most often for the one that was asked.
fn reply(chance: &mut Chance<'_>) -> Option<Act> {
    let (question, awaited) = chance.open_question()?;
    let other = *chance.dice.one_of(chance.sessions)?;
    let session = if chance.dice.once_in(3) { other } else { awaited.unwrap_or(other) };
    let usage = chance.dice.once_in(2).then(words::usage);
    let intent = Intent::Reply { question, session, answer: words::blob("like this"), usage };
    let speaker = if chance.dice.once_in(4) { other } else { session };
    let own = chance.dice.once_in(2);
    let command =
        if own { chance.command_of(Actor::Session(speaker), intent) } else { chance.command(intent) };
    Some(Act::Give(vec![command]))
}

/// A question is passed on to a person, or a person is told of one.
fn refer(chance: &mut Chance<'_>) -> Option<Act> {
    let (question, _) = chance.open_question()?;
    let intent = match chance.dice.below(3) {
        0 => Intent::Told { question },
        _ => Intent::Refer { question, reason: Some(words::blob("gone")), usage: Some(words::usage()) },
    };
    Some(chance.give(intent))
}

/// An agent asks for leave, or somebody gives up waiting for it.
fn request_leave(chance: &mut Chance<'_>) -> Option<Act> {
    if chance.dice.once_in(4) {
        let escalations = u32::try_from(chance.state.escalations().len()).ok()?;
        let escalation = u32::try_from(chance.dice.below(escalations as usize + 1)).ok()?;
        return Some(chance.give(Intent::WithdrawLeave { escalation }));
    }
    let fence =
        if chance.dice.once_in(6) { chance.dice.one_of(chance.grants)?.clone() } else { chance.held()? };
    let intent = Intent::RequestLeave { fence: fence.clone(), request: words::blob("to fetch") };
    Some(Act::Give(vec![chance.command_under(&fence, intent)]))
}

/// An agent proposes something, perhaps when its grant is over.
fn propose(chance: &mut Chance<'_>) -> Option<Act> {
    let fence =
        if chance.dice.once_in(6) { chance.dice.one_of(chance.grants)?.clone() } else { chance.held()? };
    let text = if chance.dice.once_in(2) { "split it" } else { "test it" };
    let intent = Intent::Propose { fence: fence.clone(), proposal: words::blob(text) };
    Some(Act::Give(vec![chance.command_under(&fence, intent)]))
}

/// What the shell owes, or believes it owes.
fn confirm(chance: &mut Chance<'_>) -> Option<Act> {
    let owed: Vec<Pending> = chance.state.pending().collect();
    let commit = words::commit("kept");
    let intent = match chance.dice.one_of(&owed)? {
        Pending::CloseTree { fence, .. } | Pending::Drive { fence, .. } => {
            Intent::TreeClosed { fence: fence.clone(), kept: commit }
        }
        Pending::Deliver { .. } => {
            let deviations = words::deviations(chance.state).filter(|_| chance.dice.once_in(3));
            match (deviations, chance.dice.once_in(2)) {
                (Some(deviations), true) => Intent::Withhold { commit: commit?, deviations },
                (deviations, _) => {
                    Intent::Delivered { commit: commit?, deviations: deviations.unwrap_or_default() }
                }
            }
        }
        Pending::Notify { escalation, .. } => Intent::Notified { escalation: *escalation },
        Pending::Tell { question, .. } => Intent::Told { question: *question },
        Pending::Interrogate { question, .. } => {
            Intent::Refer { question: *question, reason: None, usage: None }
        }
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
