//! Opening the files of a store, and what is checked before.

use std::{
    ffi::OsString,
    fmt::Write as _,
    fs,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};
use striatum_core::{store::StoreErrorKind, time::Timestamp};

use crate::{error::Fault, lock::FileLock, schema};

/// Which file a path named when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    // The file itself is never opened beside SQLite: closing it would end the locks that this process holds on it.
    fn of(path: &Path) -> Result<Self, Fault> {
        let file = fs::metadata(path)?;
        Ok(Self { device: file.dev(), inode: file.ino() })
    }

    /// Writing to a file that its path no longer names would be lost without a word.
    pub(crate) fn check(&self, path: &Path) -> Result<(), Fault> {
        match Self::of(path) {
            Ok(found) if found == *self => Ok(()),
            _ => Err(Fault::rule(
                StoreErrorKind::Other,
                format!("{} was removed or replaced while it was open; open the store again", path.display()),
            )),
        }
    }
}

/// A store's connections, and the file that they are to.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) path: PathBuf,
    pub(crate) file: FileId,
    pub(crate) lock: FileLock,
    pub(crate) writer: Connection,
    pub(crate) reader: Connection,
}

/// Opens for writing, creating and migrating the file where needed. `now` is asked once the lock is held.
pub(crate) fn open(
    path: &Path,
    patience: Duration,
    max_bytes: Option<u64>,
    now: impl FnOnce() -> Timestamp,
) -> Result<Opened, Fault> {
    let path = resolve(path)?;
    let mut lock = FileLock::beside(&path, patience)?;
    let _held = lock.acquire()?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let writer = Connection::open_with_flags(&path, flags | OpenFlags::SQLITE_OPEN_CREATE)?;
    writer.busy_timeout(patience)?;
    // Until the file is known to be ours, not even its log is folded into it.
    writer.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    schema::prepare(&writer, now())?;
    writer.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    configure(&writer)?;
    let mode: String = writer.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Fault::rule(StoreErrorKind::Other, "the file system does not allow a write-ahead log"));
    }
    writer.pragma_update(None, "synchronous", "full")?;
    // Where flushing a file does not flush the disk, ask for what does.
    writer.pragma_update(None, "fullfsync", true)?;
    writer.pragma_update(None, "journal_size_limit", JOURNAL_BYTES)?;
    if let Some(bytes) = max_bytes {
        let page: u64 = writer.pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0))?.into();
        let pages = i64::try_from(bytes / page.max(1)).unwrap_or(i64::MAX).clamp(1, MAX_PAGES);
        writer.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    let reader = Connection::open_with_flags(&path, flags)?;
    reader.busy_timeout(patience)?;
    configure(&reader)?;
    reader.pragma_update(None, "query_only", true)?;
    // Folding the log in is the writer's part, which has the lock for it.
    reader.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(Opened { file: FileId::of(&path)?, path, lock, writer, reader })
}

/// How much of the write-ahead log's file is kept when it is empty.
const JOURNAL_BYTES: i64 = 16 << 20;

/// The most pages that SQLite can count.
const MAX_PAGES: i64 = 4_294_967_294;

/// Opens for reading: the database is not touched and needs no permission to write.
pub(crate) fn open_read_only(path: &Path, patience: Duration) -> Result<Connection, Fault> {
    let path = resolve(path)?;
    let connection = Connection::open_with_flags(
        uri(&path),
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI,
    )?;
    connection.busy_timeout(patience)?;
    connection.pragma_update(None, "query_only", true)?;
    schema::check_current(&connection)?;
    configure(&connection)?;
    Ok(connection)
}

