//! Git trees, submissions, delivery and blobs for Striatum.
//!
//! A [`Repository`] is a person's git work tree. Each grant of a job gets a [`Tree`] of its own in the engine's data folder: the
//! files, and a git repository of the agent's own with their history, on a branch of its own. What the job leaves there is
//! committed before the tree closes, on top of what the agent committed, so that a ref keeps it; upstream work is merged on
//! objects, without a checkout; and the run's branch moves once, by compare-and-swap. The person's checkout and index are never
//! touched.
//!
//! # What git may obey
//! Git is run on files that agents wrote and on repositories that people configured, so it must run nothing that either of
//! them names. Each repository therefore has a *room* under the data folder: a git folder whose configuration and attributes
//! are ours, and whose `objects`, `refs` and `packed-refs` are the person's. Every call that reads or writes objects, refs or a
//! tree's files has the room as its `GIT_DIR`. So the repository's configuration is not overridden: it is not read. Hooks,
//! fsmonitor, filters, drivers, includes and aliases are not found; the room's attributes outrank those in trees. The one call
//! that sees the repository's own folder is the `rev-parse` that finds it, which runs no other program.
//!
//! The repository in a tree belongs to the agent, and no git is ever run on it: its refs and objects are read as plain files,
//! without following a link and within bounds, checked apart, and only then taken over. See [`Repository::commit`].
//!
//! The consequence: files are checked out and committed **byte for byte**. There is no end-of-line conversion, no `ident`, no
//! `working-tree-encoding`, no filter. See [`Repository::check_filters`].
//!
//! # After a crash
//! Every method that writes may be repeated: commits are made from their arguments alone, so they get the same id again, and
//! refs move by compare-and-swap. A tree is described by a small file beside it, written before the tree is made and removed
//! after it is gone; [`Repository::trees`] lists what is left.

mod blobs;
mod branch;
mod close;
mod copied;
mod deliver;
mod disk;
mod error;
mod files;
mod filters;
mod foreign;
mod git;
mod history;
mod inside;
mod manifest;
mod merge;
mod moving;
mod repository;
mod room;
mod snapshot;
mod submission;
mod tree;

pub use blobs::ObjectBlobs;
pub use branch::BranchName;
pub use deliver::{Delivered, Delivery};
pub use error::WorkspaceError;
pub use files::{MAX_READ_BYTES, NewFile};
pub use git::{Git, OLDEST_GIT};
pub use history::FilesOnly;
pub use manifest::{Change, Changed, InvalidManifest, Manifest, Mode};
pub use merge::{Merged, Stamp};
pub use repository::Repository;
pub use submission::{LeftOut, Saved, WhyLeftOut};
pub use tree::{Grant, Tree};
