//! The files of the workspace, in memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use super::manifest::Manifest;
use super::source::Source;

/// Every file of the workspace by its path from the root, with `/` between the parts.
///
/// A file that is not UTF-8, or is a symbolic link, is known by its path only.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    files: BTreeMap<String, Option<String>>,
}

impl Tree {
    /// Reads the workspace at `root`, leaving out what builds and version control put there.
    ///
    /// The folder is walked rather than asked of git, so that a source archive, or a checkout that belongs to
    /// another user, is checked in the same way.
    ///
    /// # Errors
    ///
    /// When a folder or a file cannot be read.
    pub(crate) fn read(root: &Path) -> Result<Self, ReadError> {
        let mut tree = Self::default();
        let mut folders = vec![(root.to_owned(), String::new())];
        while let Some((folder, prefix)) = folders.pop() {
            for entry in entries(&folder)? {
                let (place, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
                if is_left_out(&place, &name) {
                    continue;
                }
                let kind = entry.file_type().map_err(|error| ReadError::new(&place, error))?;
                let path = format!("{prefix}{name}");
                if kind.is_dir() {
                    folders.push((place, format!("{path}/")));
                } else if kind.is_file() {
                    let bytes = fs::read(&place).map_err(|error| ReadError::new(&place, error))?;
                    tree.files.insert(path, String::from_utf8(bytes).ok());
                } else {
                    tree.files.insert(path, None);
                }
            }
        }
        Ok(tree)
    }

    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), Some((*text).to_owned())));
        Self { files: files.collect() }
    }

    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether `path` is a file, or a folder with a file in it.
    pub(crate) fn contains(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        path.is_empty()
            || self.files.contains_key(path)
            || self.files.range(folder.clone()..).next().is_some_and(|(first, _)| first.starts_with(&folder))
    }

    /// The text files, in the order of their paths.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    pub(crate) fn sources(&self) -> impl Iterator<Item = Source<'_>> {
        let rust = self.texts().filter(|(path, _)| path.ends_with(".rs"));
        rust.map(|(path, text)| Source::new(path, text))
    }

    pub(crate) fn source(&self, path: &str) -> Option<Source<'_>> {
        let (path, text) = self.files.get_key_value(path)?;
        Some(Source::new(path, text.as_deref()?))
    }

    /// Every `Cargo.toml`, but for those that tests keep as material.
    pub(crate) fn manifests(&self) -> impl Iterator<Item = Manifest<'_>> {
        let named = self.texts().filter(|(path, _)| *path == "Cargo.toml" || path.ends_with("/Cargo.toml"));
        named.filter(|(path, _)| !is_test(path)).map(|(path, text)| Manifest::parse(path, text))
    }
}

/// Whether a path is test code by its place: under a folder `tests`, or a file `tests.rs`.
pub(crate) fn is_test(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "tests.rs")
}

/// Cargo marks its target folders with `CACHEDIR.TAG`, whatever their name; in a worktree `.git` is a file.
fn is_left_out(place: &Path, name: &str) -> bool {
    [".git", ".striatum", "target"].contains(&name)
        || name.starts_with("mutants.out")
        || place.join("CACHEDIR.TAG").exists()
}

fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>, ReadError> {
    fs::read_dir(folder).and_then(Iterator::collect).map_err(|source| ReadError::new(folder, source))
}

/// A folder or file of the workspace that could not be read.
#[derive(Debug)]
pub(crate) struct ReadError {
    path: PathBuf,
    source: io::Error,
}

impl ReadError {
    fn new(path: &Path, source: io::Error) -> Self {
        Self { path: path.to_owned(), source }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read {}: {}", self.path.display(), self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_contained_when_a_file_lies_in_it() {
        let tree = Tree::of(&[("docs/design/README.md", ""), ("docs-old.md", "")]);
        assert!(tree.contains("docs/design/"));
        assert!(tree.contains("docs"));
        assert!(tree.contains("docs-old.md"));
        assert!(!tree.contains("docs/des"));
        assert!(!tree.contains("docs-old"));
    }

    #[test]
    fn test_code_is_known_by_its_place() {
        assert!(is_test("striatum/tests/main.rs"));
        assert!(is_test("striatum-core/src/chain/tests.rs"));
        assert!(!is_test("striatum-testkit/src/store.rs"));
        assert!(!is_test("striatum-core/src/contests.rs"));
    }

    #[test]
    fn reading_this_workspace_finds_its_manifests_and_no_build_output() -> Result<(), ReadError> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let tree = Tree::read(&root)?;
        assert!(tree.manifests().any(|manifest| manifest.path == "xtask/Cargo.toml"));
        assert!(!tree.contains("target"));
        assert!(!tree.contains(".git"));
        Ok(())
    }
}
