//! The machine: commands become events, events add up to a state.
//!
//! Everything here is a synchronous function of its arguments. [`decide`] turns a command into events, [`evolve`] folds an event
//! into a [`State`], [`State::pending`] says what the shell owes. A law ties them: whatever `decide` returns, `evolve` accepts,
//! and folding the stored log gives the same state.
//!
//! # A run
//!
//! `needs_branch_confirmation → ready → running → completed | failed | canceled | needs_operator`
//!
//! Pausing is a flag: it stops claims and nothing else. A run ends when its last job has ended, or at once when it is cancelled,
//! when a job is rejected or fails and the workflow says that this ends the run, or when more jobs were quarantined than the
//! workflow allows. Every job that is open at that moment is cancelled with it. A principal may retry a job of a run that ended
//! without success; that reopens the run, with every job that its end had cancelled.
//!
//! # A job
//!
//! | from | to | by |
//! |---|---|---|
//! | pending | ready | everything before it is completed |
//! | pending | waiting_human | the same, for a human checkpoint |
//! | pending | skipped | something before it has ended otherwise |
//! | ready | running | claim by push |
//! | ready | claimed | claim by pull |
//! | claimed | running | acknowledgement |
//! | claimed, running | ready | release, expiry, crash, while handed out at most `max_requeues` times at this attempt |
//! | claimed, running | quarantined | the same, once more than that |
//! | claimed, running | parked | expiry, where the workflow says so |
//! | claimed, running | blocked | the agent reports an impediment |
//! | running | waiting_human | the agent says that a person is needed |
//! | running | completed | the work is done; or an accepting verdict |
//! | running | pending, with what it sent back | a revision is wanted and the cycle has a round left |
//! | running | waiting_human | a revision is wanted and there is none; a rejection that asks a person |
//! | running | skipped | a rejection that ends the branch |
//! | running | failed | a rejection that ends the run; a failure with no attempt left |
//! | running | ready, next attempt, after a wait | a failure with attempts left |
//! | waiting_human (planned) | completed | continue with the required artifacts; override under an accepting decision |
//! | waiting_human (review) | completed | override under an accepting decision |
//! | waiting_human (review with a cycle) | pending, with what it sends back | continue: one more round |
//! | waiting_human (otherwise) | ready, next attempt | continue |
//! | blocked, parked | ready | resume; continue, at the next attempt |
//! | waiting_human, blocked, parked | canceled | cancel |
//! | any behind a reopened job | pending | that job is reopened; at the next attempt if it was granted at this one, or has ended |
//! | any but completed that has ended | pending | retry by a principal, with everything behind it |
//!
//! # Leases
//!
//! A lease lives until an event ends it. Its deadline, which is the store's and no part of the state, only permits somebody to
//! propose expiry. A [`Fence`](crate::id::Fence) counts while its grant is the live one and its session holds it.
#![warn(clippy::wildcard_enum_match_arm)]

mod codec;
mod command;
mod decide;
mod event;
mod evolve;
mod packet;
mod pending;
mod record;
mod rejection;
mod state;
mod status;

pub(crate) use codec::{Bodies, RecordRef};
pub use codec::{CodecError, CommandRef, Record};
pub use command::{
    Actor, Claim, Command, DeliveryMode, Intent, LeaseReport, Outcome, Owner, Publication, Resolution,
    Severity, Submit,
};
pub use decide::decide;
pub(crate) use decide::{Plan, plan};
pub use event::*;
pub use evolve::{IllegalEvent, Touched, evolve};
pub use packet::{
    Packet, PacketArtifact, PacketFailure, PacketFinding, PacketInput, PacketOutput, PacketReview,
    PacketRole, PacketText,
};
pub use pending::Pending;
pub use record::{ArtifactRecord, CompletionRecord, JobRecord};
pub use rejection::{Names, Rejection};
pub use state::{Escalation, FailedGrant, Iterations, JobState, Lease, Session, State, Tree, Wait};
pub use status::{JobStatus, RunStatus, UnknownStatus};
