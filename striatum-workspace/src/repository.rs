//! A person's repository: finding it, knowing it again, and looking at its checkout.

use std::{
    ffi::OsString,
    fs,
    os::unix::{ffi::OsStringExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use striatum_core::id::{ChainId, CommitId};

use crate::{
    disk,
    error::{LISTED, WorkspaceError},
    git::{Git, unexpected},
    room::Room,
};

/// A registered git work tree of a person.
///
/// Cheap to clone; clones and other processes may use the same repository and data folder at the same time.
#[derive(Debug, Clone)]
pub struct Repository {
    chain: ChainId,
    root: PathBuf,
    git_dir: PathBuf,
    data: PathBuf,
    room: Room,
    max_file_bytes: u64,
}

impl Repository {
    /// Opens the repository that `path` lies in, and registers it if it is new: 128 random bits in
    /// `striatum/repository` in its git folder are its identity from then on, wherever it is moved. Trees and the like are
    /// kept under `data`, which is made if need be.
    ///
    /// # Errors
    /// - [`WorkspaceError::GitMissing`], [`WorkspaceError::GitTooOld`];
    /// - [`WorkspaceError::NotARepository`] if there is no git work tree around `path`: a bare repository has none;
    /// - [`WorkspaceError::NoCommits`];
    /// - [`WorkspaceError::Copied`] if its git folder is a copy of one that `data` knows and that is still there;
    /// - [`WorkspaceError::Unsupported`] for partial clones and for refs kept as reftables.
    pub async fn open(path: &Path, data: &Path, git: Git) -> Result<Self, WorkspaceError> {
        let git = git.checked().await?;
        let found = discover(&git, path).await?;
        refuse_unsupported(&found.common)?;
        disk::folder(data)?;
        let data = fs::canonicalize(data)
            .map_err(|error| WorkspaceError::io(disk::doing("find the folder", data), error))?;
        let chain = identify(&found.common)?;
        let dir = data.join("git").join(chain.as_str());
        refuse_copy(&dir, &found.common, &chain)?;
        let room = Room::furnish(git, dir, found.common, &found.object_format)?;
        let (root, git_dir) = (found.root, found.git_dir);
        let repository = Self { chain, root, git_dir, data, room, max_file_bytes: 256 << 20 };
        repository.head().await?;
        Ok(repository)
    }

    /// The same with another limit on the size of a file that a job may add or grow; it is 256 MiB otherwise.
    #[must_use]
    pub fn with_max_file_bytes(self, max_file_bytes: u64) -> Self {
        Self { max_file_bytes, ..self }
    }

    /// The identity of the repository, which is the name of its chain.
    pub fn chain(&self) -> &ChainId {
        &self.chain
    }

    /// The top folder of the person's checkout.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The git folder that all of the person's work trees share.
    pub fn git_dir(&self) -> &Path {
        self.room.common()
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The commit that the person has checked out.
    ///
    /// # Errors
    /// [`WorkspaceError::NoCommits`] if there is none.
    pub async fn head(&self) -> Result<CommitId, WorkspaceError> {
        let none = || WorkspaceError::NoCommits { path: self.root.clone() };
        match head_of(&self.git_dir)?.ok_or_else(none)? {
            Head::Detached(commit) => Ok(commit),
            Head::On(name) => self.room.reference(&name).await?.ok_or_else(none),
        }
    }

    /// Paths of the person's checkout that are changed, staged, or untracked and not ignored: at most a hundred, in order. The
    /// person's index is read from a copy and never written.
    ///
    /// Files are compared byte for byte unless the index vouches for them; submodules are not looked into.
    ///
    /// # Errors
    /// [`WorkspaceError::GitFailed`] and the like if git cannot tell.
    pub async fn dirty(&self) -> Result<Vec<String>, WorkspaceError> {
        let head = self.head().await?;
        let index = self.room.index()?;
        copy_index(&self.git_dir.join("index"), &index.path())?;
        let over = || self.room.over("look for changes in the checkout", &self.root, &index);
        // Ends with 1 where something differs, which is not a failure.
        over().args(["update-index", "-q", "--refresh", "--ignore-submodules"]).ended().await?;
        let staged = over()
            .args(["diff-index", "--cached", "--name-only", "--no-renames", "--ignore-submodules=all", "-z"])
            .args([head.as_str(), "--"])
            .bytes()
            .await?;
        let changed =
            over().args(["diff-files", "--name-only", "--ignore-submodules=all", "-z"]).bytes().await?;
        let untracked = over()
            .args(["ls-files", "--others", "--exclude-standard", "--directory", "--no-empty-directory", "-z"])
            .bytes()
            .await?;
        let mut paths: Vec<String> =
            [staged, changed, untracked].iter().flat_map(|list| names(list)).map(shown).collect();
        paths.sort();
        paths.dedup();
        paths.truncate(LISTED);
        Ok(paths)
    }

    /// Refuses a checkout in which [`dirty`](Self::dirty) finds something.
    ///
    /// # Errors
    /// [`WorkspaceError::Dirty`] with the paths.
    pub async fn check_clean(&self) -> Result<(), WorkspaceError> {
        let paths = self.dirty().await?;
        if paths.is_empty() { Ok(()) } else { Err(WorkspaceError::Dirty { paths }) }
    }

    pub(crate) fn max_file_bytes(&self) -> u64 {
        self.max_file_bytes
    }

    /// The checkout that belongs to the common git folder itself, if that is not a bare repository.
    pub(crate) fn main_checkout(&self) -> Option<PathBuf> {
        let common = self.git_dir();
        if self.git_dir == common {
            return Some(self.root.clone());
        }
        // Bare repositories have no index.
        let is_bare = common.file_name() != Some(".git".as_ref()) && !common.join("index").exists();
        common.parent().filter(|_| !is_bare).map(Path::to_owned)
    }

    pub(crate) fn room(&self) -> &Room {
        &self.room
    }
}

/// What a `HEAD` says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// A commit.
    Detached(CommitId),
    /// A ref, by its full name.
    On(String),
}

impl Head {
    /// Reads the text of a `HEAD`.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes.trim_ascii()).ok()?;
        match text.strip_prefix("ref:").map(str::trim_start) {
            Some(name) if name.starts_with("refs/") && !name.contains("..") => {
                Some(Self::On(name.to_owned()))
            }
            Some(_) => None,
            None => CommitId::new(text).ok().map(Self::Detached),
        }
    }
}

/// Reads the `HEAD` of a git folder without obeying anything else in it.
pub(crate) fn head_of(git_dir: &Path) -> Result<Option<Head>, WorkspaceError> {
    Ok(disk::read(&git_dir.join("HEAD"), 4096)?.as_deref().and_then(Head::parse))
}

/// The parts of a list that git ended with null bytes.
pub(crate) fn names(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == 0).filter(|name| !name.is_empty())
}

