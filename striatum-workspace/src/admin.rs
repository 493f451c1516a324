//! What makes a folder a linked work tree of the person's repository, so that agents see an ordinary one.
//!
//! These few files are written here and not by `git worktree add`, which reads the repository's configuration and runs its
//! hooks. The agent may alter all of them; nothing of ours depends on more than the commits that they name.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use striatum_core::id::CommitId;

use crate::{
    branch::BranchName,
    disk,
    error::WorkspaceError,
    repository::{Head, head_of},
};

/// How much of a log of HEAD is read, from its end.
const LOG_BYTES: u64 = 1 << 20;

/// The folder `worktrees/<name>` in the person's git folder, and the work tree that it administers.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    dir: PathBuf,
    tree: PathBuf,
    branch: BranchName,
}

impl Admin {
    /// The administration of a grant's tree. Its name follows from the branch, so it can be found and made again.
    pub(crate) fn of(common: &Path, tree: &Path, branch: &BranchName) -> Self {
        let dir = common.join("worktrees").join(branch.as_str().replace('/', "-"));
        Self { dir, tree: tree.to_owned(), branch: branch.clone() }
    }

    /// The agent's index.
    pub(crate) fn index(&self) -> PathBuf {
        self.dir.join("index")
    }

    /// Writes what is missing or altered, and takes away the locks of a git that was killed.
    pub(crate) fn furnish(&self) -> Result<(), WorkspaceError> {
        if fs::symlink_metadata(&self.dir).is_ok_and(|meta| !meta.is_dir()) {
            disk::remove_file(&self.dir)?;
        }
        disk::folder(&self.dir)?;
        for lock in ["index.lock", "HEAD.lock"] {
            disk::remove_file(&self.dir.join(lock))?;
        }
        let link = self.tree.join(".git");
        let mut gitdir = link.as_os_str().as_bytes().to_vec();
        gitdir.push(b'\n');
        self.ensure("commondir", b"../..\n")?;
        self.ensure("gitdir", &gitdir)?;
        if head_of(&self.dir)?.is_none() {
            self.ensure("HEAD", format!("ref: {}\n", self.branch.full()).as_bytes())?;
        }
        let mut pointer = b"gitdir: ".to_vec();
        pointer.extend_from_slice(self.dir.as_os_str().as_bytes());
        pointer.push(b'\n');
        // A folder of this name is a repository that the agent made; it stays, and the snapshot passes it by.
        let is_folder = fs::symlink_metadata(&link).is_ok_and(|meta| meta.is_dir());
        if !is_folder && disk::read(&link, 1 << 16)?.as_deref() != Some(&pointer) {
            disk::write(&link, &pointer)?;
        }
        Ok(())
    }

    fn ensure(&self, name: &str, bytes: &[u8]) -> Result<(), WorkspaceError> {
        let path = self.dir.join(name);
        if disk::read(&path, 1 << 16)?.as_deref() == Some(bytes) {
            return Ok(());
        }
        disk::write(&path, bytes)
    }

    /// Where the agent left its HEAD.
    pub(crate) fn head(&self) -> Result<Option<Head>, WorkspaceError> {
        head_of(&self.dir)
    }

    /// The commits on which HEAD was, as far as git logged it: what the agent committed and then reset or left.
    pub(crate) fn visited(&self) -> Result<BTreeSet<CommitId>, WorkspaceError> {
        let path = self.dir.join("logs/HEAD");
        let read = || {
            if !fs::symlink_metadata(&path)?.is_file() {
                return Ok(Vec::new());
            }
            let mut file = File::open(&path)?;
            let from = file.metadata()?.len().saturating_sub(LOG_BYTES);
            file.seek(SeekFrom::Start(from))?;
            let mut bytes = Vec::new();
            file.take(LOG_BYTES).read_to_end(&mut bytes).map(|_| bytes)
        };
        let bytes = match read() {
            Err(error) if disk::is_absent(&error) => Vec::new(),
            result => result.map_err(|error| WorkspaceError::io(disk::doing("read", &path), error))?,
        };
        let named = |line: &[u8]| {
            let mut ids = line.split(|byte| *byte == b' ').take(2);
            let id = ids.nth(1).and_then(|id| std::str::from_utf8(id).ok());
            id.and_then(|id| CommitId::new(id).ok()).filter(|id| id.as_str().bytes().any(|b| b != b'0'))
        };
        Ok(bytes.split(|byte| *byte == b'\n').filter_map(named).collect())
    }

    /// Removes the administration, if it is still that of this tree.
    pub(crate) fn remove(&self) -> Result<(), WorkspaceError> {
        match checkout_of(&self.dir)? {
            Some(checkout) if checkout != self.tree => Ok(()),
            _ => disk::remove_folder(&self.dir),
        }
    }
}

/// The work tree that an administration says it is of.
pub(crate) fn checkout_of(dir: &Path) -> Result<Option<PathBuf>, WorkspaceError> {
    let Some(bytes) = disk::read(&dir.join("gitdir"), 1 << 16)? else { return Ok(None) };
    let link = PathBuf::from(OsString::from_vec(bytes.trim_ascii_end().to_vec()));
    Ok(link.parent().map(Path::to_owned))
}
