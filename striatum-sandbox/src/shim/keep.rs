//! Inside a container: its first process, by whose end all others end.
//!
//! An engine outlives the program that calls it, so a container is tied to the host program here: by a connection that ends with it.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::Command,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    process::{Pid, WaitOptions, WaitStatus, wait},
};
use striatum_core::sandbox::Exit;

use super::{
    CALL,
    descriptors::{Others, keep_streams_only},
    order::{Ended, send},
};
use crate::namespaces::root::SHIM;

/// Where the host program listens, inside: once for the connection that ends with it, and once for the one that brings the order.
pub(crate) const CONTROL: &str = "/run/striatum/control/host";

/// Starts the shim that becomes the agent, tells how that ended, and ends. Returns only what went wrong.
pub(super) fn keep() -> io::Error {
    match serve() {
        Ok(end) => std::process::exit(end),
        Err(error) => error,
    }
}

fn serve() -> io::Result<i32> {
    keep_streams_only(Others::Close)?;
    let (host, order) = (UnixStream::connect(CONTROL)?, UnixStream::connect(CONTROL)?);
    let watched = host.try_clone()?;
    std::thread::Builder::new().spawn(move || {
        let mut end = [PollFd::new(&watched, PollFlags::RDHUP)];
        while let Err(Errno::INTR) = poll(&mut end, None) {}
        // Everything in the container ends with its first process.
        std::process::exit(1);
    })?;
    let agent = Command::new(SHIM).args([CALL, "enter"]).stdin(OwnedFd::from(order)).spawn()?;
    let agent = Pid::from_child(&agent);
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == agent => {
                let exit = ended(status);
                // A host that is gone needs not be told.
                let _unheard = send(&host, &Ended { exit }, &[]);
                return Ok(0);
            }
            // Whoever has lost its parent is a child of the first process.
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn ended(status: WaitStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or(libc::SIGKILL)),
    }
}