/// A path for people: itself if it is UTF-8, else escaped.
pub(crate) fn shown(path: &[u8]) -> String {
    std::str::from_utf8(path).map_or_else(|_| path.escape_ascii().to_string(), ToOwned::to_owned)
}

struct Found {
    root: PathBuf,
    git_dir: PathBuf,
    common: PathBuf,
    object_format: String,
}

/// Asks git where the repository is. This is the one call that reads the person's configuration (work trees and object formats
/// stand in it); `rev-parse` runs no other program.
async fn discover(git: &Git, path: &Path) -> Result<Found, WorkspaceError> {
    let none = || WorkspaceError::NotARepository { path: path.to_owned() };
    if !path.is_dir() {
        return Err(none());
    }
    let doing = "find the repository";
    // Whoever registers a repository says that it may be used, whoever owns its files.
    let ended = git
        .call(doing)
        .folder(path)
        .args(["-c", "safe.directory=*", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"])
        .args(["rev-parse", "--path-format=absolute", "--show-object-format", "--show-toplevel"])
        .args(["--absolute-git-dir", "--git-common-dir"])
        .ended()
        .await?;
    if !ended.status.success() {
        let expected = ["not a git repository", "must be run in a work tree"];
        return Err(if expected.iter().any(|text| ended.stderr.contains(text)) {
            none()
        } else {
            ended.refused(doing)
        });
    }
    let mut lines = ended.stdout.split(|byte| *byte == b'\n');
    let mut next = || lines.next().filter(|line| !line.is_empty()).map(<[u8]>::to_vec);
    match (next(), next(), next(), next(), next()) {
        (Some(format), Some(root), Some(git_dir), Some(common), None) => Ok(Found {
            root: PathBuf::from(OsString::from_vec(root)),
            git_dir: PathBuf::from(OsString::from_vec(git_dir)),
            common: PathBuf::from(OsString::from_vec(common)),
            object_format: String::from_utf8_lossy(&format).into_owned(),
        }),
        _ => Err(unexpected(doing, &ended.stdout)),
    }
}

fn refuse_unsupported(common: &Path) -> Result<(), WorkspaceError> {
    let unsupported = |what: &str| Err(WorkspaceError::Unsupported { what: what.to_owned() });
    if common.join("reftable").exists() {
        return unsupported("refs in the reftable format");
    }
    // A missing object would be fetched, which runs what the configuration says.
    let packs = fs::read_dir(common.join("objects/pack")).into_iter().flatten().flatten();
    if packs.map(|entry| entry.path()).any(|path| path.extension().is_some_and(|it| it == "promisor")) {
        return unsupported("a partial clone");
    }
    Ok(())
}

const IDENTITY: &str = "striatum/repository";

/// The identity in a git folder; drawn and kept if there is none.
fn identify(common: &Path) -> Result<ChainId, WorkspaceError> {
    let path = common.join(IDENTITY);
    if let Some(chain) = identity(&path)? {
        return Ok(chain);
    }
    disk::folder(&common.join("striatum"))?;
    let mut bits = [0; 16];
    getrandom::fill(&mut bits)
        .map_err(|error| WorkspaceError::io("draw an identity", std::io::Error::other(error)))?;
    let text: String = bits.iter().map(|byte| format!("{byte:02x}")).collect();
    // Whoever comes second takes what the first wrote.
    disk::write_new(&path, format!("{text}\n").as_bytes())?;
    identity(&path)?.ok_or_else(|| damaged(&path))
}

fn identity(path: &Path) -> Result<Option<ChainId>, WorkspaceError> {
    let Some(bytes) = disk::read(path, 100)? else { return Ok(None) };
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    let is_identity = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    match ChainId::new(text) {
        Ok(chain) if is_identity => Ok(Some(chain)),
        _ => Err(damaged(path)),
    }
}

fn damaged(path: &Path) -> WorkspaceError {
    let cause = std::io::Error::new(std::io::ErrorKind::InvalidData, "not 32 lower-case hexadecimal digits");
    WorkspaceError::io(disk::doing("read the identity in", path), cause)
}

/// A moved repository takes its identity along; a copied one must not, or two repositories would share a chain.
fn refuse_copy(room: &Path, common: &Path, chain: &ChainId) -> Result<(), WorkspaceError> {
    use std::os::unix::ffi::OsStrExt;
    let note = room.join("origin");
    let recorded = disk::read(&note, 1 << 16)?.map(|bytes| PathBuf::from(OsString::from_vec(bytes)));
    if recorded.as_deref() == Some(common) {
        return Ok(());
    }
    if let Some(original) = recorded {
        let is_there = identity(&original.join(IDENTITY)).ok().flatten().as_ref() == Some(chain);
        let place = |path: &Path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).ok();
        if is_there && place(&original) != place(common) {
            return Err(WorkspaceError::Copied { copy: common.to_owned(), original });
        }
    }
    disk::folder(room)?;
    disk::write(&note, common.as_os_str().as_bytes())
}

/// Copies an index with its time of writing: git takes it for the moment up to which the index vouches for files.
fn copy_index(from: &Path, to: &Path) -> Result<(), WorkspaceError> {
    let copy = || {
        let written = fs::metadata(from)?.modified()?;
        fs::copy(from, to)?;
        fs::File::options().write(true).open(to)?.set_modified(written)
    };
    match copy() {
        Err(error) if disk::is_absent(&error) => Ok(()),
        result => result.map_err(|error| WorkspaceError::io(disk::doing("copy", from), error)),
    }
}
