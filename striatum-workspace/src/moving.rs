//! Who moves a ref says so first, so that the lock of a git that was killed can be told from one that is held.
//!
//! Git locks a ref by making a file, and whoever finds that file cannot tell whether its maker lives. So each move of ours is
//! declared in a file of its own, which says where the ref shall be, and which is locked by the kernel for as long as this
//! process or its git lives: git has it as its standard input. A declaration that nobody holds is of somebody dead.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use striatum_core::{digest::Digest, id::CommitId};
use tokio::time::{Instant, sleep};

use crate::{disk, error::WorkspaceError};

/// How long another move of the same ref is waited for; no living git has an empty lock for as long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// A move of a ref that is declared.
#[derive(Debug)]
pub(crate) struct Moving {
    file: File,
    path: PathBuf,
    lock: PathBuf,
    /// Where those wanted the ref to be who died on the way.
    dead: Vec<String>,
}

impl Moving {
    /// Declares in `folder` that the ref, a full name below `common`, shall be at `to`, and clears away what a dead move left.
    pub(crate) async fn declare(
        folder: &Path,
        common: &Path,
        name: &str,
        to: &CommitId,
    ) -> Result<Self, WorkspaceError> {
        let path = folder.join(Digest::of(name.as_bytes()).to_string());
        let failed = |error| WorkspaceError::io(format!("declare the move of {name}"), error);
        let until = Instant::now() + PATIENCE;
        let mut file = loop {
            match hold(&path).map_err(failed)? {
                Some(file) => break file,
                None if Instant::now() < until => sleep(PAUSE).await,
                None => return Err(failed(io::ErrorKind::TimedOut.into())),
            }
        };
        let mut before = String::new();
        file.read_to_string(&mut before).map_err(failed)?;
        let dead = if before.is_empty() { Vec::new() } else { vec![before] };
        let mut moving = Self { file, path, lock: common.join(format!("{name}.lock")), dead };
        // What it says is not written over while it may be needed.
        moving.clear()?;
        moving.write(to).map_err(failed)?;
        Ok(moving)
    }

    fn write(&mut self, to: &CommitId) -> io::Result<()> {
        self.file.rewind()?;
        self.file.write_all(to.as_str().as_bytes())?;
        self.file.set_len(to.as_str().len() as u64)?;
        self.file.sync_data()
    }

    /// What git is given to hold.
    pub(crate) fn held(&self) -> Result<File, WorkspaceError> {
        self.file.try_clone().map_err(|error| WorkspaceError::io(disk::doing("share", &self.path), error))
    }

    /// The git of this move was killed.
    pub(crate) fn died(&mut self, to: &CommitId) {
        self.dead.push(to.as_str().to_owned());
    }

    /// Removes the ref's lock if one of the dead left it; says whether it was there.
    pub(crate) fn clear(&mut self) -> Result<bool, WorkspaceError> {
        if self.dead.is_empty() {
            return Ok(false);
        }
        let age = match fs::symlink_metadata(&self.lock).and_then(|meta| meta.modified()) {
            Ok(written) => written.elapsed().unwrap_or_default(),
            Err(_) => return Ok(false),
        };
        let Some(text) = disk::read(&self.lock, 1 << 10)? else { return Ok(false) };
        let is_theirs = is_left(&self.dead, &text, age);
        if is_theirs {
            tracing::warn!(lock = %self.lock.display(), "a git that was killed left the lock of a ref; it is removed");
            disk::remove_file(&self.lock)?;
        }
        Ok(is_theirs)
    }

    /// The move has come to an end, whichever: git has taken its lock away.
    pub(crate) fn end(self) {
        // One that stays says that somebody died, which costs the next one a look.
        drop(fs::remove_file(&self.path));
    }
}

/// Whether a lock with this text was made by one of the dead: it says where they wanted the ref to be. One that does not say
/// anything yet may be anybody's who is about to write, but not for long.
fn is_left(dead: &[String], text: &[u8], age: Duration) -> bool {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    dead.iter().any(|to| to.as_bytes() == text || text.is_empty() && age > PATIENCE)
}

/// The file at a path, locked; nothing while somebody else holds it.
fn hold(path: &Path) -> io::Result<Option<File>> {
    loop {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Whoever held it before may have removed it, and then others hold another.
        match fs::metadata(path) {
            Ok(found) if found.ino() == file.metadata()?.ino() => return Ok(Some(file)),
            Ok(_) => {}
            Err(error) if disk::is_absent(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_left_if_it_says_what_the_dead_wanted_or_has_long_said_nothing() {
        let (now, long_ago) = (Duration::ZERO, 2 * PATIENCE);
        let (one, other) = ("1".repeat(40), "2".repeat(40));
        let (dead, none) = (vec![one.clone()], Vec::new());
        for (dead, text, age, expected) in [
            (&dead, format!("{one}\n"), now, true),
            (&dead, one.clone(), now, true),
            (&dead, format!("{other}\n"), long_ago, false),
            (&vec![one.clone(), other.clone()], format!("{other}\n"), now, true),
            (&dead, String::new(), now, false),
            (&dead, String::new(), long_ago, true),
            (&dead, one[..20].to_owned(), long_ago, false),
            (&none, one.clone(), long_ago, false),
            (&none, String::new(), long_ago, false),
        ] {
            assert_eq!(is_left(dead, text.as_bytes(), age), expected, "{dead:?} {text:?} {age:?}");
        }
    }

    #[tokio::test]
    async fn moves_of_one_ref_come_one_behind_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let to = CommitId::new("1".repeat(40)).unwrap();
        let declare = || Moving::declare(folder.path(), folder.path(), "refs/heads/x", &to);
        let first = declare().await.unwrap();
        // Its git holds it too.
        let git = first.held().unwrap();
        let mut second = std::pin::pin!(declare());
        assert!(tokio::time::timeout(2 * PAUSE, second.as_mut()).await.is_err());
        first.end();
        drop(git);
        assert!(second.await.unwrap().dead.is_empty());
        assert_eq!(declare().await.unwrap().dead, [to.as_str()], "the second never ended");
    }
}
