//! Where an engine keeps what it has: in folders of the session, and nothing in the person's.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::{
        fd::AsRawFd,
        unix::{
            fs::{DirBuilderExt, MetadataExt, symlink},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::geteuid,
};
use serde_json::json;

use crate::{
    environment::MARK,
    folder::Folder,
    namespaces::{
        root::{Piece, SCRATCH, Shown, below},
        start::Footing,
    },
    shim::keep::CONTROL,
};

/// What an engine and one of its containers have.
#[derive(Debug)]
pub(super) struct Place {
    folder: PathBuf,
    session: String,
    /// Containers of a session are set apart by what the names of their records end with.
    suffix: String,
}

impl Place {
    /// Makes the folders of a container with these things in its root.
    pub(super) fn make(footing: &Footing, pieces: &[Piece]) -> io::Result<Self> {
        let Footing { folder, suffix, mark, .. } = footing;
        let place = Self { folder: engine(folder), session: mark.clone(), suffix: suffix.clone() };
        private(&place.folder)?;
        for name in ["storage", "tmp", "crun", "home"] {
            private(&place.at(name))?;
        }
        private(&place.run())?;
        private(&place.control())?;
        furnish(&place.root(), pieces)?;
        Ok(place)
    }

    /// A folder or a file that all containers of a session share.
    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Where the engine keeps what is gone with the next boot.
    pub(super) fn run(&self) -> PathBuf {
        run(&self.session)
    }

    /// The root of the container, in which everything else is mounted.
    pub(super) fn root(&self) -> PathBuf {
        self.at(&format!("root{}", self.suffix))
    }

    /// The folder in which the host program listens.
    pub(super) fn control(&self) -> PathBuf {
        self.at(&format!("control{}", self.suffix))
    }

    /// Settings of the engine, in the place of the host's and the person's: no service of the host is used, no memory is shared with other
    /// engines, and whatever runs carries the session's mark.
    pub(super) fn configure(&self, path: &str) -> io::Result<PathBuf> {
        // Texts in JSON are texts in TOML.
        let env = json!([format!("PATH={path}"), format!("{MARK}={}", self.session)]);
        let text = format!(
            "[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"none\"\nlock_type = \"file\"\nconmon_env_vars = {env}\n"
        );
        let file = self.at("containers.conf");
        fs::write(&file, text)?;
        Ok(file)
    }

    /// Listens for the first process of the container.
    pub(super) fn listen(&self) -> io::Result<Door> {
        let folder = File::open(self.control())?;
        let name = Path::new(CONTROL).file_name().unwrap_or_default();
        // The path of a socket is short, and that of a session's folder may be long.
        let listener =
            UnixListener::bind(Path::new(&format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name))?;
        Ok(Door { listener, socket: self.control().join(name) })
    }
}

/// Removes all that an engine has for a session.
pub(super) fn sweep(folder: &Folder) {
    let outside = folder.note().session.map(|session| run(&session.to_string()));
    for folder in outside.into_iter().chain([engine(folder)]) {
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::debug!(folder = %folder.display(), %error, "the folder of an engine is left");
            }
            _ => {}
        }
    }
}

/// Where a container comes from. Nobody can once it is dropped.
pub(super) struct Door {
    listener: UnixListener,
    socket: PathBuf,
}

impl Door {
    /// The next connection.
    pub(super) fn accept(&self, patience: Duration) -> io::Result<UnixStream> {
        let patience = Timespec::try_from(patience).map_err(io::Error::other)?;
        let mut ready = [PollFd::new(&self.listener, PollFlags::IN)];
        if poll(&mut ready, Some(&patience))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(self.listener.accept()?.0)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.socket) {
            tracing::debug!(%error, "the socket of a container is left");
        }
    }
}

fn engine(folder: &Folder) -> PathBuf {
    folder.path().join("engine")
}

/// Podman refuses a path of more than fifty characters here, so it is the one folder that is not in the session's.
fn run(session: &str) -> PathBuf {
    Path::new("/tmp").join(format!("striatum-{session}"))
}

/// A folder that is ours alone, and that somebody else has not made before.
fn private(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let meta = fs::symlink_metadata(folder)?;
            let is_ours = meta.is_dir() && meta.uid() == geteuid().as_raw();
            if is_ours { Ok(()) } else { Err(error) }
        }
        made => made,
    }
}

/// Makes the places at which something is mounted, and the links. What lies in something else that is mounted has its place there.
fn furnish(root: &Path, pieces: &[Piece]) -> io::Result<()> {
    for folder in SCRATCH.into_iter().chain(["/proc", "/dev", "/sys", "/run/striatum/control"]) {
        fs::create_dir_all(below(root, Path::new(folder)))?;
    }
    let places: Vec<&Path> = pieces.iter().map(Piece::at).collect();
    for piece in pieces {
        if places.iter().any(|place| piece.at() != *place && piece.at().starts_with(place)) {
            continue;
        }
        let place = below(root, piece.at());
        fs::create_dir_all(place.parent().unwrap_or(root))?;
        match piece {
            Piece::Link { target, .. } => symlink(target, place)?,
            Piece::Bind(Shown { source, .. }) if source.is_dir() => fs::create_dir_all(place)?,
            Piece::Bind(_) => drop(File::create(place)?),
        }
    }
    Ok(())
}
