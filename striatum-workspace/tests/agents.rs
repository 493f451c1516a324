//! What agents do to the trees that they are given.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, path::PathBuf};

use striatum_core::id::CommitId;
use striatum_workspace::{Repository, Tree, WhyLeftOut};

use crate::fixture::{Outcome, Person, code, git_in, grant, put, show};

async fn opened(person: &Person) -> Outcome<(Repository, CommitId, Tree)> {
    let repository = person.open().await?;
    let base = repository.head().await?;
    let tree = repository.open_tree(&grant("draft")?, &base).await?;
    Ok((repository, base, tree))
}

fn head(tree: &Tree) -> Outcome<CommitId> {
    Ok(CommitId::new(git_in(tree.path(), &["rev-parse", "HEAD"])?)?)
}

#[tokio::test]
async fn an_agent_that_committed_keeps_its_commits() -> Outcome {
    let person = Person::new()?;
    let (repository, base, tree) = opened(&person).await?;
    put(tree.path(), "one", "1")?;
    git_in(tree.path(), &["add", "-A"])?;
    git_in(tree.path(), &["commit", "-q", "-m", "one"])?;
    let own = head(&tree)?;
    assert_eq!(repository.commit(&tree, "Draft").await?.commit, own);
    put(tree.path(), "two", "2")?;
    let saved = repository.commit(&tree, "Draft").await?;
    let parents = person.git(&["log", "--format=%H", &format!("{base}..{}", saved.commit)])?;
    assert_eq!(parents, format!("{}\n{own}", saved.commit));
    assert_eq!(repository.commit(&tree, "Draft").await?, saved);
    Ok(())
}

#[tokio::test]
async fn commits_that_an_agent_reset_or_left_are_kept_by_refs() -> Outcome {
    let person = Person::new()?;
    let (repository, base, tree) = opened(&person).await?;
    put(tree.path(), "one", "1")?;
    git_in(tree.path(), &["add", "-A"])?;
    git_in(tree.path(), &["commit", "-q", "-m", "one"])?;
    let reset = head(&tree)?;
    git_in(tree.path(), &["reset", "-q", "--hard", base.as_str()])?;
    put(tree.path(), "two", "2")?;
    assert_eq!(code(repository.close_tree(&tree).await), "tree_unsaved");
    let saved = repository.commit(&tree, "Draft").await?;
    assert_eq!(saved.kept, std::slice::from_ref(&reset));
    assert_eq!(person.git(&["log", "-1", "--format=%P", saved.commit.as_str()])?, base.as_str());
    repository.close_tree(&tree).await?;
    let kept = person.git(&["for-each-ref", "--format=%(objectname)", "refs/striatum/kept"])?;
    assert_eq!(kept, reset.as_str());
    Ok(())
}

#[tokio::test]
async fn an_agent_that_switched_or_deleted_its_branch_loses_nothing() -> Outcome {
    let person = Person::new()?;
    let (repository, base, tree) = opened(&person).await?;
    git_in(tree.path(), &["switch", "-q", "-c", "elsewhere"])?;
    git_in(tree.path(), &["branch", "-D", tree.branch().as_str()])?;
    put(tree.path(), "one", "1")?;
    git_in(tree.path(), &["add", "-A"])?;
    git_in(tree.path(), &["commit", "-q", "-m", "one"])?;
    let own = head(&tree)?;
    git_in(tree.path(), &["switch", "-q", "--orphan", "nothing"])?;
    put(tree.path(), "two", "2")?;
    let saved = repository.commit(&tree, "Draft").await?;
    assert_eq!(saved.kept, [own]);
    assert_eq!(repository.branch(tree.branch()).await?, Some(saved.commit.clone()));
    assert_eq!(person.git(&["log", "-1", "--format=%P", saved.commit.as_str()])?, base.as_str());
    let paths = repository.manifest(&base, &saved.commit).await?;
    assert!(paths.get("two").is_some() && paths.get("README.md").is_some());
    repository.close_tree(&tree).await?;
    Ok(())
}

#[tokio::test]
async fn locks_and_indexes_of_a_killed_git_do_not_matter() -> Outcome {
    let person = Person::new()?;
    let (repository, _, tree) = opened(&person).await?;
    let admin = PathBuf::from(git_in(tree.path(), &["rev-parse", "--absolute-git-dir"])?);
    put(tree.path(), "one", "1")?;
    fs::write(admin.join("index.lock"), "half")?;
    fs::write(admin.join("index"), "not an index")?;
    let saved = repository.commit(&tree, "Draft").await?;
    assert_eq!(show(person.root(), saved.commit.as_str(), "one")?, b"1");
    repository.open_tree(tree.grant(), tree.base()).await?;
    assert!(!admin.join("index.lock").exists());
    repository.close_tree(&tree).await?;
    Ok(())
}

