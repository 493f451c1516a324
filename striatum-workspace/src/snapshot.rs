//! The files of a tree as a git tree object, whatever the agent did to index, `.git` and modes.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use striatum_core::id::CommitId;

use crate::{
    disk,
    error::{LISTED, WorkspaceError},
    inside,
    repository::{Repository, names, shown},
    room::{Index, object},
    submission::{LeftOut, WhyLeftOut},
    tree::Tree,
};

/// What lies in a tree, in an index of ours.
#[derive(Debug)]
pub(crate) struct Snapshot {
    folder: PathBuf,
    index: Index,
    /// What it does not hold.
    pub(crate) left_out: Vec<LeftOut>,
}

impl Repository {
    /// Takes what lies in a tree into an index. What is tracked in `parent` or in the agent's index counts, ignored or not.
    ///
    /// Every file is read and hashed: the index starts without knowledge of any, so that no file can pass as unchanged.
    pub(crate) async fn snapshot(&self, tree: &Tree, parent: &CommitId) -> Result<Snapshot, WorkspaceError> {
        let folder = tree.path();
        if !fs::symlink_metadata(folder).is_ok_and(|meta| meta.is_dir()) {
            return Err(WorkspaceError::TreeLost { path: folder.to_owned() });
        }
        let index = self.room().index()?;
        let over = |doing: &str| self.room().over(doing, folder, &index);
        let parents = over("read the parent of a commit").args(["read-tree", parent.as_str()]);
        let (_, of_agent) = tokio::try_join!(parents.bytes(), self.agents_index(tree))?;
        let mut listed = self.list_files(folder, &index).await?;
        listed.untracked.extend(of_agent.into_iter().filter(|name| is_plain(name)));
        let (root, limit) = (folder.to_owned(), self.max_file_bytes());
        let sorted = disk::blocking("look at a tree", move || sort(&root, limit, listed)).await?;
        self.refuse_large(&sorted.large).await?;
        let update = |doing: &str| over(doing).args(["update-index", "-z"]);
        if !sorted.gone.is_empty() {
            let update = update("take out what is gone").args(["--force-remove", "--stdin"]);
            update.input(sorted.gone).bytes().await?;
        }
        let doing = "take in what is there";
        let added = update(doing).args(["--add", "--replace", "--stdin"]).input(sorted.there).ended().await?;
        let odd: Vec<String> = added
            .stderr
            .lines()
            .filter_map(|line| line.strip_prefix("Ignoring path "))
            .map(str::to_owned)
            .collect();
        if !odd.is_empty() {
            return Err(WorkspaceError::OddPath { paths: odd });
        }
        if !added.status.success() {
            return Err(added.refused(doing));
        }
        Ok(Snapshot { folder: folder.to_owned(), index, left_out: sorted.left_out })
    }

    /// Puts files into a snapshot in place of what lies there, or takes them out of it.
    pub(crate) async fn overlay(
        &self,
        snapshot: &Snapshot,
        instead: &BTreeMap<String, Option<Vec<u8>>>,
    ) -> Result<(), WorkspaceError> {
        let odd: Vec<String> = instead.keys().filter(|path| !is_plain(path.as_bytes())).cloned().collect();
        if !odd.is_empty() {
            return Err(WorkspaceError::OddPath { paths: odd });
        }
        let mut lines = Vec::new();
        for (path, bytes) in instead {
            let line = match bytes {
                Some(bytes) => format!("100644 {}\t{path}\0", self.keep(path, bytes).await?),
                None => format!("0 {}\t{path}\0", "0".repeat(40)),
            };
            lines.extend_from_slice(line.as_bytes());
        }
        let call = self.room().over("put files into a tree", &snapshot.folder, &snapshot.index);
        let call = call.args(["update-index", "-z", "--add", "--replace", "--index-info"]);
        call.input(lines).bytes().await.map(drop)
    }

    /// Writes a snapshot as objects: its git tree.
    pub(crate) async fn write_tree(&self, snapshot: &Snapshot) -> Result<CommitId, WorkspaceError> {
        let doing = "write a tree";
        let call = self.room().over(doing, &snapshot.folder, &snapshot.index);
        object(doing, &call.arg("write-tree").bytes().await?)
    }

    /// The paths in which a snapshot differs from a commit, each ended with a null byte.
    pub(crate) async fn changed_names(
        &self,
        snapshot: &Snapshot,
        from: &CommitId,
    ) -> Result<Vec<u8>, WorkspaceError> {
        let doing = format!("compare a tree with {from}");
        let call = self.room().over(doing, &snapshot.folder, &snapshot.index);
        let call = call.args(["diff-index", "--cached", "--name-only", "--no-renames", "-z"]);
        call.args([from.as_str(), "--"]).bytes().await
    }

