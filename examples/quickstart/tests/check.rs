//! Documents are judged and played without being run, and some are made to start from.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::place::{Place, Said, copy_folder, git, run};

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/demo/workflow");
const SHAPES: [&str; 6] =
    ["minimal", "review", "code_change", "human_checkpoint", "evidence_backed", "multi_review_synthesis"];

/// A place with the demonstration's document, and the document.
fn demo() -> (Place, PathBuf) {
    let place = Place::new();
    copy_folder(Path::new(DEMO), &place.path("workflow"));
    let file = place.path("workflow/workflow.json");
    (place, file)
}

fn check(place: &Place, files: &[&Path], more: &[&str]) -> Said {
    let mut command = place.quickstart(more);
    command.arg("--check").args(files);
    run(command)
}

fn generate(place: &Place, shape: &str, root: &Path, more: &[&str]) -> Said {
    let mut command = place.quickstart(&["generate", "--shape", shape, "--workflow-id", "mine"]);
    command.args(more).arg("--scaffold-root").arg(root);
    run(command)
}

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}\n{}", said.out))
}

fn codes(file: &Value) -> Vec<&str> {
    file["findings"].as_array().unwrap().iter().map(|found| found["code"].as_str().unwrap()).collect()
}

/// In order of the alphabet, whatever features of `serde_json` are on.
fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn a_sound_document_is_played_and_nothing_is_left_behind() {
    let (place, file) = demo();
    let said = check(&place, &[&file], &[]).expect_code(0);
    let [named, summary, ""] = said.out.lines().collect::<Vec<_>>()[..] else { panic!("{}", said.out) };
    assert_eq!(named, file.display().to_string());
    assert!(summary.starts_with("  sound: ") && summary.contains(" runs and "), "{summary}");
    assert!(summary.contains(" completed, ") && summary.contains("; at most "), "{summary}");
    assert!(!place.data().exists());
}

#[test]
fn what_is_wrong_is_told_file_by_file_with_place_and_remedy() {
    let (place, file) = demo();
    let good = fs::read_to_string(&file).unwrap();
    let bad = place.path("workflow/bad.json");
    fs::write(&bad, good.replace("\"max_iterations\": 2", "\"max_iterations\": 0")).unwrap();
    let said = check(&place, &[&file, &bad, &place.path("none.json"), &place.path("workflow")], &[]);
    let said = said.expect_code(1);
    for words in [
        "error: /cycles/0/max_iterations: ",
        " [out_of_range]\n    what to do: Choose a number within the bounds that the message gives.\n",
        "  not sound, with 1 error\n",
        "none.json\n  error: (document): the file cannot be read: ",
        "1 of 4 documents are sound\n",
    ] {
        assert!(said.out.contains(words), "{words:?} is missing in {}", said.out);
    }
    assert_eq!(said.out.matches("[file_unreadable]").count(), 2, "{}", said.out);
}

#[test]
fn a_file_that_is_referred_to_and_not_there_is_a_warning() {
    let (place, file) = demo();
    fs::remove_file(place.path("workflow/prompts/draft.md")).unwrap();
    let said = check(&place, &[&file], &[]).expect_code(0);
    let line =
        "warning: /jobs/0/task_prompt/path: there is no file prompts/draft.md; without it no run can be";
    assert!(said.out.contains(line), "{}", said.out);
    assert!(said.out.contains("  sound, with 1 warning: "), "{}", said.out);

    // In a repository, what is not beside the document is looked for at the root.
    git(&place.path(""), &["init", "--quiet"]);
    fs::create_dir(place.path("prompts")).unwrap();
    fs::write(place.path("prompts/draft.md"), "Draft it.").unwrap();
    let mut command = place.quickstart(&["--check", "workflow.json"]);
    command.current_dir(file.parent().unwrap());
    for said in [check(&place, &[&file], &[]), run(command)] {
        let said = said.expect_code(0);
        assert!(said.out.contains("  sound: "), "{}", said.out);
    }
}

#[test]
fn a_document_cannot_steer_the_terminal() {
    let (place, file) = demo();
    let good = fs::read_to_string(&file).unwrap();
    fs::write(&file, good.replacen('{', "{\"\\u001b[2J\": 1, \"\\u0007\": {}, ", 1)).unwrap();
    let said = check(&place, &[&file], &[]).expect_code(0);
    assert!(said.out.contains("[unknown_key]"), "{}", said.out);
    assert!(!said.out.contains(['\u{1b}', '\u{7}']), "{:?}", said.out);
}

