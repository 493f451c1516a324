//! The room: a git folder of our own over the person's objects and refs.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use striatum_core::{id::CommitId, time::Timestamp};

use crate::{
    disk,
    error::WorkspaceError,
    git::{Call, Git, unexpected},
    moving::Moving,
};

/// Everything that merging, hashing and writing depends on is said here, so that no one else's settings count. Whoever moves a
/// branch that another process is moving waits for it, for as long as a slow disk may take to sync.
fn config(object_format: &str, exclude: &Path) -> String {
    format!(
        r#"[core]
	repositoryformatversion = 1
	bare = true
	filemode = true
	symlinks = true
	ignorecase = false
	autocrlf = false
	eol = lf
	safecrlf = false
	fsmonitor = false
	untrackedCache = false
	splitIndex = false
	logAllRefUpdates = false
	hooksPath = /dev/null
	attributesFile = /dev/null
	excludesFile = {exclude}
	fsync = all
	filesRefLockTimeout = 10000
[extensions]
	objectformat = {object_format}
[gc]
	auto = 0
[maintenance]
	auto = false
[merge]
	renames = true
	renameLimit = 7000
	directoryRenames = conflict
[commit]
	gpgSign = false
[i18n]
	commitEncoding = UTF-8
"#,
        exclude = quoted(exclude),
    )
}

/// These outrank every `.gitattributes` of a tree: files are bytes, merges are git's own.
pub(crate) const ATTRIBUTES: &str =
    "* -text -crlf !eol -ident -filter -working-tree-encoding !diff !merge !conflict-marker-size\n";

/// What is read of a file that is a ref.
pub(crate) const REF_BYTES: u64 = 4096;

/// An index that is older belongs to no living call.
const FORGOTTEN: Duration = Duration::from_secs(24 * 60 * 60);

/// A git folder under the data folder whose configuration is ours, and whose objects and refs are the person's.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    git: Git,
    dir: PathBuf,
    common: PathBuf,
}

impl Room {
    /// Makes or refreshes the room at `dir` for the repository whose common git folder is `common`.
    pub(crate) fn furnish(
        git: Git,
        dir: PathBuf,
        common: PathBuf,
        object_format: &str,
    ) -> Result<Self, WorkspaceError> {
        for folder in ["info", "objects", "indexes", "moves"] {
            disk::folder(&dir.join(folder))?;
        }
        for (name, text) in [
            ("HEAD", "ref: refs/heads/none\n".to_owned()),
            ("config", config(object_format, &common.join("info/exclude"))),
            ("info/attributes", ATTRIBUTES.to_owned()),
        ] {
            let path = dir.join(name);
            if disk::read(&path, 1 << 20)?.as_deref() != Some(text.as_bytes()) {
                disk::write(&path, text.as_bytes())?;
            }
        }
        for name in ["refs", "packed-refs"] {
            let (link, target) = (dir.join(name), common.join(name));
            point(&link, &target).map_err(|error| WorkspaceError::io(disk::doing("link", &link), error))?;
        }
        disk::sweep(&dir.join("indexes"), FORGOTTEN);
        Ok(Self { git, dir, common })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The person's git folder, as all its work trees share it.
    pub(crate) fn common(&self) -> &Path {
        &self.common
    }

    /// A call on objects and refs.
    pub(crate) fn call(&self, doing: impl Into<String>) -> Call {
        self.git
            .call(doing)
            .env("GIT_DIR", &self.dir)
            .env("GIT_COMMON_DIR", &self.dir)
            .env("GIT_OBJECT_DIRECTORY", self.common.join("objects"))
            .env("GIT_SHALLOW_FILE", self.common.join("shallow"))
            .folder(&self.dir)
    }

    /// What another folder of objects says to borrow these.
    pub(crate) fn borrowed(&self) -> String {
        format!("{}\n", quoted(&self.common.join("objects")))
    }

    /// A call on the files of a folder, through an index of ours.
    pub(crate) fn over(&self, doing: impl Into<String>, folder: &Path, index: &Index) -> Call {
        self.call(doing).env("GIT_WORK_TREE", folder).env("GIT_INDEX_FILE", index.path()).folder(folder)
    }

    /// A name for an index that nobody else uses and that goes with the value.
    pub(crate) fn index(&self) -> Result<Index, WorkspaceError> {
        let folder = self.dir.join("indexes");
        let dir = tempfile::tempdir_in(&folder)
            .map_err(|error| WorkspaceError::io(disk::doing("make a folder in", &folder), error))?;
        Ok(Index(dir))
    }

    /// What a full ref name points to.
    pub(crate) async fn reference(&self, name: &str) -> Result<Option<CommitId>, WorkspaceError> {
        // Where there is a file it counts, and git need not be asked.
        if let Ok(Some(bytes)) = disk::read(&self.common.join(name), REF_BYTES)
            && let Ok(id) = object(name, &bytes)
        {
            return Ok(Some(id));
        }
        let doing = format!("read {name}");
        let ended = self
            .call(&doing)
            .args(["rev-parse", "--verify", "--quiet", "--end-of-options", name])
            .ended()
            .await?;
        match ended.status.code() {
            Some(0) => object(&doing, &ended.stdout).map(Some),
            Some(1) => Ok(None),
            _ => Err(ended.refused(doing)),
        }
    }

    /// Moves a full ref name from where it is thought to be; says whether it was there.
    pub(crate) async fn swap(
        &self,
        name: &str,
        from: Option<&CommitId>,
        to: &CommitId,
    ) -> Result<Swapped, WorkspaceError> {
        let doing = format!("move {name} to {to}");
        let absent = "0".repeat(to.as_str().len());
        let from_text = from.map_or(absent.as_str(), CommitId::as_str);
        let mut moving = Moving::declare(&self.dir.join("moves"), &self.common, name, to).await?;
        let mut is_second = false;
        let ended = loop {
            let call = self.call(&doing).holding(moving.held()?);
            let ended = call.args(["update-ref", "--no-deref", name, to.as_str(), from_text]).ended().await?;
            if ended.status.code().is_none() {
                moving.died(to);
            }
            if ended.status.success() || is_second || !moving.clear()? {
                break ended;
            }
            is_second = true;
        };
        moving.end();
        if ended.status.success() {
            return Ok(Swapped::Yes);
        }
        let found = self.reference(name).await?;
        if found.as_ref() == Some(to) {
            Ok(Swapped::Yes)
        } else if found.as_ref() != from {
            Ok(Swapped::No { found })
        } else {
            Err(ended.refused(doing))
        }
    }

    /// Whether all that `ancestor` contains, `descendant` contains too.
    pub(crate) async fn contains(
        &self,
        descendant: &CommitId,
        ancestor: &CommitId,
    ) -> Result<bool, WorkspaceError> {
        if descendant == ancestor {
            return Ok(true);
        }
        let doing = format!("compare {ancestor} with {descendant}");
        let ended = self
            .call(&doing)
            .args(["merge-base", "--is-ancestor", ancestor.as_str(), descendant.as_str()])
            .ended()
            .await?;
        match ended.status.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(ended.refused(doing)),
        }
    }

