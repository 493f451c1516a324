//! Taking over the commits that an agent made in the repository of its tree.
//!
//! That repository is hostile: its settings, hooks, alternates, grafts, attributes, indexes of packs and whatever else lies in
//! it are never given to a git of ours. Its objects are copied as plain files, within bounds, and only those under the names that
//! objects have. What was copied is named anew by what it holds, where nothing else can be seen. Then what the commits lead to
//! is judged: that it is complete, that the agent made it or was given it, that it is no larger than a file may be, that it
//! stays in the job's scope. Only this is packed, and taken into the person's repository by a git that checks every object and
//! every link once more. Whatever is wrong, the files are taken as they lie there, without the history.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use striatum_core::{id::CommitId, workflow::WriteScope};

use crate::{
    copied::{Copied, copy},
    disk,
    error::WorkspaceError,
    git::{Call, unexpected},
    inside::{self, Pointers},
    repository::{Repository, names, shown},
    room::object,
    tree::Tree,
};

/// How long taking over a history may take: an agent that makes it take longer loses its history, not our time.
const PATIENCE: Duration = Duration::from_secs(120);
/// How many objects a history may bring.
const OBJECTS: usize = 500_000;
/// How large a commit may be.
const COMMIT_BYTES: u64 = 1 << 20;
/// A submodule, in the form in which git lists changes.
const SUBMODULE: &[u8] = b"160000";

/// Why of an agent's commits only the files were taken, as they lie in its tree.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilesOnly {
    /// The repository in the tree is too large, or has files that cannot be read.
    Unreadable(String),
    /// Git found fault with it.
    Broken(String),
    /// It took too long.
    Slow,
    /// It names something that the agent neither made nor was given.
    NotGiven(CommitId),
    /// It has something that is larger than a file may be.
    Large(CommitId),
    /// It records another repository at this path.
    Submodule(String),
    /// A commit of it changes this path, which the job may not change.
    OutOfScope(String),
    /// A commit of it has this path, which is not UTF-8.
    OddPath(String),
}

impl fmt::Display for FilesOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(what) => write!(f, "the repository in the tree cannot be read: {what}"),
            Self::Broken(said) => write!(f, "git found fault with them: {said}"),
            Self::Slow => write!(f, "it took more than {} seconds to check them", PATIENCE.as_secs()),
            Self::NotGiven(id) => write!(f, "they name {id}, which was neither made nor given there"),
            Self::Large(id) => write!(f, "they have {id}, which is too large"),
            Self::Submodule(path) => write!(f, "one records a repository at {path}"),
            Self::OutOfScope(path) => write!(f, "one changes {path}, which the job may not change"),
            Self::OddPath(path) => write!(f, "one has the path {path}, which is not UTF-8"),
        }
    }
}

/// What was taken over.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// What the agent has checked out, if that can be built upon.
    pub(crate) head: Option<CommitId>,
    /// This, and the tips of all else that the agent committed.
    pub(crate) all: BTreeSet<CommitId>,
    pub(crate) files_only: Option<FilesOnly>,
}

/// Why something is not taken over: the agent's doing, or a failure of ours.
enum Stop {
    Theirs(FilesOnly),
    Ours(WorkspaceError),
}

impl From<FilesOnly> for Stop {
    fn from(reason: FilesOnly) -> Self {
        Self::Theirs(reason)
    }
}

/// What git says no to is the agent's doing; that there is no room for it is not.
impl From<WorkspaceError> for Stop {
    fn from(error: WorkspaceError) -> Self {
        match error {
            WorkspaceError::GitFailed { stderr, status, .. } => {
                let said = stderr.lines().next().filter(|line| !line.is_empty()).unwrap_or(&status);
                Self::Theirs(FilesOnly::Broken(said.to_owned()))
            }
            WorkspaceError::GitTimeout { .. } => Self::Theirs(FilesOnly::Slow),
            error => Self::Ours(error),
        }
    }
}