#[tokio::test]
async fn files_that_were_staged_count_even_if_they_are_ignored() -> Outcome {
    let person = Person::new()?;
    let (repository, base, tree) = opened(&person).await?;
    put(tree.path(), "forced.tmp", "1")?;
    put(tree.path(), "other.tmp", "2")?;
    put(tree.path(), "gone.tmp", "3")?;
    git_in(tree.path(), &["add", "-f", "forced.tmp", "gone.tmp"])?;
    fs::remove_file(tree.path().join("gone.tmp"))?;
    let saved = repository.commit(&tree, "Draft").await?;
    let manifest = repository.manifest(&base, &saved.commit).await?;
    assert_eq!(manifest.paths().collect::<Vec<_>>(), ["forced.tmp"]);
    Ok(())
}

#[tokio::test]
async fn a_repository_inside_the_tree_is_committed_as_files() -> Outcome {
    let person = Person::new()?;
    let (repository, base, tree) = opened(&person).await?;
    let nested = tree.path().join("vendor/lib");
    fs::create_dir_all(&nested)?;
    git_in(&nested, &["init", "-q"])?;
    put(&nested, "lib.rs", "//! lib\n")?;
    put(&nested, ".gitignore", "junk\n")?;
    put(&nested, "junk", "junk")?;
    git_in(&nested, &["add", "-A"])?;
    git_in(&nested, &["commit", "-q", "-m", "lib"])?;
    put(&nested, "later.rs", "//! later\n")?;
    let saved = repository.commit(&tree, "Draft").await?;
    let manifest = repository.manifest(&base, &saved.commit).await?;
    let paths: Vec<_> = manifest.paths().collect();
    assert_eq!(paths, ["vendor/lib/.gitignore", "vendor/lib/later.rs", "vendor/lib/lib.rs"]);
    let left_out: Vec<_> = saved.left_out.iter().map(|it| (it.path.as_str(), it.why)).collect();
    assert_eq!(left_out, [("vendor/lib", WhyLeftOut::NestedHistory)]);
    put(&nested, "last.rs", "//! last\n")?;
    assert_eq!(code(repository.close_tree(&tree).await), "tree_unsaved");
    let saved = repository.commit(&tree, "Draft").await?;
    assert!(repository.manifest(&base, &saved.commit).await?.get("vendor/lib/last.rs").is_some());
    repository.close_tree(&tree).await?;
    Ok(())
}

#[tokio::test]
async fn an_agent_that_deletes_dot_git_or_makes_its_own_repository_is_committed() -> Outcome {
    let person = Person::new()?;
    let (repository, base, tree) = opened(&person).await?;
    fs::remove_dir_all(tree.path().join(".git"))?;
    put(tree.path(), "one", "1")?;
    let first = repository.commit(&tree, "Draft").await?;
    git_in(tree.path(), &["init", "-q"])?;
    git_in(tree.path(), &["add", "-A"])?;
    git_in(tree.path(), &["commit", "-q", "-m", "mine"])?;
    put(tree.path(), "two", "2")?;
    let second = repository.commit(&tree, "Draft").await?;
    assert_eq!(person.git(&["log", "-1", "--format=%P", second.commit.as_str()])?, first.commit.as_str());
    let manifest = repository.manifest(&base, &second.commit).await?;
    assert_eq!(manifest.paths().collect::<Vec<_>>(), ["one", "two"]);
    repository.close_tree(&tree).await?;
    assert!(!tree.path().exists());
    Ok(())
}

#[tokio::test]
async fn odd_names_are_kept_and_unreadable_ones_are_refused() -> Outcome {
    let person = Person::new()?;
    let (repository, base, tree) = opened(&person).await?;
    let long = "x".repeat(250);
    let names =
        ["a b", "new\nline", "quo\"te", "back\\slash", "-dash", ":(glob)*", "tab\t", "ä/ö", &long, "*"];
    for name in names {
        put(tree.path(), name, name)?;
    }
    let saved = repository.commit(&tree, "Draft").await?;
    let manifest = repository.manifest(&base, &saved.commit).await?;
    assert_eq!(manifest.entries().len(), names.len());
    for name in names {
        assert_eq!(repository.read_at(&saved.commit, name).await?, Some(name.into()), "{name:?}");
        assert!(manifest.get(name).is_some(), "{name:?}");
    }
    let latin = tree.path().join(OsStr::from_bytes(b"caf\xe9"));
    fs::write(&latin, "")?;
    assert_eq!(code(repository.commit(&tree, "Draft").await), "odd_path");
    fs::remove_file(&latin)?;
    put(tree.path(), "x/.GIT/config", "")?;
    assert_eq!(code(repository.commit(&tree, "Draft").await), "odd_path");
    assert_eq!(code(repository.close_tree(&tree).await), "odd_path");
    Ok(())
}

