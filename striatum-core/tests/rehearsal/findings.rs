//! What a rehearsal finds in workflows that cannot do what they should. The validator refuses most of these, so they are made
//! of sound ones.

use std::{collections::BTreeSet, fs, path::Path};

use striatum_core::{
    rehearsal::{Answer, Finding, FindingCode, Options, Report, rehearse},
    run::Checkpoint,
    workflow::{Severity, Workflow},
};

use crate::document::{checkpoint, judged, pair, single};

fn play(workflow: &Workflow) -> Report {
    rehearse(workflow, &Options::default()).unwrap()
}

/// The code and the pointer of each finding.
fn told(report: &Report) -> Vec<(&'static str, &str)> {
    report.findings.iter().map(|found| (found.code.as_str(), found.pointer.as_str())).collect()
}

fn found(report: &Report, code: FindingCode) -> &Finding {
    report.findings.iter().find(|found| found.code == code).unwrap()
}

/// Gives the artifact of a job a name that no attempt can have.
fn spoil(workflow: &mut Workflow, job: usize) {
    workflow.jobs[job].expected_artifacts[0].logical_name = "x".repeat(129);
}

#[test]
fn a_run_in_which_nothing_can_be_claimed_stands_still() {
    let mut workflow = pair().workflow();
    workflow.parallelism.max_active_jobs = 0;
    let report = play(&workflow);
    assert_eq!(told(&report), [("run_never_completes", ""), ("run_stuck", "/jobs/0")]);
    assert!(!report.is_sound());
    let stuck = found(&report, FindingCode::RunStuck);
    assert_eq!(stuck.message, "nobody can do anything, and the run goes on: a is ready");
    assert_eq!(stuck.history, [""; 0]);
}

#[test]
fn an_agent_that_can_never_leave_what_it_must_is_told_with_what_led_there() {
    let mut workflow = judged().workflow();
    spoil(&mut workflow, 0);
    let report = play(&workflow);
    assert_eq!(told(&report), [("run_never_completes", ""), ("outcome_refused", "/jobs/0")]);
    let refused = found(&report, FindingCode::OutcomeRefused);
    assert!(refused.message.contains("required artifacts of job z are missing"), "{}", refused.message);
    assert_eq!(refused.history, ["a: done", "r: accept"]);
}

#[test]
fn a_checkpoint_whose_artifacts_are_impossible_can_only_be_overridden() {
    let mut workflow = checkpoint().workflow();
    spoil(&mut workflow, 1);
    let report = play(&workflow);
    assert_eq!(told(&report), []);
    let answers = report.jobs[1].answers_to(Checkpoint::Planned);
    assert_eq!(answers, BTreeSet::from([Answer::Override, Answer::Cancel]));
    assert_eq!(report.jobs[1].answers_to(Checkpoint::Rejected), BTreeSet::new());
}

#[test]
fn a_workflow_without_fault_has_no_findings_and_gives_the_same_report_again() {
    for document in [single(), pair(), judged(), checkpoint()] {
        let report = play(&document.workflow());
        assert_eq!(told(&report), []);
        assert!(report.is_sound());
        assert_eq!(play(&document.workflow()), report);
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it compares a document")]
fn every_finding_of_a_rehearsal_is_documented() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors.md");
    let document = fs::read_to_string(file).unwrap();
    let (_, section) = document.split_once("\n## Findings of a rehearsal\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows: BTreeSet<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
    let row = |code: &FindingCode| {
        let cells = rows.iter().find(|row| row.starts_with(&format!("| `{code}` | {} | ", code.severity())));
        let row = cells.unwrap_or_else(|| panic!("{code} is not documented"));
        assert!(row.ends_with(&format!(" | {} |", code.remedy())), "{row}");
    };
    FindingCode::ALL.iter().for_each(row);
    assert_eq!(rows.len(), FindingCode::ALL.len());
    assert_eq!(FindingCode::RehearsalIncomplete.severity(), Severity::Warning);
}
