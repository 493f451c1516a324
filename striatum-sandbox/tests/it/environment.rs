use std::os::unix::fs::PermissionsExt;

use striatum_core::sandbox::{EnvVar, Exec, Isolation, Level, Sandbox, SandboxErrorKind};

use crate::support::{Place, exec, exit, line, rest, sandbox, shell, stdout};

#[tokio::test]
async fn the_environment_holds_what_was_named_and_nothing_else() {
    let mut place = Place::new();
    place.spec.env = vec![EnvVar::new("LANG", "C.UTF-8"), EnvVar::new("KEPT", "session")];
    place.spec.env.push(EnvVar::new("ODD", "a 'b' \"c\"\n$HOME `id`"));
    place.spec.env.push(EnvVar::new("status", "the wrapper has one of this name"));
    let mut session = place.open().await;
    let env = vec![EnvVar::new("KEPT", "exec"), EnvVar::new("folder", "")];
    let mut process = session.spawn(&Exec { env, ..exec(["env", "-0"]) }).await.expect("it starts");
    let printed = rest(stdout(&mut process)).await;
    let mut found: Vec<_> = printed.split_terminator('\0').collect();
    found.sort_unstable();

    let folder = place.spec.folder.display();
    let mut expected = [
        "PATH=/usr/local/bin:/usr/bin:/bin".to_owned(),
        format!("HOME={folder}/home"),
        format!("TMPDIR={folder}/tmp"),
        format!("STRIATUM_SESSION={}", place.spec.fence.session),
        "LANG=C.UTF-8".to_owned(),
        "KEPT=exec".to_owned(),
        "ODD=a 'b' \"c\"\n$HOME `id`".to_owned(),
        "status=the wrapper has one of this name".to_owned(),
        "folder=".to_owned(),
    ];
    expected.sort_unstable();
    // A shell that is bash adds this one.
    found.retain(|variable| !variable.starts_with("_="));
    assert_eq!(found, expected);
}

#[tokio::test]
async fn home_and_temporary_files_are_the_sessions_own_and_private() {
    let place = Place::new();
    let mut session = place.open().await;
    let mut process =
        session.spawn(&shell("pwd -P; echo x >$HOME/a; echo y >\"$TMPDIR\"/b")).await.expect("it starts");
    let mut output = stdout(&mut process);
    let tree = std::fs::canonicalize(&place.spec.tree).expect("a tree");
    assert_eq!(line(&mut output).await, tree.to_str().expect("text"));
    exit(&mut process).await;
    for (folder, file) in [("home", "a"), ("tmp", "b")] {
        let mode = std::fs::metadata(place.record(folder)).expect("a folder").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(place.record(folder).join(file).exists(), "{file}");
    }
}

#[tokio::test]
async fn what_the_sandbox_sets_cannot_be_set_by_others() {
    let mut place = Place::new();
    let mut session = place.open().await;
    let env = vec![EnvVar::new("HOME", "/root")];
    let refused = session.spawn(&Exec { env, ..exec(["true"]) }).await.expect_err("it is the sandbox's");
    assert_eq!(refused.kind, SandboxErrorKind::Unsupported);
    place.spec.env = vec![EnvVar::new("PATH", "/elsewhere")];
    let refused = sandbox().open(&place.spec).await.expect_err("it is the sandbox's");
    assert_eq!(refused.kind, SandboxErrorKind::Unsupported);
}

#[tokio::test]
async fn a_demand_beyond_the_offer_is_refused_by_name() {
    let mut place = Place::new();
    place.spec.demands = Isolation { network: Level::Enforced, ..place.spec.demands };
    let refused = sandbox().open(&place.spec).await.expect_err("there is no wall");
    assert_eq!(refused.kind, SandboxErrorKind::Unsupported);
    assert_eq!(
        refused.to_string(),
        "cannot hold network as enforced: a plain process offers advisory_strict"
    );
    assert!(!place.record("session").exists());
}

#[tokio::test]
async fn a_folder_serves_one_session() {
    let place = Place::new();
    place.open().await.close().await.expect("nothing to end");
    sandbox().open(&place.spec).await.expect_err("it has served one");
}
