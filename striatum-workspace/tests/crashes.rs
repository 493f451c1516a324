//! Every effect may be repeated, whole or after half of it was done.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

use striatum_workspace::{BranchName, Delivered, Delivery, Git, Repository, Tree};

use crate::fixture::{Outcome, Person, code, git_in, grant, put};

fn note(tree: &Tree) -> PathBuf {
    let name = tree.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    tree.path().with_file_name(format!("{name}.json"))
}

fn set_state(tree: &Tree, from: &str, to: &str) -> Outcome {
    let text = fs::read_to_string(note(tree))?;
    assert!(text.contains(from), "{text}");
    Ok(fs::write(note(tree), text.replace(from, to))?)
}

#[tokio::test]
async fn a_tree_opened_again_is_the_tree_as_the_agent_left_it() -> Outcome {
    let person = Person::new()?;
    let repository = person.open().await?;
    let base = repository.head().await?;
    let tree = repository.open_tree(&grant("draft")?, &base).await?;
    put(tree.path(), "work", "half")?;
    fs::remove_dir_all(tree.path().join(".git"))?;
    let other = Repository::open(person.root(), &person.beside("data"), Git::new()).await?;
    assert_eq!(other.trees().await?, std::slice::from_ref(&tree));
    assert_eq!(other.open_tree(&grant("draft")?, &base).await?, tree);
    assert_eq!(fs::read(tree.path().join("work"))?, b"half");
    assert_eq!(git_in(tree.path(), &["status", "--porcelain"])?, "?? work");
    let set_aside = other.set_aside(&tree).await?.ok_or("nothing set aside")?;
    assert_eq!(repository.set_aside(&tree).await?, Some(set_aside.clone()));
    assert_eq!(code(repository.open_tree(&grant("draft")?, &set_aside).await), "tree_exists");
    fs::remove_dir_all(tree.path())?;
    assert_eq!(code(repository.open_tree(&grant("draft")?, &base).await), "tree_lost");
    assert_eq!(code(repository.commit(&tree, "x").await), "tree_lost");
    repository.close_tree(&tree).await?;
    assert_eq!(repository.trees().await?, []);
    Ok(())
}

#[tokio::test]
async fn a_tree_whose_making_was_cut_off_is_made_anew() -> Outcome {
    let person = Person::new()?;
    let repository = person.open().await?;
    let base = repository.head().await?;
    let tree = repository.open_tree(&grant("draft")?, &base).await?;
    for half in ["nothing was checked out", "some was", "all was but for the repository"] {
        set_state(&tree, "\"open\"", "\"opening\"")?;
        match half {
            "nothing was checked out" => fs::remove_dir_all(tree.path())?,
            "some was" => fs::write(tree.path().join("README.md"), "re")?,
            _ => fs::remove_dir_all(tree.path().join(".git"))?,
        }
        assert_eq!(repository.trees().await?, std::slice::from_ref(&tree), "{half}");
        assert_eq!(repository.open_tree(&grant("draft")?, &base).await?, tree, "{half}");
        assert_eq!(git_in(tree.path(), &["status", "--porcelain"])?, "", "{half}");
    }
    Ok(())
}

#[tokio::test]
async fn a_note_that_was_cut_off_goes_with_its_tree() -> Outcome {
    let person = Person::new()?;
    let repository = person.open().await?;
    let base = repository.head().await?;
    let tree = repository.open_tree(&grant("draft")?, &base).await?;
    let job = tree.path().parent().ok_or("a tree lies in the folder of its job")?.to_owned();
    for is_open in [true, false] {
        fs::create_dir_all(&job)?;
        fs::write(note(&tree).with_extension("draft"), "{\"v\":")?;
        assert_eq!(repository.tree(&grant("draft")?).await?.is_some(), is_open);
        repository.close_tree(&tree).await?;
        assert!(!job.exists(), "{:?}", fs::read_dir(&job)?.collect::<Vec<_>>());
    }
    repository.open_tree(&grant("draft")?, &base).await?;
    repository.close_tree(&tree).await?;
    assert!(!job.exists());
    Ok(())
}

#[tokio::test]
async fn a_commit_made_again_after_a_crash_is_the_same() -> Outcome {
    let person = Person::new()?;
    let repository = person.open().await?;
    let base = repository.head().await?;
    for detached in [false, true] {
        let grant = grant(if detached { "detached" } else { "attached" })?;
        let tree = repository.open_tree(&grant, &base).await?;
        if detached {
            git_in(tree.path(), &["checkout", "-q", "--detach"])?;
        }
        put(tree.path(), "own", "1")?;
        git_in(tree.path(), &["add", "-A"])?;
        git_in(tree.path(), &["commit", "-q", "-m", "own"])?;
        let own = git_in(tree.path(), &["rev-parse", "HEAD"])?;
        put(tree.path(), "work", "1")?;
        let branch_before = person.git(&["rev-parse", tree.branch().as_str()])?;
        let saved = repository.commit(&tree, "Draft").await?;
        assert_eq!(repository.commit(&tree, "Draft").await?, saved);
        // As if the process had died after writing the commit and before moving the branch.
        person.git(&["update-ref", &format!("refs/heads/{}", tree.branch()), &branch_before])?;
        assert_eq!(repository.commit(&tree, "Draft").await?, saved);
        assert_eq!(repository.branch(tree.branch()).await?, Some(saved.commit.clone()));
        assert_eq!(person.git(&["log", "-1", "--format=%P", saved.commit.as_str()])?, own);
    }
    Ok(())
}

