//! What may not be shown to an agent, not even to be read.

use std::{
    env, fs, io,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
};

use striatum_core::sandbox::{SandboxError, SandboxErrorKind};

use self::{
    places::{Places, both, homes},
    sockets::Sockets,
};

mod places;
mod sockets;
#[cfg(test)]
mod tests;

/// What to do about most refusals.
const REMEDY: &str = "mount the folder that is really needed, and nothing that contains secrets or sockets";

/// What to do about a link in the place of a folder.
const REPLACED: &str = "see who replaced it, and remove it: the next grant of the job gets a new tree";

/// Judges what is to be shown, by its real path and in both directions: what is protected, what lies in it, and what contains it.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    /// Folders of the engine's own.
    own: Vec<PathBuf>,
    places: Places,
}

impl Guard {
    /// For the people of this host and the present environment, with folders of the engine's own.
    pub(crate) fn of_this_host(own: &[PathBuf]) -> Self {
        let homes = homes(env::var_os("HOME").map(PathBuf::from));
        Self::new(own, Places::new(&homes, |name| env::var_os(name)))
    }

    fn new(own: &[PathBuf], places: Places) -> Self {
        Self { own: own.iter().cloned().flat_map(both).collect(), places }
    }

    /// The real path of something that may be shown.
    ///
    /// # Errors
    /// [`SandboxErrorKind::MountRefused`], [`SandboxErrorKind::NotFound`].
    pub(crate) fn admit(&self, path: &Path) -> Result<PathBuf, SandboxError> {
        let found = find(path)?;
        let Places { secret, live, .. } = &self.places;
        let mut closed = self.own.iter().chain(secret).chain(live);
        let closed = closed.find(|place| found.starts_with(place));
        self.judge(path, found, closed)
    }

    /// The same for a part of a session, which lies in `within`, a folder of the engine's own: that may lie in what is protected, and
    /// contain none of it.
    ///
    /// # Errors
    /// [`SandboxErrorKind::MountRefused`], [`SandboxErrorKind::NotFound`].
    pub(crate) fn admit_own(&self, path: &Path, within: &Path) -> Result<PathBuf, SandboxError> {
        if fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink()) {
            return Err(refused(path, "it is a link, where a folder of ours should be", REPLACED));
        }
        let (found, within) = (find(path)?, find(within)?);
        if !found.starts_with(&within) {
            let why = format!("it leads out of {} to {}", within.display(), found.display());
            return Err(refused(path, &why, REPLACED));
        }
        // The engine keeps its folders where it likes, and nothing of it makes a folder of secrets one of its own.
        let is_own =
            |place: &PathBuf| self.own.iter().any(|own| own.starts_with(place) && found.starts_with(own));
        let closed = self.places.secret.iter().find(|place| found.starts_with(place) && !is_own(place));
        self.judge(path, found, closed)
    }

    /// Refuses what lies in a place that is closed to it, what contains something that is protected, and what is no file.
    fn judge(&self, path: &Path, found: PathBuf, closed: Option<&PathBuf>) -> Result<PathBuf, SandboxError> {
        if let Some(place) = closed {
            return Err(refused(path, &format!("{} is not for agents", place.display()), REMEDY));
        }
        let Places { secret, live, shared } = &self.places;
        let mut kept = self.own.iter().chain(secret).chain(live).chain(shared);
        if let Some(place) = kept.find(|place| place.starts_with(&found)) {
            let why = match *place == found {
                true => "it is not for agents".to_owned(),
                false => format!("it contains {}", place.display()),
            };
            return Err(refused(path, &why, REMEDY));
        }
        let kind = fs::symlink_metadata(&found).map(|meta| meta.file_type());
        if !kind.is_ok_and(|kind| kind.is_dir() || (kind.is_file() && !kind.is_socket())) {
            return Err(refused(path, "it is neither a folder nor a file", REMEDY));
        }
        match Sockets::of_this_host().and_then(|sockets| sockets.within(&found)) {
            Ok(None) => Ok(found),
            Ok(Some(socket)) => {
                let why = format!("somebody listens on {}, which is in it", socket.display());
                Err(refused(path, &why, REMEDY))
            }
            Err(error) => {
                Err(refused(path, "nobody can tell whether somebody listens in it", REMEDY).because(error))
            }
        }
    }
}

/// Where a path leads.
fn find(path: &Path) -> Result<PathBuf, SandboxError> {
    if !path.is_absolute() {
        return Err(refused(path, "its path is not absolute", REMEDY));
    }
    fs::canonicalize(path).map_err(|error| {
        let kind = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => SandboxErrorKind::NotFound,
            _ => SandboxErrorKind::Denied,
        };
        SandboxError::new(kind, format!("show {} to an agent", path.display())).because(error)
    })
}

fn refused(path: &Path, why: &str, remedy: &str) -> SandboxError {
    let doing = format!("show {} to an agent: {why}", path.display());
    SandboxError::new(SandboxErrorKind::MountRefused, doing).with_remedy(remedy)
}
