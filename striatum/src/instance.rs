//! This process as the owner of sessions, and the proof that another one is dead.
//!
//! An instance holds a lock on `<data>/instances/<id>` for life. The operating system lets go of it when the process dies,
//! however it dies, so whoever gets the lock has the proof, and holds it while it settles what the dead one left.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use striatum_core::{id::InstanceId, run::Owner};
use striatum_sandbox::process::ProcessRecord;

/// This process.
#[derive(Debug)]
pub(crate) struct Instance {
    owner: Owner,
    folder: PathBuf,
    _lock: File,
}

/// What is known of another instance.
#[derive(Debug)]
pub(crate) enum Standing {
    /// It lives, or nothing can be proven from here: only a lapse of its leases counts.
    Alive,
    /// It is dead. Nobody else settles its affairs while this is held.
    Dead(#[expect(dead_code, reason = "held, not read: dropping it lets go of the lock")] File),
}

impl Instance {
    pub(crate) fn new(id: InstanceId, data: &Path) -> io::Result<Self> {
        let folder = data.join("instances");
        fs::create_dir_all(&folder)?;
        let lock = OpenOptions::new().create(true).append(true).open(folder.join(id.to_string()))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        let process = ProcessRecord::current()?;
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let owner =
            Owner { instance: id, host, boot: process.boot, pid: process.pid, started: process.start };
        Ok(Self { owner, folder, _lock: lock })
    }

    pub(crate) fn id(&self) -> InstanceId {
        self.owner.instance
    }

    pub(crate) fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Whether another instance is proven dead.
    pub(crate) fn standing(&self, other: InstanceId) -> io::Result<Standing> {
        let file = match OpenOptions::new().append(true).open(self.folder.join(other.to_string())) {
            Ok(file) => file,
            // It kept its data elsewhere: its processes are out of our reach.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Standing::Alive),
            Err(error) => return Err(error),
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Standing::Dead(file)),
            Err(Errno::WOULDBLOCK) => Ok(Standing::Alive),
            Err(error) => Err(error.into()),
        }
    }
}