impl Repository {
    /// Takes over what the agent committed in its tree beyond the base and the branch of the grant. Commits become objects of
    /// the person's repository, without a ref.
    pub(crate) async fn history(
        &self,
        tree: &Tree,
        branch: Option<&CommitId>,
    ) -> Result<History, WorkspaceError> {
        let given: Vec<&CommitId> = [tree.base()].into_iter().chain(branch).collect();
        let place = self.room().index()?;
        let taken = async {
            let pointers = read(tree).await?;
            if pointers.all.iter().all(|id| given.contains(&id)) {
                return Ok(History { head: pointers.head, all: pointers.all, files_only: None });
            }
            let import = Import::of(self, tree, given, place.folder()).await?;
            import.run(pointers, &tree.grant().scope).await
        };
        let reason = match tokio::time::timeout(PATIENCE, taken).await {
            Ok(Ok(history)) => return Ok(history),
            Ok(Err(Stop::Ours(error))) => return Err(error),
            // It becomes part of a message, and so of a digest: what is another each time has no place in it.
            Ok(Err(Stop::Theirs(FilesOnly::Broken(said)))) => {
                FilesOnly::Broken(said.replace(&*place.folder().to_string_lossy(), ".git"))
            }
            Ok(Err(Stop::Theirs(reason))) => reason,
            Err(_) => FilesOnly::Slow,
        };
        Ok(History { files_only: Some(reason), ..History::default() })
    }
}

async fn read(tree: &Tree) -> Result<Pointers, Stop> {
    let tree = tree.clone();
    let read = move || match inside::repository_of(&tree) {
        Ok(Some(git)) => Ok(inside::pointers(&git)),
        Ok(None) => Ok(Ok(Pointers::default())),
        Err(error) => Ok(Err(error)),
    };
    let pointers = disk::blocking("read what an agent committed", read).await?;
    pointers.map_err(|error| FilesOnly::Unreadable(error.to_string()).into())
}

/// The objects of an agent, copied and named by what they hold.
struct Import<'a> {
    repository: &'a Repository,
    given: Vec<&'a CommitId>,
    place: &'a Path,
    own: HashSet<String>,
}

impl<'a> Import<'a> {
    async fn of(
        repository: &'a Repository,
        tree: &Tree,
        given: Vec<&'a CommitId>,
        place: &'a Path,
    ) -> Result<Self, Stop> {
        let (tree, raw) = (tree.clone(), place.join("raw"));
        let most = repository.max_file_bytes();
        let copied = disk::blocking("copy what an agent committed", move || Ok(copy(&tree, &raw, most)));
        let copied = copied.await?.map_err(|error| FilesOnly::Unreadable(error.to_string()))?;
        let mut import = Self { repository, given, place, own: HashSet::new() };
        import.name_anew(copied).await?;
        Ok(import)
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.place.join(name)
    }

    /// A call that sees no objects but those in a folder, and what that folder borrows. Whatever it meets, it does not take more
    /// memory for one object than a file may have.
    fn call(&self, doing: &str, objects: &str) -> Call {
        let most = self.repository.max_file_bytes() + (16 << 20);
        let call = self.repository.room().call(doing);
        call.env("GIT_OBJECT_DIRECTORY", self.folder(objects))
            .env("GIT_ALLOC_LIMIT", most.to_string())
            .args(["-c", "pack.threads=1", "-c", "core.bigFileThreshold=8m", "-c", "core.fsync=none"])
    }

