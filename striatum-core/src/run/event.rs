//! What has happened to a run.
//!
//! An event says everything that it changes, so that folding it needs no policy: a rule that changes later never changes what
//! an old log means. Bodies hold ids, enumerations, numbers, paths and digests; texts are blobs.

use serde::{Serialize, Serializer};

/// Declares what events say.
macro_rules! data {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }
    )*};
}

mod identity;
mod job;
mod part;
mod question;
mod ruling;
mod run;
mod usage;
mod work;

pub use identity::*;
pub use job::*;
pub use part::*;
pub use question::*;
pub use ruling::*;
pub use run::*;
pub use usage::Usage;
pub use work::*;

pub use crate::workflow::Checkpoint;

macro_rules! events {
    ($($name:ident = $kind:literal,)*) => {
        /// One thing that happened to a run.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Event {
            $(#[doc = concat!("`", $kind, "`: see [`", stringify!($name), "`](struct@", stringify!($name), ").")] $name($name),)*
        }

        $(
            impl From<$name> for Event {
                fn from(data: $name) -> Self {
                    Self::$name(data)
                }
            }
        )*

        impl Event {
            /// Every kind that this version knows.
            pub const KINDS: &'static [&'static str] = &[$($kind,)*];

            /// The kind, as it stands in the body.
            pub const fn kind(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $kind,)*
                }
            }

            pub(in crate::run) fn decode(kind: &str, data: &str) -> Option<serde_json::Result<Self>> {
                match kind {
                    $($kind => Some(serde_json::from_str::<$name>(data).map(Self::$name)),)*
                    _ => None,
                }
            }

            pub(in crate::run) fn serialize_data<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$name(data) => data.serialize(to),)*
                }
            }
        }
    };
}

events! {
    RunPrepared = "run.prepared",
    BranchConfirmed = "run.branch_confirmed",
    RunStarted = "run.started",
    RunPaused = "run.paused",
    RunResumed = "run.resumed",
    RunEnded = "run.ended",
    RunReopened = "run.reopened",
    RunDelivered = "run.delivered",
    SessionRegistered = "session.registered",
    SessionIdentified = "session.identified",
    JobReadied = "job.ready",
    JobClaimed = "job.claimed",
    JobAcknowledged = "job.running",
    ArtifactPublished = "artifact.published",
    VerdictRecorded = "verdict.recorded",
    JobCompleted = "job.completed",
    JobWaits = "job.waiting_human",
    JobBlocked = "job.blocked",
    JobParked = "job.parked",
    JobFailed = "job.failed",
    JobQuarantined = "job.quarantined",
    JobCanceled = "job.canceled",
    JobsCanceled = "jobs.canceled",
    JobSkipped = "job.skipped",
    JobsReopened = "jobs.reopened",
    DecisionRecorded = "decision.recorded",
    EscalationRaised = "escalation.raised",
    EscalationNotified = "escalation.notified",
    TreeClosed = "tree.closed",
    DeliveryWithheld = "run.delivery_withheld",
    RunCompromised = "run.compromised",
    QuestionAsked = "question.asked",
    QuestionAnswered = "question.answered",
    EscalationResolved = "escalation.resolved",
    QuestionReferred = "question.referred",
    QuestionNotified = "question.notified",
}
