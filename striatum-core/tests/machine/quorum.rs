//! Votes: so many of the reviews before a job must accept.

use serde_json::json;
use striatum_core::run::{
    Actor, CancelCause, Checkpoint, Intent, JobStatus, LeaseCause, Packet, Resolution, Ruling, RunStatus,
    Verdict,
};

use crate::{
    document::Document,
    drive::{Drive, go_on, job},
};

const REVISE: Verdict = Verdict::NeedsRevision;

/// `a`, judged by `r`, `s` and `t`, of which two must accept before `z`; each may send back once.
fn panel(quorum: serde_json::Value) -> Document {
    let mut jobs = Document::v2().job("a", "draft").job("z", "build").with("quorum", quorum);
    for id in ["r", "s", "t"] {
        jobs = jobs.job(id, "review").edge("a", id).edge(id, "z").cycle(id, "a", 1);
    }
    jobs
}

fn begun(jobs: &Document) -> Drive {
    let mut run = Drive::started(jobs);
    run.complete(&["a"]);
    run
}

#[test]
fn enough_acceptances_open_the_gate_and_release_whoever_is_still_at_it() {
    let mut run = begun(&panel(json!({"k": 2})));
    let late = run.claim("t");
    run.complete(&["r", "s"]);
    assert_eq!(run.show(), "a completed, z ready, r completed, s completed, t canceled");
    assert!(!run.state.is_live(&late));
    assert_eq!(run.job("t").canceled, Some(CancelCause::Quorum));
    run.complete(&["z"]);
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_dissent_that_is_outvoted_sends_nothing_back() {
    let mut run = begun(&panel(json!({"k": 2})));
    run.review("r", REVISE);
    assert_eq!(run.show(), "a completed, z pending, r completed, s ready, t ready");
    run.complete(&["s", "t"]);
    assert_eq!(run.show(), "a completed, z ready, r completed, s completed, t completed");
    run.complete(&["z"]);
    assert_eq!((run.status(), run.job("a").attempt), (RunStatus::Completed, 1));
}

#[test]
fn leave_to_answer_one_of_those_who_ask_together_is_no_leave_to_answer_them_all() {
    let mut jobs = Document::v2().job("a", "draft").job("z", "build").with("quorum", json!({"k": 2}));
    jobs = jobs.job("r", "review").job("s", "review").cycle("r", "a", 1);
    for id in ["r", "s"] {
        jobs = jobs.edge("a", id).edge(id, "z");
    }
    let mut run = begun(&jobs.top("ai_operator_may", json!(["revisions_exhausted"])));
    run.review("r", REVISE);
    run.complete(&["a"]);
    run.review("r", REVISE);
    run.review("s", REVISE);
    let asked = ["r", "s"].map(|id| run.job(id).checkpoint.unwrap());
    assert_eq!(asked, [Checkpoint::RevisionsExhausted, Checkpoint::NoWayBack]);
    let resolve = |resolution| Intent::Resolve { job: job("r"), resolution };
    let operator = || Actor::AiOperator("op".to_owned());
    for resolution in [go_on(), Resolution::Cancel] {
        assert_eq!(run.refused(operator(), resolve(resolution)), "principal_required");
    }
    run.must(resolve(go_on()));
    // Whoever works on it again is told of both, though only one has a way back.
    let fence = run.claim("a");
    let told = Packet::of(&run.state, &fence).unwrap().revision;
    let told: Vec<_> = told.iter().map(|it| (it.review.as_str(), it.attempt, it.verdict)).collect();
    assert_eq!(told, [("r", 2, REVISE), ("s", 1, REVISE)]);
}

#[test]
fn a_vote_that_can_no_longer_be_met_sends_back_without_waiting() {
    let mut run = begun(&panel(json!({"k": 2})));
    run.review("r", REVISE);
    run.review("s", REVISE);
    assert_eq!(run.show(), "a ready, z pending, r pending, s pending, t pending");
    // The third was ready, and nobody had begun it.
    run.expect("t", JobStatus::Pending, 1);
}

#[test]
fn a_veto_counts_more_than_enough_acceptances_and_is_waited_for() {
    let jobs = || {
        let mut jobs = Document::v2().job("a", "draft").job("z", "build");
        jobs = jobs.with("quorum", json!({"k": 1, "veto_roles": ["guard"]}));
        jobs = jobs.job("r", "review").edge("a", "r").edge("r", "z");
        jobs = jobs.job("g", "review").with("role_id", "guard").edge("a", "g").edge("g", "z");
        begun(&jobs.cycle("g", "a", 1))
    };
    let mut run = jobs();
    run.complete(&["r"]);
    assert_eq!(run.show(), "a completed, z pending, r completed, g ready");
    run.review("g", REVISE);
    assert_eq!(run.show(), "a ready, z pending, r pending, g pending");

    let mut run = jobs();
    run.complete(&["r", "g"]);
    assert_eq!(run.show(), "a completed, z ready, r completed, g completed");
}

#[test]
fn a_veto_closes_the_vote_while_others_are_at_it() {
    let jobs = panel(json!({"k": 2, "veto_roles": ["guard"]}));
    let jobs =
        jobs.job("g", "review").with("role_id", "guard").edge("a", "g").edge("g", "z").cycle("g", "a", 1);
    let mut run = begun(&jobs);
    let late = run.claim("r");
    run.review("g", REVISE);
    assert!(!run.state.is_live(&late));
    assert_eq!(run.show(), "a ready, z pending, r pending, s pending, t pending, g pending");
}

#[test]
fn seats_that_are_lost_can_make_the_vote_fail_and_what_waits_is_skipped() {
    let jobs = panel(json!({"k": 2})).tolerate(0, 3);
    let mut run = begun(&jobs);
    run.lose("r");
    assert_eq!(run.show(), "a completed, z pending, r quarantined, s ready, t ready");
    run.lose("s");
    assert_eq!(run.show(), "a completed, z skipped, r quarantined, s quarantined, t ready");
    run.complete(&["t"]);
    assert_eq!(run.status(), RunStatus::NeedsOperator);
}

#[test]
fn a_rejection_that_ends_a_branch_leaves_a_vote_that_can_be_met_without_it() {
    let mut jobs = Document::v2().job("a", "draft").job("z", "build").with("quorum", json!({"k": 2}));
    for id in ["r", "s", "t"] {
        jobs = jobs.job(id, "review").with("on_reject", "skip_branch").edge("a", id).edge(id, "z");
    }
    let mut run = begun(&jobs);
    run.review("r", Verdict::Reject);
    assert_eq!(run.show(), "a completed, z pending, r skipped, s ready, t ready");
    run.complete(&["s", "t", "z"]);
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn those_who_lose_a_vote_without_a_way_back_ask_together() {
    let mut jobs = Document::v2().job("a", "draft").job("z", "build").with("quorum", json!({"k": 2}));
    for id in ["r", "s", "t"] {
        jobs = jobs.job(id, "review").edge("a", id).edge(id, "z");
    }
    let lost = || {
        let mut run = begun(&jobs);
        run.review("r", REVISE);
        run.review("s", REVISE);
        assert_eq!(run.show(), "a completed, z pending, r waiting_human, s waiting_human, t ready");
        assert_eq!(run.job("r").checkpoint, Some(Checkpoint::NoWayBack));
        run
    };
    let mut run = lost();
    let decision = run.rule("s", Ruling::Accept);
    run.resolve("s", Resolution::Override { decision });
    assert_eq!(run.show(), "a completed, z ready, r completed, s completed, t canceled");
    let mut run = lost();
    run.resolve("r", go_on());
    assert_eq!(run.show(), "a completed, z pending, r ready, s ready, t ready");
    run.expect("s", JobStatus::Ready, 2);
}

#[test]
fn a_seat_that_something_else_needs_is_not_released() {
    // `t` is wanted by `y` too, and `s` gives a posture that is required.
    let mut jobs = Document::v2().job("a", "build").with("required_review_postures", json!(["security"]));
    jobs = jobs.job("z", "build").with("quorum", json!({"k": 1})).job("y", "test");
    jobs = jobs.job("r", "review").job("s", "review").with("review_posture", "security").job("t", "review");
    for id in ["r", "s", "t"] {
        jobs = jobs.edge("a", id).edge(id, "z");
    }
    let mut run = begun(&jobs.edge("t", "y"));
    run.complete(&["r"]);
    assert_eq!(run.show(), "a completed, z ready, y pending, r completed, s ready, t ready");
    run.complete(&["z", "t", "y", "s"]);
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn an_exit_is_not_released() {
    // What only an advisor waits for is an exit.
    let mut jobs = Document::v2().job("a", "draft").job("v", "review").with("panel_role", "advisory");
    jobs = jobs.with("quorum", json!({"k": 1})).job("r", "review").job("s", "review");
    let mut run = begun(&jobs.edge("a", "r").edge("a", "s").edge("r", "v").edge("s", "v"));
    run.complete(&["r"]);
    assert_eq!(run.show(), "a completed, v ready, r completed, s ready");
    run.complete(&["v", "s"]);
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_run_without_a_posture_that_is_required_has_failed() {
    let jobs = || {
        let jobs = Document::v2().job("a", "build").with("required_review_postures", json!(["security"]));
        let jobs = jobs.job("z", "build").with("quorum", json!({"k": 1}));
        let jobs = jobs.job("r", "review").job("s", "review").with("review_posture", "security");
        begun(&jobs.edge("a", "r").edge("a", "s").edge("r", "z").edge("s", "z"))
    };
    let mut run = jobs();
    run.complete(&["r"]);
    run.review("s", REVISE);
    run.complete(&["z"]);
    assert_eq!(run.show(), "a completed, z completed, r completed, s completed");
    assert_eq!(run.status(), RunStatus::Failed);
    let mut run = jobs();
    run.complete(&["r", "s", "z"]);
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn the_lease_of_a_released_seat_ends_for_that_reason() {
    let mut run = begun(&panel(json!({"k": 1})));
    run.claim("s");
    let fence = run.claim("r");
    let submit =
        run.submit(&fence, striatum_core::run::Outcome::Verdict { verdict: Verdict::Accept, findings: None });
    let events = run.try_to(Intent::Submit(submit)).unwrap();
    let ends = events.iter().filter_map(|event| match event {
        striatum_core::run::Event::JobCanceled(canceled) => {
            Some((canceled.job.as_str(), canceled.ended.as_ref().map(|end| end.cause)))
        }
        _ => None,
    });
    assert_eq!(ends.collect::<Vec<_>>(), [("s", Some(LeaseCause::Quorum)), ("t", None)]);
}
