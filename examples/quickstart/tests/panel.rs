//! Panels and phases, with real agents.

use std::{fs, path::Path};

use crate::{
    history::History,
    place::{Place, commit_all, copy_folder, git, run, write},
};

#[test]
fn a_seat_that_dissents_sends_the_draft_back_once_and_all_three_judge_again() {
    let place = Place::new();
    let repository = place.path("repository");
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/../workflows/multi_review_synthesis");
    copy_folder(Path::new(ours), &repository);
    commit_all(&repository);
    // One of the seats is not satisfied with the first draft.
    let seat = place.path("seat.sh");
    let agent = place.agent("");
    let text = format!(
        "case $STRIATUM_JOB in review_sceptic) exec {agent} --verdicts needs_revision,accept;; esac\nexec {agent}\n"
    );
    fs::write(&seat, text).unwrap();
    let reviewer = format!("sh {}", seat.display());
    // The author keeps what it is told.
    let author = place.path("author.sh");
    let told = place.path("told");
    let text =
        format!("cat > {}.$STRIATUM_JOB.$STRIATUM_ATTEMPT\nexec {agent} < /dev/null\n", told.display());
    fs::write(&author, text).unwrap();
    let author = format!("sh {}", author.display());
    let mut command = place.quickstart(&["--author-command", &author, "--reviewer-command", &reviewer]);
    command.arg("--repo").arg(&repository).arg("--workflow").arg(repository.join("workflow.json"));
    for key in ["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"] {
        command.env(key, "none");
    }
    let done = run(command).expect_code(0);
    assert!(done.out.contains("└─ synthesis: completed"), "{}", done.out);
    let mut marks = place.marks();
    assert_eq!(marks.first().map(String::as_str), Some("draft 1"));
    marks.sort();
    let reviews = ["review_correctness", "review_sceptic", "review_security"];
    let rounds = reviews.iter().flat_map(|review| [format!("{review} 1"), format!("{review} 2")]);
    let expected: Vec<String> =
        ["draft 1".to_owned(), "draft 2".to_owned()].into_iter().chain(rounds).collect();
    assert_eq!(marks[..8], expected);
    let history = History::read(&place.data());
    assert_eq!((history.count("verdict.recorded"), history.count("jobs.reopened")), (6, 1));

    let told = |step: &str| fs::read_to_string(place.path(&format!("told.{step}"))).unwrap();
    let revision = told("draft.2");
    assert!(revision.contains("review_sceptic (attempt 1) says needs_revision:"), "{revision}");
    let synthesis = fs::read_dir(place.path("")).unwrap().flatten().find_map(|entry| {
        let name = entry.file_name().into_string().unwrap();
        name.starts_with("told.synthesis").then(|| fs::read_to_string(entry.path()).unwrap())
    });
    let synthesis = synthesis.unwrap();
    for review in reviews {
        assert!(synthesis.contains(&format!("{review} (attempt 2) says accept:")), "{synthesis}");
    }
    place.assert_tidy(&repository, "agreed");
}

#[test]
fn the_public_falsification_gate_sends_its_dialogue_back_and_opens() {
    let test = "the_public_falsification_gate_sends_its_dialogue_back_and_opens";
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/workflows");
    let Ok(document) = fs::read_to_string(shared.join("falsification-gate-flow.json")) else {
        return striatum_testkit::skip(test, "the public workflow documents are not beside the repository");
    };
    let place = Place::new();
    let repository = place.path("repository");
    write(&repository.join("flow.json"), &document);
    for name in ["holder", "falsifier", "commit", "final_summary"] {
        write(&repository.join(format!("prompts/collaboration_{name}.md")), "Do it.\n");
    }
    write(&repository.join("prompts/adjudicate_collaboration.md"), "Do it.\n");
    for role in ["holder", "falsifier", "adjudicator", "committer"] {
        write(&repository.join(format!("roles/{role}.md")), "A role.\n");
    }
    commit_all(&repository);
    let agent = place.path("agent.sh");
    let scripted = place.agent("");
    let text = format!(
        "case $STRIATUM_JOB in adjudicate) exec {scripted} --verdicts needs_revision,accept_with_findings;; esac\n\
         exec {scripted}\n"
    );
    fs::write(&agent, text).unwrap();
    let agent = format!("sh {}", agent.display());
    let mut command = place.quickstart(&["--author-command", &agent, "--reviewer-command", &agent]);
    command.arg("--repo").arg(&repository).arg("--workflow").arg(repository.join("flow.json"));
    let done = run(command).expect_code(0);
    assert!(done.out.contains("└─ final_summary: completed"), "{}", done.out);
    let steps = [
        "holder 1",
        "falsifier_1 1",
        "falsifier_2 1",
        "adjudicate 1",
        "falsifier_1 2",
        "falsifier_2 2",
        "adjudicate 2",
        "commit_proposal 1",
        "final_summary 1",
    ];
    assert_eq!(place.marks(), steps);
    let ledger =
        "examples/falsification-gate-flow/artifacts/dialogue/adjudicator/COLLABORATION_LEDGER_cycle_2.md";
    let shown = git(&repository, &["show", &format!("striatum/falsification-gate-flow:{ledger}")]);
    assert!(shown.contains("verdict: accept_with_findings"), "{shown}");
    place.assert_tidy(&repository, "gated");
}
