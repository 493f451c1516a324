//! The lock between processes: one file beside the database, held during every write transaction.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::{Errno, retry_on_intr},
};
use striatum_core::store::StoreErrorKind;

use crate::error::Fault;

/// Where the lock is, and how long to wait for it.
///
/// SQLite's own locks are polled by those who wait, so that of many processes some starve, and opening does not wait at all.
/// The kernel wakes the waiters of `flock` as soon as it is free, and frees it when its holder dies.
#[derive(Debug)]
pub(crate) struct FileLock {
    path: PathBuf,
    patience: Duration,
    /// Kept open, since opening it for each transaction is a good part of what a small one costs.
    file: Arc<File>,
}

/// The lock, until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    file: Arc<File>,
}

impl Drop for Held {
    fn drop(&mut self) {
        // It is this process's own lock: there is nothing that could refuse to end it.
        flock(&self.file, FlockOperation::Unlock).unwrap_or_default();
    }
}

impl FileLock {
    pub(crate) fn beside(database: &Path, patience: Duration) -> Result<Self, Fault> {
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        Ok(Self { file: Arc::new(open(&path)?), path, patience })
    }

    /// Waits for the lock, but no longer than its patience.
    pub(crate) fn acquire(&mut self) -> Result<Held, Fault> {
        // If somebody removed the file, the others lock the one that now has its name.
        if self.file.metadata()?.nlink() == 0 {
            self.file = Arc::new(open(&self.path)?);
        }
        match retry_on_intr(|| flock(&self.file, FlockOperation::NonBlockingLockExclusive)) {
            Ok(()) => Ok(Held { file: Arc::clone(&self.file) }),
            Err(Errno::WOULDBLOCK) => self.wait(open(&self.path)?),
            Err(errno) => Err(std::io::Error::from(errno).into()),
        }
    }

    // A blocking `flock` is woken when the lock is free, where polling would leave it to whoever polls most; but it knows no
    // timeout, so a thread of its own waits in it. Whoever gives up leaves that thread behind with its own file, which it closes, and so unlocks, as soon as it gets the lock.
    fn wait(&self, file: File) -> Result<Held, Fault> {
        let (granted, lock) = mpsc::sync_channel(0);
        thread::Builder::new().name("striatum-sqlite-lock".to_owned()).spawn(move || {
            let locked = retry_on_intr(|| flock(&file, FlockOperation::LockExclusive));
            // If nobody receives it, the lock is dropped here.
            drop(granted.send(locked.map(|()| Held { file: Arc::new(file) })));
        })?;
        match lock.recv_timeout(self.patience) {
            Ok(locked) => locked.map_err(|errno| std::io::Error::from(errno).into()),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(Fault::rule(
                StoreErrorKind::Unavailable,
                format!("another process holds {} for more than {:?}", self.path.display(), self.patience),
            )),
        }
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_in_vain_gives_up_and_holds_nothing_later() {
        let dir = tempfile::tempdir().unwrap();
        let of = |patience| FileLock::beside(&dir.path().join("db"), patience).unwrap();
        let [mut holder, mut other] = [of(Duration::from_millis(20)), of(Duration::from_millis(20))];
        let held = holder.acquire().unwrap();
        assert_eq!(other.acquire().unwrap_err().kind(), StoreErrorKind::Unavailable);
        drop(held);
        // The abandoned waiter gets the lock for a moment at most.
        let mut patient = of(Duration::from_secs(10));
        drop(patient.acquire().unwrap());
        drop(patient.acquire().unwrap());
    }

    #[test]
    fn whoever_removes_the_file_parts_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let of = || FileLock::beside(&dir.path().join("db"), Duration::from_millis(20)).unwrap();
        let mut early = of();
        std::fs::remove_file(dir.path().join("db.lock")).unwrap();
        let _held = early.acquire().unwrap();
        assert_eq!(of().acquire().unwrap_err().kind(), StoreErrorKind::Unavailable);
    }
}
