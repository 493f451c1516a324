//! What a simulation is made of.

use std::fmt;

use serde::{Deserialize, Serialize};
use striatum_core::{
    id::Fence,
    run::{Command, Intent, Outcome, Resolution},
};

use crate::faulty::Fault;

/// One step of a simulation: through which of two engines something is done, and what goes wrong meanwhile.
///
/// A step stands for itself: it names grants, commands and contents, so that a history from which others were dropped can still
/// be played.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Step {
    pub(super) engine: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fault: Option<Fault>,
    pub(super) act: Act,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Act {
    /// Commands in one append.
    Give(Vec<Command>),
    /// One command through this engine, another through the other engine, at the same time.
    Race(Box<(Command, Command)>),
    /// The store's clock moves on, by seconds.
    Advance(u64),
    /// Leases are renewed, for a minute.
    Renew(Vec<Fence>),
    /// The engine's process dies, and another takes its place.
    Reopen,
    /// The rows of the run are written again.
    Reindex,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "engine {}: ", self.engine)?;
        match &self.act {
            Act::Give(commands) => {
                for (n, command) in commands.iter().enumerate() {
                    write!(f, "{}{}", if n > 0 { ", with " } else { "" }, Told(command))?;
                }
            }
            Act::Race(both) => write!(f, "{}, while the other: {}", Told(&both.0), Told(&both.1))?,
            Act::Advance(seconds) => write!(f, "{seconds} s pass")?,
            Act::Renew(fences) => write!(f, "renews {} leases", fences.len())?,
            Act::Reopen => f.write_str("dies, and begins anew")?,
            Act::Reindex => f.write_str("writes the index again")?,
        }
        match &self.fault {
            Some(fault) => write!(f, " [{fault:?}]"),
            None => Ok(()),
        }
    }
}

/// A command in words.
struct Told<'a>(&'a Command);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Command { id, actor, intent } = self.0;
        write!(f, "{actor} ({}): {}", id.short(), intent.name())?;
        let at = |f: &mut fmt::Formatter<'_>, fence: &Fence| {
            write!(f, " {}.{} by {}", fence.job, fence.epoch, fence.session.short())
        };
        match intent {
            Intent::Claim(claim) => {
                write!(f, " {} for {} ({:?})", claim.job, claim.session.short(), claim.mode)
            }
            Intent::Acknowledge { fence, .. }
            | Intent::Identify { fence, .. }
            | Intent::Publish { fence, .. }
            | Intent::Propose { fence, .. }
            | Intent::RequestLeave { fence, .. }
            | Intent::TreeClosed { fence, .. }
            | Intent::Expire { fence } => at(f, fence),
            Intent::Submit(submit) => {
                at(f, &submit.fence)?;
                match &submit.outcome {
                    Outcome::Verdict { verdict, .. } => write!(f, ": {verdict}"),
                    Outcome::Done => f.write_str(": done"),
                }
            }
            Intent::Release(report)
            | Intent::Crash(report)
            | Intent::Fail(report)
            | Intent::Block { report, .. } => at(f, &report.fence),
            Intent::Ask { report, of, .. } => {
                at(f, &report.fence)?;
                of.as_ref().map_or(Ok(()), |of| write!(f, " of {of}"))
            }
            Intent::Reply { question, session, .. } => write!(f, " {question} by {}", session.short()),
            Intent::Refer { question, .. } | Intent::Told { question } => write!(f, " question {question}"),
            Intent::WithdrawLeave { escalation } => write!(f, " {escalation}"),
            Intent::Decide { job, ruling, .. } => write!(f, " {job}: {ruling:?}"),
            Intent::Resolve { job, resolution: Resolution::Continue { artifacts } } => {
                write!(f, " {job}: continue with {} artifacts", artifacts.len())
            }
            Intent::Resolve { job, resolution } => write!(f, " {job}: {resolution:?}"),
            Intent::Retry { job } => write!(f, " {job}"),
            Intent::Supersede(it) => write!(f, " {} at attempt {}", it.job, it.attempt),
            Intent::Answer { question, .. } => write!(f, " question {question}"),
            Intent::Settle { escalation, ruling, .. } => write!(f, " escalation {escalation}: {ruling:?}"),
            _ => Ok(()),
        }
    }
}
