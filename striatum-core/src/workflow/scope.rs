//! What a job may write.

use serde::{Deserialize, Serialize};

use crate::workflow::WriteMode;

/// The paths that a job may and may not change, relative to the repository and matched by whole components.
///
/// ```
/// use striatum_core::workflow::{WriteMode, WriteScope};
///
/// let scope = WriteScope {
///     mode: WriteMode::RepoWrite,
///     allowed_paths: vec!["src/".into()],
///     forbidden_paths: vec!["src/secret".into()],
/// };
/// assert!(scope.allows("src/main.rs"));
/// assert!(!scope.allows("src/secret/key"));
/// assert!(!scope.allows("srcs/main.rs"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteScope {
    /// Whether the job changes the repository or only leaves review artifacts.
    pub mode: WriteMode,
    /// What may be changed: files, or folders with all that is in them.
    pub allowed_paths: Vec<String>,
    /// What may not, even if it is inside an allowed folder.
    pub forbidden_paths: Vec<String>,
}

impl WriteScope {
    /// Whether the job may change this path.
    pub fn allows(&self, path: &str) -> bool {
        let inside = |folders: &[String]| folders.iter().any(|folder| contains(folder, path));
        inside(&self.allowed_paths) && !inside(&self.forbidden_paths)
    }

    /// Whether two jobs with these scopes may change the same file.
    ///
    /// ```
    /// use striatum_core::workflow::{WriteMode, WriteScope};
    ///
    /// let scope = |allowed: &str, forbidden: &[&str]| WriteScope {
    ///     mode: WriteMode::RepoWrite,
    ///     allowed_paths: vec![allowed.to_owned()],
    ///     forbidden_paths: forbidden.iter().map(|path| (*path).to_owned()).collect(),
    /// };
    /// assert!(scope("src/", &[]).overlaps(&scope("src/main.rs", &[])));
    /// assert!(!scope("src/", &["src/gen"]).overlaps(&scope("src/gen/", &[])));
    /// assert!(!scope("src/", &[]).overlaps(&scope("docs/", &[])));
    /// ```
    pub fn overlaps(&self, other: &Self) -> bool {
        let shares = |one: &Self, two: &Self| {
            // The narrower of two paths is what both might write to.
            two.allowed_paths.iter().any(|path| two.allows(path) && one.allows(path))
        };
        shares(self, other) || shares(other, self)
    }
}

/// Whether `path` is `folder` or lies inside it. `.` and the empty path contain everything.
pub(crate) fn contains(folder: &str, path: &str) -> bool {
    let folder = folder.trim_end_matches('/');
    if matches!(folder, "" | ".") {
        return true;
    }
    match path.trim_end_matches('/').strip_prefix(folder) {
        Some(rest) => rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}
