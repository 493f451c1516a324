//! The lock between processes: one file beside the database, held during every write transaction.

use std::{
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
    sync::mpsc::{self, RecvTimeoutError},
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
}

/// The lock, until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    _file: File,
}

impl FileLock {
    pub(crate) fn beside(database: &Path, patience: Duration) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        Self { path: path.into(), patience }
    }

    /// Waits for the lock, but no longer than its patience.
    pub(crate) fn acquire(&self) -> Result<Held, Fault> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&self.path)?;
        match retry_on_intr(|| flock(&file, FlockOperation::NonBlockingLockExclusive)) {
            Ok(()) => Ok(Held { _file: file }),
            Err(Errno::WOULDBLOCK) => self.wait(file),
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
            drop(granted.send(locked.map(|()| Held { _file: file })));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_in_vain_gives_up_and_holds_nothing_later() {
        let dir = tempfile::tempdir().unwrap();
        let lock = FileLock::beside(&dir.path().join("db"), Duration::from_millis(20));
        let held = lock.acquire().unwrap();
        assert_eq!(lock.acquire().unwrap_err().kind(), StoreErrorKind::Unavailable);
        drop(held);
        // The abandoned waiter gets the lock for a moment at most.
        let patient = FileLock::beside(&dir.path().join("db"), Duration::from_secs(10));
        drop(patient.acquire().unwrap());
        drop(patient.acquire().unwrap());
    }
}
