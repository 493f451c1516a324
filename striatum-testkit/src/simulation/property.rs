//! What must hold.

use std::fmt;

/// Something that must hold for every workflow and every interleaving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Property {
    /// No two grants are the same, one at most is live for a job, and a command under another appends nothing.
    Grants,
    /// No session's verdict counts for work that it took part in.
    Independence,
    /// Grants are finitely many, no job is stuck, and a run that is left to its workers and a principal ends.
    Progress,
    /// A run has ended exactly when all its jobs have, and as its jobs say.
    Ending,
    /// No completed job has an unsatisfied incoming edge, and no verdict of another attempt counts.
    Reopening,
    /// What is folded, indexed and audited is the same, whoever does it.
    Agreement,
    /// A command that is repeated changes nothing and gets its first answer; with other content it is refused.
    Repetition,
    /// What was acknowledged stays, and what was refused is not there.
    Durability,
    /// Everything that happens stands in the tables of the machine: from these states, by these people, within these bounds.
    Rules,
}

impl Property {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Grants => "one live grant a job, and nothing under another",
            Self::Independence => "nobody judges their own work",
            Self::Progress => "runs come to an end",
            Self::Ending => "a run ends with its last job",
            Self::Reopening => "what is completed stands on what is completed",
            Self::Agreement => "log, state and index agree",
            Self::Repetition => "a repeated command changes nothing",
            Self::Durability => "acknowledged is in the log, refused is not",
            Self::Rules => "everything that happens is allowed",
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A property that does not hold, and how that shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) property: Property,
    pub(super) detail: String,
}

pub(super) type Holds = Result<(), Broken>;

impl Property {
    /// Holds if the condition does.
    pub(super) fn holds(self, condition: bool, detail: impl FnOnce() -> String) -> Holds {
        if condition { Ok(()) } else { Err(self.broken(detail())) }
    }

    pub(super) fn broken(self, detail: impl fmt::Display) -> Broken {
        Broken { property: self, detail: detail.to_string() }
    }
}
