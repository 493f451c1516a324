//! Reviews that are heard together.

use striatum_core::run::{
    Checkpoint, Event, Intent, Iterations, JobStatus, LeaseReport, Outcome, Packet, PacketFinding,
    ReopenCause, Resolution, Ruling, RunStatus, Verdict,
};

use crate::{
    document::Document,
    drive::{Drive, ada, blob, go_on, job},
};

const REVISE: Verdict = Verdict::NeedsRevision;

/// `a`, which the reviews judge and may send back so often, before `z`.
fn judged_by(reviews: &[(&str, u32)]) -> Document {
    let mut jobs = Document::new().job("a", "draft").job("z", "build");
    for (id, _) in reviews {
        jobs = jobs.job(id, "review").edge("a", id).edge(id, "z");
    }
    reviews.iter().fold(jobs, |jobs, (id, most)| jobs.cycle(id, "a", *most))
}

fn begun(jobs: &Document) -> Drive {
    let mut run = Drive::started(jobs);
    run.complete(&["a"]);
    run
}

fn taken(run: &Drive, target: &str) -> u32 {
    run.state.iterations(&job(target)).taken
}

#[test]
fn a_dissent_waits_until_everybody_has_spoken_and_then_counts_once() {
    let mut run = begun(&judged_by(&[("r", 2), ("s", 2), ("t", 2)]));
    run.review("r", REVISE);
    assert_eq!(run.show(), "a completed, z pending, r completed, s ready, t ready");
    run.review("s", Verdict::Accept);
    assert_eq!(run.show(), "a completed, z pending, r completed, s completed, t ready");
    run.review("t", REVISE);
    assert_eq!(run.show(), "a ready, z pending, r pending, s pending, t pending");
    assert_eq!(run.state.iterations(&job("a")), Iterations { taken: 1, granted: 0 });
    run.expect("a", JobStatus::Ready, 2);
    run.expect("s", JobStatus::Pending, 2);
    run.expect("z", JobStatus::Pending, 1);
}

#[test]
fn the_work_is_told_what_all_who_dissented_found_and_the_event_names_them() {
    let mut run = begun(&judged_by(&[("r", 2), ("s", 2), ("t", 2)]));
    run.review("r", REVISE);
    run.review("s", Verdict::Accept);
    let fence = run.claim("t");
    let verdict = Outcome::Verdict { verdict: REVISE, findings: Some(blob("findings")) };
    let submit = run.submit(&fence, verdict);
    let events = run.try_to(Intent::Submit(submit)).unwrap();
    let causes = events.iter().filter_map(|event| match event {
        Event::JobsReopened(reopened) => Some(reopened.cause.clone()),
        _ => None,
    });
    let cause = ReopenCause::Revision { review: job("t"), iteration: 1, with: vec![job("r")] };
    assert_eq!(causes.collect::<Vec<_>>(), [cause]);

    let fence = run.claim("a");
    let told = Packet::of(&run.state, &fence).unwrap().revision;
    let told: Vec<_> =
        told.iter().map(|PacketFinding { review, attempt, .. }| (review.as_str(), *attempt)).collect();
    assert_eq!(told, [("r", 1), ("t", 1)]);
}

#[test]
fn nobody_is_asked_when_all_accept() {
    let mut run = begun(&judged_by(&[("r", 1), ("s", 1)]));
    run.complete(&["r", "s", "z"]);
    assert_eq!((run.status(), taken(&run, "a")), (RunStatus::Completed, 0));
}

#[test]
fn enough_dissents_end_the_waiting() {
    let jobs = judged_by(&[("r", 2), ("s", 2), ("t", 2)]).and("debounce_cohort", 2);
    let mut run = begun(&jobs);
    let open = run.claim("s");
    run.review("r", REVISE);
    assert_eq!(run.show(), "a completed, z pending, r completed, s running, t ready");
    // The way back of `t` says that two are enough.
    run.review("t", REVISE);
    assert_eq!(run.show(), "a ready, z pending, r pending, s pending, t pending");
    assert!(!run.state.is_live(&open));
    run.expect("s", JobStatus::Pending, 2);
}

#[test]
fn the_strictest_of_those_who_dissent_sets_the_limit() {
    let mut run = begun(&judged_by(&[("r", 1), ("s", 3)]));
    run.review("r", REVISE);
    run.review("s", REVISE);
    run.complete(&["a"]);
    run.review("r", Verdict::Accept);
    run.review("s", REVISE);
    assert_eq!((run.show().as_str(), taken(&run, "a")), ("a ready, z pending, r pending, s pending", 2));
    run.complete(&["a"]);
    run.review("s", REVISE);
    run.review("r", REVISE);
    assert_eq!(run.show(), "a completed, z pending, r waiting_human, s waiting_human");
    for id in ["r", "s"] {
        assert_eq!(run.job(id).checkpoint, Some(Checkpoint::RevisionsExhausted));
    }
}

