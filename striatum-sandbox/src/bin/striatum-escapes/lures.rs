//! What there is on the host to be got at.

use std::{net::SocketAddr, path::PathBuf};

use serde::Deserialize;

/// Laid out by the test that runs this program.
#[derive(Debug, Deserialize)]
pub(crate) struct Lures {
    /// A folder of the host, with `secret`, `script` (a program) and a git folder `repository/.git`.
    pub(crate) folder: PathBuf,
    /// The folder of the session's records.
    pub(crate) session: PathBuf,
    /// What stands in `secret`, in the victim's memory and in its environment.
    pub(crate) secret: String,
    /// Somebody answers here.
    pub(crate) socket: PathBuf,
    /// A name in the abstract namespace of sockets, where somebody answers.
    pub(crate) abstract_socket: String,
    pub(crate) tcp: SocketAddr,
    pub(crate) tcp6: Option<SocketAddr>,
    /// Whatever arrives here is sent back.
    pub(crate) udp: SocketAddr,
    /// A process of the same user, which runs `striatum-escapes victim`.
    pub(crate) victim: i32,
    /// Where the secret lies in the victim's memory.
    pub(crate) address: usize,
    /// A descriptor of the victim's that reads the secret file.
    pub(crate) descriptor: i32,
    /// The key of the victim's System V objects, and the number in the names of its POSIX ones.
    pub(crate) key: i32,
    /// The host's name.
    pub(crate) hostname: String,
    /// A live socket of Postgres, if the host has one.
    pub(crate) postgres: Option<PathBuf>,
}

impl Lures {
    /// The file with the secret.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join("secret")
    }

    /// Something in the git folder.
    pub(crate) fn git(&self, name: &str) -> PathBuf {
        self.folder.join("repository/.git").join(name)
    }
}
