//! Names of branches.

use std::{fmt, str::FromStr};

use striatum_core::{
    id::{CommitId, Fence},
    workflow::is_branch_name,
};

use crate::{error::WorkspaceError, repository::Repository};

/// Names a branch: what follows `refs/heads/`.
///
/// ```
/// use striatum_workspace::BranchName;
///
/// assert!(BranchName::new("striatum/quickstart").is_ok());
/// assert!(BranchName::new("-d").is_err());
/// assert!(BranchName::new("a..b").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BranchName(String);

impl BranchName {
    /// Takes a text that git takes as the name of a branch, of at most 200 bytes.
    ///
    /// # Errors
    /// [`WorkspaceError::BranchName`] if it is not.
    pub fn new(text: impl Into<String>) -> Result<Self, WorkspaceError> {
        let name = text.into();
        if is_branch_name(&name) { Ok(Self(name)) } else { Err(WorkspaceError::BranchName { name }) }
    }

    /// The branch of a grant: `striatum/<run>/<job>/<attempt>.<epoch>.<first 8 digits of the session>`.
    pub fn of_grant(fence: &Fence, attempt: u32) -> Self {
        let Fence { run, job, epoch, session } = fence;
        Self(format!("striatum/{run}/{job}/{attempt}.{epoch}.{}", session.short()))
    }

    /// The name, without `refs/heads/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The full name of the ref.
    pub(crate) fn full(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

impl FromStr for BranchName {
    type Err = WorkspaceError;
    fn from_str(text: &str) -> Result<Self, WorkspaceError> {
        Self::new(text)
    }
}

impl fmt::Display for BranchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Repository {
    /// Where a branch is, if there is one.
    ///
    /// # Errors
    /// [`WorkspaceError::GitFailed`] and the like if git cannot tell.
    pub async fn branch(&self, name: &BranchName) -> Result<Option<CommitId>, WorkspaceError> {
        self.room().reference(&name.full()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_name_is_what_git_takes_as_one() {
        for good in ["main", "feature/x", "a.b", "ä", "a@b", "x{y}", "1"] {
            assert!(BranchName::new(good).is_ok(), "{good}");
        }
        for bad in [
            "", "HEAD", "@", "-x", "a b", "a..b", "a/", "/a", "a//b", ".a", "a/.b", "a.", "a.lock",
            "a.lock/b", "a@{1}", "a~1", "a^", "a:b", "a?", "a*", "a[", "a\\b", "a\nb",
        ] {
            assert!(BranchName::new(bad).is_err(), "{bad:?}");
        }
    }
}
