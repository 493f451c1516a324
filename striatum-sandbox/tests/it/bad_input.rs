//! What a sandbox meets that it cannot work with: each is told by its kind, with what to do about it.

use std::{
    error::Error,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use striatum_core::sandbox::{Sandbox, SandboxError, SandboxErrorKind};
use striatum_sandbox::{Namespaces, shim::Shim};

use crate::support::{Place, exit, rest, shell, shim_program, stdout, walls};

async fn unavailable(bubblewrap: &Path) -> SandboxError {
    let builder = Namespaces::builder().shim(Shim::at(shim_program())).bubblewrap(bubblewrap);
    let error = builder.probe().await.expect_err("there are no walls");
    assert_eq!(error.kind, SandboxErrorKind::Unavailable, "{error}");
    error
}

fn remedy(error: &SandboxError) -> &str {
    error.remedy.as_deref().unwrap_or_else(|| panic!("{error}: nothing to do about it"))
}

#[tokio::test]
async fn a_bubblewrap_that_is_missing_is_to_be_installed() {
    let place = Place::new();
    let error = unavailable(&place.path().join("bwrap")).await;
    assert!(remedy(&error).contains("apt-get install bubblewrap"), "{error}");
}

/// The kernel's own answer: this bubblewrap runs where it may make no more user namespaces.
#[tokio::test]
async fn a_kernel_without_user_namespaces_is_told_with_the_setting() {
    let name = "a_kernel_without_user_namespaces_is_told_with_the_setting";
    if walls(name).await.is_none() {
        return;
    }
    let place = Place::new();
    let script = place.path().join("bwrap");
    let text = "#!/bin/sh\n[ \"$1\" = --version ] && exec bwrap --version\n\
                exec bwrap --bind / / --dev-bind /dev /dev --unshare-user --disable-userns -- bwrap \"$@\"\n";
    let path = std::env::var("PATH").expect("a PATH");
    fs::write(&script, text.replace("#!/bin/sh\n", &format!("#!/bin/sh\nPATH='{path}'\n"))).expect("a file");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("its mode");
    let error = unavailable(&script).await;
    let said = error.source().map(ToString::to_string).unwrap_or_default();
    assert!(
        remedy(&error).starts_with("allow user namespaces: sysctl "),
        "{error}: {said}: {:?}",
        error.remedy
    );
}

#[tokio::test]
async fn a_tree_that_became_a_link_is_not_shown() {
    let Some(sandbox) = walls("a_tree_that_became_a_link_is_not_shown").await else { return };
    let place = Place::new();
    let elsewhere = place.path().join("elsewhere");
    fs::rename(&place.spec.tree, &elsewhere).expect("a folder");
    symlink(&elsewhere, &place.spec.tree).expect("a link");
    let error = sandbox.open(&place.spec).await.expect_err("it is a link");
    assert_eq!(error.kind, SandboxErrorKind::MountRefused, "{error}");
    assert!(error.to_string().contains("it is a link"), "{error}");
    assert!(remedy(&error).contains("a new tree"), "{error}");
}

/// Nothing that lies in a tree is asked for anything when a session is opened on it.
#[tokio::test]
async fn a_tree_full_of_traps_is_a_tree() {
    let Some(sandbox) = walls("a_tree_full_of_traps_is_a_tree").await else { return };
    let place = Place::new();
    let at = |name: &str| place.spec.tree.join(name);
    symlink("/", at("root")).expect("a link");
    symlink("loop", at("loop")).expect("a link");
    symlink("/proc/self/fd/0", at(".git")).expect("a link");
    fs::create_dir_all(at("etc/passwd")).expect("a folder");
    fs::write(at("\n--bind"), "").expect("a file");
    assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().expect("it runs").success());
    let mut session = sandbox.open(&place.spec).await.expect("a session");
    let mut process = session.spawn(&shell("ls -A | wc -l; cat root/etc/shadow")).await.expect("it starts");
    assert_eq!(rest(stdout(&mut process)).await, "7\n");
    assert!(!exit(&mut process).await.is_success());
    session.close().await.expect("nothing is left");
}