#[test]
fn programs_are_told_the_same_under_stable_keys() {
    let (place, file) = demo();
    fs::remove_file(place.path("workflow/prompts/draft.md")).unwrap();
    let bad = place.path("workflow/bad.json");
    fs::write(&bad, "{\"schema_version\": 1, \"schema_version\": 2}").unwrap();
    let said = check(&place, &[&file, &bad], &["--json"]).expect_code(1);
    let all = json(&said);
    assert_eq!((keys(&all), &all["sound"]), (vec!["files", "sound"], &Value::Bool(false)));
    let [first, second] = all["files"].as_array().unwrap().as_slice() else { panic!("{all}") };
    for file in [first, second] {
        assert_eq!(keys(file), ["file", "findings", "omitted", "rehearsal", "sound"]);
    }
    assert_eq!((codes(first), &first["sound"]), (vec!["file_missing"], &Value::Bool(true)));
    assert_eq!(keys(&first["findings"][0]), ["code", "message", "pointer", "severity"]);
    assert!(codes(second).contains(&"duplicate_key"), "{second}");
    assert!(second["rehearsal"].is_null());
    let rehearsal = &first["rehearsal"];
    let stable = ["commands", "ends", "grants_bound", "jobs", "joined", "most_grants", "runs", "states"];
    assert_eq!(keys(rehearsal), stable);
    assert!(rehearsal["ends"]["completed"].as_u64() > Some(0));
    let review = &rehearsal["jobs"][1];
    let stable = [
        "asked",
        "completed_at",
        "grants_bound",
        "id",
        "most_attempts",
        "most_grants",
        "statuses",
        "verdicts",
    ];
    assert_eq!(keys(review), stable);
    assert_eq!(review["verdicts"]["3"].as_array().unwrap().len(), 4, "{review}");
    let asked = review["asked"].as_array().unwrap();
    let exhausted = asked.iter().find(|asked| asked["checkpoint"] == "revisions_exhausted").unwrap();
    assert_eq!(keys(exhausted), ["answers", "checkpoint", "status"]);
    assert_eq!(exhausted["answers"], serde_json::json!(["continue", "override", "cancel"]));
}

#[test]
fn a_document_that_is_too_large_is_refused_by_its_size() {
    let place = Place::new();
    let file = place.path("large.json");
    fs::write(&file, vec![b'['; 5 << 20]).unwrap();
    let said = check(&place, &[&file], &["--json"]).expect_code(1);
    assert_eq!(codes(&json(&said)["files"][0]), ["document_too_large"]);
}

#[test]
fn what_is_generated_is_shown_then_written_and_has_nothing_to_find() {
    let place = Place::new();
    for shape in SHAPES {
        let root = place.path("flows").join(shape);
        let shown = generate(&place, shape, &root, &[]).expect_code(0);
        assert!(shown.out.starts_with(&format!("{}\n├─ ", root.display())), "{}", shown.out);
        assert!(shown.out.contains("\n  \"workflow_id\": \"mine\",\n"), "{}", shown.out);
        assert!(!root.exists());

        let written = generate(&place, shape, &root, &["--write"]).expect_code(0);
        assert!(written.out.contains("; 0 were there already"), "{}", written.out);
        let file = root.join("workflow.json");
        assert!(shown.out.contains(&fs::read_to_string(&file).unwrap()));
        let said = check(&place, &[&file], &["--json"]).expect_code(0);
        assert_eq!(codes(&json(&said)["files"][0]), [""; 0], "{shape}");
    }
}

#[test]
fn nothing_is_written_over_what_is_there() {
    let place = Place::new();
    let root = place.path("flow");
    generate(&place, "review", &root, &["--write"]).expect_code(0);
    let again = generate(&place, "review", &root, &["--write"]).expect_code(0);
    assert!(again.out.contains("written: 0 files; 6 were there already"), "{}", again.out);

    let mine = root.join("prompts/draft.md");
    fs::write(&mine, "Mine.").unwrap();
    fs::remove_file(root.join("roles/author.md")).unwrap();
    for more in [&["--write"][..], &[]] {
        generate(&place, "review", &root, more).expect_error("files_differ", &["prompts/draft.md"]);
    }
    assert_eq!(fs::read_to_string(&mine).unwrap(), "Mine.");
    assert!(!root.join("roles/author.md").exists(), "nothing is written by halves");

    let file = place.path("file");
    fs::write(&file, "").unwrap();
    generate(&place, "review", &file, &["--write"]).expect_error("files_differ", &["file/workflow.json"]);
}

#[test]
fn a_command_line_that_makes_no_sense_is_told() {
    let place = Place::new();
    for arguments in [
        &["--check"][..],
        &["--json"],
        &["--check=a.json", "--scripted"],
        &["--check=a.json", "show"],
        &["generate", "--shape", "round", "--workflow-id", "a", "--scaffold-root", "a"],
        &["generate", "--shape", "review", "--workflow-id", "../a", "--scaffold-root", "a"],
        &["generate", "--shape", "review"],
    ] {
        let mut command = place.quickstart(&[]);
        command.args(arguments);
        let said = run(command).expect_code(2);
        assert!(said.err.starts_with("error: "), "{arguments:?}: {}", said.err);
    }
    assert!(!place.data().exists());
}

#[test]
fn a_document_is_drawn_instead_of_played_and_nothing_else_is_printed() {
    let (place, file) = demo();
    for (language, begins, edge) in [("mermaid", "flowchart ", "j0 --> j1"), ("dot", "digraph ", "j0 -> j1")]
    {
        let said = check(&place, &[&file], &["--draw", language]).expect_code(0);
        assert!(said.out.starts_with(begins) && said.out.contains("Draft a greeting"), "{}", said.out);
        assert!(said.out.contains(edge) && !said.out.contains("sound"), "{}", said.out);
    }
    let broken = place.path("broken.json");
    fs::write(&broken, "{}").unwrap();
    let said = check(&place, &[&broken], &["--draw", "dot"]).expect_code(1);
    assert!(said.out.contains("not sound") && said.out.contains("what to do: "), "{}", said.out);
    let both = check(&place, &[&file], &["--draw", "dot", "--json"]);
    assert_eq!(both.code, Some(2), "{}", both.err);
}
