//! Filters that a repository's attributes ask for.

use std::collections::BTreeSet;

use striatum_core::id::CommitId;

use crate::{
    disk,
    error::WorkspaceError,
    files::MAX_READ_BYTES,
    repository::{Repository, names},
};

impl Repository {
    /// Refuses a commit whose `.gitattributes`, or the repository's own `info/attributes`, name a filter that is not allowed.
    ///
    /// No filter is ever run. To allow one says that its files may be worked on as they are in the repository: for `lfs`, as
    /// pointers. A filter counts if it is named anywhere, whether or not a path matches.
    ///
    /// # Errors
    /// [`WorkspaceError::FiltersNeeded`] with the names.
    pub async fn check_filters(&self, commit: &CommitId, allowed: &[String]) -> Result<(), WorkspaceError> {
        let list = self
            .room()
            .call(format!("list the files of {commit}"))
            .args(["ls-tree", "-r", "-z", "--name-only", "--full-tree", commit.as_str()])
            .bytes()
            .await?;
        let mut filters = BTreeSet::new();
        let info = self.git_dir().join("info/attributes");
        if let Some(text) = disk::read(&info, MAX_READ_BYTES)? {
            filters.extend(named(&text));
        }
        let is_attributes =
            |path: &&[u8]| path.rsplit(|byte| *byte == b'/').next() == Some(b".gitattributes");
        for path in names(&list).filter(is_attributes) {
            if let Some(text) = self.read_bytes_at(commit, path).await? {
                filters.extend(named(&text));
            }
        }
        filters.retain(|filter| !allowed.contains(filter));
        if filters.is_empty() {
            Ok(())
        } else {
            Err(WorkspaceError::FiltersNeeded { filters: filters.into_iter().collect() })
        }
    }
}

/// The filters that a file of attributes names.
fn named(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines
        .flat_map(str::split_ascii_whitespace)
        .filter_map(|word| word.strip_prefix("filter="))
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_found_among_other_attributes() {
        let text = b"# filter=none\n*.bin filter=lfs diff=lfs merge=lfs -text\n[attr]secret filter=crypt\n*.c -filter\n";
        assert_eq!(named(text), ["lfs", "crypt"]);
    }
}
