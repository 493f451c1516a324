//! The demonstration repository.

use std::{fs, io, path::Path};

use crate::failure::Failure;

/// Its files, with what is in them.
const FILES: &[(&str, &str)] = &[
    ("README.md", include_str!("../demo/README.md")),
    (WORKFLOW, include_str!("../demo/workflow/workflow.json")),
    ("workflow/prompts/draft.md", include_str!("../demo/workflow/prompts/draft.md")),
    ("workflow/prompts/review.md", include_str!("../demo/workflow/prompts/review.md")),
    ("workflow/prompts/apply.md", include_str!("../demo/workflow/prompts/apply.md")),
    ("workflow/roles/author.md", include_str!("../demo/workflow/roles/author.md")),
    ("workflow/roles/reviewer.md", include_str!("../demo/workflow/roles/reviewer.md")),
];

/// The document of the demonstration.
pub(crate) const WORKFLOW: &str = "workflow/workflow.json";

/// Makes the repository if it is not there. It is made beside its place and moved into it, so that it is whole or absent.
pub(crate) fn ensure(place: &Path) -> Result<(), Failure> {
    if place.join(".git").exists() {
        return Ok(());
    }
    let draft = place.with_extension("new");
    let unusable = |error: &io::Error| Failure::io("make the demonstration repository in", &draft, error);
    match fs::remove_dir_all(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(&error)),
        _ => {}
    }
    for (path, text) in FILES {
        let path = draft.join(path);
        let folder = path.parent().unwrap_or(&draft);
        fs::create_dir_all(folder).and_then(|()| fs::write(&path, text)).map_err(|error| unusable(&error))?;
    }
    for arguments in [
        &["init", "--quiet", "--initial-branch=main"][..],
        &["add", "--all"],
        &["commit", "--quiet", "--no-gpg-sign", "--no-verify", "--message", "Begin the demonstration"],
    ] {
        git(&draft, arguments)?;
    }
    fs::rename(&draft, place).map_err(|error| unusable(&error))
}

/// Runs git without the person's settings: a template or a signing key of theirs has no place in a demonstration.
fn git(folder: &Path, arguments: &[&str]) -> Result<(), Failure> {
    let missing = |error: io::Error| {
        Failure::new("git_missing", format!("cannot run git: {error}"), "install git 2.40 or newer")
    };
    let ended = striatum_testkit::git::call(folder, "Striatum quickstart")
        .args(arguments)
        .output()
        .map_err(missing)?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    Err(Failure::new(
        "git_failed",
        format!("git {} failed: {}", arguments[0], said.trim()),
        "check git and the data folder",
    ))
}
