//! How far a rehearsal goes.

use striatum_core::{
    id::JobId,
    rehearsal::{FindingCode, Options, rehearse},
    run::{Checkpoint, RunStatus},
    workflow::{Analysis, Workflow},
};

use crate::{
    document::{Document, nested, pair, revised, tried_again},
    drive::job,
};

fn options(effort: u64) -> Options {
    let mut options = Options::default();
    options.effort = effort;
    options
}

/// As many jobs, one behind the other.
fn chain(length: usize) -> Workflow {
    let jobs = (0..length).fold(Document::new(), |document, n| document.job(&format!("j{n}"), "draft"));
    (1..length).fold(jobs, |document, n| document.edge(&format!("j{}", n - 1), &format!("j{n}"))).workflow()
}

#[test]
fn the_dearest_run_comes_to_the_bound_that_is_known_beforehand() {
    for document in [pair(), revised(), tried_again(), pair().tolerate(0, 1)] {
        let workflow = document.workflow();
        let report = rehearse(&workflow, &Options::default()).unwrap();
        assert_eq!(report.grants_bound, Analysis::of(&workflow).unwrap().total_grants());
        // What stands behind an accepted review is never done again; the bound does not know that.
        let is_behind = |id: &JobId| *id == job("z");
        for seen in report.jobs.iter().filter(|seen| !is_behind(&seen.id)) {
            assert_eq!(u64::from(seen.most_grants), seen.grants_bound, "{}", seen.id);
        }
    }
}

#[test]
fn ways_back_within_one_another_are_taken_to_their_ends() {
    let report = rehearse(&nested().workflow(), &Options::default()).unwrap();
    assert_eq!(report.findings, []);
    for review in [2, 3] {
        assert!(!report.jobs[review].answers_to(Checkpoint::RevisionsExhausted).is_empty());
    }
    // Once by itself and once more after each way back: the outer one starts the counter of the inner one anew.
    assert_eq!(report.jobs[1].most_attempts, 4);
}

#[test]
fn a_rehearsal_that_is_given_up_says_what_is_left() {
    let workflow = revised().workflow();
    let report = rehearse(&workflow, &options(40)).unwrap();
    let [found] = report.findings.as_slice() else { panic!("{:?}", report.findings) };
    assert_eq!((found.code, found.pointer.as_str()), (FindingCode::RehearsalIncomplete, ""));
    assert!(found.message.contains("the rehearsal was given up before "), "{}", found.message);
    assert!(report.is_sound(), "what was not played is no fault");
    assert!(report.commands <= 41, "{}", report.commands);
}

#[test]
fn a_long_chain_is_played_once_and_then_given_up() {
    let report = rehearse(&chain(1_500), &options(6_000)).unwrap();
    assert_eq!(report.ends[&RunStatus::Completed], 1);
    let codes: Vec<_> = report.findings.iter().map(|found| found.code).collect();
    assert_eq!(codes, [FindingCode::RehearsalIncomplete]);
}

#[test]
fn equal_states_are_played_once() {
    let report = rehearse(&chain(12), &Options::default()).unwrap();
    assert_eq!(report.findings, []);
    assert!(report.joined > report.runs, "{report:?}");
    // Each job is at worst handed out a few times; without joining, these would multiply along the chain.
    assert!(report.states < 1_000, "{}", report.states);
}
