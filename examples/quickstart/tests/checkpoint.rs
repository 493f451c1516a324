//! Runs that wait for a person.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    history::History,
    place::{Place, commit_all, copy_folder, git, run, write},
};

const OURS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../workflows/human_checkpoint");

/// A person's repository with a workflow in it, and a run of it.
struct Parked {
    place: Place,
    repository: PathBuf,
    run: String,
}

impl Parked {
    fn at_decision() -> Self {
        let place = Place::new();
        let repository = place.path("repository");
        copy_folder(Path::new(OURS), &repository);
        commit_all(&repository);
        Self::park(place, repository, "workflow.json", &["--scripted"])
    }

    fn park(place: Place, repository: PathBuf, workflow: &str, arguments: &[&str]) -> Self {
        let mut command = place.quickstart(arguments);
        command.arg("--repo").arg(&repository).arg("--workflow").arg(repository.join(workflow));
        let said = run(command).expect_code(3);
        let run = said.run();
        let (data, repo) = (place.data(), repository.display());
        let again = format!("cargo run -p quickstart -- --repo {repo} --data {}", data.display());
        let help = format!("waits: {again} resolve {run} ");
        assert!(said.out.contains(&help), "{}", said.out);
        Self { place, repository, run }
    }

    fn resolve(&self, job: &str, how: &[&str]) -> crate::place::Said {
        let mut command = self.place.quickstart(&["resolve", &self.run, job]);
        command.args(how).arg("--repo").arg(&self.repository);
        run(command)
    }

    fn history(&self) -> History {
        History::read(&self.place.data())
    }
}

#[test]
fn what_a_person_puts_in_the_place_of_an_analysis_is_what_everybody_builds_on() {
    let parked = Parked::at_decision();
    let (better, ruling) = (parked.place.path("better.md"), parked.place.path("ruling.md"));
    fs::write(&better, "What a person found out.\n").unwrap();
    fs::write(&ruling, "We do it.\n").unwrap();
    let supersede = |job: &str, name: &str| {
        let mut command =
            parked.place.quickstart(&["supersede", &parked.run, job, "--reason", "it is wrong"]);
        command.arg("--artifact").arg(format!("{name}={}", better.display()));
        command.arg("--repo").arg(&parked.repository);
        run(command)
    };
    supersede("decide", "decision").expect_error("not_supersedable", &["decide"]);
    supersede("analyse", "analysis").expect_code(3);
    let done =
        parked.resolve("decide", &["continue", "--artifact", &format!("decision={}", ruling.display())]);
    done.expect_code(0);
    let delivered = ["show", "striatum/human_checkpoint:docs/human_checkpoint/analysis/ANALYSIS.md"];
    assert_eq!(git(&parked.repository, &delivered), "What a person found out.\n");
}

#[test]
fn a_decision_with_its_artifact_completes_the_run() {
    let parked = Parked::at_decision();
    let before = parked.history().events;
    parked.resolve("decide", &["continue"]).expect_error("artifacts_missing", &["decision", "DECISION.md"]);
    parked.resolve("nobody", &["continue"]).expect_error("job_unknown", &["nobody"]);
    let file = parked.place.path("ruling.md");
    fs::write(&file, "We do it.\n").unwrap();
    let named = |name: &str| format!("{name}={}", file.display());
    parked
        .resolve("decide", &["continue", "--artifact", &named("ruling")])
        .expect_error("artifact_argument", &["ruling"]);
    parked
        .resolve("decide", &["continue", "--artifact", "decision"])
        .expect_error("artifact_argument", &["NAME=FILE"]);
    parked
        .resolve("decide", &["continue", "--artifact", "decision=nowhere"])
        .expect_error("file_unusable", &["nowhere"]);
    parked.resolve("decide", &["resume"]).expect_code(1);
    parked.resolve("analyse", &["cancel"]).expect_code(1);
    let stranger = Parked { run: "zz".to_owned(), ..Parked::park_again(&parked) };
    stranger.resolve("decide", &["cancel"]).expect_error("run_unknown", &["zz"]);
    assert_eq!(parked.history().events, before, "a refusal changes nothing");

    let done = parked.resolve("decide", &["continue", "--artifact", &named("decision")]).expect_code(0);
    assert!(done.out.contains("└─ write_up: completed"), "{}", done.out);
    let shown = git(
        &parked.repository,
        &["show", "striatum/human_checkpoint:docs/human_checkpoint/ruling/DECISION.md"],
    );
    assert_eq!(shown, "We do it.\n");
    parked.place.assert_tidy(&parked.repository, "decided");
}

