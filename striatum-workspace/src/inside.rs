//! The git repository that an agent finds in its tree.
//!
//! It is a repository of its own and belongs to the agent: it holds the history of the commit that the tree was opened at and
//! knows neither the person's repository nor a remote. Whatever the agent makes of it, no git of ours takes it for a repository:
//! what is wanted of it is read as plain files, by [`Foreign`].

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::PathBuf,
};

use striatum_core::id::CommitId;

use crate::{
    disk,
    error::WorkspaceError,
    foreign::Foreign,
    git::unexpected,
    repository::{Head, Repository},
    room::{ATTRIBUTES, Index, REF_BYTES},
    tree::Tree,
};

/// How many commits of history an agent is given: those of a small project, all of them; of a large one enough for `log` and
/// `blame` to be of use, at the cost of little more than a checkout.
const COMMITS: usize = 1000;

/// What is read of a file that names refs.
const REFS_BYTES: u64 = 4 << 20;
/// How much of the log of HEAD is read, from its end.
const LOG_BYTES: u64 = 1 << 20;
/// How many files and folders there may be below `refs`.
const REFS: usize = 10_000;
const INDEX_BYTES: u64 = 256 << 20;

/// What a repository points to.
#[derive(Debug, Default)]
pub(crate) struct Pointers {
    /// What is checked out.
    pub(crate) head: Option<CommitId>,
    /// This, the branches, what is stashed, and where HEAD has been.
    pub(crate) all: BTreeSet<CommitId>,
}

impl Repository {
    /// Gives a tree whose files are those of `tip` its repository, with this [history](Self::give_history); the index becomes the agent's.
    pub(crate) fn furnish(
        &self,
        tree: &Tree,
        tip: &CommitId,
        index: &Index,
        cut: &str,
    ) -> Result<(), WorkspaceError> {
        let git = repository_in(index);
        let branch = tree.branch().full();
        let exclude = disk::read(&self.git_dir().join("info/exclude"), REFS_BYTES)?.unwrap_or_default();
        for (name, bytes) in [
            ("config", config(tree, tip).as_bytes()),
            ("HEAD", format!("ref: {branch}\n").as_bytes()),
            ("packed-refs", format!("{tip} {branch}\n").as_bytes()),
            ("shallow", cut.as_bytes()),
            ("info/attributes", ATTRIBUTES.as_bytes()),
            ("info/exclude", &exclude),
        ] {
            if !bytes.is_empty() {
                let path = git.join(name);
                fs::write(&path, bytes)
                    .map_err(|error| WorkspaceError::io(disk::doing("write", &path), error))?;
            }
        }
        let place = tree.path().join(".git");
        fs::rename(index.path(), git.join("index"))
            .and_then(|()| fs::rename(&git, &place))
            .map_err(|error| WorkspaceError::io(disk::doing("make", &place), error))
    }

    /// Takes away the locks of a git that was killed. If the agent's repository is gone altogether, it gets another.
    pub(crate) async fn refurnish(&self, tree: &Tree) -> Result<(), WorkspaceError> {
        if unlock(tree).map_err(|error| WorkspaceError::io(disk::doing("unlock", tree.path()), error))? {
            return Ok(());
        }
        let kept = self.room().reference(&tree.branch().full()).await?;
        let tip = kept.as_ref().unwrap_or_else(|| tree.base());
        let index = self.room().index()?;
        let over = || self.room().over(format!("index {tip}"), tree.path(), &index);
        over().args(["read-tree", tip.as_str()]).bytes().await?;
        // Ends with 1 where a file differs, which is for the agent to see.
        over().args(["update-index", "-q", "--refresh"]).ended().await?;
        let cut = self.give_history(tip, &index).await?;
        self.furnish(tree, tip, &index, &cut)
    }

    /// Begins a repository beside an index: packs the last commits up to a tip with all that they hold, and gives the list of those whose
    /// parents are left behind.
    pub(crate) async fn give_history(&self, tip: &CommitId, index: &Index) -> Result<String, WorkspaceError> {
        let git = repository_in(index);
        for folder in ["objects/pack", "objects/info", "refs/heads", "info"] {
            disk::folder(&git.join(folder))?;
        }
        let doing = format!("pack the history of {tip}");
        let most = format!("--max-count={COMMITS}");
        let listed = self.room().call(&doing).args(["rev-list", "--parents", &most, tip.as_str()]).bytes();
        let listed =
            String::from_utf8(listed.await?).map_err(|error| unexpected(&doing, error.as_bytes()))?;
        let cut = cut(&listed, tip.as_str());
        let input: String =
            cut.iter().map(|id| format!("--shallow {id}\n")).chain([format!("{tip}\n")]).collect();
        let pack = git.join("objects/pack/pack");
        let answer = self
            .room()
            .call(&doing)
            // It can be made again, so nobody waits for the disk; deltas are taken as they are, and not looked for.
            .args(["-c", "core.fsync=none", "pack-objects", "--revs", "--window=0", "--quiet"])
            .arg(&pack)
            .input(input)
            .text()
            .await?;
        // Git leaves it as it is when it cleans up, and we need not read it again: all of it is from here.
        let keep = git.join(format!("objects/pack/pack-{answer}.keep"));
        fs::write(&keep, "").map_err(|error| WorkspaceError::io(disk::doing("write", &keep), error))?;
        Ok(cut.iter().map(|id| format!("{id}\n")).collect())
    }
}

