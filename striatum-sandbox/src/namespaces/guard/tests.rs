use std::{
    ffi::OsString,
    os::unix::{fs::symlink, net::UnixListener},
};

use super::*;

fn kind(guard: &Guard, path: &Path) -> Result<PathBuf, SandboxErrorKind> {
    guard.admit(path).map_err(|error| error.kind)
}

fn guard(own: &[PathBuf], homes: &[PathBuf], variable: impl Fn(&str) -> Option<OsString>) -> Guard {
    Guard::new(own, Places::new(homes, variable))
}

/// A folder with these in it, and its real path.
fn folders(names: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::TempDir::new().expect("a folder");
    let real = fs::canonicalize(root.path()).expect("a path");
    for name in names {
        fs::create_dir_all(real.join(name)).expect("a folder");
    }
    (root, real)
}

#[test]
fn what_is_protected_is_refused_in_both_directions_and_through_links() {
    let (_root, root) = folders(&[
        "home/.ssh/keys",
        "home/.config/gcloud",
        "home/code/project",
        "other/.aws",
        "other/code",
        "data/trees",
        "agent",
        "moved/gh",
    ]);
    let (home, other) = (root.join("home"), root.join("other"));
    fs::write(home.join(".netrc"), "secret").expect("a file");
    symlink(home.join(".ssh"), root.join("innocent")).expect("a link");
    symlink(&home, root.join("elsewhere")).expect("a link");
    let variable = |name: &str| match name {
        "SSH_AUTH_SOCK" => Some(root.join("agent/socket").into()),
        "DOCKER_HOST" => Some(format!("unix://{}", root.join("docker/sock").display()).into()),
        "XDG_CONFIG_HOME" => Some(root.join("moved").into()),
        "XDG_RUNTIME_DIR" => Some(root.join("runtime").into()),
        _ => None,
    };
    fs::create_dir_all(root.join("runtime/bus.d")).expect("a folder");
    let guard = guard(&[root.join("data")], &[home.clone(), other], variable);
    for refused in [
        "",
        "home",
        "home/.ssh",
        "home/.ssh/keys",
        "home/.config",
        "home/.netrc",
        "other",
        "other/.aws",
        "innocent",
        "innocent/keys",
        "elsewhere",
        "elsewhere/.ssh",
        "data",
        "data/trees",
        "agent",
        "moved",
        "moved/gh",
        "runtime",
        "runtime/bus.d",
    ] {
        let path = root.join(refused);
        assert_eq!(kind(&guard, &path), Err(SandboxErrorKind::MountRefused), "{}", path.display());
    }
    for host in ["/", "/run", "/proc/self", "/sys", "/dev/null", "/tmp", "/etc", "/root", "/var", "/home"] {
        assert_eq!(kind(&guard, Path::new(host)), Err(SandboxErrorKind::MountRefused), "{host}");
    }
    assert_eq!(kind(&guard, Path::new("home/code")), Err(SandboxErrorKind::MountRefused), "relative");
    assert_eq!(kind(&guard, &root.join("gone")), Err(SandboxErrorKind::NotFound));
    assert_eq!(kind(&guard, &home.join("code/project")), Ok(home.join("code/project")));
    assert_eq!(kind(&guard, &root.join("elsewhere/code")), Ok(home.join("code")));
    assert_eq!(kind(&guard, &root.join("other/code")), Ok(root.join("other/code")));
}

#[test]
fn a_part_of_a_session_lies_in_its_folder_and_in_no_folder_of_secrets() {
    let (_root, root) =
        folders(&["data/session/out", "data/trees/one", "home/.ssh/tree", "home/.aws/data/tree"]);
    let home = root.join("home");
    let own = [root.join("data"), home.join(".aws/data")];
    let guard = guard(&own, std::slice::from_ref(&home), |_| None);
    let (session, tree) = (root.join("data/session"), root.join("data/trees/one"));
    let admitted =
        |path: &Path, within: &Path| guard.admit_own(path, within).map_err(|error| error.to_string());
    assert_eq!(admitted(&tree, &tree), Ok(tree.clone()));
    assert_eq!(admitted(&session.join("out"), &session), Ok(session.join("out")));
    assert!(admitted(&root, &root).is_err_and(|why| why.contains("contains")), "it contains the data folder");

    // By its name it lies in the session's folder, and leads to another place.
    let out = admitted(&session.join("../trees/one"), &session);
    assert!(out.is_err_and(|why| why.contains("it leads out of")), "up and down again");
    symlink(home.join(".ssh"), session.join("linked")).expect("a link");
    let out = admitted(&session.join("linked/tree"), &session);
    assert!(out.is_err_and(|why| why.contains("it leads out of")), "through a link that somebody made");
    let out = admitted(&session.join("linked"), &session);
    assert!(out.is_err_and(|why| why.contains("it is a link")), "a link");

    let secret = home.join(".ssh/tree");
    assert!(
        admitted(&secret, &secret).is_err_and(|why| why.contains("is not for agents")),
        "a secret as a tree"
    );
    let inside = home.join(".aws/data/tree");
    assert_eq!(admitted(&inside, &inside), Ok(inside), "the engine may keep its data there");
}

#[test]
fn a_folder_in_which_somebody_listens_is_refused() {
    let (_root, root) = folders(&["inner one"]);
    let guard = guard(&[], &[], |_| None);
    guard.admit(&root).expect("nobody listens");
    let _listener = UnixListener::bind(root.join("inner one/a socket")).expect("a socket");
    for path in ["", "inner one", "inner one/a socket"] {
        let path = root.join(path);
        assert_eq!(kind(&guard, &path), Err(SandboxErrorKind::MountRefused), "{}", path.display());
    }
}