/// Two reviews that want a third revision where two are allowed.
fn exhausted() -> Drive {
    let mut run = begun(&judged_by(&[("r", 1), ("s", 1)]));
    for _ in 0..2 {
        run.review("r", REVISE);
        run.review("s", REVISE);
        if run.job("a").status == JobStatus::Ready {
            run.complete(&["a"]);
        }
    }
    assert_eq!(run.show(), "a completed, z pending, r waiting_human, s waiting_human");
    run
}

#[test]
fn one_more_round_is_granted_once_for_all_who_ask() {
    let mut run = exhausted();
    run.resolve("s", go_on());
    assert_eq!(run.show(), "a ready, z pending, r pending, s pending");
    assert_eq!(run.state.iterations(&job("a")), Iterations { taken: 2, granted: 1 });
    run.complete(&["a", "r", "s", "z"]);
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn an_override_of_one_is_an_override_of_all_who_ask() {
    let mut run = exhausted();
    let decision = run.rule("r", Ruling::Accept);
    run.resolve("r", Resolution::Override { decision });
    assert_eq!(run.show(), "a completed, z ready, r completed, s completed");
    run.complete(&["z"]);
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_ruling_that_was_taken_back_overrides_nothing() {
    let mut run = exhausted();
    let decision = run.rule("r", Ruling::Accept);
    run.rule("r", Ruling::Reject);
    let resolve = Intent::Resolve { job: job("r"), resolution: Resolution::Override { decision } };
    assert_eq!(run.refused(ada(), resolve), "decision_required");
}

#[test]
fn who_ends_one_ends_all_who_ask() {
    let mut run = exhausted();
    run.resolve("r", Resolution::Cancel);
    assert_eq!(run.show(), "a completed, z skipped, r canceled, s canceled");
    assert_eq!(run.status(), RunStatus::Failed);
}

#[test]
fn who_has_ended_without_a_word_closes_the_cohort_unless_it_may_be_missing() {
    for (missing, show) in [
        (0, "a ready, z pending, r pending, s pending, t pending"),
        (1, "a completed, z skipped, r completed, s quarantined, t ready"),
    ] {
        let mut jobs =
            Document::new().job("a", "draft").with("max_gating_abstentions", missing).job("z", "build");
        for id in ["r", "s", "t"] {
            jobs = jobs.job(id, "review").edge("a", id).edge(id, "z").cycle(id, "a", 2);
        }
        let mut run = begun(&jobs.tolerate(0, 2));
        run.review("r", REVISE);
        run.lose("s");
        assert_eq!(run.show(), show, "{missing}");
        if missing == 1 {
            run.review("t", Verdict::Accept);
            run.expect("a", JobStatus::Ready, 2);
            run.expect("s", JobStatus::Pending, 2);
        }
    }
}

#[test]
fn a_gate_that_lets_somebody_be_missing_opens_without_them() {
    let gate = |missing| {
        let jobs =
            Document::new().job("a", "draft").job("z", "build").with("max_gating_abstentions", missing);
        let jobs = jobs.job("r", "review").job("s", "review").edge("a", "r").edge("a", "s");
        begun(&jobs.edge("r", "z").edge("s", "z").tolerate(0, 2))
    };
    let mut run = gate(1);
    run.lose("s");
    assert_eq!(run.show(), "a completed, z pending, r ready, s quarantined");
    run.complete(&["r", "z"]);
    assert_eq!(run.status(), RunStatus::Completed);
    let mut run = gate(0);
    run.lose("s");
    assert_eq!(run.show(), "a completed, z skipped, r ready, s quarantined");
}

#[test]
fn who_stands_behind_a_dissent_is_not_waited_for() {
    // `s` judges `a` too, and begins when `r` has accepted.
    let jobs = Document::new().job("a", "draft").job("r", "review").job("s", "review").job("z", "build");
    let jobs = jobs.edge("a", "r").edge("r", "s").edge("s", "z").cycle("r", "a", 1).cycle("s", "a", 1);
    let mut run = begun(&jobs);
    run.review("r", REVISE);
    assert_eq!(run.show(), "a ready, r pending, s pending, z pending");
}

#[test]
fn cohorts_that_wait_for_one_another_by_way_of_their_dissents_do_not_wait_for_ever() {
    // Each of `late_a` and `late_b` judges one draft, and stands behind a review of the other.
    let jobs = Document::new().job("a", "draft").job("b", "draft").job("r", "review").job("s", "review");
    let jobs = jobs.job("late_a", "review").job("late_b", "review");
    let jobs = jobs.edge("a", "r").edge("b", "s").edge("a", "late_a").edge("s", "late_a");
    let jobs = jobs.edge("b", "late_b").edge("r", "late_b");
    let jobs = jobs.cycle("r", "a", 1).cycle("s", "b", 1).cycle("late_a", "a", 1).cycle("late_b", "b", 1);
    let mut run = Drive::started(&jobs);
    run.complete(&["a", "b"]);
    run.review("r", REVISE);
    assert_eq!((run.job("a").status, run.job("r").status), (JobStatus::Completed, JobStatus::Completed));
    // `late_b` waits for the answer to `r`, so that of `s` does not wait for `late_b`.
    run.review("s", REVISE);
    assert_eq!(run.show(), "a completed, b ready, r completed, s pending, late_a pending, late_b pending");
    run.complete(&["b", "s", "late_a"]);
    assert_eq!(run.show(), "a ready, b completed, r pending, s completed, late_a pending, late_b pending");
}

#[test]
fn a_review_of_two_drafts_sends_both_back() {
    let jobs = Document::new().job("a", "draft").job("b", "draft").job("r", "review").job("z", "build");
    let jobs = jobs.edge("a", "r").edge("b", "r").edge("r", "z").cycle("r", "a", 1).cycle("r", "b", 2);
    let mut run = Drive::started(&jobs);
    run.complete(&["a", "b"]);
    run.review("r", REVISE);
    assert_eq!(run.show(), "a ready, b ready, r pending, z pending");
    run.expect("r", JobStatus::Pending, 2);
    run.complete(&["a", "b"]);
    run.review("r", REVISE);
    assert_eq!(run.show(), "a completed, b ready, r pending, z pending");
    assert_eq!((taken(&run, "a"), taken(&run, "b")), (1, 2));
    run.complete(&["b"]);
    run.review("r", REVISE);
    run.expect("r", JobStatus::WaitingHuman, 3);
    run.resolve("r", go_on());
    assert_eq!(run.show(), "a ready, b ready, r pending, z pending");
}

#[test]
fn a_target_behind_another_begins_anew_with_it_and_is_not_counted() {
    let jobs = Document::new().job("a", "draft").job("b", "build").job("r", "review");
    let jobs = jobs.edge("a", "b").edge("b", "r").cycle("r", "a", 2).cycle("r", "b", 2);
    let mut run = begun(&jobs);
    run.complete(&["b"]);
    run.review("r", REVISE);
    assert_eq!(run.show(), "a ready, b pending, r pending");
    assert_eq!((taken(&run, "a"), taken(&run, "b")), (1, 0));
    run.expect("b", JobStatus::Pending, 2);
}

#[test]
fn an_advisory_review_binds_nobody_whatever_it_says() {
    let jobs = |verdicts: bool| {
        let jobs = Document::new().job("a", "draft").job("r", "review").with("panel_role", "advisory");
        let jobs = jobs.job("z", "build").edge("a", "r").edge("r", "z");
        begun(&if verdicts { jobs } else { jobs.job("y", "test").edge("a", "y") })
    };
    for verdict in Verdict::ALL {
        let mut run = jobs(true);
        run.review("r", verdict);
        assert_eq!(run.show(), "a completed, r completed, z ready", "{verdict}");
    }
    let mut run = jobs(false);
    run.fail("r");
    assert_eq!(run.show(), "a completed, r failed, z skipped, y ready");
}

#[test]
fn lost_advisory_reviews_do_not_count_towards_what_a_run_may_lose() {
    let jobs = Document::new().job("a", "draft").job("y", "test").job("z", "test").tolerate(0, 1);
    let jobs = ["r", "s"]
        .iter()
        .fold(jobs, |jobs, id| jobs.job(id, "review").with("panel_role", "advisory").edge("a", id));
    let jobs = jobs.edge("a", "y").edge("a", "z");
    let mut run = begun(&jobs);
    run.lose("r");
    run.lose("s");
    assert_eq!(run.show(), "a completed, y ready, z ready, r quarantined, s quarantined");
    let mut completed = run.clone();
    completed.complete(&["y", "z"]);
    assert_eq!(completed.status(), RunStatus::Completed);
    // One that is not advisory may be lost as if they were not there, and a second one may not.
    run.lose("y");
    assert_eq!(run.status(), RunStatus::Running);
    run.lose("z");
    assert_eq!(run.status(), RunStatus::NeedsOperator);
}

#[test]
fn a_dissent_is_answered_when_the_last_silent_review_is_ended_otherwise() {
    // `s` is ended by a person while its agent is blocked.
    let mut run = begun(&judged_by(&[("r", 1), ("s", 1)]));
    let fence = run.claim("s");
    let report = LeaseReport::new(fence);
    run.must(Intent::Block { report, severity: striatum_core::run::Severity::Operator });
    run.review("r", REVISE);
    assert_eq!(run.show(), "a completed, z pending, r completed, s blocked");
    run.resolve("s", Resolution::Cancel);
    assert_eq!(run.show(), "a ready, z pending, r pending, s pending");
}