/// Where a repository is made, beside its index.
fn repository_in(index: &Index) -> PathBuf {
    index.folder().join("git")
}

/// The commits of a list, each with its parents, of which not all parents are listed, as far as they are reached from the tip.
fn cut<'a>(listed: &'a str, tip: &'a str) -> BTreeSet<&'a str> {
    let parents: BTreeMap<&str, Vec<&str>> = listed
        .lines()
        .filter_map(|line| {
            let mut ids = line.split(' ');
            Some((ids.next()?, ids.collect()))
        })
        .collect();
    let (mut cut, mut seen, mut next) = (BTreeSet::new(), BTreeSet::new(), vec![tip]);
    while let Some(commit) = next.pop() {
        if !seen.insert(commit) {
            continue;
        }
        let Some(above) = parents.get(commit) else { continue };
        if above.iter().all(|parent| parents.contains_key(parent)) {
            next.extend(above);
        } else {
            cut.insert(commit);
        }
    }
    cut
}

fn config(tree: &Tree, tip: &CommitId) -> String {
    let job = &tree.grant().fence.job;
    let object_format = if tip.as_str().len() == 64 { "sha256" } else { "sha1" };
    format!(
        "[core]\n\trepositoryformatversion = 1\n\tbare = false\n\tfilemode = true\n\tlogAllRefUpdates = true\n\
         [extensions]\n\tobjectformat = {object_format}\n\
         [gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n\
         [user]\n\tname = agent of {job}\n\temail = agent@localhost\n"
    )
}

/// Takes away the locks of a git that was killed; says whether there is anything that the agent may take for its repository.
fn unlock(tree: &Tree) -> io::Result<bool> {
    let Some(folder) = Foreign::open(tree.path())? else { return Ok(false) };
    let Some(git) = folder.below(".git")? else { return folder.has(".git") };
    for lock in ["index.lock", "HEAD.lock", "packed-refs.lock", "config.lock"] {
        git.remove(lock)?;
    }
    Ok(true)
}

/// The repository in a tree, if it is one.
pub(crate) fn repository_of(tree: &Tree) -> io::Result<Option<Foreign>> {
    match Foreign::open(tree.path())? {
        Some(folder) => folder.below(".git"),
        None => Ok(None),
    }
}

/// The index in a tree's repository.
pub(crate) fn index_of(tree: &Tree) -> io::Result<Option<Vec<u8>>> {
    match repository_of(tree)? {
        Some(git) => git.read("index", INDEX_BYTES),
        None => Ok(None),
    }
}

/// Reads what a repository points to. What makes no sense points nowhere.
pub(crate) fn pointers(git: &Foreign) -> io::Result<Pointers> {
    let mut refs = BTreeMap::new();
    let packed = git.read("packed-refs", REFS_BYTES)?.unwrap_or_default();
    for line in String::from_utf8_lossy(&packed).lines() {
        if let Some((id, name)) = line.split_once(' ')
            && let Ok(id) = CommitId::new(id)
        {
            refs.insert(name.to_owned(), id);
        }
    }
    let mut left = REFS;
    let mut folders = vec![("refs".to_owned(), git.below("refs")?)];
    while let Some((prefix, folder)) = folders.pop() {
        let Some(folder) = folder else { continue };
        for name in folder.names(&mut left)? {
            let full = format!("{prefix}/{}", name.to_string_lossy());
            if let Some(below) = folder.below(&name)? {
                folders.push((full, Some(below)));
            } else if let Some(text) = folder.read(&name, REF_BYTES)?
                && let Ok(id) = CommitId::new(String::from_utf8_lossy(&text).trim())
            {
                refs.insert(full, id);
            }
        }
    }
    let head = match git.read("HEAD", REF_BYTES)?.as_deref().and_then(Head::parse) {
        Some(Head::Detached(commit)) => Some(commit),
        Some(Head::On(name)) => refs.get(&name).cloned(),
        None => None,
    };
    let log = match git.below("logs")? {
        Some(logs) => logs.tail("HEAD", LOG_BYTES)?.unwrap_or_default(),
        None => Vec::new(),
    };
    let kept = |name: &str| name.starts_with("refs/heads/") || name == "refs/stash";
    let branches = refs.into_iter().filter(|(name, _)| kept(name)).map(|(_, id)| id);
    let all = branches.chain(visited(&log)).chain(head.clone()).collect();
    Ok(Pointers { head, all })
}

/// The commits on which HEAD was, as far as git logged it: what the agent committed and then reset or left.
fn visited(log: &[u8]) -> impl Iterator<Item = CommitId> {
    log.split(|byte| *byte == b'\n').filter_map(|line| {
        let id = line.split(|byte| *byte == b' ').nth(1)?;
        let id = CommitId::new(std::str::from_utf8(id).ok()?).ok()?;
        id.as_str().bytes().any(|digit| digit != b'0').then_some(id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_is_cut_where_a_parent_is_not_listed() {
        let listed = "d c b\nc a\nb x\na y z\n";
        assert_eq!(cut(listed, "d"), ["a", "b"].into());
        assert_eq!(cut("b a\na\n", "b"), BTreeSet::new());
        // What only a cut commit leads to is not there.
        assert_eq!(cut("c b x\nb a\na y\n", "c"), ["c"].into());
    }
}
