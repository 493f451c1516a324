//! A grant that is over, or was another's, moves nothing; and who may be granted what.

use striatum_core::{
    id::Fence,
    run::{DeliveryMode, Intent, JobStatus, LeaseReport, Outcome, RunStatus, Severity, Verdict},
    transport::AgentIdentity,
};

use crate::{
    document::{Document, diamond, pair, revised},
    drive::{Drive, bot, claim, job, session},
};

/// Every intent that speaks for a grant.
fn fenced(run: &Drive, fence: &Fence) -> Vec<Intent> {
    let fence = || fence.clone();
    let report = || LeaseReport::new(fence());
    let verdict = Outcome::Verdict { verdict: Verdict::Accept, findings: None };
    let mut submissions = vec![Intent::Publish { fence: fence(), artifacts: Vec::new() }];
    if run.state.job(&fence().job).is_some() {
        submissions.push(Intent::Submit(run.submit(&fence(), Outcome::Done)));
        submissions.push(Intent::Submit(run.submit(&fence(), verdict)));
    }
    let mut intents = vec![
        Intent::Acknowledge { fence: fence(), agent: AgentIdentity::default() },
        Intent::Identify { fence: fence(), agent: AgentIdentity::default() },
        Intent::Release(report()),
        Intent::Expire { fence: fence() },
        Intent::Crash(report()),
        Intent::Fail(report()),
        Intent::Block { report: report(), severity: Severity::Operator },
        Intent::Block { report: report(), severity: Severity::HumanCheckpoint },
    ];
    intents.append(&mut submissions);
    intents
}

/// Two jobs are held: `b`, for the second time, and `c`.
fn at_work() -> (Drive, Fence, Fence) {
    let mut run = Drive::started(&diamond());
    run.complete(&["a"]);
    run.lose("b");
    let (b, c) = (run.claim("b"), run.claim("c"));
    (run, b, c)
}

#[test]
fn no_verb_is_done_under_a_fence_that_is_not_live() {
    let (run, b, c) = at_work();
    let mut ended = run.clone();
    ended.must(Intent::Release(LeaseReport::new(b.clone())));
    let mut canceled = run.clone();
    canceled.must(Intent::Cancel { reason: None });
    let stale = [
        ("an earlier epoch", &run, Fence { epoch: b.epoch - 1, ..b.clone() }),
        ("a later epoch", &run, Fence { epoch: b.epoch + 1, ..b.clone() }),
        ("the session of another job", &run, Fence { session: c.session, ..b.clone() }),
        ("a session of nobody", &run, Fence { session: session(999), ..b.clone() }),
        ("another job that is held", &run, Fence { job: job("c"), ..b.clone() }),
        ("another job that is over", &run, Fence { job: job("a"), ..b.clone() }),
        ("another run", &run, Fence { run: striatum_core::id::RunId::from_bytes([1; 16]), ..b.clone() }),
        ("a lease that ended", &ended, b.clone()),
        ("a run that ended", &canceled, b.clone()),
    ];
    for (sentence, run, fence) in stale {
        for intent in fenced(run, &fence) {
            let name = intent.name();
            assert_eq!(run.clone().refused(bot(), intent), "stale_fence", "{name} under {sentence}");
        }
    }
    let nowhere = Fence { job: job("nowhere"), ..b };
    for intent in fenced(&run, &nowhere) {
        assert_eq!(run.clone().refused(bot(), intent), "job_unknown");
    }
}

#[test]
fn every_verb_is_done_under_the_live_fence() {
    let (run, b, _) = at_work();
    for intent in fenced(&run, &b) {
        let name = intent.name();
        match run.clone().give(bot(), intent) {
            Ok(_) => {}
            Err(refused) => assert_eq!(refused.code(), "wrong_outcome", "{name}"),
        }
    }
}

#[test]
fn a_job_that_is_only_claimed_is_not_worked_on() {
    let mut run = Drive::started(&pair());
    let by = run.fresh();
    let fence = run.claim_by("a", by, DeliveryMode::Pull).unwrap();
    for intent in fenced(&run, &fence) {
        let name = intent.name();
        let expected = match &intent {
            Intent::Acknowledge { .. } | Intent::Release(_) | Intent::Expire { .. } | Intent::Crash(_) => {
                None
            }
            Intent::Block { severity: Severity::Operator, .. } => None,
            _ => Some("job_status"),
        };
        assert_eq!(run.clone().give(bot(), intent).err().map(|refused| refused.code()), expected, "{name}");
    }
}

#[test]
fn a_second_claim_and_a_claim_of_what_is_not_ready_are_refused() {
    let (mut run, ..) = at_work();
    for id in ["a", "b", "d"] {
        let by = run.fresh();
        assert_eq!(run.claim_by(id, by, DeliveryMode::Push).unwrap_err().code(), "job_status", "{id}");
    }
    let unknown = Intent::Claim(claim("nowhere", session(99), DeliveryMode::Push));
    assert_eq!(run.refused(bot(), unknown), "job_unknown");
    let mut unstarted = Drive::ready(&pair());
    let early = Intent::Claim(claim("a", session(99), DeliveryMode::Push));
    assert_eq!(unstarted.refused(bot(), early.clone()), "run_status");
    assert_eq!(Drive::empty(&pair()).refused(bot(), early), "run_not_prepared");
}

