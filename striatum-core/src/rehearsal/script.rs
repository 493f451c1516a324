//! What agents and principals do in a rehearsal.

use std::fmt;

use serde::Serialize;

use crate::run::{Severity, Verdict};

/// So many more rounds, or further tries, a principal grants within one run that is played in every way.
pub const ROUNDS: u8 = 2;

/// One step of a run. Jobs are numbered in document order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A job is handed out.
    Claim(usize),
    /// The agent that holds a job comes to an end.
    Act(usize, Act),
    /// A principal answers.
    Answer(usize, Answer),
    /// A principal answers an escalation, of this number.
    Settle(u32, Answer),
    /// A principal wants a job done once more.
    Retry(usize),
}

/// How an agent comes to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Done,
    Judge(Verdict),
    Release,
    Lose,
    Expire,
    Fail,
    Block(Severity),
    Ask,
    /// Lost, with all the budget used up that there is.
    Spend,
}

impl Act {
    /// What a job can do at worst, apart from its verdicts.
    const TROUBLES: [Self; 8] = [
        Self::Release,
        Self::Lose,
        Self::Expire,
        Self::Fail,
        Self::Block(Severity::Operator),
        Self::Block(Severity::HumanCheckpoint),
        Self::Ask,
        Self::Spend,
    ];

    /// What a good agent does.
    pub(super) const fn good(gives: Gives) -> Self {
        match gives {
            Gives::Verdict => Self::Judge(Verdict::Accept),
            Gives::Work => Self::Done,
        }
    }

    pub(super) const fn is_good(self) -> bool {
        matches!(self, Self::Done | Self::Judge(Verdict::Accept))
    }

    /// Everything else that an agent can do.
    pub(super) fn others(gives: Gives, freedom: Freedom) -> impl Iterator<Item = Self> {
        let verdicts = [Verdict::AcceptWithFindings, Verdict::NeedsRevision, Verdict::Reject];
        let verdicts = verdicts.into_iter().map(Self::Judge).filter(move |_| gives == Gives::Verdict);
        let troubles = Self::TROUBLES.into_iter().filter(move |_| freedom == Freedom::Anything);
        verdicts.chain(troubles)
    }

    /// Whether a run may end without its exits because of this.
    pub(super) const fn is_harmful(self) -> bool {
        !matches!(
            self,
            Self::Done | Self::Judge(Verdict::Accept | Verdict::AcceptWithFindings | Verdict::NeedsRevision)
        )
    }
}

/// What a job ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gives {
    Work,
    Verdict,
}

/// What somebody who need not do well may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Freedom {
    Verdicts,
    Anything,
}

/// What a principal says to what asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Answer {
    /// Go on: with the artifacts, with one more round, with another attempt, with an answer, with more of a budget.
    Continue,
    /// Count it as completed, under a decision.
    Override,
    /// Go on at the same attempt.
    Resume,
    /// End it.
    Cancel,
}

impl Answer {
    /// Every answer, the most helpful first.
    pub const ALL: &'static [Self] = &[Self::Continue, Self::Override, Self::Resume, Self::Cancel];

    /// The name that reports use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::Override => "override",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::Judge(verdict) => verdict.as_str(),
            Self::Release => "given back",
            Self::Lose => "lost",
            Self::Expire => "expired",
            Self::Fail => "failed",
            Self::Block(Severity::Operator) => "blocked",
            Self::Block(Severity::HumanCheckpoint) => "asks for a person",
            Self::Ask => "asks a question",
            Self::Spend => "lost, with its budget used up",
        })
    }
}

/// Who need not do well. Whoever is not named does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Script {
    /// They may do what their freedom lets them.
    free: [Option<usize>; 2],
    /// So many more may become free, by doing something else than well.
    spare: u8,
    freedom: Freedom,
    /// All reviews that lead back to this job do so whenever they are asked.
    dissent: Option<usize>,
    /// So many more rounds, or tries, a principal grants.
    pub(super) rounds: u8,
}

impl Script {
    /// Everybody does well.
    pub(super) const EXEMPLARY: Self =
        Self { free: [None; 2], spare: 0, freedom: Freedom::Verdicts, dissent: None, rounds: ROUNDS };

    /// Any one job may do anything.
    pub(super) const ONE_FREE: Self = Self { spare: 1, freedom: Freedom::Anything, ..Self::EXEMPLARY };

    /// Any two reviews may give any verdict.
    pub(super) const TWO_FREE: Self = Self { spare: 2, ..Self::EXEMPLARY };

    /// Everybody who may sends work back to this job.
    pub(super) const fn dissent(target: usize) -> Self {
        Self { dissent: Some(target), ..Self::EXEMPLARY }
    }

    /// What an agent may do, each with the script from then on. What a good one does comes first.
    pub(super) fn acts(self, job: usize, gives: Gives, sends_back_to: &[usize]) -> Vec<(Act, Self)> {
        if self.dissent.is_some_and(|target| sends_back_to.contains(&target)) {
            return vec![(Act::Judge(Verdict::NeedsRevision), self)];
        }
        let mut acts = vec![(Act::good(gives), self)];
        if let Some(freed) = self.freeing(job).filter(|freed| freed.allows(gives)) {
            acts.extend(Act::others(gives, self.freedom).map(|act| (act, freed)));
        }
        acts
    }

    fn allows(self, gives: Gives) -> bool {
        self.freedom == Freedom::Anything || gives == Gives::Verdict
    }

    /// The script in which this job is free, if that is possible.
    fn freeing(mut self, job: usize) -> Option<Self> {
        if self.free.contains(&Some(job)) {
            return Some(self);
        }
        let place = self.free.iter_mut().find(|place| place.is_none()).filter(|_| self.spare > 0)?;
        *place = Some(job);
        self.spare -= 1;
        self.free.sort_unstable();
        Some(self)
    }

    /// The script after a principal has granted a round.
    pub(super) fn granting(self) -> Option<Self> {
        Some(Self { rounds: self.rounds.checked_sub(1)?, ..self })
    }

    /// The shortest script that says the same: those who have ended, and whom nobody can reopen, are no longer free.
    pub(super) fn shortened(self, has_ended: impl Fn(usize) -> bool) -> Self {
        let over = self.spare == 0 && self.free.iter().flatten().all(|job| has_ended(*job));
        if over && self.dissent.is_none() { Self { rounds: self.rounds, ..Self::EXEMPLARY } } else { self }
    }
}