/// Folds the write-ahead log into the database, as far as no reader still needs it.
pub(crate) fn checkpoint(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

fn configure(connection: &Connection) -> Result<(), Fault> {
    connection.set_prepared_statement_cache_capacity(64);
    // What appends and searches touch fits; for the rest the kernel keeps pages, once for all processes.
    connection.pragma_update(None, "cache_size", -2 * 1024)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    // A plan that depends on what is bound would be made anew for each batch, which takes longer than to append it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    Ok(())
}

/// The absolute path, which SQLite can mistake neither for a URI nor for its name of a database in memory.
fn resolve(path: &Path) -> Result<PathBuf, Fault> {
    let name = path.file_name().ok_or_else(|| {
        Fault::rule(StoreErrorKind::Other, format!("{} does not name a file", path.display()))
    })?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => fs::canonicalize(parent)?,
        _ => fs::canonicalize(".")?,
    };
    let path = folder.join(name);
    // A link is followed first: the lock and the log must lie beside the file that all processes mean.
    let path = if path.try_exists()? { fs::canonicalize(path)? } else { path };
    refuse_network(path.parent().unwrap_or(&folder))?;
    Ok(path)
}

fn uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                uri.push(char::from(*byte))
            }
            // Writing to a string does not fail.
            _ => drop(write!(uri, "%{byte:02x}")),
        }
    }
    let beside = |end: &str| {
        let mut name = OsString::from(path);
        name.push(end);
        fs::metadata(name).is_ok_and(|file| file.len() > 0)
    };
    // Without a log nobody writes, and nothing need be created beside the file. With a log its index must be read, which an
    // earlier process may have left behind.
    uri.push_str(match (beside("-wal"), beside("-shm")) {
        (false, _) => "?immutable=1",
        (true, false) => "?mode=ro",
        (true, true) => "?mode=ro&readonly_shm=1",
    });
    uri
}

/// The write-ahead log needs memory that all its users share: one host, and a file system that has it.
#[cfg(target_os = "linux")]
fn refuse_network(folder: &Path) -> Result<(), Fault> {
    let found = rustix::fs::statfs(folder).map_err(std::io::Error::from)?;
    // The type of this field differs from platform to platform; the magic numbers have 32 bits.
    match network_name(found.f_type as u32) {
        None => Ok(()),
        Some(name) => Err(on_network(folder, name)),
    }
}

#[cfg(target_os = "macos")]
fn refuse_network(folder: &Path) -> Result<(), Fault> {
    let found = rustix::fs::statfs(folder).map_err(std::io::Error::from)?;
    let name: String = (found.f_fstypename.iter())
        .take_while(|byte| **byte != 0)
        .map(|byte| char::from(byte.unsigned_abs()))
        .collect();
    match name.as_str() {
        "nfs" | "smbfs" | "afpfs" | "webdav" => Err(on_network(folder, &name)),
        _ => Ok(()),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn refuse_network(_folder: &Path) -> Result<(), Fault> {
    Ok(())
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
fn on_network(folder: &Path, name: &str) -> Fault {
    Fault::rule(
        StoreErrorKind::Other,
        format!(
            "{} is on a network file system ({name}), where processes cannot share a database safely; put the file on a local disk",
            folder.display()
        ),
    )
}

#[cfg(target_os = "linux")]
fn network_name(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x0000_6969 => "NFS",
        0x0000_517b => "SMB",
        0xfe53_4d42 => "SMB2",
        0xff53_4d42 => "CIFS",
        0x0102_1997 => "9p",
        0x5346_414f => "AFS",
        0x00c3_6400 => "Ceph",
        0x0bd0_0bd0 => "Lustre",
        0x7461_636f => "OCFS2",
        0x0116_1970 => "GFS2",
        0x4750_4653 => "GPFS",
        0x7375_7245 => "Coda",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn network_file_systems_are_known_by_their_numbers() {
        assert_eq!(network_name(0x6969), Some("NFS"));
        assert_eq!(network_name(0xff53_4d42), Some("CIFS"));
        // ext4, btrfs, tmpfs
        for local in [0xef53, 0x9123_683e, 0x0102_1994] {
            assert_eq!(network_name(local), None);
        }
        let refusal = on_network(Path::new("/mnt/share"), "NFS");
        assert!(refusal.to_string().contains("put the file on a local disk"));
    }

    #[test]
    fn a_path_is_quoted_in_a_uri() {
        assert_eq!(uri(Path::new("/a b/c?d#e%")), "file:/a%20b/c%3fd%23e%25?immutable=1");
    }
}
