//! From errors of the host to kinds.

use std::io;

use striatum_core::sandbox::{SandboxError, SandboxErrorKind};

/// Says what was being done when the host refused.
pub(crate) fn failed(doing: impl Into<String>) -> impl FnOnce(io::Error) -> SandboxError {
    move |e| SandboxError::new(kind_of(&e), doing).because(e)
}

fn kind_of(error: &io::Error) -> SandboxErrorKind {
    use io::ErrorKind;
    // EAGAIN is what fork says when there may be no more processes; EMFILE and ENFILE have no kind in std.
    let out_of_descriptors = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()));
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => SandboxErrorKind::Denied,
        ErrorKind::WouldBlock
        | ErrorKind::OutOfMemory
        | ErrorKind::StorageFull
        | ErrorKind::QuotaExceeded => SandboxErrorKind::Exhausted,
        _ if out_of_descriptors => SandboxErrorKind::Exhausted,
        _ => SandboxErrorKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn each_shortage_of_the_host_is_exhausted() {
        for errno in [Errno::AGAIN, Errno::NOMEM, Errno::MFILE, Errno::NFILE, Errno::NOSPC, Errno::DQUOT] {
            assert_eq!(kind_of(&errno.into()), SandboxErrorKind::Exhausted, "{errno}");
        }
        assert_eq!(kind_of(&Errno::ACCESS.into()), SandboxErrorKind::Denied);
        assert_eq!(kind_of(&Errno::IO.into()), SandboxErrorKind::Other);
    }
}