impl Parked {
    /// The same run, told to go on while it waits: it waits on.
    fn park_again(parked: &Self) -> Self {
        let mut command = parked.place.quickstart(&["--scripted"]);
        command.arg("--repo").arg(&parked.repository);
        let said = run(command).expect_code(3);
        assert!(said.out.contains("\ngoing on with run "), "{}", said.out);
        Self { place: Place::new(), repository: parked.repository.clone(), run: said.run() }
    }
}

#[test]
fn a_decision_to_override_completes_the_run_without_the_artifact() {
    let parked = Parked::at_decision();
    let done = parked.resolve("decide", &["override", "--reason", "it is settled already"]).expect_code(0);
    assert!(done.out.contains("decision 1 is recorded, in your name"), "{}", done.out);
    assert_eq!(parked.history().count("decision.recorded"), 1);
    parked.resolve("decide", &["override", "--reason", "again"]).expect_error("run_status", &["completed"]);
    assert_eq!(parked.history().count("decision.recorded"), 1);
}

#[test]
fn a_canceled_decision_ends_the_run_in_failure() {
    let parked = Parked::at_decision();
    let done = parked.resolve("decide", &["cancel"]).expect_code(1);
    assert!(done.out.contains("decide: canceled"), "{}", done.out);
    assert!(done.out.contains(": failed, "), "{}", done.out);
    parked.place.assert_tidy(&parked.repository, "canceled");
}

#[test]
fn the_public_human_checkpoint_document_reaches_its_end() {
    let test = "the_public_human_checkpoint_document_reaches_its_end";
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/workflows");
    let Ok(document) = fs::read_to_string(shared.join("human-checkpoint-flow.json")) else {
        return striatum_testkit::skip(test, "the public workflow documents are not beside the repository");
    };
    let place = Place::new();
    let repository = place.path("repository");
    write(&repository.join("flow.json"), &document);
    for name in ["prompts/analyze", "prompts/review", "prompts/decide"] {
        write(&repository.join(format!("{name}.md")), "Do it.\n");
    }
    for role in ["author", "reviewer", "human_checkpoint", "coordinator"] {
        write(&repository.join(format!("roles/{role}.md")), "A role.\n");
    }
    commit_all(&repository);
    let parked = Parked::park(place, repository, "flow.json", &["--scripted"]);
    let ruling = parked.place.path("ruling");
    fs::write(&ruling, "yes").unwrap();
    parked
        .resolve("decide", &["continue", "--artifact", &format!("decision={}", ruling.display())])
        .expect_code(0);
    let path = "docs/checkpoints/human-checkpoint-flow/decisions/DECISION.md";
    let shown = git(&parked.repository, &["show", &format!("striatum/human-checkpoint-flow:{path}")]);
    assert_eq!(shown, "yes");
}

/// The demonstration with one round, and a reviewer who is never satisfied until the third.
fn exhausted() -> Parked {
    let place = Place::new();
    let repository = place.path("repository");
    copy_folder(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/demo")), &repository);
    let file = repository.join("workflow/workflow.json");
    let text = fs::read_to_string(&file).unwrap().replace("\"max_iterations\": 2", "\"max_iterations\": 1");
    fs::write(&file, text).unwrap();
    commit_all(&repository);
    let reviewer = place.agent("--verdicts needs_revision");
    let author = place.agent("");
    let arguments = ["--author-command", &author, "--reviewer-command", &reviewer];
    Parked::park(place, repository, "workflow/workflow.json", &arguments)
}

#[test]
fn an_exhausted_cycle_parks_and_continue_grants_exactly_one_more_round() {
    let parked = exhausted();
    assert_eq!(parked.place.marks().len(), 4);
    parked.resolve("review_change", &["continue"]).expect_code(3);
    let round = ["draft_change 3", "review_change 3"];
    assert_eq!(parked.place.marks()[4..], round);
    let done = parked.resolve("review_change", &["override", "--reason", "good enough"]).expect_code(0);
    assert!(done.out.contains("└─ apply_change: completed"), "{}", done.out);
    assert_eq!(parked.place.marks()[6..], ["apply_change 1"]);
    parked.place.assert_tidy(&parked.repository, "overridden");
}

#[test]
fn an_exhausted_cycle_can_be_canceled() {
    let parked = exhausted();
    let done = parked.resolve("review_change", &["cancel"]).expect_code(1);
    assert!(done.out.contains("review_change: canceled"), "{}", done.out);
    assert_eq!(parked.place.marks().len(), 4);
}
