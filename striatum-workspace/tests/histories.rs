//! What agents commit in the repositories of their trees, and what they do to these.

mod refused;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use striatum_core::id::CommitId;
use striatum_workspace::{FilesOnly, Git, Repository, Saved, Tree};

use crate::{
    fixture::{Outcome, Person, git_in, grant, put, show},
    hostile::{booby_trap, canaries_in},
};

/// An agent in its tree, and a person who has a secret on another branch.
struct Stage {
    person: Person,
    repository: Repository,
    base: CommitId,
    tree: Tree,
    /// The secret's commit, and its blob.
    secret: (String, String),
}

impl Stage {
    async fn new() -> Outcome<Self> {
        let person = Person::new()?;
        person.git(&["remote", "add", "origin", "https://user:password@example.invalid/repo.git"])?;
        person.git(&["switch", "-q", "-c", "private"])?;
        person.write("secret", "the secret\n")?;
        let commit = person.commit_all("a secret")?.to_string();
        let blob = person.git(&["rev-parse", "HEAD:secret"])?;
        person.git(&["switch", "-q", "main"])?;
        let repository = person.open().await?.with_max_file_bytes(1 << 20);
        let base = repository.head().await?;
        let tree = repository.open_tree(&grant("draft")?, &base).await?;
        Ok(Self { person, repository, base, tree, secret: (commit, blob) })
    }

    fn git(&self, args: &[&str]) -> Outcome<String> {
        git_in(self.tree.path(), args)
    }

    fn dot_git(&self) -> PathBuf {
        self.tree.path().join(".git")
    }

    fn commits(&self, path: &str, text: &str) -> Outcome<String> {
        put(self.tree.path(), path, text)?;
        self.git(&["add", "-A"])?;
        self.git(&["commit", "-q", "-m", &format!("write {path}")])?;
        self.git(&["rev-parse", "HEAD"])
    }

    /// Writes an object as it is given, sound or not.
    fn object(&self, kind: &str, bytes: &[u8]) -> Outcome<String> {
        use std::io::Write;
        let mut child = Command::new("git")
            .current_dir(self.tree.path())
            .args(["hash-object", "-w", "--stdin", "--literally", "-t", kind])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        child.stdin.take().ok_or("no stdin")?.write_all(bytes)?;
        Ok(String::from_utf8(child.wait_with_output()?.stdout)?.trim().to_owned())
    }

    /// A commit of a tree with one entry, checked out without a look at it.
    fn commits_entry(&self, mode: &str, name: &str, id: &str) -> Outcome<String> {
        let mut tree = format!("{mode} {name}\0").into_bytes();
        for at in (0..id.len()).step_by(2) {
            tree.push(u8::from_str_radix(&id[at..at + 2], 16)?);
        }
        let tree = self.object("tree", &tree)?;
        let text = format!(
            "tree {tree}\nparent {}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nodd\n",
            self.base
        );
        let commit = self.object("commit", text.as_bytes())?;
        fs::write(self.dot_git().join("HEAD"), format!("{commit}\n"))?;
        Ok(commit)
    }

    async fn saved(&self) -> Outcome<Saved> {
        put(self.tree.path(), "left", "not committed\n")?;
        let saved = self.repository.commit(&self.tree, "Draft").await?;
        let branch = format!("refs/heads/{}", self.tree.branch());
        self.person.git(&["update-ref", &branch, self.base.as_str()])?;
        assert_eq!(
            self.repository.commit(&self.tree, "Draft").await?.commit,
            saved.commit,
            "as after a crash"
        );
        assert_eq!(show(self.person.root(), saved.commit.as_str(), "left")?, b"not committed\n");
        self.person.git(&["fsck", "--strict"])?;
        self.repository.close_tree(&self.tree).await?;
        Ok(saved)
    }
}

#[tokio::test]
async fn an_agent_has_the_history_of_its_base_and_nothing_else_of_the_person() -> Outcome {
    let stage = Stage::new().await?;
    assert_eq!(stage.git(&["log", "--format=%s"])?, "begin");
    assert_eq!(stage.git(&["status", "--porcelain"])?, "");
    assert_eq!(stage.git(&["remote"])?, "");
    assert_eq!(stage.git(&["branch", "--all", "--format=%(refname:short)"])?, stage.tree.branch().as_str());
    for id in [&stage.secret.0, &stage.secret.1] {
        assert!(stage.git(&["cat-file", "-p", id]).is_err(), "{id}");
    }
    stage.git(&["fsck", "--strict"])?;
    Ok(())
}

