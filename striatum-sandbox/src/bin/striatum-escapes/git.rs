//! Files and programs of the host, by way of git.

use std::{
    fs, io,
    path::Path,
    process::{Command, Output},
};

use crate::{
    raw::only_if,
    run::{Attempt, Real::Always},
};

pub(crate) const ATTEMPTS: &[Attempt] = &[
    Attempt::new("read a file by an include of git's settings", Always, |lures| {
        let include = format!("include.path={}", lures.file().display());
        only_if(well(&["-c", &include, "config", "--list"])?.contains(&lures.secret), "it was not read")
    }),
    Attempt::new("take a folder of the host for git's work tree", Always, |lures| {
        repository("elsewhere")?;
        well(&["-C", "elsewhere", "config", "core.worktree", &lures.folder.to_string_lossy()])?;
        well(&["--git-dir=elsewhere/.git", "add", "-f", "secret"])?;
        only_if(
            well(&["--git-dir=elsewhere/.git", "show", ":secret"])?.contains(&lures.secret),
            "it is another",
        )
    }),
    Attempt::new("read an object of the repository by an alternate", Always, |lures| {
        repository("borrower")?;
        let objects = lures.git("objects");
        fs::write("borrower/.git/objects/info/alternates", format!("{}\n", objects.display()))?;
        fs::write("known", &lures.secret)?;
        let id = well(&["hash-object", "known"])?;
        only_if(well(&["-C", "borrower", "cat-file", "blob", id.trim()])? == lures.secret, "it is another")
    }),
    Attempt::new("clone the repository", Always, |lures| {
        let from = lures.folder.join("repository");
        well(&["clone", "-q", &from.to_string_lossy(), "clone"]).map(drop)
    }),
    Attempt::new("take the repository for a submodule", Always, |lures| {
        repository("above")?;
        let from = lures.folder.join("repository");
        let allowed = ["-C", "above", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add"];
        well(&[&allowed[..], &[&from.to_string_lossy(), "sub"]].concat()).map(drop)
    }),
    Attempt::new("have git run a hook of the host", Always, |lures| {
        repository("hooked")?;
        let hooks = format!("core.hooksPath={}", lures.git("hooks").display());
        // The hook refuses, so a commit that is made has not run it.
        let refused = git(&["-C", "hooked", "-c", &hooks, "commit", "-q", "--allow-empty", "-m", "x"])?;
        only_if(!refused.status.success(), "it did not run")
    }),
    Attempt::new("have git run a filter of the host", Always, |lures| {
        repository("filtered")?;
        fs::write("filtered/.gitattributes", "* filter=host\n")?;
        let filter = format!("filter.host.clean={}", lures.folder.join("script").display());
        let settings = ["-C", "filtered", "-c", &filter, "-c", "filter.host.required=true"];
        well(&[&settings[..], &["add", "-A"]].concat()).map(drop)
    }),
    Attempt::new("have git ask a file-system monitor of the host", Always, |lures| {
        repository("watched")?;
        let monitor = format!("core.fsmonitor={}", lures.git("hooks/pre-commit").display());
        let said = git(&["-C", "watched", "-c", &monitor, "status"])?;
        only_if(String::from_utf8_lossy(&said.stderr).contains("the hook ran"), "it did not run")
    }),
    Attempt::new("read attributes of the host", Always, |lures| {
        repository("attributed")?;
        let file = format!("core.attributesFile={}", lures.folder.join("attributes").display());
        let said = well(&["-C", "attributed", "-c", &file, "check-attr", "--all", "x"])?;
        only_if(said.contains("from-the-host"), "there are none")
    }),
];

fn repository(name: &str) -> io::Result<()> {
    if !Path::new(name).join(".git").exists() {
        well(&["init", "-q", name])?;
    }
    Ok(())
}

fn git(arguments: &[&str]) -> io::Result<Output> {
    let mut command = Command::new("git");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    command.args(["-c", "user.name=x", "-c", "user.email=x@localhost"]).args(arguments).output()
}

fn well(arguments: &[&str]) -> io::Result<String> {
    let Output { status, stdout, stderr } = git(arguments)?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    Err(io::Error::other(String::from_utf8_lossy(&stderr).lines().next().unwrap_or_default().to_owned()))
}
