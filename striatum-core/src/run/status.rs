//! Where a run and a job stand.

use serde::{Deserialize, Serialize};

macro_rules! status {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every value, in the order of the transition table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name that events, stores and APIs use.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownStatus;
            fn from_str(text: &str) -> Result<Self, UnknownStatus> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    other => Err(UnknownStatus(other.to_owned())),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

/// The text names no status that this version knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a status")]
pub struct UnknownStatus(String);

status! {
    /// Where a run stands.
    RunStatus {
        /// Prepared; a principal has yet to confirm the branch.
        NeedsBranchConfirmation = "needs_branch_confirmation",
        /// May be started.
        Ready = "ready",
        /// Jobs are handed out.
        Running = "running",
        /// Every exit was reached.
        Completed = "completed",
        /// Ended without reaching its exits.
        Failed = "failed",
        /// Ended by a principal.
        Canceled = "canceled",
        /// Ended because it lost more than its recovery policy allows; a principal may retry jobs.
        NeedsOperator = "needs_operator",
        /// Completed, and later declared unsound by a decision.
        Compromised = "compromised",
    }
}

impl RunStatus {
    /// Whether the run has ended.
    pub const fn has_ended(self) -> bool {
        !matches!(self, Self::NeedsBranchConfirmation | Self::Ready | Self::Running)
    }
}

status! {
    /// Where a job stands.
    JobStatus {
        /// Waits for the jobs before it.
        Pending = "pending",
        /// May be claimed.
        Ready = "ready",
        /// Held by a session that has yet to acknowledge.
        Claimed = "claimed",
        /// Held by a session at work.
        Running = "running",
        /// Waits for the answer to a question its agent asked.
        AwaitingInput = "awaiting_input",
        /// Waits for a person.
        WaitingHuman = "waiting_human",
        /// Cannot go on; waits for a principal.
        Blocked = "blocked",
        /// Set aside after its lease expired; waits for a principal.
        Parked = "parked",
        /// Done.
        Completed = "completed",
        /// Will never run: what it needs cannot come about.
        Skipped = "skipped",
        /// Ended in failure.
        Failed = "failed",
        /// Ended by a principal, or because the run ended.
        Canceled = "canceled",
        /// Ended because it was handed out too often without an outcome.
        Quarantined = "quarantined",
    }
}

impl JobStatus {
    /// Whether the job has ended; only a reopening moves it again.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Skipped | Self::Failed | Self::Canceled | Self::Quarantined)
    }

    /// Whether a session holds the job.
    pub const fn is_held(self) -> bool {
        matches!(self, Self::Claimed | Self::Running)
    }
}
