//! Manifests: what differs between two commits, down to the bytes.

use serde::{Deserialize, Serialize};
use striatum_core::{
    digest::{BlobRef, Digest, Hasher},
    id::CommitId,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::{
    error::WorkspaceError,
    git::{refused, unexpected},
    repository::{Repository, names, shown},
};

/// Every path that differs between two commits, sorted by the bytes of the path.
///
/// Its canonical form is one line of compact JSON for each path, ended with a line feed, with the keys in this order; `mode`,
/// `size` and `sha256` are those of the newer commit, and absent where there is nothing: for a path that was deleted, and
/// (`size` and `sha256`) for a submodule. A symbolic link's bytes are its target.
///
/// ```text
/// {"path":"docs/plan.md","change":"added","mode":"100644","size":12,"sha256":"…"}
/// {"path":"old.txt","change":"deleted"}
/// ```
///
/// ```
/// use striatum_workspace::Manifest;
///
/// let bytes = br#"{"path":"old.txt","change":"deleted"}
/// "#;
/// let manifest = Manifest::parse(bytes)?;
/// assert_eq!(manifest.to_bytes(), bytes);
/// assert_eq!(manifest.paths().collect::<Vec<_>>(), ["old.txt"]);
/// # Ok::<(), striatum_workspace::InvalidManifest>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    entries: Vec<Changed>,
}

/// A path that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changed {
    /// The path, from the top of the repository.
    pub path: String,
    /// What happened to it.
    pub change: Change,
    /// What it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// How many bytes it has now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// SHA-256 of those bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
}

impl Changed {
    /// The reference to its content.
    pub fn content(&self) -> Option<BlobRef> {
        Some(BlobRef { digest: self.sha256?, size: self.size? })
    }
}

/// What happened to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It was not there before.
    Added,
    /// Its content or its mode is another.
    Modified,
    /// It is no longer there.
    Deleted,
}

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// A file.
    #[serde(rename = "100644")]
    File,
    /// A file that may be executed.
    #[serde(rename = "100755")]
    Executable,
    /// A symbolic link.
    #[serde(rename = "120000")]
    Symlink,
    /// A commit of another repository.
    #[serde(rename = "160000")]
    Submodule,
}

impl Mode {
    pub(crate) fn from_git(text: &[u8]) -> Option<Self> {
        match text {
            // The second is what very old gits wrote.
            b"100644" | b"100664" => Some(Self::File),
            b"100755" => Some(Self::Executable),
            b"120000" => Some(Self::Symlink),
            b"160000" => Some(Self::Submodule),
            _ => None,
        }
    }
}

/// Bytes that are not a manifest in canonical form.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidManifest {
    /// A line is not an entry.
    #[error("line {line} is not an entry of a manifest")]
    Entry {
        /// Which line, from 1.
        line: usize,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// The bytes say something that would be written otherwise: another order, other spaces, a path twice.
    #[error("the manifest is not in canonical form")]
    NotCanonical,
}

impl Manifest {
    /// Reads the canonical form.
    ///
    /// # Errors
    /// [`InvalidManifest`] if the bytes are anything else.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidManifest> {
        let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let lines = body.split(|byte| *byte == b'\n').enumerate().filter(|_| !bytes.is_empty());
        let entries = lines
            .map(|(at, line)| {
                serde_json::from_slice(line).map_err(|source| InvalidManifest::Entry { line: at + 1, source })
            })
            .collect::<Result<Vec<Changed>, _>>()?;
        let is_sorted = entries.is_sorted_by(|a, b| a.path.as_bytes() < b.path.as_bytes());
        let manifest = Self { entries };
        if is_sorted && manifest.to_bytes() == bytes {
            Ok(manifest)
        } else {
            Err(InvalidManifest::NotCanonical)
        }
    }

    /// What differs, in order.
    pub fn entries(&self) -> &[Changed] {
        &self.entries
    }

    /// The paths that differ, in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.path.as_str())
    }

    /// What happened to a path, if anything.
    pub fn get(&self, path: &str) -> Option<&Changed> {
        let at = self.entries.binary_search_by(|entry| entry.path.as_bytes().cmp(path.as_bytes())).ok()?;
        self.entries.get(at)
    }

    /// The canonical form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for entry in &self.entries {
            // Strings and numbers: writing them to memory cannot fail.
            if let Ok(line) = serde_json::to_vec(entry) {
                bytes.extend_from_slice(&line);
                bytes.push(b'\n');
            }
        }
        bytes
    }

    /// Digest and size of the canonical form: what an event names it by.
    pub fn reference(&self) -> BlobRef {
        BlobRef::of(&self.to_bytes())
    }
}

