//! The machine: commands become events, events add up to a state.
//!
//! Everything here is a synchronous function of its arguments. [`decide`] turns a command into events, [`evolve`] folds an event
//! into a [`State`], [`State::pending`] says what the shell owes. A law ties them: whatever `decide` returns, `evolve` accepts,
//! and folding the stored log gives the same state.
//!
//! # A run
//!
//! `needs_branch_confirmation → ready → running → completed | failed | canceled | needs_operator`, and
//! `completed → compromised` when a person declares it unsound.
//!
//! Pausing is a flag: it stops claims and nothing else. A run ends when its last job has ended, or at once when it is cancelled,
//! when a job is rejected or fails and the workflow says that this ends the run, or when more jobs were quarantined than the
//! workflow allows. Every job that is open at that moment is cancelled with it. It is completed if every exit is, or was skipped
//! by leave of the workflow while another was completed, and if every required posture was given. A principal may retry a job of
//! a run that ended without success; that reopens the run, with every job that its end had cancelled. A run that has used up its
//! budget is paused, and an escalation asks for as much again.
//!
//! # A job
//!
//! | from | to | by |
//! |---|---|---|
//! | pending | ready | everything before it is completed |
//! | pending | waiting_human | the same, for a human checkpoint |
//! | pending | skipped | something before it has ended otherwise, and no quorum or leave to be missing makes up for it |
//! | ready | running | claim by push |
//! | ready | claimed | claim by pull |
//! | claimed | running | acknowledgement |
//! | claimed, running | ready | release, expiry, crash, while handed out at most `max_requeues` times at this attempt |
//! | claimed, running | quarantined | the same, once more than that |
//! | claimed, running | parked | expiry, where the workflow says so |
//! | claimed, running | waiting_human | the same, where the budget of the attempt is used up |
//! | claimed, running | blocked | the agent reports an impediment; it is not known to be independent, or that of its lane |
//! | running | waiting_human | the agent says that a person is needed |
//! | running | awaiting_input | the agent asks a person; this grant does not count as lost |
//! | running | awaiting_input | the same, asked of the session that completed an earlier job that lets itself be asked |
//! | awaiting_input | ready | the answer |
//! | running | completed | the work is done; an accepting verdict; a dissent whose cohort is still open, or that binds nobody |
//! | running, completed | pending, with what it sent back | its cohort closes and the cycle has a round left |
//! | running, completed | waiting_human | its cohort closes and there is none |
//! | running | waiting_human | a rejection that asks a person |
//! | running | skipped | a rejection that ends the branch |
//! | running | failed | a rejection that ends the run; a failure with no attempt left |
//! | running | ready, next attempt, after a wait | a failure with attempts left |
//! | waiting_human (planned) | completed | continue with the required artifacts; override under an accepting decision |
//! | waiting_human (review) | completed | override under an accepting decision |
//! | waiting_human (review with a cycle) | pending, with what it sends back | continue: one more round |
//! | waiting_human (otherwise) | ready, next attempt | continue |
//! | blocked, parked | ready | resume; continue, at the next attempt |
//! | any open | canceled | cancel; its lease ends, and what waits for it is skipped |
//! | any open seat | canceled | the quorum that it belongs to is met without it |
//! | any behind a reopened job | pending | that job is reopened; at the next attempt if it was granted at this one, or has ended |
//! | completed, not by a verdict | completed, next attempt, with everything behind it pending | a person supersedes its artifacts |
//! | any but completed that has ended | pending | retry by a principal, with everything behind it |
//!
//! # Verdicts
//!
//! A **dissent** is the verdict of a binding review that wants a revision. Its *targets* are the jobs that its cycles lead to; its
//! *cohort* are the reviews with a cycle to one of them. Dissents that share a target, or sit on a panel whose vote has failed, are
//! answered together, when
//!
//! - everybody in the cohort has ended or spoken, but for those who wait behind a dissent themselves; or
//! - as many dissent as a cycle's `debounce_cohort` says; or
//! - more of a target's judges have ended without a word than its `max_gating_abstentions`; or
//! - the vote that one of them belongs to can no longer be met.
//!
//! Then each target that has a round left begins anew, counted once however many want it; the strictest of those who want it sets the
//! limit. A target behind another begins anew with that one and is not counted. Where no target has a round left, those who dissent
//! wait together: what a person answers to one is the answer to all.
//!
//! A **vote** on a job (`quorum`) is met when `k` seats have accepted and every seat with a veto has ended or spoken without
//! using it. It has failed when a veto was used, or too few can still accept. A met vote overrules its dissents and releases its open
//! seats, but for those that something else waits for: another job, or a posture that is required.
//!
//! An advisory review binds nobody: whatever it says, and however it fails or is lost, the run goes on with what does not wait for
//! it; what does wait for an advisory review that has ended without a verdict is skipped. A review that only leads into phase
//! syntheses is completed by every verdict: its rejection is for the synthesis to weigh, and so is a dissent that no cycle of its own
//! answers.
//!
//! Author and reviewer are never one session. Where the workflow compares models, a claim is refused when the labels of the lanes are
//! of one family, and a review is blocked as soon as what the agents report shows that, until a principal gives it to another agent or
//! leaves it to this one by an accepting decision on the review.
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

pub use codec::{Bodies, CodecError, CommandRef, Record};
pub use command::{
    Actor, Claim, Command, DeliveryMode, Intent, LeaseReport, Outcome, Owner, Publication, Resolution,
    Severity, Submit, Supersede,
};
pub use decide::decide;
pub(crate) use decide::plan;
pub use event::*;
pub use evolve::{IllegalEvent, Touched, evolve};
pub use packet::{
    Packet, PacketAnswer, PacketArtifact, PacketFailure, PacketFinding, PacketInput, PacketOutput,
    PacketQuestion, PacketReview, PacketRole, PacketText,
};
pub use pending::Pending;
pub use record::{ArtifactRecord, CompletionRecord, JobRecord};
pub use rejection::{Names, Rejection};
pub use state::{
    Escalation, FailedGrant, Iterations, JobState, Lease, Question, Session, State, Tree, Wait, Withheld,
};
pub use status::{JobStatus, RunStatus, UnknownStatus};
