//! The way of a job: a tree, work, a commit, a manifest, the end of the tree.

use std::fs;

use striatum_core::digest::Digest;
use striatum_workspace::{BranchName, Change, Delivered, Delivery, Manifest, Merged, Mode};

use crate::fixture::{Outcome, Person, git_in, grant, make_executable, put, show, stamp};

#[tokio::test]
async fn a_tree_has_the_files_of_its_base_and_looks_like_any_work_tree() -> Outcome {
    let person = Person::new()?;
    let repository = person.open().await?;
    let base = repository.head().await?;
    let tree = repository.open_tree(&grant("draft")?, &base).await?;
    let branch = format!("striatum/{}/draft/1.1.cdcdcdcd", "ab".repeat(16));
    assert_eq!(tree.branch().as_str(), branch);
    assert!(tree.path().ends_with(format!("trees/{}/draft/1.1.cdcdcdcd", "ab".repeat(16))));
    assert_eq!(fs::read(tree.path().join("README.md"))?, b"read me\n");
    assert_eq!(fs::read_link(tree.path().join("link"))?.as_os_str(), "README.md");
    assert_eq!(git_in(tree.path(), &["status", "--porcelain"])?, "");
    assert_eq!(git_in(tree.path(), &["rev-parse", "--abbrev-ref", "HEAD"])?, branch);
    assert_eq!(git_in(tree.path(), &["rev-parse", "HEAD"])?, base.as_str());
    git_in(person.root(), &["fsck", "--strict"])?;
    Ok(())
}

#[tokio::test]
async fn what_a_job_leaves_is_on_its_branch_with_the_digests_of_the_manifest() -> Outcome {
    let person = Person::new()?;
    let repository = person.open().await?;
    let before = person.checkout()?;
    let base = repository.head().await?;
    let tree = repository.open_tree(&grant("draft")?, &base).await?;
    put(tree.path(), "README.md", "read me again\n")?;
    put(tree.path(), "docs/plan.md", "a plan\n")?;
    put(tree.path(), "target/built", "ignored")?;
    put(tree.path(), "tool", "#!/bin/sh\n")?;
    make_executable(&tree.path().join("tool"))?;
    fs::remove_file(tree.path().join("src/main.rs"))?;
    fs::remove_file(tree.path().join("link"))?;
    std::os::unix::fs::symlink("/etc/passwd", tree.path().join("link"))?;
    let saved = repository.commit(&tree, "Draft").await?;
    assert_eq!((saved.kept.len(), saved.left_out.len()), (0, 0));
    let manifest = repository.manifest(&base, &saved.commit).await?;
    let seen: Vec<_> = manifest.entries().iter().map(|it| (it.path.as_str(), it.change, it.mode)).collect();
    assert_eq!(
        seen,
        [
            ("README.md", Change::Modified, Some(Mode::File)),
            ("docs/plan.md", Change::Added, Some(Mode::File)),
            ("link", Change::Modified, Some(Mode::Symlink)),
            ("src/main.rs", Change::Deleted, None),
            ("tool", Change::Added, Some(Mode::Executable)),
        ]
    );
    for entry in manifest.entries().iter().filter(|entry| entry.change != Change::Deleted) {
        let bytes = show(person.root(), tree.branch().as_str(), &entry.path)?;
        assert_eq!(entry.sha256, Some(Digest::of(&bytes)), "{}", entry.path);
        assert_eq!(entry.size, Some(bytes.len() as u64), "{}", entry.path);
    }
    assert_eq!(show(person.root(), tree.branch().as_str(), "link")?, b"/etc/passwd");
    assert_eq!(Manifest::parse(&manifest.to_bytes())?, manifest);
    let message = person.git(&["log", "-1", "--format=%B%an%cn%at %ct", tree.branch().as_str()])?;
    let run = "ab".repeat(16);
    let session = "cd".repeat(16);
    assert_eq!(
        message,
        format!(
            "Draft\n\nStriatum-Fence: run={run} job=draft attempt=1 epoch=1 session={session}\n\
             StriatumStriatum1700000000 1700000000"
        )
    );
    repository.close_tree(&tree).await?;
    assert!(!tree.path().exists());
    assert_eq!(person.git(&["worktree", "list", "--porcelain"])?.matches("worktree ").count(), 1);
    assert_eq!(repository.branch(tree.branch()).await?, Some(saved.commit));
    assert_eq!(person.checkout()?, before);
    assert_eq!(person.git(&["status", "--porcelain"])?, "");
    Ok(())
}

