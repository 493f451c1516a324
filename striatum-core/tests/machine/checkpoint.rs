//! What people are asked, and what they may answer.

use striatum_core::run::{
    Actor, Checkpoint, Ground, Intent, Iterations, JobStatus, LeaseReport, Resolution, Ruling, RunStatus,
    Severity, Verdict,
};

use crate::{
    document::{Document, checkpoint, judged, revised, single},
    drive::{Drive, ada, blob, bot, go_on, job, session},
};

/// A run whose checkpoint `h` waits.
fn asked() -> Drive {
    let mut run = Drive::started(&checkpoint());
    run.complete(&["a"]);
    run
}

/// A run whose review `r` has spent its two rounds and wants a third.
fn exhausted() -> Drive {
    let mut run = Drive::started(&revised());
    for _ in 0..3 {
        run.complete(&["a"]);
        run.review("r", Verdict::NeedsRevision);
    }
    assert_eq!(run.job("r").checkpoint, Some(Checkpoint::RevisionsExhausted));
    run
}

fn resolve(id: &str, resolution: Resolution) -> Intent {
    Intent::Resolve { job: job(id), resolution }
}

fn agents() -> [Actor; 3] {
    [Actor::AiOperator("op".to_owned()), bot(), Actor::Session(session(1))]
}

