//! Git for whoever makes a repository to try something out in.

use std::{
    path::Path,
    process::{Command, Stdio},
};

/// A call of git in a folder, by somebody of this name, that heeds nobody's settings, templates, keys or hooks, and no repository
/// but the folder's. Arguments are added by the caller.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// let made = striatum_testkit::git::call(folder.path(), "Ada").args(["init", "--quiet"]).status()?;
/// assert!(made.success() && folder.path().join(".git").is_dir());
/// # Ok::<_, std::io::Error>(())
/// ```
pub fn call(folder: &Path, name: &str) -> Command {
    let mailbox = name.rsplit(' ').next().unwrap_or(name).to_ascii_lowercase();
    let mut command = Command::new("git");
    command
        .args(["-c", &format!("user.name={name}"), "-c", &format!("user.email={mailbox}@striatum.invalid")])
        .args(["-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false"])
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .stdin(Stdio::null());
    command
}
