//! Files that an agent reads and writes through us.
//!
//! Every name is resolved from an open folder to the next, and symbolic links by hand, so that nobody can swap a folder for a
//! link between the check and the use: what we do for an agent is done outside its walls.

use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    io::{self, Read, Write},
    os::{fd::OwnedFd, unix::ffi::OsStringExt},
    path::{Component, Path, PathBuf},
};

use rustix::{
    fs::{Mode, OFlags, mkdirat, open, openat, readlinkat},
    io::Errno,
};
use striatum_core::workflow::WriteScope;

#[cfg(test)]
mod tests;

/// What of the work tree an agent may reach through us. It needs neither to reach files by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum FileAccess {
    /// Nothing: the agent is told that we offer no files.
    Off,
    /// Reading.
    Read,
    /// Reading and writing.
    #[default]
    ReadWrite,
}

/// No file of more bytes is read.
const MAX_BYTES: u64 = 8 << 20;

/// No more links are followed on the way to one file.
const MAX_LINKS: usize = 40;

/// The files of a work tree, for whoever touches them on behalf of an agent that is at work in it and is not trusted.
#[derive(Debug, Clone)]
pub struct TreeFiles {
    /// As it was given and as it really is: agents name either.
    roots: [PathBuf; 2],
    /// What may be written; everything if nothing is said.
    scope: Option<WriteScope>,
}

/// Why a file is not to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It lies elsewhere.
    #[error("the path is not in the work tree")]
    Outside,
    /// It may be read, and not written.
    #[error("the path is not in the write scope of the job")]
    OutOfScope,
    /// It belongs to git.
    #[error("the path leads into the administration of git")]
    Git,
    /// It is not there.
    #[error("there is no such file")]
    NotFound,
    /// It is something else, or too large.
    #[error("this is no plain file of at most {MAX_BYTES} bytes")]
    NotPlain,
    /// It is no UTF-8.
    #[error("this is no text")]
    NotText,
    /// The operating system refuses.
    #[error("the file cannot be used")]
    Io(#[from] io::Error),
}

impl From<Errno> for FileError {
    fn from(error: Errno) -> Self {
        match error {
            Errno::NOENT => Self::NotFound,
            error => Self::Io(error.into()),
        }
    }
}

impl TreeFiles {
    /// The files below this folder.
    pub fn new(tree: &Path) -> Self {
        let real = tree.canonicalize().unwrap_or_else(|_| tree.to_owned());
        Self { roots: [tree.to_owned(), real], scope: None }
    }

    /// The same, of which only these may be written, wherever links to them lie.
    #[must_use]
    pub fn writing(self, scope: WriteScope) -> Self {
        Self { scope: Some(scope), ..self }
    }

    /// Whether a path that an agent names lies in the tree, by its name alone. A relative one starts there.
    pub(crate) fn hold(&self, path: &Path) -> bool {
        let inside = if path.is_relative() { Some(path) } else { self.inside(path) };
        let Some(inside) = inside else { return false };
        let mut depth = 0_usize;
        inside.components().all(|part| match part {
            Component::Normal(_) => {
                depth += 1;
                true
            }
            Component::ParentDir => depth.checked_sub(1).map(|less| depth = less).is_some(),
            Component::CurDir => true,
            Component::RootDir | Component::Prefix(_) => false,
        })
    }