#[test]
fn a_checkpoint_is_passed_with_its_artifacts_published_in_the_principals_name() {
    let mut run = asked();
    assert_eq!(run.refused(ada(), resolve("h", go_on())), "artifacts_missing");
    let artifacts = run.artifacts("h");
    let kinds = run.resolve("h", Resolution::Continue { artifacts });
    assert_eq!(kinds, ["artifact.published", "job.completed", "job.ready"]);
    assert_eq!(run.job("h").ground, Some(Ground::Continued));
    assert_eq!(run.job("h").live_artifacts().map(|it| it.author.as_str()).collect::<Vec<_>>(), ["ada"]);
    run.complete(&["z"]);
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_checkpoint_is_overridden_only_under_an_accepting_decision_of_its_present_attempt() {
    let mut run = asked();
    let override_by = |decision| resolve("h", Resolution::Override { decision });
    for never in [0, 1] {
        assert_eq!(run.refused(ada(), override_by(never)), "decision_required");
    }
    let other = run.rule("a", Ruling::Accept);
    let reject = run.rule("h", Ruling::Reject);
    for decision in [other, reject] {
        assert_eq!(run.refused(ada(), override_by(decision)), "decision_required");
    }
    let earlier = run.rule("h", Ruling::Accept);
    run.resolve("h", Resolution::Cancel);
    assert_eq!(
        (run.status(), run.show().as_str()),
        (RunStatus::Failed, "a completed, h canceled, z skipped")
    );
    run.must(Intent::Retry { job: job("h") });
    run.expect("h", JobStatus::WaitingHuman, 2);
    assert_eq!(run.refused(ada(), override_by(earlier)), "decision_required");
    let decision = run.rule("h", Ruling::Accept);
    run.resolve("h", Resolution::Override { decision });
    assert_eq!(run.job("h").ground, Some(Ground::Decision(decision)));
    run.expect("z", JobStatus::Ready, 2);
}

#[test]
fn an_exhausted_review_gets_exactly_one_more_round_by_continue() {
    let mut run = exhausted();
    assert_eq!(run.resolve("r", go_on()), ["jobs.reopened", "job.ready"]);
    assert_eq!(run.state.iterations(&job("a")), Iterations { taken: 3, granted: 1 });
    run.expect("a", JobStatus::Ready, 4);
    run.complete(&["a"]);
    run.review("r", Verdict::NeedsRevision);
    run.expect("r", JobStatus::WaitingHuman, 4);
    assert_eq!(run.job("r").checkpoint, Some(Checkpoint::RevisionsExhausted));
    run.resolve("r", go_on());
    run.complete(&["a", "r", "z"]);
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn an_exhausted_review_is_overridden_or_cancelled() {
    let mut run = exhausted();
    let decision = run.rule("r", Ruling::Accept);
    assert_eq!(run.resolve("r", Resolution::Override { decision }), ["job.completed", "job.ready"]);
    run.complete(&["z"]);
    assert_eq!(run.status(), RunStatus::Completed);

    let mut run = exhausted();
    assert_eq!(run.resolve("r", Resolution::Cancel), ["job.canceled", "job.skipped", "run.ended"]);
    assert_eq!(
        (run.status(), run.show().as_str()),
        (RunStatus::Failed, "z skipped, a completed, r canceled")
    );
}

#[test]
fn a_review_without_a_way_back_judges_again_by_continue() {
    let mut run = Drive::started(&judged());
    run.complete(&["a"]);
    run.review("r", Verdict::NeedsRevision);
    run.resolve("r", go_on());
    run.expect("r", JobStatus::Ready, 2);
    run.expect("a", JobStatus::Completed, 1);
}

#[test]
fn a_rejection_that_asks_a_person_goes_back_by_continue_if_there_is_a_way() {
    let jobs = Document::new().job("a", "draft").job("r", "review").with("on_reject", "checkpoint");
    let mut run = Drive::started(&jobs.edge("a", "r").cycle("r", "a", 1));
    run.complete(&["a"]);
    run.review("r", Verdict::Reject);
    run.resolve("r", go_on());
    run.expect("a", JobStatus::Ready, 2);
    assert_eq!(run.state.iterations(&job("a")), Iterations { taken: 1, granted: 1 });
}

#[test]
fn only_a_person_rules_and_answers_what_a_person_is_asked() {
    let mut run = asked();
    for actor in agents() {
        let decide = Intent::Decide { job: job("h"), ruling: Ruling::Accept, rationale: blob("because") };
        assert_eq!(run.refused(actor.clone(), decide), "principal_required", "{actor}");
        for resolution in [go_on(), Resolution::Cancel, Resolution::Override { decision: 1 }] {
            assert_eq!(run.refused(actor.clone(), resolve("h", resolution)), "principal_required", "{actor}");
        }
    }
}

#[test]
fn whoever_operates_the_run_lets_a_blocked_job_go_on_and_a_session_does_not() {
    for actor in agents() {
        let mut run = Drive::started(&single());
        let report = LeaseReport::new(run.claim("a"));
        run.must(Intent::Block { report, severity: Severity::Operator });
        if actor.is_principal() {
            run.give(actor, resolve("a", Resolution::Resume)).unwrap();
            run.expect("a", JobStatus::Ready, 1);
        } else {
            assert_eq!(run.refused(actor, resolve("a", Resolution::Resume)), "principal_required");
        }
    }
}

#[test]
fn what_is_not_waited_for_is_no_answer() {
    let mut run = asked();
    assert_eq!(run.refused(ada(), resolve("h", Resolution::Resume)), "resolution_impossible");
    assert_eq!(run.refused(ada(), resolve("a", Resolution::Cancel)), "job_status");
    assert_eq!(run.refused(ada(), resolve("nobody", Resolution::Cancel)), "job_unknown");

    let mut run = exhausted();
    assert_eq!(run.refused(ada(), resolve("r", Resolution::Resume)), "resolution_impossible");
    let artifacts = run.artifacts("r");
    let publish = Resolution::Continue { artifacts };
    assert_eq!(run.refused(ada(), resolve("r", publish.clone())), "resolution_impossible");

    let mut run = Drive::started(&judged());
    let report = LeaseReport::new(run.claim("a"));
    run.must(Intent::Block { report, severity: Severity::Operator });
    let decision = run.rule("a", Ruling::Accept);
    let overrule = Resolution::Override { decision };
    assert_eq!(run.refused(ada(), resolve("a", overrule.clone())), "resolution_impossible");
    let artifacts = run.artifacts("a");
    let publish = Resolution::Continue { artifacts };
    assert_eq!(run.refused(ada(), resolve("a", publish)), "resolution_impossible", "nobody would publish it");

    run.resolve("a", Resolution::Resume);
    let report = LeaseReport::new(run.claim("a"));
    run.must(Intent::Block { report, severity: Severity::HumanCheckpoint });
    assert_eq!(run.refused(ada(), resolve("a", overrule)), "resolution_impossible");
}

#[test]
fn a_session_of_the_run_does_not_steer_it() {
    let mut run = Drive::empty(&single());
    run.must(Intent::Prepare);
    let branch = Intent::ConfirmBranch { branch: "b".to_owned(), at: None };
    let by = || Actor::Session(session(1));
    assert_eq!(run.refused(by(), branch.clone()), "principal_required");
    run.must(branch);
    assert_eq!(run.refused(by(), Intent::Start), "principal_required");
    run.must(Intent::Start);
    for intent in [Intent::Pause, Intent::Resume, Intent::Cancel { reason: None }] {
        assert_eq!(run.refused(by(), intent), "principal_required");
    }
}
