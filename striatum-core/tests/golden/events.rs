//! One event of each kind, with every field filled once.

use striatum_core::{
    digest::{BlobRef, Digest},
    id::{ArtifactName, LaneId, RoleId, WorkflowId},
    run::{
        Addressee, ArtifactPublished, Backoff, BranchConfirmed, CancelCause, CanceledJob, Checkpoint,
        DecisionRecorded, DeliveryMode, DeliveryWithheld, Deviation, EndCause, EscalationNotified,
        EscalationRaised, EscalationResolved, EscalationTopic, Event, Freshness, Ground, IdentityBasis,
        IdentityDoubt, JobAcknowledged, JobBlocked, JobCanceled, JobClaimed, JobCompleted, JobFailed,
        JobParked, JobQuarantined, JobReadied, JobSkipped, JobWaits, JobsCanceled, JobsReopened, Judged,
        LeaseCause, LeaseEnd, Leave, QuestionAnswered, QuestionAsked, QuestionNotified, QuestionReferred,
        ReopenCause, Reopened, Ruling, RunCompromised, RunDelivered, RunEnded, RunPaused, RunPrepared,
        RunReopened, RunResumed, RunStarted, RunStatus, SameModel, SessionIdentified, SessionRegistered,
        SessionStart, SkipCause, Submission, TreeClosed, Usage, Verdict, VerdictRecorded,
    },
    sandbox::{Exit, Isolation, Level},
    transport::AgentIdentity,
    workflow::Posture,
};

use crate::{
    document::commit,
    drive::{NOW, RUN, blob, chain, job, owner, session},
};

fn digest() -> Digest {
    Digest::of(b"bytes")
}

fn reason() -> Option<BlobRef> {
    Some(blob("reason"))
}

fn ended(cause: LeaseCause) -> LeaseEnd {
    LeaseEnd {
        epoch: 2,
        session: session(1),
        cause,
        exit: Some(Exit::Code(1)),
        usage: Some(Usage { wall_ms: 1500, input_tokens: Some(10), output_tokens: None, turns: None }),
        set_aside: Some(commit(4)),
        reason: reason(),
    }
}

fn submission() -> Option<Submission> {
    Some(Submission { base: commit(1), commit: commit(2), manifest: blob("manifest") })
}