    /// A folder of the tree, under the name that the tree was given.
    pub(crate) fn folder(&self, path: &Path) -> Result<PathBuf, FileError> {
        self.inside(path).ok_or(FileError::Outside)?;
        let [given, real] = &self.roots;
        let really = path.canonicalize().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => FileError::NotFound,
            _ => error.into(),
        })?;
        let inside = really.strip_prefix(real).map_err(|_| FileError::Outside)?;
        if !really.is_dir() {
            return Err(FileError::NotPlain);
        }
        Ok(given.join(inside))
    }

    /// The lines of a file from `line`, which counts from 1, and at most `limit` of them.
    pub(crate) fn read(
        &self,
        path: &Path,
        line: Option<u32>,
        limit: Option<u32>,
    ) -> Result<String, FileError> {
        let text = String::from_utf8(self.read_bytes(path)?).map_err(|_| FileError::NotText)?;
        if line.is_none() && limit.is_none() {
            return Ok(text);
        }
        let skip = usize::try_from(line.unwrap_or(1).saturating_sub(1)).unwrap_or(usize::MAX);
        let take = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(text.split_inclusive('\n').skip(skip).take(take).collect())
    }

    /// What is in a file. A relative path starts in the tree.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn read_bytes(&self, path: &Path) -> Result<Vec<u8>, FileError> {
        let (folder, name) = self.find(path, MissingFolders::Fail)?;
        let file = std::fs::File::from(openat(
            &folder,
            &name,
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC,
            Mode::empty(),
        )?);
        if !file.metadata()?.is_file() {
            return Err(FileError::NotPlain);
        }
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(FileError::NotPlain);
        }
        Ok(bytes)
    }

    /// Makes or replaces a file, and the folders that lead to it. A relative path starts in the tree.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), FileError> {
        let (folder, name) = self.find(path, MissingFolders::Make)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file = std::fs::File::from(openat(&folder, &name, flags, Mode::from_raw_mode(0o666))?);
        if !file.metadata()?.is_file() {
            return Err(FileError::NotPlain);
        }
        file.set_len(0)?;
        file.write_all(bytes)?;
        Ok(())
    }

    /// Whether a file that is really there, or would be, may be what it is wanted for.
    fn admit(&self, inside: &Path, missing: MissingFolders) -> Result<(), FileError> {
        let may_write = |scope: &WriteScope| inside.to_str().is_some_and(|path| scope.allows(path));
        match (missing, &self.scope) {
            (MissingFolders::Make, Some(scope)) if !may_write(scope) => Err(FileError::OutOfScope),
            _ => Ok(()),
        }
    }

    fn inside<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        self.roots.iter().find_map(|root| path.strip_prefix(root).ok())
    }

    /// The folder of a file, open, and the file's name in it, which is no symbolic link at this moment.
    fn find(&self, path: &Path, missing: MissingFolders) -> Result<(OwnedFd, OsString), FileError> {
        let mut ahead = VecDeque::new();
        // Some agents pass on what their model says, which was told no folder: for it everything starts in the tree.
        let inside = if path.is_relative() { Some(path) } else { self.inside(path) };
        prepend(&mut ahead, inside.ok_or(FileError::Outside)?)?;
        let folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = open(&self.roots[1], folder, Mode::empty())?;
        let mut behind: Vec<OwnedFd> = Vec::new();
        // The names of those.
        let mut way = PathBuf::new();
        let mut links = 0;
        while let Some(step) = ahead.pop_front() {
            let Step::Down(name) = step else {
                behind.pop().ok_or(FileError::Outside)?;
                way.pop();
                continue;
            };
            if name.eq_ignore_ascii_case(".git") {
                return Err(FileError::Git);
            }
            let here = behind.last().unwrap_or(&root);
            match readlinkat(here, &name, Vec::new()) {
                Ok(target) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(FileError::Outside);
                    }
                    let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                    if target.is_absolute() {
                        behind.clear();
                        way.clear();
                        prepend(&mut ahead, self.inside(&target).ok_or(FileError::Outside)?)?;
                    } else {
                        prepend(&mut ahead, &target)?;
                    }
                    continue;
                }
                Err(Errno::INVAL | Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
            way.push(&name);
            if ahead.is_empty() {
                self.admit(&way, missing)?;
                let here = match behind.pop() {
                    Some(here) => here,
                    None => root,
                };
                return Ok((here, name));
            }
            let next = match (openat(here, &name, folder, Mode::empty()), missing) {
                (Err(Errno::NOENT), MissingFolders::Make) => {
                    // Nothing below is there, so there is no link to follow.
                    let below = ahead.iter().try_fold(way.clone(), |way, step| match step {
                        Step::Down(name) => Ok(way.join(name)),
                        Step::Up => Err(FileError::NotFound),
                    })?;
                    self.admit(&below, missing)?;
                    match mkdirat(here, &name, Mode::from_raw_mode(0o777)) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(error) => return Err(error.into()),
                    }
                    openat(here, &name, folder, Mode::empty())?
                }
                (opened, _) => opened?,
            };
            behind.push(next);
        }
        // The path ends in a folder.
        Err(FileError::NotPlain)
    }
}

#[derive(Clone, Copy)]
enum MissingFolders {
    Make,
    Fail,
}

enum Step {
    Down(OsString),
    Up,
}

fn prepend(ahead: &mut VecDeque<Step>, path: &Path) -> Result<(), FileError> {
    for part in path.components().rev() {
        match part {
            Component::Normal(name) => ahead.push_front(Step::Down(OsStr::to_owned(name))),
            Component::ParentDir => ahead.push_front(Step::Up),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return Err(FileError::Outside),
        }
    }
    Ok(())
}
