//! Folders that an agent may change while they are read.
//!
//! Nothing in them is reached by a path: each step is taken from a handle of the folder before, no link is followed, nothing is
//! opened that could make the reader wait, and no more is read than the caller allows.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::Path,
};

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, unlinkat},
    io::Errno,
};

/// A folder, held by a handle.
#[derive(Debug)]
pub(crate) struct Foreign(OwnedFd);

impl Foreign {
    /// A folder by its path; nothing if there is none, or if its last part is a link.
    pub(crate) fn open(path: &Path) -> io::Result<Option<Self>> {
        folder(openat(CWD, path, FOLDER, Mode::empty()))
    }

    /// A folder in this one.
    pub(crate) fn below(&self, name: impl AsRef<OsStr>) -> io::Result<Option<Self>> {
        folder(openat(&self.0, name.as_ref(), FOLDER, Mode::empty()))
    }

    /// A plain file in this folder.
    pub(crate) fn file(&self, name: impl AsRef<OsStr>) -> io::Result<Option<File>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match present(openat(&self.0, name.as_ref(), flags, Mode::empty()))? {
            Some(file) => File::from(file),
            None => return Ok(None),
        };
        Ok(file.metadata()?.is_file().then_some(file))
    }

    /// What a plain file holds, if that is no more than `most`.
    pub(crate) fn read(&self, name: impl AsRef<OsStr>, most: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(file) = self.file(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(Some(bytes))
    }

    /// The end of a plain file.
    pub(crate) fn tail(&self, name: impl AsRef<OsStr>, most: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(mut file) = self.file(name)? else { return Ok(None) };
        let from = file.metadata()?.len().saturating_sub(most);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// The names in this folder, each time it is asked; `left` is how many more may be met.
    pub(crate) fn names(&self, left: &mut usize) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            *left = left.checked_sub(1).ok_or(io::ErrorKind::FileTooLarge)?;
            if matches!(entry.file_type(), FileType::RegularFile | FileType::Directory | FileType::Unknown) {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Whether something of this name is here, whatever it is.
    pub(crate) fn has(&self, name: &str) -> io::Result<bool> {
        let found = rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW);
        Ok(present(found)?.is_some())
    }

    /// Removes a file, a link or whatever else is no folder.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match unlinkat(&self.0, name, AtFlags::empty()) {
            Err(Errno::NOENT | Errno::ISDIR | Errno::PERM) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

fn folder(opened: rustix::io::Result<OwnedFd>) -> io::Result<Option<Foreign>> {
    Ok(present(opened)?.map(Foreign))
}

/// What is a link, or no folder where one should be, is not there.
fn present<T>(found: rustix::io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::MLINK | Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn links_pipes_and_what_is_too_large_are_not_read() {
        let place = tempfile::TempDir::new().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::create_dir(at("in")).unwrap();
        fs::write(at("secret"), "secret").unwrap();
        fs::write(at("in/plain"), "plain").unwrap();
        symlink(at("secret"), at("in/link")).unwrap();
        symlink(place.path(), at("in/folder")).unwrap();
        symlink(at("in"), at("other")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(at("in/pipe")).status().unwrap().success());
        assert!(Foreign::open(&at("other")).unwrap().is_none());
        let folder = Foreign::open(&at("in")).unwrap().unwrap();
        assert_eq!(folder.read("plain", 5).unwrap().as_deref(), Some(&b"plain"[..]));
        assert_eq!(folder.tail("plain", 2).unwrap().as_deref(), Some(&b"in"[..]));
        assert_eq!(folder.read("plain", 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        for name in ["link", "pipe", "folder", "absent"] {
            assert_eq!(folder.read(name, 10).unwrap(), None, "{name}");
        }
        assert!(folder.below("folder").unwrap().is_none() && folder.below("plain").unwrap().is_none());
        assert_eq!(folder.names(&mut 4).unwrap(), ["plain"]);
        assert!(folder.names(&mut 3).is_err(), "links count");
        folder.remove("link").unwrap();
        assert!(!folder.has("link").unwrap() && at("secret").exists());
    }
}
