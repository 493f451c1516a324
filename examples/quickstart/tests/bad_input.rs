//! What is wrong is told with a code, a sentence and a remedy, and nothing is lost.

use std::{fs, os::unix::fs::FileExt as _, path::Path};

use rustix::fs::{FlockOperation, flock};

use crate::{
    history::History,
    place::{Place, copy_folder, git, run, write},
};

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/demo/workflow");

#[test]
fn a_dirty_repository_is_refused_before_anything_is_begun() {
    let place = Place::new();
    let repository = place.repository("repository", &[("a.txt", "a\n")]);
    copy_folder(Path::new(DEMO), &place.path("workflow"));
    write(&repository.join("b.txt"), "new\n");
    write(&repository.join("a.txt"), "changed\n");
    let mut command = place.quickstart(&["--scripted"]);
    command.arg("--repo").arg(&repository).arg("--workflow").arg(place.path("workflow/workflow.json"));
    run(command).expect_error("repository_dirty", &["a.txt", "b.txt"]);
    assert_eq!(History::read(&place.data()).events.len(), 0);
    assert!(git(&repository, &["branch", "--list", "striatum/*"]).is_empty());
}

#[test]
fn a_repository_that_cannot_be_used_is_refused() {
    let place = Place::new();
    let folder = place.path("empty");
    fs::create_dir(&folder).unwrap();
    let with_repo = |path: &Path| {
        let mut command = place.quickstart(&[]);
        command.arg("--repo").arg(path);
        run(command)
    };
    with_repo(&folder).expect_error("not_a_repository", &["empty"]);
    with_repo(&place.path("nowhere")).expect_error("not_a_repository", &["nowhere"]);
    git(&folder, &["init", "--quiet"]);
    with_repo(&folder).expect_error("no_commits", &["empty"]);
    let ours = place.repository("ours", &[("a.txt", "a")]);
    with_repo(&ours).expect_error("workflow_missing", &["workflow/workflow.json"]);
    for repo in [None, Some(&ours)] {
        let mut command = place.quickstart(&[]);
        command.env("PATH", place.path("empty"));
        command.args(repo.map(|path| format!("--repo={}", path.display())));
        run(command).expect_error("git_missing", &["git"]);
    }
}

#[test]
fn a_wrong_command_line_is_told_and_does_nothing() {
    let place = Place::new();
    for arguments in [&["--bogus"][..], &["resolve", "x"], &["frobnicate"], &["--repo"]] {
        let said = run(place.quickstart(arguments)).expect_code(2);
        assert!(said.err.starts_with("error: "), "{}", said.err);
    }
    assert!(!place.data().exists());
    run(place.quickstart(&["--author-command", "no-such-agent --flag"]))
        .expect_error("command_missing", &["no-such-agent"]);
    run(place.quickstart(&["--author-command", " "])).expect_error("command_missing", &[]);
    assert_eq!(History::read(&place.data()).events.len(), 0);
}

#[test]
fn a_document_that_cannot_be_run_is_refused_with_every_finding() {
    let place = Place::new();
    copy_folder(Path::new(DEMO), &place.path("workflow"));
    let file = place.path("workflow/workflow.json");
    let given = |text: &str| {
        fs::write(&file, text).unwrap();
        run(place.quickstart(&[&format!("--workflow={}", file.display())]))
    };
    let good = include_str!("../demo/workflow/workflow.json");
    given("{").expect_error("document_invalid", &["[invalid_json]"]);
    given("{}")
        .expect_error("document_invalid", &["/schema_version", "/lanes", "/roles", "/jobs", "[missing_key]"]);
    let wrong = good
        .replace("\"max_iterations\": 2", "\"max_iterations\": 0")
        .replace("\"role_id\": \"reviewer\"", "\"role_id\": \"nobody\"");
    let said =
        given(&wrong).expect_error("document_invalid", &["/cycles/0/max_iterations", "/jobs/1/role_id"]);
    assert!(said.err.contains("nobody"), "{}", said.err);
    given(&good.replace("prompts/draft.md", "prompts/gone.md").replace("roles/author.md", "roles/gone.md"))
        .expect_error(
            "file_missing",
            &["prompts/gone.md (/jobs/0/task_prompt/path)", "roles/gone.md (/roles/author/definition_path)"],
        );
    given(&good.replace(
        "\"adapter\": \"process\", \"command\": [\"author\"]",
        "\"adapter\": \"telepathy\", \"command\": [\"author\"]",
    ))
    .expect_error("adapter_unknown", &["telepathy", "process"]);
    for (path, words) in [("nowhere.json", "nowhere.json"), ("workflow", "workflow")] {
        run(place.quickstart(&[&format!("--workflow={}", place.path(path).display())]))
            .expect_error("file_unreadable", &[words]);
    }
    assert_eq!(History::read(&place.data()).events.len(), 0);
}

#[test]
fn a_locked_or_foreign_or_damaged_database_is_told() {
    let place = Place::new();
    run(place.quickstart(&[])).expect_code(0);
    let lock = fs::File::options().append(true).open(place.data().join("striatum.db.lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    run(place.quickstart(&[]))
        .expect_error("store_unavailable", &["another process holds", "striatum.db.lock"]);
    drop(lock);
    run(place.quickstart(&[])).expect_code(0);
    assert_eq!(History::read(&place.data()).count("run.delivered"), 2);

    let database = place.data().join("striatum.db");
    for beside in ["striatum.db-wal", "striatum.db-shm"] {
        let _ = fs::remove_file(place.data().join(beside));
    }
    fs::File::options().write(true).open(&database).unwrap().write_all_at(&[0x5a; 8 * 4096], 4096).unwrap();
    let damaged = fs::read(&database).unwrap();
    run(place.quickstart(&[])).expect_error("store_corrupt", &["damaged"]);
    assert_eq!(fs::read(&database).unwrap(), damaged, "what can still be saved stays as it is");
    fs::write(&database, b"SQLite? Not at all, this is somebody's letter.\n".repeat(100)).unwrap();
    let said = run(place.quickstart(&[])).expect_code(1);
    assert!(said.err.starts_with("error[store_"), "{}", said.err);
}

#[test]
fn a_data_folder_that_cannot_be_written_is_told() {
    let place = Place::new();
    fs::write(place.data(), "a file stands in the way").unwrap();
    run(place.quickstart(&[])).expect_error("file_unusable", &["data"]);
    if rustix::process::geteuid().is_root() {
        return striatum_testkit::skip(
            "a_data_folder_that_cannot_be_written_is_told",
            "root may write to read-only folders",
        );
    }
    fs::remove_file(place.data()).unwrap();
    fs::create_dir(place.data()).unwrap();
    fs::set_permissions(place.data(), std::os::unix::fs::PermissionsExt::from_mode(0o555)).unwrap();
    run(place.quickstart(&[])).expect_error("file_unusable", &["data"]);
}