impl Repository {
    /// Lists every path that differs between two commits, with the digest of what it is at the second. A renamed path is one
    /// deleted and one added.
    ///
    /// # Errors
    /// [`WorkspaceError::OddPath`] if a path that differs is not UTF-8.
    pub async fn manifest(&self, from: &CommitId, to: &CommitId) -> Result<Manifest, WorkspaceError> {
        let doing = format!("compare {from} with {to}");
        let answer = self
            .room()
            .call(&doing)
            .args(["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev"])
            .args([from.as_str(), to.as_str()])
            .bytes()
            .await?;
        let (mut entries, mut blobs, mut odd) = (Vec::new(), Vec::new(), Vec::new());
        let mut parts = names(&answer);
        while let (Some(fields), Some(name)) = (parts.next(), parts.next()) {
            let line = difference(fields).ok_or_else(|| unexpected(&doing, fields))?;
            let Ok(path) = std::str::from_utf8(name) else {
                odd.push(shown(name));
                continue;
            };
            if line.mode.is_some_and(|mode| mode != Mode::Submodule) {
                blobs.push((entries.len(), line.object));
            }
            let (change, mode) = (line.change, line.mode);
            entries.push(Changed { path: path.to_owned(), change, mode, size: None, sha256: None });
        }
        if !odd.is_empty() {
            return Err(WorkspaceError::OddPath { paths: odd });
        }
        let contents = self.hash(blobs.iter().map(|(_, object)| object.as_str())).await?;
        for ((at, _), content) in blobs.iter().zip(contents) {
            entries[*at].size = Some(content.size);
            entries[*at].sha256 = Some(content.digest);
        }
        entries.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
        Ok(Manifest { entries })
    }

    /// Hashes the contents of objects as they stream by.
    async fn hash(&self, objects: impl Iterator<Item = &str>) -> Result<Vec<BlobRef>, WorkspaceError> {
        let input: String = objects.map(|object| format!("{object}\n")).collect();
        let wanted = input.lines().count();
        if wanted == 0 {
            return Ok(Vec::new());
        }
        let doing = "read what changed";
        let call =
            self.room().call(doing).args(["cat-file", "--batch=%(objecttype) %(objectsize)"]).input(input);
        let (contents, status, stderr) = call
            .read_with(|stdout| async move {
                let mut stdout = BufReader::with_capacity(1 << 16, stdout);
                let mut contents = Vec::with_capacity(wanted);
                let mut header = String::new();
                while stdout.read_line(&mut header).await? > 0 {
                    let size = header.trim_end().strip_prefix("blob ").and_then(|size| size.parse().ok());
                    let Some(size) = size else { break };
                    contents.push(hash_next(&mut stdout, size).await?);
                    header.clear();
                }
                Ok(contents)
            })
            .await?;
        match () {
            () if !status.success() => Err(refused(doing, status, stderr)),
            () if contents.len() != wanted => Err(unexpected(doing, b"fewer objects than were asked for")),
            () => Ok(contents),
        }
    }
}

async fn hash_next(from: &mut (impl AsyncReadExt + Unpin), size: u64) -> std::io::Result<BlobRef> {
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 1 << 16];
    let mut rest = size;
    while rest > 0 {
        let most = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
        let read = from.read(&mut buffer[..most]).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        hasher.update(&buffer[..read]);
        rest -= read as u64;
    }
    from.read_u8().await?;
    Ok(hasher.finish())
}

struct Difference {
    change: Change,
    mode: Option<Mode>,
    object: String,
}

/// Reads `:<old mode> <new mode> <old object> <new object> <status>`.
fn difference(fields: &[u8]) -> Option<Difference> {
    let mut fields = std::str::from_utf8(fields.strip_prefix(b":")?).ok()?.split(' ').skip(1);
    let (mode, _, object, status) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let change = match status {
        "A" => Change::Added,
        "M" | "T" => Change::Modified,
        "D" => Change::Deleted,
        _ => return None,
    };
    let mode = if change == Change::Deleted { None } else { Some(Mode::from_git(mode.as_bytes())?) };
    Some(Difference { change, mode, object: object.to_owned() })
}