#[tokio::test]
async fn links_are_not_followed_out_of_the_tree() -> Outcome {
    let person = Person::new()?;
    let (repository, base, tree) = opened(&person).await?;
    put(&person.beside("secret"), "main.rs", "secret")?;
    fs::remove_dir_all(tree.path().join("src"))?;
    std::os::unix::fs::symlink(person.beside("secret"), tree.path().join("src"))?;
    let saved = repository.commit(&tree, "Draft").await?;
    let manifest = repository.manifest(&base, &saved.commit).await?;
    assert_eq!(manifest.paths().collect::<Vec<_>>(), ["src", "src/main.rs"]);
    assert_eq!(repository.read_at(&saved.commit, "src").await?, None);
    assert_eq!(repository.read_at(&saved.commit, "src/main.rs").await?, None);
    repository.close_tree(&tree).await?;
    assert_eq!(fs::read(person.beside("secret").join("main.rs"))?, b"secret");
    Ok(())
}

#[tokio::test]
async fn files_become_folders_and_folders_files() -> Outcome {
    let person = Person::new()?;
    let (repository, base, tree) = opened(&person).await?;
    fs::remove_file(tree.path().join("README.md"))?;
    put(tree.path(), "README.md/inside", "1")?;
    fs::remove_dir_all(tree.path().join("src"))?;
    put(tree.path(), "src", "2")?;
    let saved = repository.commit(&tree, "Draft").await?;
    let manifest = repository.manifest(&base, &saved.commit).await?;
    assert_eq!(manifest.paths().collect::<Vec<_>>(), ["README.md", "README.md/inside", "src", "src/main.rs"]);
    Ok(())
}

#[tokio::test]
async fn a_pipe_where_a_file_was_is_left_out_and_said_so() -> Outcome {
    let person = Person::new()?;
    let (repository, base, tree) = opened(&person).await?;
    let pipe = tree.path().join("README.md");
    fs::remove_file(&pipe)?;
    let made = std::process::Command::new("mkfifo").arg(&pipe).arg(tree.path().join("other")).status()?;
    assert!(made.success());
    let saved = repository.commit(&tree, "Draft").await?;
    assert_eq!(saved.left_out.iter().map(|it| it.why).collect::<Vec<_>>(), [WhyLeftOut::Special]);
    assert_eq!(repository.manifest(&base, &saved.commit).await?.paths().collect::<Vec<_>>(), ["README.md"]);
    repository.close_tree(&tree).await?;
    Ok(())
}

#[tokio::test]
async fn a_file_beyond_the_limit_is_refused_before_it_is_read() -> Outcome {
    let person = Person::new()?;
    let (repository, base, tree) = opened(&person).await?;
    let repository = repository.with_max_file_bytes(1 << 20);
    fs::write(tree.path().join("README.md"), vec![b'x'; (1 << 20) + 1])?;
    assert_eq!(code(repository.commit(&tree, "Draft").await), "file_too_large");
    fs::write(tree.path().join("README.md"), "small")?;
    fs::File::create(tree.path().join("huge"))?.set_len(1 << 40)?;
    assert_eq!(code(repository.commit(&tree, "Draft").await), "file_too_large");
    assert_eq!(repository.branch(tree.branch()).await?, Some(base));
    assert_eq!(code(repository.close_tree(&tree).await), "file_too_large");
    assert!(tree.path().exists());
    Ok(())
}

#[tokio::test]
async fn a_file_changed_behind_its_times_is_seen() -> Outcome {
    let person = Person::new()?;
    let (repository, base, tree) = opened(&person).await?;
    let path = tree.path().join("README.md");
    let times = fs::metadata(&path)?.modified()?;
    fs::write(&path, "READ ME\n")?;
    fs::File::options().write(true).open(&path)?.set_modified(times)?;
    let saved = repository.commit(&tree, "Draft").await?;
    assert_eq!(repository.manifest(&base, &saved.commit).await?.paths().collect::<Vec<_>>(), ["README.md"]);
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_and_never_taken_for_deleted() -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    if rustix::process::geteuid().is_root() {
        let test = "what_cannot_be_read_is_refused_and_never_taken_for_deleted";
        striatum_testkit::skip(test, "root can read everything");
        return Ok(());
    }
    let person = Person::new()?;
    let (repository, base, tree) = opened(&person).await?;
    put(tree.path(), "new/file", "1")?;
    for closed in ["README.md", "src", "new"] {
        let path = tree.path().join(closed);
        let mode = fs::metadata(&path)?.permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o0))?;
        assert_eq!(code(repository.commit(&tree, "Draft").await), "tree_unreadable", "{closed}");
        assert_eq!(code(repository.close_tree(&tree).await), "tree_unreadable", "{closed}");
        fs::set_permissions(&path, mode)?;
    }
    assert_eq!(repository.branch(tree.branch()).await?, Some(base));
    Ok(())
}
