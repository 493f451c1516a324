//! Every value of every enumeration that stands in a body.

use serde_json::{Value, json};
use striatum_core::{
    run::{
        Actor, CancelCause, Checkpoint, DeliveryMode, EndCause, EscalationTopic, Freshness, Ground,
        IdentityBasis, JobStatus, LeaseCause, Leave, ReopenCause, Ruling, RunStatus, SkipCause, Verdict,
    },
    sandbox::{Exit, Level},
};

use crate::drive::{blob, job, session};

pub(super) fn all() -> Value {
    let (a, name, iteration) = (|| job("a"), || "ada".to_owned(), 1);
    json!({
        "actor": [Actor::Human(name()), Actor::AiOperator(name()), Actor::Service(name()), Actor::Session(session(1))],
        "checkpoint": [
            Checkpoint::Planned, Checkpoint::RevisionsExhausted, Checkpoint::NoWayBack, Checkpoint::Rejected,
            Checkpoint::Blocked,
        ],
        "delivery_mode": [DeliveryMode::Push, DeliveryMode::Pull],
        "end_cause": [
            EndCause::Finished, EndCause::Canceled, EndCause::Rejected(a()), EndCause::Failed(a()),
            EndCause::Quarantined(a()),
        ],
        "escalation_topic": [EscalationTopic::NeedsOperator],
        "exit": [Exit::Code(0), Exit::Signal(9)],
        "freshness": [Freshness::First, Freshness::Again, Freshness::AfterFailure, Freshness::Granted],
        "ground": [Ground::Done, Ground::Verdict, Ground::Continued, Ground::Decision(1)],
        "identity_basis": [
            IdentityBasis::Reported, IdentityBasis::Declared, IdentityBasis::SelfReported, IdentityBasis::Unknown,
        ],
        "job_status": JobStatus::ALL,
        "lease_cause": [
            LeaseCause::Submitted, LeaseCause::Released, LeaseCause::Expired, LeaseCause::Crashed, LeaseCause::Failed,
            LeaseCause::Blocked, LeaseCause::Reopened, LeaseCause::RunEnded,
        ],
        "level": [Level::Unsupported, Level::Advisory, Level::AdvisoryStrict, Level::Enforced],
        "reopen_cause": [
            ReopenCause::Revision { review: a(), iteration, with: Vec::new() }, ReopenCause::Granted { review: a(), iteration },
            ReopenCause::Retry,
        ],
        "ruling": [Ruling::Accept, Ruling::Reject],
        "run_status": RunStatus::ALL,
        "skip_cause": [SkipCause::Rejected, SkipCause::Lost, SkipCause::Quarantined],
        "verdict": Verdict::ALL,
    })
}

/// The values that came later.
pub(super) fn more() -> Value {
    json!({
        "cancel_cause": [CancelCause::Principal, CancelCause::RunEnd, CancelCause::Quorum],
        "checkpoint": [Checkpoint::BudgetSpent, Checkpoint::Identity, Checkpoint::Question],
        "escalation_topic": [
            EscalationTopic::BudgetSpent, EscalationTopic::UnjudgedDelivery, EscalationTopic::Raised,
        ],
        "lease_cause": [LeaseCause::Asked, LeaseCause::Quorum],
        "leave": [Leave::Workflow, Leave::Decision(1)],
    })
}

/// The values that came with proposals.
pub(super) fn proposing() -> Value {
    json!({"escalation_topic": [EscalationTopic::FollowUp]})
}

/// The values that came with superseding.
pub(super) fn superseding() -> Value {
    json!({
        "ground": [Ground::Superseded],
        "reopen_cause": [ReopenCause::Superseded { by: "ada".to_owned(), rationale: blob("because") }],
    })
}

/// The value that came with the cancelling of jobs.
pub(super) fn canceling() -> Value {
    json!({"lease_cause": [LeaseCause::Canceled]})
}