#[tokio::test]
async fn what_an_agent_committed_on_its_branches_is_kept_with_its_messages() -> Outcome {
    let stage = Stage::new().await?;
    stage.git(&["switch", "-q", "-c", "try"])?;
    let tried = stage.commits("tried", "1")?;
    stage.git(&["switch", "-q", "-"])?;
    stage.commits("one", "1")?;
    stage.git(&["switch", "-q", "-c", "side"])?;
    stage.commits("two", "2")?;
    stage.git(&["switch", "-q", "-"])?;
    stage.commits("three", "3")?;
    stage.git(&["merge", "-q", "--no-edit", "side"])?;
    let merged = stage.git(&["rev-parse", "HEAD"])?;
    put(stage.tree.path(), "README.md", "stashed\n")?;
    stage.git(&["stash", "push", "-q"])?;
    let stashed = stage.git(&["rev-parse", "refs/stash"])?;
    let saved = stage.saved().await?;
    assert_eq!(saved.files_only, None);
    let log = ["log", "-1", "--format=%P %an", saved.commit.as_str()];
    assert_eq!(stage.person.git(&log)?, format!("{merged} Striatum"));
    let range = format!("{}..{}", stage.base, saved.commit);
    let said = stage.person.git(&["log", "--no-merges", "--format=%s by %an", &range])?;
    for path in ["one", "two", "three"] {
        assert!(said.contains(&format!("write {path} by Somebody")), "{said}");
    }
    let mut kept: Vec<_> = saved.kept.iter().map(CommitId::as_str).collect();
    let mut expected = [tried.as_str(), stashed.as_str()];
    kept.sort_unstable();
    expected.sort_unstable();
    assert_eq!(kept, expected);
    Ok(())
}

#[tokio::test]
async fn a_repository_that_the_agent_cleaned_up_is_taken_over() -> Outcome {
    let stage = Stage::new().await?;
    let one = stage.commits("one", "1")?;
    stage.git(&["gc", "-q", "--prune=now"])?;
    stage.git(&["pack-refs", "--all"])?;
    stage.git(&["revert", "--no-edit", "HEAD"])?;
    let reverted = stage.git(&["rev-parse", "HEAD"])?;
    let saved = stage.saved().await?;
    assert_eq!(saved.files_only, None);
    let range = format!("{}..{}", stage.base, saved.commit);
    let listed = stage.person.git(&["rev-list", &range])?;
    assert!(listed.contains(&one) && listed.contains(&reverted), "{listed}");
    Ok(())
}

#[tokio::test]
async fn of_a_long_history_the_last_thousand_commits_are_given() -> Outcome {
    let person = Person::new()?;
    let commit = |number: u32| {
        let from = if number == 0 { "from refs/heads/main^0\n" } else { "" };
        let head = format!("commit refs/heads/long\ncommitter A <a@b> {} +0000\n", 1_800_000_000 + number);
        format!("{head}data 1\nx\n{from}M 100644 inline n\ndata 4\n{number:04}\n")
    };
    let stream: String = (0..1200).map(commit).collect();
    put(&person.beside("in"), "stream", stream)?;
    let input = fs::File::open(person.beside("in").join("stream"))?;
    let imported = Command::new("git")
        .current_dir(person.root())
        .args(["fast-import", "--quiet"])
        .stdin(input)
        .status()?;
    assert!(imported.success());
    let repository = person.open().await?;
    let base = CommitId::new(person.git(&["rev-parse", "long"])?)?;
    let tree = repository.open_tree(&grant("draft")?, &base).await?;
    assert_eq!(git_in(tree.path(), &["rev-list", "--count", "HEAD"])?, "1000");
    git_in(tree.path(), &["fsck", "--strict"])?;
    put(tree.path(), "work", "1")?;
    git_in(tree.path(), &["add", "-A"])?;
    git_in(tree.path(), &["commit", "-q", "-m", "work"])?;
    let own = git_in(tree.path(), &["rev-parse", "HEAD"])?;
    assert_eq!(repository.commit(&tree, "Draft").await?.commit.as_str(), own);
    assert_eq!(person.git(&["rev-list", "--count", &own])?, "1202");
    Ok(())
}

