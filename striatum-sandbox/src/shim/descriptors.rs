//! Descriptors and signals that a process inherits.

use std::io;

/// What becomes of descriptors that nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    /// They are closed now.
    Close,
    /// They are closed when this process becomes another program.
    CloseOnExec,
}

/// Leaves nothing behind the three streams for whoever comes next: an open folder or socket of the host would be a hole in
/// every wall.
pub(super) fn keep_streams_only(others: Others) -> io::Result<()> {
    let flags = match others {
        Others::Close => 0,
        Others::CloseOnExec => libc::CLOSE_RANGE_CLOEXEC,
    };
    #[expect(
        unsafe_code,
        reason = "neither std nor rustix has close_range; nothing here owns a descriptor above 2 yet, or all of them stay open until exec"
    )]
    // SAFETY: the call takes three numbers and no memory. Closing happens before anything of this process is opened.
    let answer = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, flags) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Ignores the request to end, or heeds it again. What is ignored stays so in the program that this process becomes.
pub(super) fn heed_termination(heed: Heed) -> io::Result<()> {
    let action = match heed {
        Heed::No => libc::SIG_IGN,
        Heed::Yes => libc::SIG_DFL,
    };
    #[expect(unsafe_code, reason = "neither std nor rustix sets the action of a signal")]
    // SAFETY: both actions are the kernel's own; no handler of ours can run.
    let answer = unsafe { libc::signal(libc::SIGTERM, action) };
    if answer == libc::SIG_ERR { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Whether a request to end ends a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heed {
    /// It does not.
    No,
    /// It does.
    Yes,
}
