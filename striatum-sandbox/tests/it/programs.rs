use std::os::unix::fs::PermissionsExt;

use striatum_core::sandbox::{Exit, Sandbox, SandboxErrorKind};
use striatum_sandbox::NoSandbox;

use crate::support::{Place, exec, exit, rest, stdout};

#[tokio::test]
async fn arguments_arrive_as_they_are() {
    let place = Place::new();
    let odd =
        ["", " ", "-n", "--", "it's", "a \"b\"", "$(id) `id` $HOME", "a\nb\n", "*", "\\", "a=b", "ä\u{7f}"];
    let argv = ["printf", "%s\\0"].into_iter().chain(odd);
    let mut session = place.open().await;
    let mut process = session.spawn(&exec(argv)).await.expect("it starts");
    assert_eq!(rest(stdout(&mut process)).await, odd.map(|argument| format!("{argument}\0")).concat());
}

#[tokio::test]
async fn a_program_that_is_nowhere_is_not_found() {
    let place = Place::new();
    let mut session = place.open().await;
    for name in ["no-such-program", "./no-such-program", "/no/such/program", ""] {
        let refused = session.spawn(&exec([name])).await.expect_err("there is none");
        assert_eq!(refused.kind, SandboxErrorKind::NotFound, "{name}");
    }
    let refused = session.spawn(&exec(["no-such-program"])).await.expect_err("there is none");
    assert_eq!(refused.to_string(), "cannot find \"no-such-program\" in the 3 folders of PATH");
    assert!(!place.record("process").exists());
}

#[tokio::test]
async fn a_file_that_is_no_program_is_denied() {
    let place = Place::new();
    std::fs::write(place.path().join("notes"), "text").expect("a file");
    let sandbox = NoSandbox::new(place.path().into());
    let mut session = sandbox.open(&place.spec).await.expect("a session");
    let absolute = place.path().join("notes").into_os_string();
    for name in ["notes".into(), "../notes".into(), absolute, "/".into()] {
        let refused = session.spawn(&exec([name])).await.expect_err("it may not be run");
        assert_eq!(refused.kind, SandboxErrorKind::Denied);
    }
}

#[tokio::test]
async fn a_relative_folder_of_path_is_not_searched_but_a_relative_program_is_run() {
    let place = Place::new();
    let program = place.spec.tree.join("agent");
    std::fs::write(&program, "#!/bin/sh\nexit 5\n").expect("a file");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("its mode");
    let sandbox = NoSandbox::new(".::/usr/bin".into());
    let mut session = sandbox.open(&place.spec).await.expect("a session");
    let refused = session.spawn(&exec(["agent"])).await.expect_err("the tree is not searched");
    assert_eq!(refused.kind, SandboxErrorKind::NotFound);
    let mut process = session.spawn(&exec(["./agent"])).await.expect("it starts");
    assert_eq!(exit(&mut process).await, Exit::Code(5));
}

#[tokio::test]
async fn a_tree_that_is_not_there_is_no_missing_program() {
    let mut place = Place::new();
    place.spec.tree = place.path().join("gone");
    let refused = place.open().await.spawn(&exec(["true"])).await.expect_err("there is no tree");
    assert_eq!(refused.kind, SandboxErrorKind::Denied);
}
