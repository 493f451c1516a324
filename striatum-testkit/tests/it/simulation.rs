//! No order of events breaks a workflow: those that are written here, the starter documents, and the public ones.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use striatum_core::{
    run::Event,
    sandbox::Level,
    workflow::{Constraint, Offers, Rules, Workflow},
};
use striatum_testkit::{
    simulation::{Property, Simulation, Tally},
    skip,
    store::MemoryStores,
};

use crate::{
    broken::{BrokenFactory, Fault},
    documents,
};

/// What must have been refused somewhere: else the simulation never came near the rule.
const REFUSALS: &[&str] = &[
    "artifact_exists",
    "artifact_misplaced",
    "artifact_unknown",
    "artifacts_missing",
    "command_reused",
    "decision_required",
    "delivery_not_judged",
    "guard_failed",
    "job_status",
    "no_room",
    "not_independent",
    "not_retryable",
    "nothing_owed",
    "principal_required",
    "resolution_impossible",
    "review_byte_identical",
    "run_paused",
    "run_status",
    "scope_violation",
    "session_busy",
    "session_mismatch",
    "session_not_fresh",
    "stale_fence",
    "store_unavailable",
    "wrong_outcome",
];

/// How many seeds each document is played with: few in the gate, many where somebody says so.
fn seeds() -> usize {
    std::env::var("STRIATUM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(24)
}

/// Plays each document with each seed, on as many threads as there are processors, up to the first failure.
fn play_all(workflows: &[Workflow]) -> Tally {
    let simulations: Vec<_> = workflows.iter().map(|workflow| Simulation::of(workflow).unwrap()).collect();
    let (next, failed) = (AtomicUsize::new(0), OnceLock::new());
    let play = || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut tally = Tally::default();
        while failed.get().is_none() {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let (seed, document) = (number / simulations.len(), number % simulations.len());
            if seed >= seeds() {
                break;
            }
            match runtime.block_on(simulations[document].run(seed as u64, &MemoryStores::default())) {
                Ok(played) => tally.merge(&played),
                Err(failure) => drop(failed.set(failure)),
            }
        }
        tally
    };
    let tally = std::thread::scope(|scope| {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..processors).map(|_| scope.spawn(play)).collect();
        let mut tally = Tally::default();
        threads.into_iter().for_each(|thread| tally.merge(&thread.join().unwrap()));
        tally
    });
    match failed.into_inner() {
        None => tally,
        Some(failure) => panic!("{failure}"),
    }
}

/// The documents below a folder that this version can run.
fn documents_in(folder: &Path) -> Vec<Workflow> {
    let walls = Offers::process().raise(Constraint::Network, "forbidden", Level::Enforced);
    let rules = Rules::default().with_offers(walls);
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = if path.is_dir() { path.join("workflow.json") } else { path };
        if file.extension().is_some_and(|extension| extension == "json") {
            files.push(file);
        }
    }
    files.sort();
    let mut workflows = Vec::new();
    for file in files {
        match Workflow::parse(&std::fs::read(&file).unwrap(), &rules) {
            Ok(validated) => workflows.push(validated.workflow),
            Err(findings) => panic!("{}: {findings}", file.display()),
        }
    }
    workflows
}

fn beside(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

#[test]
fn no_order_of_events_breaks_a_workflow_that_has_everything() {
    let tally = play_all(&documents::all());
    let met: BTreeSet<_> = tally.events.keys().copied().collect();
    // Only long runs have ends that need the one, and only old logs have the other.
    let elsewhere = ["jobs.canceled", "session.registered"];
    let missing: Vec<_> =
        Event::KINDS.iter().filter(|kind| !met.contains(*kind) && !elsewhere.contains(kind)).collect();
    assert!(missing.is_empty(), "these never happened: {missing:?} in {tally:#?}");
    assert!(tally.ends.len() >= 4, "the runs are too much alike: {:?}", tally.ends);
    for code in REFUSALS {
        assert!(tally.refusals.contains_key(code), "nothing was refused as {code}: {:?}", tally.refusals);
    }
}

/// A store that takes any lease for lapsed lets the machine break its rules, and what is told of that can be used.
#[tokio::test]
async fn what_fails_is_told_with_its_seed_shortened_and_fails_again_when_it_is_replayed() {
    let simulation = Simulation::of(&documents::all()[0]).unwrap();
    let broken = BrokenFactory::new(Fault::IgnoresGuards);
    let failure = simulation.seeds(0..200, &broken).await.expect_err("no rule is missed");
    let told = failure.to_string();
    for words in [
        format!("{}: this does not hold for workflow", failure.property()),
        format!("with seed {}", failure.seed()),
        failure.detail().to_owned(),
        format!("simulation.run({}, &stores)", failure.seed()),
        format!("simulation.replay({}, r#\"{}\"#, &stores)", failure.seed(), failure.history()),
    ] {
        assert!(told.contains(&words), "{words:?} is missing in {told}");
    }
    let counted = told.lines().find_map(|line| line.strip_suffix(" steps are left:")?.split_once(" of "));
    let [left, whole] = counted.map(|(left, whole)| [left, whole].map(|it| it.parse::<usize>())).unwrap();
    assert!((1..whole.unwrap()).contains(&left.unwrap()), "nothing was left out of {told}");

    // With everything, and with what is left, it is the same property; where the store is sound nothing fails.
    let again = simulation.run(failure.seed(), &BrokenFactory::new(Fault::IgnoresGuards)).await;
    assert_eq!(again.expect_err("the same seed is the same run").to_string(), told);
    let replay = |history: String| {
        let simulation = simulation.clone();
        let (seed, broken) = (failure.seed(), BrokenFactory::new(Fault::IgnoresGuards));
        async move { simulation.replay(seed, &history, &broken).await }
    };
    let replayed = replay(failure.history()).await.expect_err("what is left fails too");
    assert_eq!(
        (replayed.property(), replayed.detail(), replayed.history()),
        (failure.property(), failure.detail(), failure.history())
    );
    let steps: Vec<serde_json::Value> = serde_json::from_str(&failure.history()).unwrap();
    for missing in 0..steps.len() {
        let mut fewer = steps.clone();
        fewer.remove(missing);
        let other = replay(serde_json::to_string(&fewer).unwrap()).await;
        assert!(
            !other.is_err_and(|other| other.property() == failure.property()),
            "step {missing} is not needed in {told}"
        );
    }
    let sound = MemoryStores::default();
    simulation.replay(failure.seed(), &failure.history(), &sound).await.expect("the store is sound");
    let unreadable = simulation.replay(1, "[{\"no\": \"step\"}]", &sound).await.expect_err("no history");
    assert_eq!(unreadable.property(), Property::Rules);
    assert!(unreadable.detail().starts_with("no history: "), "{unreadable}");
}

#[test]
fn no_order_of_events_breaks_a_starter_document() {
    let workflows = documents_in(&beside("examples/workflows"));
    assert!(workflows.len() >= 4, "where are the starter documents?");
    play_all(&workflows);
}

#[test]
fn no_order_of_events_breaks_a_public_document() {
    let folder = beside("../shared/fixtures/workflows");
    if !folder.is_dir() {
        let test = "no_order_of_events_breaks_a_public_document";
        return skip(test, "the public workflow documents are not beside the repository");
    }
    play_all(&documents_in(&folder));
}