    /// Makes packs of what was copied, in a folder of their own: an index is made from what a pack holds, so that nothing is
    /// called what it is not.
    async fn name_anew(&mut self, copied: Copied) -> Result<(), Stop> {
        let checked = self.folder("checked");
        let packs = checked.join("pack");
        disk::folder(&packs)?;
        let mut sources = copied.packs;
        if !copied.loose.is_empty() {
            let list: String = copied.loose.iter().map(|id| format!("{id}\n")).collect();
            self.judge_sizes("raw", &list).await?;
            let made = self.folder("loose");
            let call = self.call("pack what an agent committed", "raw");
            let call = call.args(["pack-objects", "--window=0", "--quiet"]).arg(&made).input(list);
            let name = call.text().await?;
            sources.push(made.with_file_name(format!("loose-{name}.pack")));
        }
        for (number, source) in sources.iter().enumerate() {
            let pack = packs.join(format!("pack-{number}.pack"));
            std::fs::rename(source, &pack)
                .map_err(|error| WorkspaceError::io(disk::doing("move", source), error))?;
            let doing = "look through what an agent committed";
            self.call(doing, "checked").arg("index-pack").arg(&pack).bytes().await?;
            let index = std::fs::File::open(pack.with_extension("idx"))
                .map_err(|error| WorkspaceError::io(disk::doing("read", &pack), error))?;
            let listed = self.call(doing, "checked").arg("show-index").holding(index).bytes().await?;
            let text = String::from_utf8_lossy(&listed);
            self.own.extend(text.lines().filter_map(|line| line.split(' ').nth(1)).map(str::to_owned));
        }
        // From here on what the agent was given counts too.
        disk::folder(&checked.join("info"))?;
        let borrowed = self.repository.room().borrowed();
        let path = checked.join("info/alternates");
        disk::write(&path, borrowed.as_bytes())?;
        Ok(())
    }

    async fn run(self, pointers: Pointers, scope: &WriteScope) -> Result<History, Stop> {
        let wanted: String = pointers.all.iter().map(|id| format!("{id}\n")).collect();
        let found = self.inspect(&wanted).await?;
        let all: BTreeSet<CommitId> = pointers
            .all
            .into_iter()
            .filter(|id| found.get(id.as_str()).is_some_and(|it| it.0 == "commit"))
            .collect();
        let head = match pointers.head {
            Some(head) if all.contains(&head) => Some(head),
            Some(head) => return Err(FilesOnly::Broken(format!("there is no commit {head}")).into()),
            None => None,
        };
        // A log may name what is no longer whole; what is checked out is taken all the same.
        match (self.take(&all).await, &head) {
            (Ok(()), _) => self.within(head, all, scope).await,
            (Err(Stop::Theirs(_)), Some(head)) if all.len() > 1 => {
                let all = BTreeSet::from([head.clone()]);
                self.take(&all).await?;
                self.within(Some(head.clone()), all, scope).await
            }
            (Err(stop), _) => Err(stop),
        }
    }

    /// Whether what is checked out may be built upon. What may not is kept, and only its files count.
    async fn within(
        &self,
        head: Option<CommitId>,
        all: BTreeSet<CommitId>,
        scope: &WriteScope,
    ) -> Result<History, Stop> {
        let Some(tip) = &head else { return Ok(History { head, all, files_only: None }) };
        match self.judge_changes([tip], |path| scope.allows(path)).await {
            Ok(()) => Ok(History { head, all, files_only: None }),
            Err(Stop::Theirs(reason)) => Ok(History { head: None, all, files_only: Some(reason) }),
            Err(stop) => Err(stop),
        }
    }

    /// Judges what some commits lead to beyond what was given, and makes it objects of the person's repository.
    async fn take(&self, tips: &BTreeSet<CommitId>) -> Result<(), Stop> {
        let doing = "list what an agent committed";
        let revisions = self.revisions(tips);
        let listed = self
            .call(doing, "checked")
            .args(["rev-list", "--objects", "--no-object-names", "--stdin"])
            .input(revisions.clone())
            .bytes()
            .await?;
        let listed = String::from_utf8(listed).map_err(|error| unexpected(doing, error.as_bytes()))?;
        if listed.is_empty() {
            return Ok(());
        }
        self.judge_sizes("checked", &listed).await?;
        self.judge_origin(&listed).await?;
        self.judge_changes(tips, |_| true).await?;
        let pack = self.folder("taken");
        let call = self.call("pack what an agent committed", "checked");
        let call = call.args(["pack-objects", "--revs", "--window=0", "--quiet"]).arg(&pack).input(revisions);
        let pack = pack.with_file_name(format!("taken-{}.pack", call.text().await?));
        let file = std::fs::File::open(&pack)
            .map_err(|error| WorkspaceError::io(disk::doing("read", &pack), error))?;
        let doing = "take over what an agent committed";
        let call =
            self.repository.room().call(doing).args(["-c", "pack.threads=1", "index-pack", "--strict"]);
        call.args(["--stdin"]).holding(file).bytes().await?;
        Ok(())
    }

