//! Files that must be whole and durable, and folders that must go.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    time::Duration,
};

use tempfile::{NamedTempFile, TempPath};

use crate::error::WorkspaceError;

/// Runs work on many files where it does not hold up other tasks.
pub(crate) async fn blocking<T: Send + 'static>(
    doing: &str,
    work: impl FnOnce() -> Result<T, WorkspaceError> + Send + 'static,
) -> Result<T, WorkspaceError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(WorkspaceError::io(doing, io::Error::other(error))),
    }
}

pub(crate) fn doing(what: &str, path: &Path) -> String {
    format!("{what} {}", path.display())
}

/// Makes a folder and those above it.
pub(crate) fn folder(path: &Path) -> Result<(), WorkspaceError> {
    fs::create_dir_all(path).map_err(|error| WorkspaceError::io(doing("make the folder", path), error))
}

/// Makes durable what a folder lists, and that it is listed itself.
pub(crate) fn sync(folder: &Path) -> Result<(), WorkspaceError> {
    let both = [Some(folder), folder.parent().filter(|parent| !parent.as_os_str().is_empty())];
    let sync = |folder: &Path| File::open(folder).and_then(|folder| folder.sync_all());
    let synced = both.into_iter().flatten().try_for_each(sync);
    synced.map_err(|error| WorkspaceError::io(doing("sync the folder", folder), error))
}

/// Removes what a killed process left in a folder of short-lived things.
pub(crate) fn sweep(folder: &Path, age: Duration) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let written = entry.metadata().and_then(|meta| meta.modified());
        if written.is_ok_and(|written| written.elapsed().is_ok_and(|since| since > age)) {
            // It is only in the way; whoever comes next tries again.
            let _ = remove_folder(&entry.path());
        }
    }
}

/// Replaces a file: after a crash it has the old content or the new.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), WorkspaceError> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    let write = || persist(NamedTempFile::new_in(parent)?, path, bytes);
    write().map_err(|error| WorkspaceError::io(doing("write", path), error))
}

/// The same for a file that nobody else writes. What a crash leaves beside it has this name, by which it can be removed.
pub(crate) fn write_by(draft: &Path, path: &Path, bytes: &[u8]) -> Result<(), WorkspaceError> {
    remove_file(draft)?;
    let open = || File::options().write(true).create_new(true).open(draft);
    let write = || {
        let file = NamedTempFile::from_parts(open()?, TempPath::try_from_path(draft)?);
        persist(file, path, bytes)
    };
    write().map_err(|error| WorkspaceError::io(doing("write", path), error))
}

fn persist(mut file: NamedTempFile, path: &Path, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// Writes a file that must not be there yet; says whether it was this call that wrote it.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<bool, WorkspaceError> {
    let write = || {
        let parent = path.parent().unwrap_or(Path::new("/"));
        let mut file = NamedTempFile::new_in(parent)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        let first = match file.persist_noclobber(path) {
            Ok(_) => true,
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(error.error),
        };
        File::open(parent)?.sync_all()?;
        Ok(first)
    };
    write().map_err(|error| WorkspaceError::io(doing("write", path), error))
}

/// Reads a file of ours; nothing if there is none. A symbolic link, which only somebody else can have put there, is none.
pub(crate) fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>, WorkspaceError> {
    let read = || {
        let meta = fs::symlink_metadata(path)?;
        if !meta.is_file() || meta.len() > most {
            return Ok(None);
        }
        fs::read(path).map(Some)
    };
    match read() {
        Err(error) if is_absent(&error) => Ok(None),
        result => result.map_err(|error| WorkspaceError::io(doing("read", path), error)),
    }
}

/// Removes a folder and all that is in it, following no link; folders that forbid it are made to allow it.
pub(crate) fn remove_folder(path: &Path) -> Result<(), WorkspaceError> {
    let remove = || match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            allow(path)?;
            fs::remove_dir_all(path)
        }
        result => result,
    };
    match remove() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(|error| WorkspaceError::io(doing("remove the folder", path), error)),
    }
}

pub(crate) fn remove_file(path: &Path) -> Result<(), WorkspaceError> {
    match fs::remove_file(path) {
        Err(error) if is_absent(&error) => Ok(()),
        result => result.map_err(|error| WorkspaceError::io(doing("remove", path), error)),
    }
}

/// Whether this says that there is nothing at a path, as opposed to that we may not look.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn allow(folder: &Path) -> io::Result<()> {
    let meta = fs::symlink_metadata(folder)?;
    if !meta.is_dir() {
        return Ok(());
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(meta.permissions().mode() | 0o700))?;
    fs::read_dir(folder)?.try_for_each(|entry| allow(&entry?.path()))
}
