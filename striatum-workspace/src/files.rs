//! Single files: reading them at a commit, handing out some, putting some on top.

use std::path::Path;

use striatum_core::id::CommitId;

use crate::{
    branch::BranchName,
    disk,
    error::WorkspaceError,
    git::unexpected,
    manifest::Mode,
    merge::Stamp,
    repository::{Repository, names, shown},
    room::{Swapped, object},
    snapshot::is_plain,
};

/// The largest file that [`Repository::read_at`] reads: 16 MiB.
pub const MAX_READ_BYTES: u64 = 16 << 20;

/// A file that the engine commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// Where, from the top of the repository, with `/`.
    pub path: String,
    /// What.
    pub bytes: Vec<u8>,
}

impl Repository {
    /// Reads a file as it is at a commit. A folder, a submodule or a symbolic link is no file; links are not followed.
    ///
    /// # Errors
    /// [`WorkspaceError::FileTooLarge`] beyond [`MAX_READ_BYTES`]; [`WorkspaceError::OddPath`] if the path is not relative or
    /// has parts like `..`.
    pub async fn read_at(&self, commit: &CommitId, path: &str) -> Result<Option<Vec<u8>>, WorkspaceError> {
        self.read_bytes_at(commit, path.as_bytes()).await
    }

    pub(crate) async fn read_bytes_at(
        &self,
        commit: &CommitId,
        path: &[u8],
    ) -> Result<Option<Vec<u8>>, WorkspaceError> {
        let Some((mode, blob, size)) = self.file_at(commit, path).await? else { return Ok(None) };
        if mode == Mode::Symlink {
            return Ok(None);
        }
        if size > MAX_READ_BYTES {
            return Err(WorkspaceError::FileTooLarge { paths: vec![shown(path)], limit: MAX_READ_BYTES });
        }
        self.blob(&blob).await.map(Some)
    }

    /// Writes the named files of a commit into a folder, which is made if need be: for a reviewer who may see no more. Paths
    /// that name no file at the commit are passed over, as are symbolic links; the paths that were written are returned.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at), and failures of the file system.
    pub async fn export(
        &self,
        commit: &CommitId,
        paths: &[String],
        into: &Path,
    ) -> Result<Vec<String>, WorkspaceError> {
        disk::folder(into)?;
        let mut written = Vec::new();
        for path in paths {
            let Some(bytes) = self.read_at(commit, path).await? else { continue };
            let file = into.join(path);
            if let Some(folder) = file.parent() {
                disk::folder(folder)?;
            }
            disk::write(&file, &bytes)?;
            written.push(path.clone());
        }
        Ok(written)
    }

    /// Writes all files of a commit into a folder, which is made if need be: to be read, and thrown away. No branch is made, and what
    /// is changed there changes nothing else.
    ///
    /// # Errors
    /// Failures of git and of the file system.
    pub async fn lay_out(&self, commit: &CommitId, into: &Path) -> Result<(), WorkspaceError> {
        disk::folder(into)?;
        let index = self.room().index()?;
        let over = || self.room().over(format!("lay out {commit}"), into, &index);
        over().args(["read-tree", commit.as_str()]).bytes().await?;
        over().args(["checkout-index", "--all", "--force", "--quiet"]).bytes().await.map(drop)
    }

    /// Commits files on top of `base`, to a branch that is made for it. The same arguments give the same commit, so repeating
    /// it changes nothing. If the files are there already, the commit is `base`.
    ///
    /// # Errors
    /// [`WorkspaceError::OddPath`] for paths that are not plain; [`WorkspaceError::BranchMoved`] if the branch is there with
    /// something else.
    pub async fn put_files(
        &self,
        base: &CommitId,
        files: &[NewFile],
        branch: &BranchName,
        stamp: &Stamp,
    ) -> Result<CommitId, WorkspaceError> {
        let odd: Vec<String> = files
            .iter()
            .filter(|file| !is_plain(file.path.as_bytes()))
            .map(|file| file.path.clone())
            .collect();
        if !odd.is_empty() {
            return Err(WorkspaceError::OddPath { paths: odd });
        }
        let index = self.room().index()?;
        let folder = self.room().dir();
        let over = |doing: &str| self.room().over(doing, folder, &index);
        over("read the base of a commit").args(["read-tree", base.as_str()]).bytes().await?;
        let mut lines = Vec::new();
        for file in files {
            let blob = self.keep(&file.path, &file.bytes).await?;
            lines.extend_from_slice(format!("100644 {blob}\t{}\0", file.path).as_bytes());
        }
        let doing = "put files into a tree";
        over(doing)
            .args(["update-index", "-z", "--add", "--replace", "--index-info"])
            .input(lines)
            .bytes()
            .await?;
        let tree = object(doing, &over(doing).arg("write-tree").bytes().await?)?;
        let commit = if tree == self.room().tree_of(base).await? {
            base.clone()
        } else {
            self.room().commit(&tree, &[base], stamp.at, &stamp.message).await?
        };
        match self.room().swap(&branch.full(), None, &commit).await? {
            Swapped::Yes => Ok(commit),
            Swapped::No { found } => {
                Err(WorkspaceError::BranchMoved { branch: branch.to_string(), expected: None, found })
            }
        }
    }

    /// Mode, object and size of a file or link at a commit.
    async fn file_at(
        &self,
        commit: &CommitId,
        path: &[u8],
    ) -> Result<Option<(Mode, CommitId, u64)>, WorkspaceError> {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
        if !is_plain(path) {
            return Err(WorkspaceError::OddPath { paths: vec![shown(path)] });
        }
        let doing = format!("look for {} at {commit}", shown(path));
        let answer = self
            .room()
            .call(&doing)
            .args(["ls-tree", "-z", "--long", "--full-tree", commit.as_str(), "--"])
            .arg(OsStr::from_bytes(path))
            .bytes()
            .await?;
        let Some(line) = names(&answer).next() else { return Ok(None) };
        let mut fields = line.splitn(3, |byte| *byte == b' ');
        match (fields.next(), fields.next(), fields.next()) {
            (Some(mode), Some(b"blob"), Some(rest)) => {
                let mode = Mode::from_git(mode).ok_or_else(|| unexpected(&doing, line))?;
                let fields = rest.split(|byte| *byte == b'\t').next().unwrap_or_default();
                let mut fields = fields.split(|byte| *byte == b' ').filter(|field| !field.is_empty());
                let id = object(&doing, fields.next().unwrap_or_default())?;
                let size = fields.next().and_then(|size| std::str::from_utf8(size).ok()?.parse().ok());
                Ok(Some((mode, id, size.ok_or_else(|| unexpected(&doing, line))?)))
            }
            _ => Ok(None),
        }
    }

    pub(crate) async fn size_of(&self, blob: &CommitId) -> Result<u64, WorkspaceError> {
        let doing = format!("read the size of {blob}");
        let answer = self.room().call(&doing).args(["cat-file", "-s", blob.as_str()]).text().await?;
        answer.parse().map_err(|_| unexpected(&doing, answer.as_bytes()))
    }

    /// Keeps what is to lie at a path, as an object.
    pub(crate) async fn keep(&self, path: &str, bytes: &[u8]) -> Result<CommitId, WorkspaceError> {
        let doing = format!("keep {path}");
        let call = self.room().call(&doing).args(["hash-object", "-w", "--stdin"]);
        object(&doing, &call.input(bytes).bytes().await?)
    }

    async fn blob(&self, blob: &CommitId) -> Result<Vec<u8>, WorkspaceError> {
        self.room().call(format!("read {blob}")).args(["cat-file", "blob", blob.as_str()]).bytes().await
    }
}
