//! What can go wrong with repositories and trees, by what somebody has to do about it.

use std::{io, path::PathBuf, time::Duration};

use striatum_core::id::CommitId;

/// A failure of git, of a repository, or of a tree.
///
/// Every variant has a stable [`code`](Self::code) and a [`remedy`](Self::remedy). Lists of paths are bounded and meant for
/// people; a path that is not UTF-8 stands there escaped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkspaceError {
    /// There is no git to run.
    #[error("no git was found at {}", program.display())]
    GitMissing {
        /// What was looked for.
        program: PathBuf,
    },
    /// Git is older than this crate can work with.
    #[error("git {found} is older than {needed}")]
    GitTooOld {
        /// What `git --version` said.
        found: String,
        /// The oldest version that will do.
        needed: &'static str,
    },
    /// The path does not lie in a git work tree.
    #[error("{} is not in a git work tree", path.display())]
    NotARepository {
        /// The path that was given.
        path: PathBuf,
    },
    /// The repository has no commit to start from.
    #[error("{} has no commits", path.display())]
    NoCommits {
        /// The top of the work tree.
        path: PathBuf,
    },
    /// Another folder bears the same identity: one is a copy of the other.
    #[error("{} bears the identity of {}", copy.display(), original.display())]
    Copied {
        /// The git folder that was opened.
        copy: PathBuf,
        /// The git folder that was registered under this identity, and is still there.
        original: PathBuf,
    },
    /// The repository uses something that this crate does not work with.
    #[error("the repository uses {what}, which is not supported")]
    Unsupported {
        /// What it uses.
        what: String,
    },
    /// Paths of the person's checkout differ from its commit.
    #[error("the checkout has changes that are not committed: {}", list(paths))]
    Dirty {
        /// Some of them.
        paths: Vec<String>,
    },
    /// The repository's attributes ask for filters.
    #[error("the repository needs the filters {}", list(filters))]
    FiltersNeeded {
        /// Their names.
        filters: Vec<String>,
    },
    /// The text cannot name a branch.
    #[error("{name:?} cannot name a branch")]
    BranchName {
        /// The text.
        name: String,
    },
    /// The branch is checked out, and moving it would make that checkout look changed.
    #[error("branch {branch} is checked out in {}", at.display())]
    BranchCheckedOut {
        /// The branch.
        branch: String,
        /// The work tree that has it checked out.
        at: PathBuf,
    },
    /// The branch is not where it was expected.
    #[error("branch {branch} is at {}, not at {}", place(found), place(expected))]
    BranchMoved {
        /// The branch.
        branch: String,
        /// Where it should have been; nothing if it should not have been there.
        expected: Option<CommitId>,
        /// Where it is.
        found: Option<CommitId>,
    },
    /// What is to be delivered does not contain what the branch has.
    #[error("{commit} does not descend from {expected}, where branch {branch} is")]
    NotADescendant {
        /// The branch.
        branch: String,
        /// Where the branch is.
        expected: CommitId,
        /// What was to be delivered.
        commit: CommitId,
    },
    /// Paths that cannot be kept or listed: not UTF-8, or not relative, or with a part named `..` or `.git`.
    #[error("paths that cannot be kept: {}", list(paths))]
    OddPath {
        /// Those paths, escaped.
        paths: Vec<String>,
    },
    /// Files beyond the limit.
    #[error("files of more than {limit} bytes: {}", list(paths))]
    FileTooLarge {
        /// Those files.
        paths: Vec<String>,
        /// The limit, in bytes.
        limit: u64,
    },
    /// Files or folders of a tree that cannot be read, so that nobody knows what the job left in them.
    #[error("cannot read what the job left: {}", list(paths))]
    Unreadable {
        /// Those paths.
        paths: Vec<String>,
    },
    /// The tree of the grant was opened from another base.
    #[error("the tree {} was opened from {base}", path.display())]
    TreeExists {
        /// The tree.
        path: PathBuf,
        /// What it was opened from.
        base: CommitId,
    },
    /// The folder of a tree is gone, or is not a folder.
    #[error("the tree {} is gone", path.display())]
    TreeLost {
        /// Where it should be.
        path: PathBuf,
    },
    /// A tree holds something that no ref keeps, so it stays.
    #[error("the tree {} holds work that is not committed: {}", path.display(), list(paths))]
    Unsaved {
        /// The tree.
        path: PathBuf,
        /// Some of what would be lost.
        paths: Vec<String>,
    },
    /// There is no space left to write to.
    #[error("no space is left while trying to {doing}")]
    DiskFull {
        /// What was being done.
        doing: String,
    },
    /// Git said no.
    #[error("cannot {doing}: git ended with {status}: {stderr}")]
    GitFailed {
        /// What was being done.
        doing: String,
        /// How git ended.
        status: String,
        /// The first few kilobytes of what it said.
        stderr: String,
    },
    /// Git did not come to an end, and was killed.
    #[error("cannot {doing}: git did not end within {limit:?}")]
    GitTimeout {
        /// What was being done.
        doing: String,
        /// How long it had.
        limit: Duration,
    },
    /// Git's answer makes no sense to us.
    #[error("cannot {doing}: git answered {answer:?}")]
    GitAnswer {
        /// What was being done.
        doing: String,
        /// The beginning of the answer.
        answer: String,
    },
    /// The file system failed.
    #[error("cannot {doing}")]
    Io {
        /// What was being done, with the path.
        doing: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl WorkspaceError {
    /// The stable code of this failure.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::GitMissing { .. } => "git_missing",
            Self::GitTooOld { .. } => "git_too_old",
            Self::NotARepository { .. } => "not_a_repository",
            Self::NoCommits { .. } => "no_commits",
            Self::Copied { .. } => "repository_copied",
            Self::Unsupported { .. } => "repository_unsupported",
            Self::Dirty { .. } => "repository_dirty",
            Self::FiltersNeeded { .. } => "filters_needed",
            Self::BranchName { .. } => "branch_name",
            Self::BranchCheckedOut { .. } => "branch_checked_out",
            Self::BranchMoved { .. } => "branch_moved",
            Self::NotADescendant { .. } => "not_a_descendant",
            Self::OddPath { .. } => "odd_path",
            Self::FileTooLarge { .. } => "file_too_large",
            Self::Unreadable { .. } => "tree_unreadable",
            Self::TreeExists { .. } => "tree_exists",
            Self::TreeLost { .. } => "tree_lost",
            Self::Unsaved { .. } => "tree_unsaved",
            Self::DiskFull { .. } => "disk_full",
            Self::GitFailed { .. } => "git_failed",
            Self::GitTimeout { .. } => "git_timeout",
            Self::GitAnswer { .. } => "git_answer",
            Self::Io { .. } => "file_system",
        }
    }

    /// What somebody can do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::GitMissing { .. } => "install git, or put it on the PATH",
            Self::GitTooOld { .. } => "install a newer git",
            Self::NotARepository { .. } => {
                "name a folder inside a git work tree, or make one with `git init`"
            }
            Self::NoCommits { .. } => "make a first commit",
            Self::Copied { .. } => {
                "remove the file striatum/repository from the copy's git folder; it then gets its own identity"
            }
            Self::Unsupported { .. } => "use a repository without it",
            Self::Dirty { .. } => {
                "commit or stash the changes, or allow a dirty checkout in the workflow's branch"
            }
            Self::FiltersNeeded { .. } => {
                "if its files may stay as they are in the repository, name the filters in allowed_filters of every lane that is used"
            }
            Self::BranchName { .. } => "choose a name that git takes as a branch",
            Self::BranchCheckedOut { .. } => "check out another branch there, then deliver again",
            Self::BranchMoved { .. } => {
                "look at what moved the branch, then deliver to another branch or move it back"
            }
            Self::NotADescendant { .. } => "merge what the branch has, or deliver to another branch",
            Self::OddPath { .. } => "rename the paths",
            Self::FileTooLarge { .. } => "remove the files, have git ignore them, or raise the limit",
            Self::Unreadable { .. } => "make the paths readable, or remove them",
            Self::TreeExists { .. } => "open the tree from the base that its grant names",
            Self::TreeLost { .. } => "release the job; its next grant gets a new tree",
            Self::Unsaved { .. } => "commit the tree, then close it",
            Self::DiskFull { .. } => "make space, then try again",
            Self::GitFailed { .. } | Self::GitAnswer { .. } => {
                "see what git said; `git fsck` checks the repository"
            }
            Self::GitTimeout { .. } => "try again when the machine is less busy, or allow git more time",
            Self::Io { .. } => "see the cause",
        }
    }

    /// Whether the same call may succeed later without anybody changing the request.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::DiskFull { .. } | Self::GitTimeout { .. })
    }

    /// Whether the cause is what somebody left in a tree: trying again without changing it will fail again.
    pub const fn is_content(&self) -> bool {
        matches!(
            self,
            Self::OddPath { .. }
                | Self::FileTooLarge { .. }
                | Self::Unreadable { .. }
                | Self::TreeLost { .. }
        )
    }

    pub(crate) fn io(doing: impl Into<String>, source: io::Error) -> Self {
        let doing = doing.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { doing },
            _ => Self::Io { doing, source },
        }
    }
}

/// How many paths an error carries.
pub(crate) const LISTED: usize = 100;

fn list(paths: &[String]) -> String {
    const SHOWN: usize = 5;
    let mut text = paths.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if paths.len() > SHOWN {
        text.push_str(&format!(" and {} more", paths.len() - SHOWN));
    }
    text
}

fn place(commit: &Option<CommitId>) -> String {
    commit.as_ref().map_or_else(|| "no commit".to_owned(), ToString::to_string)
}