fn agent() -> AgentIdentity {
    AgentIdentity { name: Some("agent".to_owned()), version: Some("1.2".to_owned()), model: None }
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn of_runs() -> Vec<Event> {
    vec![
        RunPrepared {
            run: RUN,
            chain: chain(),
            snapshot: blob("snapshot"),
            workflow: WorkflowId::new("w").unwrap(),
            base: commit(0),
        }
        .into(),
        BranchConfirmed { branch: text("striatum/w"), at: Some(commit(1)) }.into(),
        RunStarted {}.into(),
        RunPaused {}.into(),
        RunResumed { more_budget: false }.into(),
        RunEnded {
            status: RunStatus::NeedsOperator,
            cause: EndCause::Quarantined(job("a")),
            record: digest(),
            reason: reason(),
            canceled: vec![
                CanceledJob { job: job("b"), ended: Some(ended(LeaseCause::RunEnded)) },
                CanceledJob { job: job("c"), ended: None },
            ],
        }
        .into(),
        RunReopened {}.into(),
        RunDelivered {
            branch: text("striatum/w"),
            commit: commit(3),
            deviations: vec![Deviation {
                job: job("a"),
                path: text("out/a"),
                judged: digest(),
                delivered: None,
            }],
        }
        .into(),
    ]
}

fn of_grants() -> Vec<Event> {
    vec![
        SessionRegistered {
            session: session(1),
            ordinal: 1,
            role: RoleId::new("author").unwrap(),
            lane: LaneId::new("local").unwrap(),
            owner: owner(),
        }
        .into(),
        SessionIdentified { session: session(1), job: job("a"), epoch: 2, agent: agent() }.into(),
        JobReadied {
            job: job("a"),
            attempt: 2,
            fresh: Freshness::AfterFailure,
            wait: Some(Backoff { wait_ms: 10_000, until: NOW }),
            ended: Some(ended(LeaseCause::Failed)),
        }
        .into(),
        JobClaimed {
            job: job("a"),
            attempt: 1,
            epoch: 2,
            session: session(1),
            mode: DeliveryMode::Push,
            lease_seconds: 60,
            packet: digest(),
            isolation: Isolation::uniform(Level::Advisory),
            granted_at: NOW,
            begins: None,
        }
        .into(),
        JobAcknowledged { job: job("a"), epoch: 2 }.into(),
        ArtifactPublished {
            job: job("a"),
            attempt: 1,
            name: ArtifactName::new("draft").unwrap(),
            kind: text("text"),
            path: text("out/a.md"),
            content: blob("words"),
            author: text("author #1 (model-1, lane local)"),
        }
        .into(),
        VerdictRecorded {
            job: job("r"),
            attempt: 1,
            epoch: 2,
            session: session(1),
            verdict: Verdict::AcceptWithFindings,
            findings: Some(blob("findings")),
            judged: vec![Judged {
                job: job("a"),
                attempt: 1,
                manifest: Some(digest()),
                artifacts: vec![(ArtifactName::new("draft").unwrap(), digest())],
            }],
            posture: Some(Posture::Custom(text("tone"))),
            lane: LaneId::new("local").unwrap(),
            agent: agent(),
            basis: IdentityBasis::SelfReported,
            family: None,
            same_model: Vec::new(),
        }
        .into(),
    ]
}

fn of_ends() -> Vec<Event> {
    let job = || job("a");
    vec![
        JobCompleted {
            job: job(),
            attempt: 1,
            ground: Ground::Decision(3),
            submission: submission(),
            ended: Some(ended(LeaseCause::Submitted)),
        }
        .into(),
        JobWaits {
            job: job(),
            attempt: 1,
            checkpoint: Checkpoint::RevisionsExhausted,
            submission: submission(),
            ended: Some(ended(LeaseCause::Submitted)),
        }
        .into(),
        JobBlocked { job: job(), ended: ended(LeaseCause::Blocked), doubt: None }.into(),
        JobParked { job: job(), ended: ended(LeaseCause::Expired) }.into(),
        JobFailed { job: job(), submission: submission(), ended: ended(LeaseCause::Failed) }.into(),
        JobQuarantined { job: job(), ended: ended(LeaseCause::Crashed) }.into(),
        JobCanceled { job: job(), by: CancelCause::Principal, ended: None }.into(),
        JobsCanceled { jobs: vec![CanceledJob { job: job(), ended: Some(ended(LeaseCause::RunEnded)) }] }
            .into(),
        JobSkipped { job: job(), cause: SkipCause::Rejected, ended: Some(ended(LeaseCause::Submitted)) }
            .into(),
        JobsReopened {
            cause: ReopenCause::Revision { review: crate::drive::job("r"), iteration: 1, with: Vec::new() },
            target: job(),
            jobs: vec![Reopened {
                job: job(),
                attempt: 2,
                submission: submission(),
                ended: Some(ended(LeaseCause::Reopened)),
            }],
            reset: vec![crate::drive::job("b")],
        }
        .into(),
    ]
}

fn of_people() -> Vec<Event> {
    vec![
        DecisionRecorded {
            decision: 1,
            job: job("r"),
            attempt: 1,
            ruling: Ruling::Accept,
            rationale: blob("because"),
            by: text("ada"),
        }
        .into(),
        EscalationRaised {
            escalation: 1,
            topic: EscalationTopic::NeedsOperator,
            job: Some(job("a")),
            reason: None,
            epoch: None,
        }
        .into(),
        EscalationNotified { escalation: 1 }.into(),
        TreeClosed { job: job("a"), epoch: 2, kept: Some(commit(4)) }.into(),
    ]
}

fn deviations() -> Vec<Deviation> {
    vec![Deviation { job: job("a"), path: text("out/a.md"), judged: digest(), delivered: None }]
}

fn of_the_second_round() -> Vec<Event> {
    vec![
        DeliveryWithheld { commit: commit(5), deviations: deviations() }.into(),
        RunCompromised { rationale: blob("because"), by: text("ada") }.into(),
        QuestionAsked {
            question: 1,
            job: job("a"),
            attempt: 1,
            text: blob("question"),
            resume: Some(text("conversation")),
            ended: ended(LeaseCause::Asked),
            of: None,
        }
        .into(),
        QuestionAnswered {
            question: 1,
            job: job("a"),
            text: blob("answer"),
            by: text("ada"),
            session: None,
            usage: None,
        }
        .into(),
        EscalationResolved {
            escalation: 1,
            ruling: Ruling::Accept,
            rationale: Some(blob("because")),
            by: text("ada"),
        }
        .into(),
    ]
}

/// Events with fields that their kind did not have from the beginning.
pub(super) fn with_later_fields() -> Vec<Event> {
    let usage = Some(Usage { wall_ms: 1, input_tokens: None, output_tokens: None, turns: Some(3) });
    let same_family = IdentityDoubt::SameFamily {
        job: job("a"),
        author: text("claude-a"),
        reviewer: text("claude-b"),
        family: text("anthropic"),
    };
    let mut verdict = of_grants().pop();
    if let Some(Event::VerdictRecorded(verdict)) = &mut verdict {
        verdict.family = Some(text("anthropic"));
        verdict.same_model = vec![
            SameModel { job: job("a"), leave: Leave::Workflow },
            SameModel { job: job("b"), leave: Leave::Decision(2) },
        ];
    }
    let blocked = |doubt| JobBlocked { job: job("r"), ended: ended(LeaseCause::Blocked), doubt: Some(doubt) };
    vec![
        RunResumed { more_budget: true }.into(),
        verdict.unwrap(),
        blocked(same_family).into(),
        blocked(IdentityDoubt::Unreported { job: job("r") }).into(),
        blocked(IdentityDoubt::Unattested { reported: None, declared: Some(text("claude")) }).into(),
        JobCanceled {
            job: job("r"),
            by: CancelCause::Quorum,
            ended: Some(LeaseEnd { usage, ..ended(LeaseCause::Quorum) }),
        }
        .into(),
        JobsReopened {
            cause: ReopenCause::Revision { review: job("r"), iteration: 1, with: vec![job("s")] },
            target: job("a"),
            jobs: Vec::new(),
            reset: Vec::new(),
        }
        .into(),
        EscalationRaised {
            escalation: 2,
            topic: EscalationTopic::Raised,
            job: None,
            reason: reason(),
            epoch: None,
        }
        .into(),
    ]
}

/// The events of interrogation, and of who was told.
fn of_the_third_round() -> Vec<Event> {
    let usage = Some(Usage { wall_ms: 900, input_tokens: Some(5), output_tokens: Some(6), turns: Some(1) });
    vec![
        QuestionReferred { question: 1, job: job("a"), reason: reason(), usage }.into(),
        QuestionNotified { question: 1, job: job("a") }.into(),
    ]
}

/// Events with the field that says that a session begins.
pub(super) fn of_beginning() -> Vec<Event> {
    vec![
        JobClaimed {
            job: job("a"),
            attempt: 1,
            epoch: 1,
            session: session(1),
            mode: DeliveryMode::Push,
            lease_seconds: 60,
            packet: digest(),
            isolation: Isolation::uniform(Level::Advisory),
            granted_at: NOW,
            begins: Some(SessionStart { ordinal: 1, owner: owner() }),
        }
        .into(),
    ]
}

/// A principal ends a job that is held.
pub(super) fn of_canceling() -> Vec<Event> {
    let ended = Some(ended(LeaseCause::Canceled));
    vec![JobCanceled { job: job("a"), by: CancelCause::Principal, ended }.into()]
}

/// Events with the fields that came with interrogation, and with leave that is asked for.
pub(super) fn of_asking() -> Vec<Event> {
    let usage = Some(Usage { wall_ms: 900, input_tokens: None, output_tokens: None, turns: Some(2) });
    vec![
        QuestionAsked {
            question: 2,
            job: job("b"),
            attempt: 1,
            text: blob("question"),
            resume: None,
            ended: ended(LeaseCause::Asked),
            of: Some(Addressee { job: job("a"), session: Some(session(1)) }),
        }
        .into(),
        QuestionAnswered {
            question: 2,
            job: job("b"),
            text: blob("answer"),
            by: text("orchestrator (service)"),
            session: Some(session(1)),
            usage,
        }
        .into(),
        EscalationRaised {
            escalation: 2,
            topic: EscalationTopic::Leave,
            job: Some(job("a")),
            reason: reason(),
            epoch: Some(2),
        }
        .into(),
    ]
}

pub(super) fn one_of_each() -> Vec<Event> {
    [of_runs(), of_grants(), of_ends(), of_people(), of_the_second_round(), of_the_third_round()].concat()
}
