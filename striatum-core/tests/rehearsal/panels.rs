//! Rehearsals of panels, questions, budgets and independence.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use striatum_core::{
    rehearsal::{Answer, FindingCode, JobReport, Options, Report, rehearse},
    run::{Checkpoint, JobStatus, RunStatus, Verdict},
    workflow::{Rules, Severity, Workflow},
};

/// A draft `a`, which three reviews judge, before `z`; with more keys for the document and for its jobs.
fn panel(document: &Value, jobs: &[(&str, Value)]) -> Report {
    let job = |id: &str, kind: &str, role: &str| {
        let lane = if kind == "review" { "judges" } else { "writes" };
        let mut job = json!({
            "id": id, "type": kind, "role_id": role, "lane_id": lane, "objective": id,
            "write_scope": {"mode": "review_only_artifact", "allowed_paths": [format!("out/{id}")]},
            "expected_artifacts": [{"logical_name": id, "path": format!("out/{id}/it.md")}],
        });
        for (_, more) in jobs.iter().filter(|(named, _)| *named == id) {
            job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        }
        job
    };
    let reviews = ["r1", "r2", "r3"];
    let judged = reviews.map(|review| json!({"from": "a", "to": review}));
    let joined = reviews.map(|review| json!({"from": review, "to": "z"}));
    let lane = |model: &str| json!({"adapter": "process", "command": ["agent"], "display_model": model});
    let mut whole = json!({
        "schema_version": "striatum.workflow.v2", "workflow_id": "w", "independence": {"model": "off"},
        "lanes": {"writes": lane("gpt-6"), "judges": lane("claude-7")},
        "roles": {"author": {}, "reviewer": {}, "sceptic": {}},
        "parallelism": {"max_active_jobs": 4},
        "jobs": [
            job("a", "draft", "author"), job("r1", "review", "reviewer"), job("r2", "review", "reviewer"),
            job("r3", "review", "sceptic"), job("z", "synthesis", "author"),
        ],
        "edges": judged.into_iter().chain(joined).collect::<Vec<_>>(),
        "cycles": reviews.map(|review| json!({"from": review, "to": "a", "max_iterations": 1})),
    });
    whole.as_object_mut().unwrap().extend(document.as_object().unwrap().clone());
    let validated = Workflow::parse(whole.to_string().as_bytes(), &Rules::strict());
    let workflow = validated.unwrap_or_else(|findings| panic!("{findings}")).workflow;
    rehearse(&workflow, &Options::default()).unwrap()
}

fn job<'r>(report: &'r Report, id: &str) -> &'r JobReport {
    report.jobs.iter().find(|job| job.id.as_str() == id).unwrap()
}

fn told(report: &Report) -> Vec<(FindingCode, &str)> {
    report.findings.iter().map(|found| (found.code, found.pointer.as_str())).collect()
}

#[test]
fn a_cohort_sends_work_back_once_and_then_asks_together() {
    let report = panel(&json!({}), &[]);
    assert_eq!(told(&report), []);
    assert_eq!(job(&report, "a").most_attempts, 2, "three dissents are one revision");
    for review in ["r1", "r2", "r3"] {
        let every = [1, 2].map(|attempt| (attempt, Verdict::ALL.to_vec()));
        assert_eq!(job(&report, review).verdicts, every.into(), "{review}: every verdict at every attempt");
        let answers = job(&report, review).answers_to(Checkpoint::RevisionsExhausted);
        // The first of those who wait is answered, and its answer is for all.
        assert!(answers.is_empty() || answers == [Answer::Continue, Answer::Override, Answer::Cancel].into());
    }
    assert!(!job(&report, "r1").answers_to(Checkpoint::RevisionsExhausted).is_empty());
}

#[test]
fn a_quorum_releases_those_who_need_not_speak() {
    let report = panel(&json!({}), &[("z", json!({"quorum": {"k": 2, "veto_roles": []}}))]);
    assert_eq!(told(&report), []);
    assert!(job(&report, "r3").statuses.contains(&JobStatus::Canceled));
    assert!(job(&report, "r3").statuses.contains(&JobStatus::Completed), "when it is heard first");
    // One who dissents alone is overruled: only two can send the draft back.
    assert_eq!(job(&report, "a").completed_at, BTreeSet::from([1, 2]));
}

#[test]
fn no_verdict_of_an_advisory_review_parks_it_or_sends_work_back() {
    let advisory = json!({"panel_role": "advisory"});
    let all = ["r1", "r2", "r3"].map(|review| (review, advisory.clone()));
    let report = panel(&json!({"cycles": []}), &all);
    assert_eq!(told(&report), []);
    for review in ["r1", "r2", "r3"] {
        for checkpoint in [Checkpoint::NoWayBack, Checkpoint::Rejected, Checkpoint::RevisionsExhausted] {
            assert_eq!(job(&report, review).answers_to(checkpoint), BTreeSet::new());
        }
    }
    assert_eq!(job(&report, "a").most_attempts, 1);
}

#[test]
fn every_agent_asks_and_goes_on_with_the_answer() {
    let report = panel(&json!({}), &[]);
    for asks in &report.jobs {
        let answers = asks.answers_to(Checkpoint::Question);
        assert_eq!(answers, [Answer::Continue, Answer::Cancel].into(), "{}", asks.id);
        assert!(asks.statuses.contains(&JobStatus::AwaitingInput));
    }
}

#[test]
fn a_spent_budget_asks_whether_to_go_on() {
    let budget = json!({"budget": {"turns": 3}});
    let report = panel(&json!({}), &[("a", budget.clone())]);
    assert_eq!(told(&report), []);
    let answers = job(&report, "a").answers_to(Checkpoint::BudgetSpent);
    assert_eq!(answers, [Answer::Continue, Answer::Cancel].into());
    assert_eq!(job(&report, "z").answers_to(Checkpoint::BudgetSpent), BTreeSet::new());
    assert!(!report.ends.contains_key(&RunStatus::Canceled));

    // That of the run pauses it, until a principal grants as much again or ends it.
    let report = panel(&budget, &[]);
    assert_eq!(told(&report), []);
    assert!(report.ends[&RunStatus::Canceled] > 0 && report.ends[&RunStatus::Completed] > 0);
}

#[test]
fn a_person_who_will_be_asked_in_every_run_is_told() {
    let report = panel(&json!({"independence": {"model": "declared"}}), &[]);
    assert_eq!(told(&report), [], "the lanes declare models of two families");

    let report = panel(&json!({}), &[("r2", json!({"require_attested_lane": true}))]);
    assert_eq!(told(&report), [(FindingCode::CheckpointUnplanned, "/jobs/2")]);
    assert!(report.is_sound());
    let found = &report.findings[0];
    assert_eq!(found.severity, Severity::Warning);
    let words = "r2 is blocked, although every agent has done well: its agent has not shown that it is that of the lane";
    assert_eq!(found.message, words);
    assert_eq!(found.history, ["a: done", "r1: accept", "r2: accept", "r3: accept"]);
    assert!(job(&report, "r2").answers_to(Checkpoint::Identity).contains(&Answer::Override));
    assert_eq!(job(&report, "z").completed_at, BTreeSet::new(), "no run completes by itself");
}