#[test]
fn as_many_jobs_are_held_as_the_workflow_allows() {
    let mut run = Drive::started(&diamond().at_once(1));
    run.complete(&["a"]);
    let held = run.claim("b");
    assert_eq!(run.state.room(), 0);
    let by = run.fresh();
    assert_eq!(run.claim_by("c", by, DeliveryMode::Pull).unwrap_err().code(), "no_room");
    run.done(&held);
    run.claim("c");
}

#[test]
fn a_session_holds_one_job_at_a_time_in_its_own_role() {
    let jobs = Document::new().job("a", "build").job("b", "build").job("t", "test");
    let mut run = Drive::started(&jobs);
    let fence = run.claim("a");
    let again = |run: &mut Drive, id: &str| run.claim_by(id, fence.session, DeliveryMode::Push);
    assert_eq!(again(&mut run, "b").unwrap_err().code(), "session_busy");
    assert_eq!(again(&mut run, "t").unwrap_err().code(), "session_mismatch");
    run.done(&fence);
    assert_eq!(again(&mut run, "t").unwrap_err().code(), "session_mismatch");
    let sessions = |run: &Drive| run.state.session(&fence.session).map(|session| session.ordinal);
    assert_eq!(sessions(&run), Some(1));
    again(&mut run, "b").unwrap();
    run.claim("t");
    assert_eq!(sessions(&run), Some(1));
    assert_eq!(run.state.session(&run.state.fence(&job("t")).unwrap().session).unwrap().ordinal, 2);
}

#[test]
fn a_job_that_wants_a_fresh_session_gets_one() {
    let jobs = Document::new().job("a", "build").job("b", "build").with("fresh_session_required", true);
    let mut run = Drive::started(&jobs);
    let fence = run.claim("a");
    run.done(&fence);
    assert_eq!(run.claim_by("b", fence.session, DeliveryMode::Push).unwrap_err().code(), "session_not_fresh");
    let fence = run.claim("b");
    run.must(Intent::Release(LeaseReport::new(fence.clone())));
    assert_eq!(run.claim_by("b", fence.session, DeliveryMode::Push).unwrap_err().code(), "session_not_fresh");
    run.claim("b");
}

/// `r1`, then two jobs, then `r2`, of one role: who did the first review may not do the second.
#[test]
fn a_session_judges_nothing_that_it_took_part_in_however_far_upstream() {
    let jobs = Document::new().job("a", "draft").job("r1", "review").job("b", "build").job("c", "test");
    let jobs = jobs.job("r2", "review").job("beside", "review").edge("a", "beside");
    let mut run = Drive::started(&jobs.edge("a", "r1").edge("r1", "b").edge("b", "c").edge("c", "r2"));
    run.complete(&["a"]);
    let first = run.claim("r1");
    run.judge(&first, Verdict::Accept);
    run.complete(&["b", "c"]);
    let refused = run.claim_by("r2", first.session, DeliveryMode::Push).unwrap_err();
    assert_eq!(refused.code(), "not_independent");
    assert_eq!(refused.to_string(), "the session took part in r1, which job r2 judges");
    run.claim_by("beside", first.session, DeliveryMode::Push).unwrap();
    run.claim("r2");
}

#[test]
fn a_reviewer_may_judge_the_next_round_too_and_one_who_gave_up_the_work_may_not_judge_it() {
    let mut run = Drive::started(&revised());
    run.complete(&["a"]);
    let reviewer = run.claim("r");
    run.judge(&reviewer, Verdict::NeedsRevision);
    run.complete(&["a"]);
    run.claim_by("r", reviewer.session, DeliveryMode::Push).unwrap();

    let jobs = Document::new().job("r1", "review").job("r2", "review").job("a", "draft");
    let mut run = Drive::started(&jobs.edge("a", "r1").edge("r1", "r2"));
    run.complete(&["a"]);
    let gave_up = run.claim("r1");
    run.must(Intent::Release(LeaseReport::new(gave_up.clone())));
    run.complete(&["r1"]);
    let refused = run.claim_by("r2", gave_up.session, DeliveryMode::Push).unwrap_err();
    assert_eq!(refused.code(), "not_independent");
}

#[test]
fn what_is_named_as_input_is_judged_and_its_upstream_with_it() {
    let jobs = Document::new().job("r1", "review").job("a", "draft").job("b", "build").job("r2", "review");
    let jobs = jobs.with("inputs", vec!["b"]).edge("a", "r1").edge("a", "b").edge("b", "r2").edge("r1", "r2");
    let mut run = Drive::started(&jobs);
    run.complete(&["a", "b"]);
    let first = run.claim("r1");
    run.judge(&first, Verdict::Accept);
    run.claim_by("r2", first.session, DeliveryMode::Push).unwrap();
    run.expect("r2", JobStatus::Running, 1);
    assert_eq!(run.status(), RunStatus::Running);
}
