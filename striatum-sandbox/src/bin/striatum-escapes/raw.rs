//! Asking the kernel directly.

use std::{ffi::CString, io, os::unix::ffi::OsStrExt, path::Path};

/// Makes a system call.
///
/// Attempts are system calls that no library offers, since nobody should make them. Whoever calls this hands over numbers, and
/// addresses of memory that lives until it returns and is as long as the call expects.
pub(crate) fn call(number: libc::c_long, arguments: [usize; 6]) -> io::Result<i64> {
    let [a, b, c, d, e, f] = arguments;
    #[expect(unsafe_code, reason = "what is attempted here has no safe interface")]
    // SAFETY: the kernel checks every address that it is given; those of ours point to live memory of the right length, as said
    // above. A call that makes a process duplicates this one, which has a single thread.
    let answer = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

/// A path for the kernel.
pub(crate) fn text(path: impl AsRef<Path>) -> CString {
    CString::new(path.as_ref().as_os_str().as_bytes()).unwrap_or_default()
}

/// Its address.
pub(crate) fn at(text: &CString) -> usize {
    text.as_ptr().addr()
}

/// A number as an argument.
pub(crate) const fn number(value: i32) -> usize {
    value.cast_unsigned() as usize
}

/// Says something on standard error.
pub(crate) fn say(text: &str) {
    let _unheard = io::Write::write_all(&mut io::stderr(), format!("{text}\n").as_bytes());
}

/// For attempts that succeed only if something is so.
pub(crate) fn only_if(is_so: bool, otherwise: &str) -> io::Result<()> {
    if is_so { Ok(()) } else { Err(io::Error::other(otherwise.to_owned())) }
}

/// For calls that are given nonsense: being told so means that one had been allowed.
pub(crate) fn unless_refused(answer: io::Result<i64>) -> io::Result<()> {
    match answer {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES | libc::ENOSYS)) => {
            Err(error)
        }
        _ => Ok(()),
    }
}

/// Makes a namespace of a kind in which more is allowed: as an administrator directly, else within a namespace of users.
pub(crate) fn enter_new(namespace: i32) -> io::Result<()> {
    let new = |flags: i32| call(libc::SYS_unshare, [number(flags), 0, 0, 0, 0, 0]).map(drop);
    new(namespace).or_else(|_| new(namespace | libc::CLONE_NEWUSER))
}