    /// What the agent staged. An index that git cannot read holds nothing that the files do not.
    async fn agents_index(&self, tree: &Tree) -> Result<Vec<Vec<u8>>, WorkspaceError> {
        let index = self.room().index()?;
        let Ok(Some(theirs)) = inside::index_of(tree) else { return Ok(Vec::new()) };
        fs::write(index.path(), theirs)
            .map_err(|error| WorkspaceError::io(disk::doing("write", &index.path()), error))?;
        let call = self.room().over("list what the agent staged", tree.path(), &index);
        let ended = call.args(["ls-files", "-z", "--cached"]).ended().await?;
        let staged = if ended.status.success() { ended.stdout } else { Vec::new() };
        Ok(names(&staged).map(<[u8]>::to_vec).collect())
    }

    /// Lists what an index tracks, and what is untracked and not ignored, in the folder and in the repositories that the agent made
    /// inside it.
    async fn list_files(&self, folder: &Path, index: &Index) -> Result<Listed, WorkspaceError> {
        let mut listed = Listed::default();
        let mut nested = vec![Vec::new()];
        while let Some(prefix) = nested.pop() {
            let within = folder.join(OsStr::from_bytes(&prefix));
            let empty;
            let index = if prefix.is_empty() {
                index
            } else {
                empty = self.room().index()?;
                &empty
            };
            let doing = "list files";
            let call = self.room().over(doing, &within, index);
            let call = call.args(["ls-files", "-z", "-t", "--stage", "--others", "--exclude-standard"]);
            let ended = call.ended().await?;
            let closed: Vec<String> = ended
                .stderr
                .lines()
                .filter(|line| line.contains("could not open directory"))
                .map(str::to_owned)
                .collect();
            if !closed.is_empty() {
                return Err(WorkspaceError::Unreadable { paths: closed });
            }
            if !ended.status.success() {
                return Err(ended.refused(doing));
            }
            for line in names(&ended.stdout) {
                let Some(name) = line.strip_prefix(b"? ") else {
                    // A letter says in which way it is tracked.
                    if let Some((name, entry)) = line.get(2..).and_then(staged) {
                        listed.tracked.insert(name.to_vec(), entry);
                    }
                    continue;
                };
                let name = [&prefix, name].concat();
                // Git names a repository inside the folder, and does not look into it.
                if let Some(repository) = name.strip_suffix(b"/") {
                    let path = shown(repository);
                    listed.left_out.push(LeftOut { path, why: WhyLeftOut::NestedHistory });
                    nested.push(name);
                } else {
                    listed.untracked.insert(name);
                }
            }
        }
        Ok(listed)
    }

    /// A large file that was there before may stay; a new one is refused.
    async fn refuse_large(&self, large: &[(Vec<u8>, u64, Option<CommitId>)]) -> Result<(), WorkspaceError> {
        let mut paths = Vec::new();
        for (path, size, tracked) in large {
            let was = match tracked {
                Some(blob) => self.size_of(blob).await?,
                None => 0,
            };
            if was < *size && paths.len() < LISTED {
                paths.push(shown(path));
            }
        }
        if paths.is_empty() {
            Ok(())
        } else {
            Err(WorkspaceError::FileTooLarge { paths, limit: self.max_file_bytes() })
        }
    }
}

/// A tracked path: its mode, and its object.
type Entry = (Vec<u8>, CommitId);

#[derive(Debug, Default)]
struct Listed {
    tracked: BTreeMap<Vec<u8>, Entry>,
    untracked: BTreeSet<Vec<u8>>,
    left_out: Vec<LeftOut>,
}

#[derive(Debug, Default)]
struct Sorted {
    /// Files and links, each ended with a null byte.
    there: Vec<u8>,
    /// Tracked paths where there is no file or link any more, likewise.
    gone: Vec<u8>,
    large: Vec<(Vec<u8>, u64, Option<CommitId>)>,
    left_out: Vec<LeftOut>,
}

const SUBMODULE: &[u8] = b"160000";

