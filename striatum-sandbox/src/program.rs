//! Where a program is.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Access, access},
    io::Errno,
};
use striatum_core::sandbox::{SandboxError, SandboxErrorKind};

/// The absolute path of a program: as a shell in `tree` would find it, but never in a relative folder of `PATH`, so that a work
/// tree cannot slip in a program by its name.
///
/// # Errors
/// [`SandboxErrorKind::NotFound`] or [`SandboxErrorKind::Denied`].
pub(crate) fn find(program: &OsStr, path: &OsStr, tree: &Path) -> Result<PathBuf, SandboxError> {
    if program.as_bytes().contains(&b'/') {
        let candidate = tree.join(program);
        return match executable(&candidate) {
            Ok(()) => Ok(candidate),
            Err(e) => Err(SandboxError::new(kind_of(e), format!("start {program:?}")).because(e)),
        };
    }
    let folders: Vec<_> = std::env::split_paths(path).filter(|folder| folder.is_absolute()).collect();
    let mut found_but = None;
    for folder in folders.iter().filter(|_| !program.is_empty()) {
        let candidate = folder.join(program);
        match executable(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(e) if kind_of(e) == SandboxErrorKind::NotFound => {}
            Err(e) => found_but = Some(e),
        }
    }
    Err(match found_but {
        Some(e) => SandboxError::new(kind_of(e), format!("start {program:?}")).because(e),
        None => {
            let doing = format!("find {program:?} in the {} folders of PATH", folders.len());
            SandboxError::new(SandboxErrorKind::NotFound, doing)
        }
    })
}

fn executable(candidate: &Path) -> Result<(), Errno> {
    let stat = rustix::fs::stat(candidate)?;
    if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
        return Err(Errno::ACCESS);
    }
    access(candidate, Access::EXEC_OK)
}

fn kind_of(errno: Errno) -> SandboxErrorKind {
    match errno {
        Errno::NOENT | Errno::NOTDIR => SandboxErrorKind::NotFound,
        Errno::ACCESS | Errno::PERM => SandboxErrorKind::Denied,
        _ => SandboxErrorKind::Other,
    }
}
