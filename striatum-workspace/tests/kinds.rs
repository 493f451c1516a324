//! Kinds of repositories, and of gits.

use std::{fs, time::Duration};

use striatum_core::id::CommitId;
use striatum_workspace::{Git, Repository};

use crate::fixture::{Outcome, Person, code, git_in, grant, make_executable, put, show};

async fn work_in(person: &Person, repository: &Repository) -> Outcome<CommitId> {
    let base = repository.head().await?;
    let tree = repository.open_tree(&grant("draft")?, &base).await?;
    put(tree.path(), "work", "done\n")?;
    let saved = repository.commit(&tree, "Draft").await?;
    repository.manifest(&base, &saved.commit).await?;
    repository.close_tree(&tree).await?;
    assert_eq!(show(person.root(), tree.branch().as_str(), "work")?, b"done\n");
    assert_eq!(repository.dirty().await?, [""; 0]);
    Ok(saved.commit)
}

#[tokio::test]
async fn a_repository_of_sha256_objects() -> Outcome {
    let person = Person::with("person", &["init", "-q", "-b", "main", "--object-format=sha256"])?;
    let repository = person.open().await?;
    assert_eq!(work_in(&person, &repository).await?.as_str().len(), 64);
    Ok(())
}

#[tokio::test]
async fn a_path_with_spaces_and_quotes() -> Outcome {
    let person = Person::with("a \"person's\" ör/repo sitory", &["init", "-q", "-b", "main"])?;
    let repository = person.open().await?;
    work_in(&person, &repository).await?;
    Ok(())
}

#[tokio::test]
async fn a_shallow_clone() -> Outcome {
    let origin = Person::new()?;
    origin.write("more", "1")?;
    origin.commit_all("more")?;
    let clone = origin.beside("clone");
    let url = format!("file://{}", origin.root().display());
    origin.git(&["clone", "-q", "--depth=1", &url, &clone.to_string_lossy()])?;
    let repository = Repository::open(&clone, &origin.beside("data"), Git::new()).await?;
    let base = repository.head().await?;
    let tree = repository.open_tree(&grant("draft")?, &base).await?;
    put(tree.path(), "work", "done\n")?;
    git_in(tree.path(), &["add", "-A"])?;
    git_in(tree.path(), &["commit", "-q", "-m", "own"])?;
    let saved = repository.commit(&tree, "Draft").await?;
    repository.close_tree(&tree).await?;
    repository.merge(&[base, saved.commit], &crate::fixture::stamp()).await?;
    git_in(&clone, &["fsck"])?;
    Ok(())
}

#[tokio::test]
async fn a_linked_work_tree_as_the_persons_checkout() -> Outcome {
    let person = Person::new()?;
    let linked = person.beside("linked");
    person.git(&["worktree", "add", "-q", "-b", "side", &linked.to_string_lossy()])?;
    put(&linked, "new", "1")?;
    let from_main = person.open().await?;
    let from_linked = Repository::open(&linked.join("src"), &person.beside("data"), Git::new()).await?;
    assert_eq!(from_linked.chain(), from_main.chain());
    assert_eq!(from_linked.root(), linked.canonicalize()?);
    assert_eq!(from_linked.dirty().await?, ["new"]);
    work_in(&person, &from_main).await?;
    Ok(())
}

#[tokio::test]
async fn objects_borrowed_from_another_repository() -> Outcome {
    let origin = Person::new()?;
    let clone = origin.beside("clone");
    let path = origin.root().to_string_lossy().into_owned();
    origin.git(&["clone", "-q", "--shared", &path, &clone.to_string_lossy()])?;
    let repository = Repository::open(&clone, &origin.beside("data"), Git::new()).await?;
    let tree = repository.open_tree(&grant("draft")?, &repository.head().await?).await?;
    put(tree.path(), "work", "done\n")?;
    repository.commit(&tree, "Draft").await?;
    repository.close_tree(&tree).await?;
    Ok(())
}

#[tokio::test]
async fn a_submodule_stays_what_it_was_and_files_in_it_are_refused() -> Outcome {
    let other = Person::new()?;
    let person = Person::new()?;
    let url = format!("file://{}", other.root().display());
    person.git(&["submodule", "--quiet", "add", &url, "sub"])?;
    let base = person.commit_all("add a submodule")?;
    let repository = person.open().await?;
    assert_eq!(repository.dirty().await?, [""; 0]);
    let tree = repository.open_tree(&grant("draft")?, &base).await?;
    put(tree.path(), "work", "done\n")?;
    let saved = repository.commit(&tree, "Draft").await?;
    assert_eq!(repository.manifest(&base, &saved.commit).await?.paths().collect::<Vec<_>>(), ["work"]);
    put(tree.path(), "sub/file", "lost?")?;
    assert_eq!(code(repository.commit(&tree, "Draft").await), "repository_unsupported");
    assert_eq!(code(repository.close_tree(&tree).await), "repository_unsupported");
    Ok(())
}

#[tokio::test]
async fn what_is_no_repository_is_refused() -> Outcome {
    let person = Person::new()?;
    let data = person.beside("data");
    let bare = person.beside("bare");
    let empty = person.beside("empty");
    let plain = person.beside("plain");
    fs::create_dir_all(&plain)?;
    person.git(&["init", "-q", "--bare", &bare.to_string_lossy()])?;
    person.git(&["init", "-q", &empty.to_string_lossy()])?;
    for (path, expected) in [
        (&plain, "not_a_repository"),
        (&person.beside("absent"), "not_a_repository"),
        (&bare, "not_a_repository"),
        (&person.root().join(".git"), "not_a_repository"),
        (&empty, "no_commits"),
    ] {
        assert_eq!(code(Repository::open(path, &data, Git::new()).await), expected, "{}", path.display());
    }
    Ok(())
}

#[tokio::test]
async fn a_git_that_is_missing_old_or_stuck_is_named() -> Outcome {
    let person = Person::new()?;
    let tools = person.beside("tools");
    let open = async |git: Git| code(Repository::open(person.root(), &person.beside("data"), git).await);
    fs::create_dir_all(&tools)?;
    assert_eq!(open(Git::on_path(&tools)).await, "git_missing");
    let fake = |script: &str| -> Outcome {
        put(&tools, "git", format!("#!/bin/sh\n{script}\n"))?;
        make_executable(&tools.join("git"))
    };
    fake("echo git version 2.20.1")?;
    assert_eq!(open(Git::on_path(&tools)).await, "git_too_old");
    fake("echo something else")?;
    assert_eq!(open(Git::on_path(&tools)).await, "git_too_old");
    // A child of the program holds a pipe, and would write to it if it outlived the program.
    let pipe = person.beside("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status()?.success());
    fake(&format!("(exec 3> '{}'; /bin/sleep 20; echo alive >&3) & wait", pipe.display()))?;
    let reader = std::thread::spawn(move || fs::read_to_string(pipe));
    assert_eq!(open(Git::on_path(&tools).with_limit(Duration::from_millis(300))).await, "git_timeout");
    let said = reader.join().map_err(|_| "the reader ended badly")??;
    assert_eq!(said, "");
    Ok(())
}