#[tokio::test]
async fn a_job_that_leaves_nothing_makes_no_commit() -> Outcome {
    let person = Person::new()?;
    let repository = person.open().await?;
    let base = repository.head().await?;
    let tree = repository.open_tree(&grant("review")?, &base).await?;
    put(tree.path(), "scratch.tmp", "ignored")?;
    assert_eq!(repository.commit(&tree, "Review").await?.commit, base);
    assert_eq!(repository.set_aside(&tree).await?, None);
    assert!(repository.manifest(&base, &base).await?.entries().is_empty());
    repository.close_tree(&tree).await?;
    Ok(())
}

#[tokio::test]
async fn two_jobs_work_at_once_and_their_work_is_joined_and_delivered() -> Outcome {
    let person = Person::new()?;
    let repository = person.open().await?;
    let base = repository.head().await?;
    let jobs = ["left", "right"].map(|job| {
        let (repository, base) = (repository.clone(), base.clone());
        // Spawned, so that the futures are proven to move between threads.
        tokio::spawn(async move {
            let grant = grant(job).map_err(|error| error.to_string())?;
            let tree = repository.open_tree(&grant, &base).await.map_err(|error| error.to_string())?;
            put(tree.path(), &format!("{job}.txt"), job).map_err(|error| error.to_string())?;
            let saved = repository.commit(&tree, job).await.map_err(|error| error.to_string())?;
            repository.manifest(&base, &saved.commit).await.map_err(|error| error.to_string())?;
            repository.close_tree(&tree).await.map_err(|error| error.to_string())?;
            Ok::<_, String>(saved.commit)
        })
    });
    let mut commits = Vec::new();
    for job in jobs {
        commits.push(job.await??);
    }
    let Merged::Commit(joined) = repository.merge(&commits, &stamp()).await? else {
        return Err("a conflict".into());
    };
    let delivery =
        Delivery { branch: BranchName::new("striatum/result")?, expected: None, commit: joined.clone() };
    assert_eq!(repository.deliver(&delivery).await?, Delivered::Moved);
    for job in ["left", "right"] {
        assert_eq!(show(person.root(), "striatum/result", &format!("{job}.txt"))?, job.as_bytes());
    }
    assert_eq!(
        repository.manifest(&base, &joined).await?.paths().collect::<Vec<_>>(),
        ["left.txt", "right.txt"]
    );
    person.git(&["fsck", "--strict"])?;
    Ok(())
}

#[tokio::test]
async fn a_checkpoint_is_committed_on_top_and_the_same_again() -> Outcome {
    let person = Person::new()?;
    let repository = person.open().await?;
    let base = repository.head().await?;
    let branch = BranchName::new("striatum/run/checkpoint/1")?;
    let file =
        |path: &str, text: &str| striatum_workspace::NewFile { path: path.to_owned(), bytes: text.into() };
    let files = [file("docs/decision.md", "yes\n"), file("README.md", "decided\n")];
    let first = repository.put_files(&base, &files, &branch, &stamp()).await?;
    assert_eq!(repository.put_files(&base, &files, &branch, &stamp()).await?, first);
    assert_eq!(repository.read_at(&first, "docs/decision.md").await?, Some(b"yes\n".to_vec()));
    let other = repository.put_files(&base, &[file("x", "y")], &branch, &stamp()).await;
    assert_eq!(crate::fixture::code(other), "branch_moved");
    for path in ["../x", "/x", "a//b", ".git/config", "a/.GIT/x", ""] {
        let refused = repository.put_files(&base, &[file(path, "y")], &branch, &stamp()).await;
        assert_eq!(crate::fixture::code(refused), "odd_path", "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_reviewer_gets_the_judged_files_only() -> Outcome {
    let person = Person::new()?;
    let repository = person.open().await?;
    let head = repository.head().await?;
    let into = person.beside("judged");
    let paths = ["src/main.rs", "link", "src", "absent"].map(str::to_owned);
    assert_eq!(repository.export(&head, &paths, &into).await?, ["src/main.rs"]);
    assert_eq!(fs::read(into.join("src/main.rs"))?, b"fn main() {}\n");
    assert!(!into.join("link").exists() && !into.join("README.md").exists());
    Ok(())
}