#[tokio::test]
async fn nothing_that_an_agent_makes_of_its_repository_is_obeyed() -> Outcome {
    let stage = Stage::new().await?;
    let own = stage.commits("own", "1")?;
    let (canaries, git) = (stage.person.beside("canaries"), stage.dot_git());
    booby_trap(&git, &canaries)?;
    let mut config = fs::read_to_string(git.join("config"))?;
    config.push_str(
        "[core]\n\tworktree = /\n\trepositoryformatversion = 99\n[extensions]\n\tpartialClone = evil\n",
    );
    config.push_str("[remote \"evil\"]\n\turl = ext::sh -c false\n\tpromisor = true\n");
    fs::write(git.join("config"), config)?;
    // What makes a commit look like another, or like one without parents.
    put(&git, &format!("refs/replace/{own}"), format!("{}\n", stage.base))?;
    put(&git, "info/grafts", format!("{own}\n"))?;
    put(&git, "shallow", format!("{own}\n"))?;
    put(&git, "commondir", "/\n")?;
    put(&git, "objects/info/commit-graph", "not a graph")?;
    put(&git, "objects/pack/multi-pack-index", "not an index")?;
    put(&git, "objects/pack/pack-evil.idx", "not an index")?;
    put(&git, "objects/pack/pack-evil.promisor", "")?;
    put(&git, "refs/heads/bad", "not an id")?;
    put(&git, "index", "not an index")?;
    let saved = stage.saved().await?;
    assert_eq!((saved.files_only, saved.kept), (None, Vec::new()));
    assert_eq!(stage.person.git(&["log", "-1", "--format=%P", saved.commit.as_str()])?, own);
    assert_eq!(canaries_in(&canaries)?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn pipes_and_closed_folders_among_the_objects_hold_nobody_up() -> Outcome {
    let stage = Stage::new().await?;
    let own = stage.commits("own", "1")?;
    let git = stage.dot_git();
    for pipe in
        ["refs/heads/pipe", "objects/pack/pack-pipe.pack", "objects/ff", "logs/pipe", "COMMIT_EDITMSG.fifo"]
    {
        let path = git.join(pipe);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        let _is_there = fs::remove_dir_all(&path);
        assert!(Command::new("mkfifo").arg(&path).status()?.success(), "{pipe}");
    }
    fs::remove_file(git.join("index"))?;
    assert!(Command::new("mkfifo").arg(git.join("index")).status()?.success());
    fs::set_permissions(git.join("hooks"), fs::Permissions::from_mode(0o0)).ok();
    let saved = stage.saved().await?;
    assert_eq!(stage.person.git(&["log", "-1", "--format=%P", saved.commit.as_str()])?, own);
    Ok(())
}

#[tokio::test]
async fn a_commit_out_of_scope_is_kept_aside_and_not_built_upon() -> Outcome {
    let person = Person::new()?;
    let repository = Repository::open(person.root(), &person.beside("data"), Git::new()).await?;
    let base = repository.head().await?;
    let mut grant = grant("draft")?;
    grant.scope.forbidden_paths = vec!["src/".into()];
    let tree = repository.open_tree(&grant, &base).await?;
    put(tree.path(), "src/main.rs", "fn main() { evil() }\n")?;
    git_in(tree.path(), &["commit", "-q", "-a", "-m", "out"])?;
    git_in(tree.path(), &["revert", "--no-edit", "HEAD"])?;
    let tip = git_in(tree.path(), &["rev-parse", "HEAD"])?;
    put(tree.path(), "docs", "in\n")?;
    let saved = repository.commit(&tree, "Draft").await?;
    assert_eq!(saved.files_only, Some(FilesOnly::OutOfScope("src/main.rs".into())));
    assert_eq!(saved.kept.iter().map(CommitId::as_str).collect::<Vec<_>>(), [tip.as_str()]);
    assert_eq!(person.git(&["log", "-1", "--format=%P", saved.commit.as_str()])?, base.as_str());
    assert_eq!(repository.manifest(&base, &saved.commit).await?.paths().collect::<Vec<_>>(), ["docs"]);
    repository.close_tree(&tree).await?;
    Ok(())
}
