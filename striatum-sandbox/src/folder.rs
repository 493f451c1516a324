//! The records in a session's folder.

use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use striatum_core::{
    id::SessionId,
    sandbox::{Exit, Limits, SandboxError, SandboxErrorKind},
};

use crate::failure::failed;
use crate::process::ProcessRecord;

/// No record is longer. An agent can write here; it shall not be able to fill our memory.
const RECORD_BYTES: u64 = 4096;

/// A session's folder, as an absolute path.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

/// What a session leaves for whoever reaps it.
#[derive(Debug, Default)]
pub(crate) struct Note {
    /// Whose processes these are; nothing is known of a session that did not come so far as to write it.
    pub(crate) session: Option<SessionId>,
    pub(crate) grace: Duration,
}

#[derive(Serialize, Deserialize)]
struct SessionRecord {
    session: SessionId,
    grace_ms: u64,
}

impl Folder {
    pub(crate) fn new(path: &Path) -> Result<Self, SandboxError> {
        Ok(Self(std::path::absolute(path).map_err(failed("tell where the session's folder is"))?))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.0.join("home")
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.0.join("tmp")
    }

    pub(crate) fn exists(&self) -> bool {
        self.0.is_dir()
    }

    /// Makes the folder ready for its one session.
    pub(crate) fn prepare(&self, session: SessionId, grace: Duration) -> Result<(), SandboxError> {
        // Records of an earlier session would pass as those of this one.
        if self.0.join("session").exists() || self.0.join("closed").exists() {
            let doing = format!("open a session in {}, which has served one", self.0.display());
            return Err(SandboxError::new(SandboxErrorKind::Other, doing));
        }
        for folder in [self.home(), self.tmp()] {
            private_folder(&folder).map_err(failed(format!("make {}", folder.display())))?;
        }
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        let write = || self.write("session", &serde_json::to_vec(&SessionRecord { session, grace_ms })?);
        write().map_err(failed("note down the session"))
    }

    /// From here on no process starts in this session, and none that ends leaves an outcome.
    pub(crate) fn mark_closed(&self) -> Result<(), SandboxError> {
        fs::write(self.0.join("closed"), b"").map_err(failed("mark the session as closed"))
    }

    /// From here on this process leaves no outcome.
    pub(crate) fn mark_killed(&self, suffix: &str) -> io::Result<()> {
        fs::write(self.0.join(format!("killed{suffix}")), b"")
    }

    pub(crate) fn note(&self) -> Note {
        match self.read::<SessionRecord>("session") {
            Some(record) => {
                Note { session: Some(record.session), grace: Duration::from_millis(record.grace_ms) }
            }
            None => Note { session: None, grace: Limits::default().grace },
        }
    }

    /// Who leads the groups of this session.
    pub(crate) fn processes(&self) -> Result<Vec<ProcessRecord>, SandboxError> {
        let list = || -> io::Result<Vec<ProcessRecord>> {
            let mut records = Vec::new();
            for entry in fs::read_dir(&self.0)? {
                let name = entry?.file_name();
                if let Some(name) = name.to_str().filter(|name| name.starts_with("process")) {
                    records.extend(self.read(name));
                }
            }
            Ok(records)
        };
        list().map_err(failed("read the records of a session"))
    }

    #[cfg(target_os = "linux")]
    /// Writes down who leads a group, and then looks whether the session was closed meanwhile: whoever closes it makes the mark
    /// first and then reads the records, so that one sees the other.
    pub(crate) fn write_process(&self, suffix: &str, record: &ProcessRecord) -> io::Result<()> {
        self.write(&format!("process{suffix}"), &serde_json::to_vec(record)?)?;
        if self.is_ended(suffix) {
            return Err(io::Error::other("the session is closed"));
        }
        Ok(())
    }

    /// Writes down how a process ended, unless it was killed. Without this record it counts as killed.
    pub(crate) fn write_outcome(&self, suffix: &str, exit: Exit) {
        let write = || {
            self.write(&format!("outcome{suffix}"), format!("{}\n", serde_json::to_string(&exit)?).as_bytes())
        };
        if !self.is_ended(suffix)
            && let Err(error) = write()
        {
            tracing::warn!(folder = %self.0.display(), %error, "the end of a process was not written down");
        }
    }

    fn is_ended(&self, suffix: &str) -> bool {
        self.0.join("closed").exists() || self.0.join(format!("killed{suffix}")).exists()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let draft = self.0.join(format!(".{name}"));
        fs::write(&draft, bytes)?;
        fs::rename(draft, self.0.join(name))
    }

    /// How the session's first process ended, if it did so by itself.
    pub(crate) fn outcome(&self) -> Option<Exit> {
        self.read("outcome")
    }

    /// A record that makes no sense counts as absent: after a loss of power a renamed file may be empty, and then none of its
    /// processes lives and no outcome can be trusted.
    fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let path = self.0.join(name);
        let read = || -> io::Result<T> {
            let file = fs::File::open(&path)?;
            let mut bytes = Vec::new();
            io::Read::read_to_end(&mut io::Read::take(file, RECORD_BYTES), &mut bytes)?;
            Ok(serde_json::from_slice(&bytes)?)
        };
        match read() {
            Ok(record) => Some(record),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => {
                tracing::warn!(path = %path.display(), error = %e, "passed over a record that cannot be read");
                None
            }
        }
    }
}

fn private_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            fs::set_permissions(path, Permissions::from_mode(0o700))
        }
        made => made,
    }
}
