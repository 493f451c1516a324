//! Histories that cannot be trusted.

use std::{fs, os::unix::fs::symlink};

use striatum_workspace::FilesOnly;

use super::Stage;
use crate::fixture::{Outcome, git_in, put};

/// What an agent does, and how what happens to its history is told.
type Case = (&'static str, fn(&Stage) -> Outcome, fn(&FilesOnly) -> bool);

const REFUSED: &[Case] = &[
    (
        "name a commit of another branch",
        |stage| Ok(fs::write(stage.dot_git().join("HEAD"), format!("{}\n", stage.secret.0))?),
        |why| matches!(why, FilesOnly::NotGiven(_)),
    ),
    (
        "name a blob of another branch",
        |stage| stage.commits_entry("100644", "stolen", &stage.secret.1).map(drop),
        |why| matches!(why, FilesOnly::NotGiven(_)),
    ),
    (
        "name a blob of another branch, and pretend to have it",
        |stage| {
            stage.commits_entry("100644", "stolen", &stage.secret.1)?;
            let other = stage.object("blob", b"something else")?;
            let objects = stage.dot_git().join("objects");
            let place = |id: &str| objects.join(&id[..2]).join(&id[2..]);
            let pretended = place(&stage.secret.1);
            fs::create_dir_all(pretended.parent().ok_or("no parent")?)?;
            Ok(fs::rename(place(&other), pretended)?)
        },
        |why| matches!(why, FilesOnly::NotGiven(_)),
    ),
    (
        "borrow the person's objects",
        |stage| {
            let objects = stage.person.root().join(".git/objects");
            put(&stage.dot_git(), "objects/info/alternates", format!("{}\n", objects.display()))?;
            stage.git(&["read-tree", &stage.secret.0])?;
            stage.git(&["commit", "-q", "-m", "stolen"]).map(drop)
        },
        |why| matches!(why, FilesOnly::NotGiven(_)),
    ),
    (
        "have a link for its objects",
        |stage| {
            let objects = stage.dot_git().join("objects");
            stage.commits("own", "1")?;
            fs::rename(&objects, stage.person.beside("objects"))?;
            Ok(symlink(stage.person.beside("objects"), objects)?)
        },
        |why| matches!(why, FilesOnly::Broken(_)),
    ),
    (
        "have a link for an object",
        |stage| {
            let own = stage.commits("own", "1")?;
            let object = stage.dot_git().join("objects").join(&own[..2]).join(&own[2..]);
            fs::rename(&object, stage.person.beside("object"))?;
            Ok(symlink(stage.person.beside("object"), object)?)
        },
        |why| matches!(why, FilesOnly::Broken(_)),
    ),
    (
        "record a repository",
        |stage| {
            let nested = stage.tree.path().join("nested");
            fs::create_dir_all(&nested)?;
            git_in(&nested, &["init", "-q"])?;
            put(&nested, "file", "1")?;
            git_in(&nested, &["add", "-A"])?;
            git_in(&nested, &["commit", "-q", "-m", "nested"])?;
            stage.commits("own", "1").map(drop)
        },
        |why| matches!(why, FilesOnly::Submodule(path) if path == "nested"),
    ),
    (
        "have a submodule run a program",
        |stage| {
            let text = "[submodule \"x\"]\n\tpath = x\n\turl = -u./evil\n\tupdate = !evil\n";
            stage.commits(".gitmodules", text)?;
            Ok(fs::remove_file(stage.tree.path().join(".gitmodules"))?)
        },
        |why| matches!(why, FilesOnly::Broken(_)),
    ),
    (
        "commit a folder .git",
        |stage| {
            let tree = stage.git(&["rev-parse", "HEAD^{tree}"])?;
            stage.commits_entry("40000", ".git", &tree).map(drop)
        },
        |why| matches!(why, FilesOnly::Broken(_)),
    ),
    (
        "commit a way up",
        |stage| {
            let tree = stage.git(&["rev-parse", "HEAD^{tree}"])?;
            stage.commits_entry("40000", "..", &tree).map(drop)
        },
        |why| matches!(why, FilesOnly::Broken(_)),
    ),
    (
        "commit a name of several parts",
        |stage| {
            let blob = stage.object("blob", b"x")?;
            stage.commits_entry("100644", "a/b", &blob).map(drop)
        },
        |why| matches!(why, FilesOnly::Broken(_)),
    ),
    (
        "commit what is no commit",
        |stage| {
            let id = stage.object("commit", b"tree of nothing\n")?;
            Ok(fs::write(stage.dot_git().join("HEAD"), format!("{id}\n"))?)
        },
        |why| matches!(why, FilesOnly::Broken(_)),
    ),
    (
        "commit a bomb",
        |stage| {
            put(stage.tree.path(), "bomb", vec![0; 4 << 20])?;
            stage.git(&["add", "-A"])?;
            stage.git(&["commit", "-q", "-m", "bomb"])?;
            Ok(fs::remove_file(stage.tree.path().join("bomb"))?)
        },
        |why| matches!(why, FilesOnly::Large(_)),
    ),
    (
        "commit a bomb in a pack",
        |stage| {
            put(stage.tree.path(), "bomb", vec![0; 32 << 20])?;
            stage.git(&["add", "-A"])?;
            stage.git(&["commit", "-q", "-m", "bomb"])?;
            stage.git(&["repack", "-q", "-d"])?;
            Ok(fs::remove_file(stage.tree.path().join("bomb"))?)
        },
        |why| matches!(why, FilesOnly::Large(_) | FilesOnly::Broken(_)),
    ),
    (
        // A few hundred bytes of instructions for an object of thirteen gigabytes.
        "have a pack that grows without bounds",
        |stage| {
            stage.commits("own", "1")?;
            let bomb = include_bytes!("delta-bomb.pack");
            put(&stage.dot_git(), "objects/pack/pack-bomb.pack", bomb)
        },
        |why| matches!(why, FilesOnly::Broken(said) if said.contains("over limit")),
    ),
    (
        "have a pack without an end",
        |stage| {
            stage.commits("own", "1")?;
            Ok(fs::File::create(stage.dot_git().join("objects/pack/pack-x.pack"))?.set_len(1 << 40)?)
        },
        |why| matches!(why, FilesOnly::Unreadable(_)),
    ),
    (
        "have a pack that is none",
        |stage| {
            stage.commits("own", "1")?;
            put(&stage.dot_git(), "objects/pack/pack-x.pack", "PACK")
        },
        |why| matches!(why, FilesOnly::Broken(_)),
    ),
    (
        "have more refs than anybody looks at",
        |stage| {
            stage.commits("own", "1")?;
            let refs = stage.dot_git().join("refs/heads");
            (0..10_001).try_for_each(|number| fs::write(refs.join(format!("r{number}")), ""))?;
            Ok(())
        },
        |why| matches!(why, FilesOnly::Unreadable(_)),
    ),
    (
        "lose an object",
        |stage| {
            let own = stage.commits("own", "1")?;
            let blob = stage.git(&["rev-parse", &format!("{own}:own")])?;
            fs::remove_file(stage.tree.path().join("own"))?;
            Ok(fs::remove_file(stage.dot_git().join("objects").join(&blob[..2]).join(&blob[2..]))?)
        },
        |why| matches!(why, FilesOnly::Broken(_)),
    ),
];

#[tokio::test]
async fn of_a_history_that_cannot_be_trusted_only_the_files_are_taken() -> Outcome {
    for (doing, act, expected) in REFUSED {
        let stage = Stage::new().await?;
        act(&stage).map_err(|error| format!("{doing}: {error}"))?;
        let saved = stage.saved().await.map_err(|error| format!("{doing}: {error}"))?;
        let why = saved.files_only.ok_or_else(|| format!("{doing}: it was taken over"))?;
        assert!(expected(&why), "{doing}: {why}");
        let log = stage.person.git(&["log", "-1", "--format=%P%n%B", saved.commit.as_str()])?;
        assert!(log.starts_with(stage.base.as_str()), "{doing}: {log}");
        assert!(log.contains("Striatum-History: files only: "), "{doing}: {log}");
        let paths = stage.person.git(&["ls-tree", "-r", "--name-only", saved.commit.as_str()])?;
        assert!(!paths.contains("stolen") && !paths.contains("secret"), "{doing}: {paths}");
    }
    Ok(())
}