    /// The tree of a commit.
    pub(crate) async fn tree_of(&self, commit: &CommitId) -> Result<CommitId, WorkspaceError> {
        let doing = format!("read {commit}");
        let answer = self
            .call(&doing)
            .args(["rev-parse", "--verify", "--end-of-options", &format!("{commit}^{{tree}}")])
            .bytes()
            .await?;
        object(&doing, &answer)
    }

    /// Writes a commit that depends on the arguments alone.
    pub(crate) async fn commit(
        &self,
        tree: &CommitId,
        parents: &[&CommitId],
        at: Timestamp,
        message: &str,
    ) -> Result<CommitId, WorkspaceError> {
        let doing = "write a commit";
        let date = format!("@{} +0000", at.as_micros() / 1_000_000);
        let mut call = self.call(doing).args(["commit-tree", tree.as_str()]);
        for parent in parents {
            call = call.args(["-p", parent.as_str()]);
        }
        for who in ["AUTHOR", "COMMITTER"] {
            call = call
                .env(&format!("GIT_{who}_NAME"), "Striatum")
                .env(&format!("GIT_{who}_EMAIL"), "striatum@localhost")
                .env(&format!("GIT_{who}_DATE"), &date);
        }
        let answer = call.args(["-F", "-"]).input(message).bytes().await?;
        object(doing, &answer)
    }
}

/// How a compare-and-swap ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Swapped {
    /// The ref is where it should be.
    Yes,
    /// It was elsewhere, and still is.
    No {
        /// Where.
        found: Option<CommitId>,
    },
}

/// An index file of ours, in a folder of its own so that its lock is ours too.
#[derive(Debug)]
pub(crate) struct Index(tempfile::TempDir);

impl Index {
    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("index")
    }

    /// The folder that it is in.
    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }
}

/// Reads an answer that is one object id.
pub(crate) fn object(doing: &str, answer: &[u8]) -> Result<CommitId, WorkspaceError> {
    let text = answer.trim_ascii_end();
    let id = std::str::from_utf8(text).ok().and_then(|text| CommitId::new(text).ok());
    id.ok_or_else(|| unexpected(doing, answer))
}

/// Makes a symbolic link, or points it elsewhere in one step.
fn point(link: &Path, target: &Path) -> io::Result<()> {
    if fs::read_link(link).is_ok_and(|found| found == target) {
        return Ok(());
    }
    let folder = tempfile::tempdir_in(link.parent().unwrap_or(Path::new("/")))?;
    let fresh = folder.path().join("link");
    symlink(target, &fresh)?;
    fs::rename(&fresh, link)
}

/// A path as git's configuration wants it.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