fn sort(root: &Path, limit: u64, listed: Listed) -> Result<Sorted, WorkspaceError> {
    let mut sorted = Sorted { left_out: listed.left_out, ..Sorted::default() };
    let (mut odd, mut unreadable, mut populated) = (Vec::new(), Vec::new(), Vec::new());
    let mut folders = Folders { root: root.to_owned(), real: BTreeMap::new() };
    let untracked = listed.untracked.iter().filter(|name| !listed.tracked.contains_key(*name));
    let all = listed
        .tracked
        .iter()
        .map(|(name, entry)| (name, Some(entry)))
        .chain(untracked.map(|name| (name, None)));
    for (name, entry) in all {
        let path = root.join(OsStr::from_bytes(name));
        let is_submodule = entry.is_some_and(|(mode, _)| mode == SUBMODULE);
        let meta = match folders
            .are_real(name)
            .and_then(|real| if real { fs::symlink_metadata(&path).map(Some) } else { Ok(None) })
        {
            Ok(meta) => meta,
            Err(error) if disk::is_absent(&error) => None,
            Err(_) => {
                unreadable.push(shown(name));
                continue;
            }
        };
        match meta {
            Some(meta) if meta.is_file() => {
                if entry.is_none() && std::str::from_utf8(name).is_err() {
                    odd.push(shown(name));
                }
                if accessat(CWD, &path, Access::READ_OK, AtFlags::empty()).is_err() {
                    unreadable.push(shown(name));
                }
                if meta.len() > limit {
                    let blob = entry.filter(|_| !is_submodule).map(|(_, blob)| blob.clone());
                    sorted.large.push((name.clone(), meta.len(), blob));
                }
                push(&mut sorted.there, name);
            }
            Some(meta) if meta.is_symlink() => push(&mut sorted.there, name),
            // A submodule is not checked out, so its folder is empty.
            Some(meta) if meta.is_dir() && is_submodule => match is_empty(&path) {
                Ok(true) => {}
                Ok(false) => populated.push(shown(name)),
                Err(_) => unreadable.push(shown(name)),
            },
            Some(meta) if meta.is_dir() => push(&mut sorted.gone, name),
            Some(_) => {
                sorted.left_out.push(LeftOut { path: shown(name), why: WhyLeftOut::Special });
                push(&mut sorted.gone, name);
            }
            None => push(&mut sorted.gone, name),
        }
    }
    for list in [&mut odd, &mut unreadable, &mut populated] {
        list.truncate(LISTED);
    }
    if !odd.is_empty() {
        Err(WorkspaceError::OddPath { paths: odd })
    } else if !unreadable.is_empty() {
        Err(WorkspaceError::Unreadable { paths: unreadable })
    } else if !populated.is_empty() {
        let what = format!("submodules, into which files were put: {}", populated.join(", "));
        Err(WorkspaceError::Unsupported { what })
    } else {
        Ok(sorted)
    }
}

/// Which folders are folders all the way down: a file behind a link is not in the tree.
struct Folders {
    root: PathBuf,
    real: BTreeMap<Vec<u8>, bool>,
}

impl Folders {
    fn are_real(&mut self, name: &[u8]) -> io::Result<bool> {
        let Some(end) = name.iter().rposition(|byte| *byte == b'/') else { return Ok(true) };
        let folder = &name[..end];
        if let Some(known) = self.real.get(folder) {
            return Ok(*known);
        }
        let real = self.are_real(folder)?
            && match fs::symlink_metadata(self.root.join(OsStr::from_bytes(folder))) {
                Ok(meta) => meta.is_dir(),
                Err(error) if disk::is_absent(&error) => false,
                Err(error) => return Err(error),
            };
        self.real.insert(folder.to_vec(), real);
        Ok(real)
    }
}

fn push(list: &mut Vec<u8>, name: &[u8]) {
    list.extend_from_slice(name);
    list.push(0);
}

fn is_empty(folder: &Path) -> io::Result<bool> {
    Ok(fs::read_dir(folder)?.next().is_none())
}

/// Whether a path leads from the top of a tree to something in it.
pub(crate) fn is_plain(name: &[u8]) -> bool {
    let odd =
        |part: &[u8]| part.is_empty() || part == b"." || part == b".." || part.eq_ignore_ascii_case(b".git");
    !name.contains(&0) && !name.split(|byte| *byte == b'/').any(odd)
}

/// Reads `<mode> <object> <stage>\t<path>`.
fn staged(line: &[u8]) -> Option<(&[u8], Entry)> {
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    let (fields, name) = (&line[..tab], &line[tab + 1..]);
    let mut fields = fields.split(|byte| *byte == b' ');
    let mode = fields.next()?.to_vec();
    let id = CommitId::new(std::str::from_utf8(fields.next()?).ok()?).ok()?;
    Some((name, (mode, id)))
}
