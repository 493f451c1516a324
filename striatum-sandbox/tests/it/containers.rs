//! What stands around an agent in a container.

use std::{
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
};

use striatum_core::sandbox::{Exit, Isolation, Level, Mount, Sandbox, SandboxErrorKind};
use striatum_sandbox::{Container, shim::Shim};

use crate::support::{Place, containers_with, exit, shell, shim_program, works};

#[tokio::test]
async fn an_agent_works_in_a_container_as_it_does_behind_walls() {
    let name = "an_agent_works_in_a_container_as_it_does_behind_walls";
    let Some(sandbox) = containers_with(name, |builder| builder).await else { return };
    assert_eq!(sandbox.measured().breaches, [""; 0]);
    let held = Isolation { resources: sandbox.offers().resources, ..Isolation::uniform(Level::Enforced) };
    assert_eq!(sandbox.offers(), held);
    let place = Place::new();
    works(&sandbox, &place).await;
    let owner = |path: &Path| std::fs::metadata(path).expect("it is there").uid();
    assert_eq!(owner(&place.spec.tree.join("file")), owner(&place.spec.tree));
    assert!(!place.record("engine").exists(), "what the engine had is gone");
}

#[tokio::test]
async fn the_engine_leaves_folders_and_settings_of_the_person_alone() {
    let name = "the_engine_leaves_folders_and_settings_of_the_person_alone";
    let Some(sandbox) = containers_with(name, |builder| builder).await else { return };
    let mut place = Place::new();
    let home = place.path().join("shut");
    std::fs::create_dir_all(home.join("shown")).expect("a folder");
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).expect("its mode");
    place.spec.mounts.push(Mount::write(home.join("shown")));
    let before = modes(place.path());
    let mut session = sandbox.open(&place.spec).await.expect("a session");
    let mut process = session.spawn(&shell("true")).await.expect("it starts");
    assert_eq!(exit(&mut process).await, Exit::Code(0));
    assert_eq!(modes(place.path()), before, "podman opens folders to others where it may");
    session.close().await.expect("nothing is left");
}

/// Who may do what in the folders of a place.
fn modes(root: &Path) -> Vec<u32> {
    let folders = ["", "shut", "shut/shown", "tree", "it's a \"folder\" $HOME"];
    let mode = |folder: &str| std::fs::metadata(root.join(folder)).expect("it is there").permissions().mode();
    folders.map(mode).to_vec()
}

#[tokio::test]
async fn a_path_that_podman_cannot_name_is_refused() {
    let name = "a_path_that_podman_cannot_name_is_refused";
    let Some(sandbox) = containers_with(name, |builder| builder).await else { return };
    let mut place = Place::new();
    let odd = place.path().join("a:b");
    std::fs::create_dir(&odd).expect("a folder");
    place.spec.mounts.push(Mount::read(odd));
    let mut session = sandbox.open(&place.spec).await.expect("a session");
    let error = session.spawn(&shell("true")).await.expect_err("it has a colon");
    assert_eq!(error.kind, SandboxErrorKind::MountRefused, "{error}");
    assert!(error.to_string().contains("a colon"), "{error}");
}

#[tokio::test]
async fn containers_that_cannot_be_had_are_told_with_what_to_install() {
    let place = Place::new();
    let old = place.path().join("podman");
    std::fs::write(&old, "#!/bin/sh\necho podman version 3.4.4\n").expect("a file");
    std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o755)).expect("its mode");
    let link = place.path().join("none");
    symlink("/nowhere/podman", &link).expect("a link");
    for engine in [old, link, "/bin/true".into()] {
        let builder = Container::builder().shim(Shim::at(shim_program())).engine(&engine);
        let error = builder.probe().await.expect_err("it is none");
        assert_eq!(error.kind, SandboxErrorKind::Unavailable, "{error}");
        assert!(error.remedy.as_ref().is_some_and(|it| it.contains("apt-get install podman")), "{error:?}");
    }
}

/// Docker is no other podman: nothing falls back to it.
#[tokio::test]
async fn docker_is_told_from_podman_and_not_used() {
    let place = Place::new();
    let docker = place.path().join("podman");
    let text = "#!/bin/sh\n[ \"$1\" = --version ] && exec echo 'Docker version 28.2.2, build e6534b4'\n\
                touch \"${0%/*}/run\"\n";
    std::fs::write(&docker, text).expect("a file");
    std::fs::set_permissions(&docker, std::fs::Permissions::from_mode(0o755)).expect("its mode");
    let builder = Container::builder().shim(Shim::at(shim_program())).engine(&docker);
    let error = builder.probe().await.expect_err("it is docker");
    assert_eq!(error.kind, SandboxErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("is no podman and says \"Docker version 28.2.2"), "{error}");
    assert!(error.remedy.as_ref().is_some_and(|it| it.contains("docker is not used")), "{error:?}");
    assert!(!place.path().join("run").exists(), "it was run all the same");
}

/// What podman says is the cause, and what helps is told where it is known.
#[tokio::test]
async fn what_podman_complains_of_is_told() {
    let place = Place::new();
    let script = place.path().join("podman");
    let text = "#!/bin/sh\n[ \"$1\" = --version ] && exec echo podman version 4.3.1\n\
                echo 'Error: no subuid ranges found for user' >&2; exit 125\n";
    std::fs::write(&script, text).expect("a file");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("its mode");
    let builder = Container::builder().shim(Shim::at(shim_program())).engine(&script);
    let error = builder.probe().await.expect_err("there are no containers");
    assert_eq!(error.kind, SandboxErrorKind::Unavailable, "{error}");
    assert!(error.remedy.as_ref().is_some_and(|it| it.contains("--add-subuids")), "{error:?}");
    let cause = std::error::Error::source(&error).expect("a cause").to_string();
    assert!(cause.contains("no subuid ranges"), "{cause}");
}