    fn revisions<'t>(&self, tips: impl IntoIterator<Item = &'t CommitId>) -> String {
        let tips = tips.into_iter().map(|id| format!("{id}\n"));
        tips.chain(self.given.iter().map(|id| format!("^{id}\n"))).collect()
    }

    /// Kind and size of each object of a list that is there.
    async fn inspect(&self, list: &str) -> Result<BTreeMap<String, (String, u64)>, Stop> {
        self.inspect_in("checked", list).await
    }

    async fn inspect_in(&self, objects: &str, list: &str) -> Result<BTreeMap<String, (String, u64)>, Stop> {
        let call = self.call("look at what an agent committed", objects);
        let call = call.args(["cat-file", "--batch-check=%(objectname) %(objecttype) %(objectsize)"]);
        let answer = call.input(list).bytes().await?;
        let entries = String::from_utf8_lossy(&answer).into_owned();
        let entry = |line: &str| {
            let mut parts = line.split(' ');
            let (id, kind, size) = (parts.next()?, parts.next()?, parts.next()?.parse().ok()?);
            Some((id.to_owned(), (kind.to_owned(), size)))
        };
        Ok(entries.lines().filter_map(entry).collect())
    }

    async fn judge_sizes(&self, objects: &str, list: &str) -> Result<(), Stop> {
        if list.lines().count() > OBJECTS {
            return Err(FilesOnly::Unreadable(format!("more than {OBJECTS} objects")).into());
        }
        let most = self.repository.max_file_bytes();
        for (id, (kind, size)) in self.inspect_in(objects, list).await? {
            if size > if kind == "commit" { COMMIT_BYTES.min(most) } else { most } {
                return Err(FilesOnly::Large(object("read a list", id.as_bytes())?).into());
            }
        }
        Ok(())
    }

    /// A commit may name any object of the person's repository by its digest; what the agent could not read must not become
    /// part of its work, where the next one could.
    async fn judge_origin(&self, listed: &str) -> Result<(), Stop> {
        let mut strange: HashSet<&str> = listed.lines().filter(|id| !self.own.contains(*id)).collect();
        if strange.is_empty() {
            return Ok(());
        }
        let doing = "list what an agent was given";
        let input: String = self.given.iter().map(|id| format!("{id}\n")).collect();
        let call = self.repository.room().call(doing);
        let call = call.args(["rev-list", "--objects", "--no-object-names", "--stdin"]).input(input);
        let given = call.bytes().await?;
        for id in String::from_utf8_lossy(&given).lines() {
            strange.remove(id);
        }
        match strange.into_iter().min() {
            Some(id) => Err(FilesOnly::NotGiven(object(doing, id.as_bytes())?).into()),
            None => Ok(()),
        }
    }

    /// Judges every path that a commit changes.
    async fn judge_changes<'t>(
        &self,
        tips: impl IntoIterator<Item = &'t CommitId>,
        allows: impl Fn(&str) -> bool,
    ) -> Result<(), Stop> {
        let doing = "list what the commits of an agent change";
        let call = self.call(doing, "checked").args(["rev-list", "--stdin"]);
        let commits = call.input(self.revisions(tips)).bytes().await?;
        let call = self.call(doing, "checked").args(["diff-tree", "--stdin", "-r", "-z", "--root", "--raw"]);
        let call = call.args(["--no-renames", "--diff-merges=first-parent"]).input(commits);
        let listed = call.bytes().await?;
        let mut parts = names(&listed);
        while let Some(part) = parts.next() {
            // What is no change is the name of the commit to which those that follow belong.
            let Some(change) = part.strip_prefix(b":") else { continue };
            let Some(path) = parts.next() else { break };
            let mode = change.split(|byte| *byte == b' ').nth(1);
            let text = std::str::from_utf8(path).map_err(|_| FilesOnly::OddPath(shown(path)))?;
            if mode == Some(SUBMODULE) {
                return Err(FilesOnly::Submodule(text.to_owned()).into());
            }
            if !allows(text) {
                return Err(FilesOnly::OutOfScope(text.to_owned()).into());
            }
        }
        Ok(())
    }
}