#[tokio::test]
async fn a_tree_is_not_closed_before_its_work_is_kept_and_closing_is_finished() -> Outcome {
    let person = Person::new()?;
    let repository = person.open().await?;
    let base = repository.head().await?;
    let tree = repository.open_tree(&grant("draft")?, &base).await?;
    put(tree.path(), "untracked", "1")?;
    let refused = repository.close_tree(&tree).await;
    let said = refused.as_ref().map_err(ToString::to_string).err().unwrap_or_default();
    assert!(said.contains("untracked"), "{said}");
    assert_eq!(code(refused), "tree_unsaved");
    let saved = repository.commit(&tree, "Draft").await?;
    person.git(&["update-ref", "-d", &format!("refs/heads/{}", tree.branch())])?;
    assert_eq!(code(repository.close_tree(&tree).await), "tree_unsaved");
    person.git(&["update-ref", &format!("refs/heads/{}", tree.branch()), saved.commit.as_str()])?;
    set_state(&tree, "\"open\"", "\"closing\"")?;
    // Half of the folder went before the process died.
    fs::remove_file(tree.path().join("untracked"))?;
    repository.close_tree(&tree).await?;
    repository.close_tree(&tree).await?;
    assert!(!tree.path().exists() && !note(&tree).exists());
    assert_eq!(repository.trees().await?, []);
    let again = repository.open_tree(&grant("draft")?, &base).await?;
    assert_eq!(fs::read(again.path().join("untracked"))?, b"1");
    Ok(())
}

#[tokio::test]
async fn folders_that_forbid_removal_are_removed() -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    let person = Person::new()?;
    let repository = person.open().await?;
    let base = repository.head().await?;
    let tree = repository.open_tree(&grant("draft")?, &base).await?;
    put(tree.path(), "target/cache/file", "1")?;
    fs::set_permissions(tree.path().join("target/cache"), fs::Permissions::from_mode(0o555))?;
    repository.close_tree(&tree).await?;
    assert!(!tree.path().exists());
    Ok(())
}

/// A git that dies, and with it what it started, while it has the lock of the ref that it moves.
fn killed_at_update_ref(person: &Person) -> Outcome<(Git, PathBuf)> {
    let (folder, ready) = (person.beside("bin"), person.beside("locked"));
    fs::create_dir_all(&folder)?;
    let path = std::env::var("PATH")?;
    let script = format!(
        "#!/bin/sh\nPATH='{path}'\ncase $1 in\nupdate-ref)\n  \
         (printf 'start\\nupdate %s %s %s\\nprepare\\n' \"$3\" \"$4\" \"$5\"; exec sleep 600) |\n  \
         git update-ref --no-deref --stdin | while read -r said; do [ \"$said\" = 'prepare: ok' ] && : >'{}'; done;;\n\
         *) exec git \"$@\";;\nesac\n",
        ready.display()
    );
    put(&folder, "git", script)?;
    fs::set_permissions(folder.join("git"), fs::Permissions::from_mode(0o755))?;
    Ok((Git::on_path(&folder), ready))
}

#[tokio::test]
async fn the_lock_of_a_git_that_was_killed_blocks_no_delivery() -> Outcome {
    let person = Person::new()?;
    let (git, ready) = killed_at_update_ref(&person)?;
    let killed = Repository::open(person.root(), &person.beside("data"), git).await?;
    let repository = person.open().await?;
    let commit = repository.head().await?;
    let delivery = Delivery { branch: BranchName::new("out")?, expected: None, commit: commit.clone() };
    let lock = person.root().join(".git/refs/heads/out.lock");
    {
        let mut moving = std::pin::pin!(killed.deliver(&delivery));
        let until = async {
            while !ready.exists() {
                tokio::task::yield_now().await;
            }
        };
        let locked = async {
            tokio::select! { _ = &mut moving => false, () = until => true }
        };
        assert!(tokio::time::timeout(Duration::from_secs(60), locked).await?, "it was moved");
        // Whoever stops waiting has it killed.
    }
    assert_eq!(fs::read_to_string(&lock)?.trim_end(), commit.as_str());
    assert_eq!(repository.deliver(&delivery).await?, Delivered::Moved);
    assert_eq!(person.git(&["rev-parse", "out"])?, commit.as_str());
    assert!(!lock.exists());

    // The lock of somebody of whom nothing is known stays, and git says so.
    let other = Delivery { branch: BranchName::new("other")?, expected: None, commit: commit.clone() };
    let held = person.root().join(".git/refs/heads/other.lock");
    fs::write(&held, format!("{commit}\n"))?;
    assert_eq!(code(repository.deliver(&other).await), "git_failed");
    assert!(held.exists());
    fs::remove_file(&held)?;
    assert_eq!(repository.deliver(&other).await?, Delivered::Moved);
    Ok(())
}
