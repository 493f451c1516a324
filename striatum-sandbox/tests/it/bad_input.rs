//! What a sandbox meets that it cannot work with: each is told by its kind, with what to do about it.

use std::{
    error::Error,
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::{Path, PathBuf},
};

use striatum_core::sandbox::{Access, Mount, Sandbox, SandboxError, SandboxErrorKind};
use striatum_sandbox::{Namespaces, shim::Shim};

use crate::support::{Place, exit, rest, shell, shim_program, stdout, walls, walls_with};

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
    let script = "[ \"$1\" = --version ] && exec bwrap --version\n\
                  exec bwrap --bind / / --dev-bind /dev /dev --unshare-user --disable-userns -- bwrap \"$@\"\n";
    let error = unavailable(&place.bubblewrap(script)).await;
    let said = error.source().map(ToString::to_string).unwrap_or_default();
    assert!(
        remedy(&error).starts_with("allow user namespaces: sysctl "),
        "{error}: {said}: {:?}",
        error.remedy
    );
}

/// A filter answers in the kernel's place, as a kernel does that was built without it.
#[tokio::test]
async fn a_kernel_without_landlock_is_told_with_what_it_needs() {
    let name = "a_kernel_without_landlock_is_told_with_what_it_needs";
    if walls(name).await.is_none() {
        return;
    }
    let place = Place::new();
    let filter = place.path().join("filter");
    // Load the number; unless it is that of landlock_create_ruleset, pass the next; EOPNOTSUPP; let it through.
    let program = [(0x20, 0, 0), (0x15, 1, 444), (0x06, 0, 0x0005_005f), (0x06, 0, 0x7fff_0000)];
    let bytes = program.map(|(code, otherwise, value): (u16, u8, u32)| {
        let [one, other] = code.to_ne_bytes();
        [&[one, other, 0, otherwise], &value.to_ne_bytes()[..]].concat()
    });
    fs::write(&filter, bytes.concat()).expect("a file");
    let script = format!(
        "[ \"$1\" = --version ] && exec bwrap --version\nexec bwrap --seccomp 9 \"$@\" 9<'{}'\n",
        filter.display()
    );
    let error = unavailable(&place.bubblewrap(&script)).await;
    let said = error.source().map(ToString::to_string).unwrap_or_default();
    assert!(said.contains("this kernel has no Landlock"), "{error}: {said}");
    assert!(remedy(&error).contains("CONFIG_SECURITY_LANDLOCK"), "{error}: {:?}", error.remedy);
}

/// Neither programs that end at once nor this one, whose `main` is its harness's.
#[tokio::test]
async fn a_program_that_is_no_shim_is_told_what_to_call() {
    let name = "a_program_that_is_no_shim_is_told_what_to_call";
    if walls(name).await.is_none() {
        return;
    }
    let this = std::env::current_exe().expect("this program");
    for shim in [Some("/bin/true".into()), Some("/bin/false".into()), Some(this), None] {
        let builder = Namespaces::builder();
        let builder = if let Some(shim) = &shim { builder.shim(Shim::at(shim)) } else { builder };
        let error = builder.probe().await.expect_err("it is none");
        assert_eq!(error.kind, SandboxErrorKind::Unavailable, "{shim:?}: {error}");
        assert!(remedy(&error).contains("main_if_shim"), "{shim:?}: {error}: {:?}", error.remedy);
    }
}

/// Walls of a thread hold that thread alone, so the others would be an agent without any.
#[tokio::test]
async fn a_shim_that_has_started_a_thread_does_not_become_an_agent() {
    if walls("a_shim_that_has_started_a_thread_does_not_become_an_agent").await.is_none() {
        return;
    }
    let error = Namespaces::builder().shim(Shim::at(crate::escapes::ESCAPES)).probe().await;
    let error = error.expect_err("it is careless");
    let said = error.source().map(ToString::to_string).unwrap_or_default();
    assert!(said.contains("a thread was started before `main_if_shim` was called"), "{error}: {said}");
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

/// Not even to be read, neither for all sessions nor for one.
#[tokio::test]
async fn what_no_agent_may_see_is_refused_as_a_mount() {
    let name = "what_no_agent_may_see_is_refused_as_a_mount";
    let place = Place::new();
    let at = |name: &str| place.path().join(name);
    for folder in ["data/trees", "with a socket", "fine"] {
        fs::create_dir_all(at(folder)).expect("a folder");
    }
    symlink("/", at("link")).expect("a link");
    let data = at("data");
    let Some(sandbox) = walls_with(name, |builder| builder.protect(data)).await else { return };
    let _agent = UnixListener::bind(at("with a socket/agent.sock")).expect("a socket");
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_dir());
    let refused = [place.path().to_owned(), at("data"), at("data/trees"), at("link"), at("with a socket")];
    let hosts = ["/", "/home", "/root", "/run", "/dev/shm", "/proc", "/etc", "/tmp"].map(PathBuf::from);
    for path in refused.into_iter().chain(hosts).chain(home).filter(|path| path.exists()) {
        let builder = Namespaces::builder().shim(Shim::at(shim_program())).protect(at("data"));
        let error = builder.mount(&path, Access::Read).probe().await.expect_err("for all sessions");
        assert_eq!(error.kind, SandboxErrorKind::MountRefused, "{error}");
        assert!(remedy(&error).contains("mount the folder that is really needed"), "{error}");
        let mut spec = place.spec.clone();
        spec.mounts.push(Mount::read(&path));
        let error = sandbox.open(&spec).await.expect_err("for one session");
        assert_eq!(error.kind, SandboxErrorKind::MountRefused, "{error}");
    }
    let mut spec = place.spec.clone();
    spec.mounts.push(Mount::read(at("fine")));
    sandbox.open(&spec).await.expect("nothing is wrong with it").close().await.expect("nothing runs");
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
