//! Telling one process from another that has got its number.
//!
//! The kernel hands out process numbers again. A number names a process only together with the time at which the process
//! started and the boot in which it did; [`ProcessRecord`] is these three. They hold within one process namespace: what a
//! record of one container says means nothing in another.

use std::{io, time::Duration};

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};
use striatum_core::id::SessionId;

use crate::environment::MARK;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as host;
#[cfg(not(target_os = "linux"))]
mod portable;
#[cfg(not(target_os = "linux"))]
use portable as host;

/// Names one process for ever, beyond its end and the next boot.
///
/// ```
/// use striatum_sandbox::process::{ProcessRecord, is_alive};
///
/// let me = ProcessRecord::current()?;
/// assert!(is_alive(&me));
/// assert!(!is_alive(&ProcessRecord { start: "long ago".to_owned(), ..me }));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProcessRecord {
    /// The process number.
    pub pid: u32,
    /// When it started, as this host writes it: clock ticks since the boot on Linux, a date elsewhere. Only ever compared.
    pub start: String,
    /// The boot in which it started.
    pub boot: String,
}

impl ProcessRecord {
    /// The record of this very process.
    ///
    /// # Errors
    /// An [`io::Error`] if the host does not tell the start time or the boot.
    pub fn current() -> io::Result<Self> {
        Self::of(std::process::id())
    }

    /// The record of the process that has this number now.
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        let start = host::look(pid)?.ok_or(io::ErrorKind::NotFound)?.start;
        Ok(Self { pid, start, boot: boot_id()? })
    }
}

/// What names the present boot of this host.
///
/// # Errors
/// An [`io::Error`] if the host does not tell.
pub fn boot_id() -> io::Result<String> {
    host::boot_id()
}

/// When the process with this number started, if there is one and the host tells.
pub fn start_time(pid: u32) -> Option<String> {
    host::look(pid).ok().flatten().map(|seen| seen.start)
}

/// Whether a name that begins so, with the number of a program behind that, is of a program which has ended.
#[cfg(target_os = "linux")]
pub(crate) fn is_left(name: &str, prefix: &str) -> bool {
    let number = name.strip_prefix(prefix).and_then(|rest| rest.split('-').next()?.parse().ok());
    number.is_some_and(|number| start_time(number).is_none())
}

/// Whether the process that was noted down still lives.
///
/// `false` is a proof: another boot, no process of this number, one that started at another time, or one that has ended and
/// only waits for its parent to look. Where the host does not tell, the answer is `true`.
pub fn is_alive(record: &ProcessRecord) -> bool {
    if boot_id().is_ok_and(|boot| boot != record.boot) {
        return false;
    }
    match host::look(record.pid) {
        Ok(Some(seen)) => !seen.ended && seen.start == record.start,
        Ok(None) => false,
        Err(_) => true,
    }
}

/// A process as the process table shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Its number.
    pub(crate) pid: u32,
    /// The process that it is a child of now.
    pub(crate) parent: u32,
    /// Its process group.
    pub(crate) group: u32,
    /// When it started.
    pub(crate) start: String,
    /// It has ended and waits for its parent to look.
    pub(crate) ended: bool,
}

/// Every process of this host that can be seen.
pub(crate) fn all() -> io::Result<Vec<Seen>> {
    host::all()
}

/// Whether a process was started with this entry (`NAME=value`) in its environment. Where the host does not tell: no.
pub(crate) fn carries(pid: u32, entry: &str) -> bool {
    host::carries(pid, entry)
}

/// How much of a processor the processes of a session have used so far; nothing where the host does not tell which they are.
///
/// One that has grown since the last look is at work, whatever it says. What a process used that has ended since counts only
/// if its parent looked after it, so this may shrink as well.
pub fn processor_time(session: SessionId) -> Option<Duration> {
    let mark = mark(session);
    let ours = all().ok()?.into_iter().filter(|seen| carries(seen.pid, &mark));
    ours.filter_map(|seen| host::processor_time(seen.pid)).reduce(|one, two| one.saturating_add(two))
}

/// The entry in the environment that marks every process of a session.
pub(crate) fn mark(session: SessionId) -> String {
    format!("{MARK}={session}")
}

/// Sends a signal to exactly this process; one that has ended meanwhile is no failure.
pub(crate) fn signal(target: &Seen, signal: Signal) -> io::Result<()> {
    match host::signal(target, signal) {
        Err(rustix::io::Errno::SRCH) => Ok(()),
        answer => Ok(answer?),
    }
}

/// Sends a signal unless the number has gone to another process. Between look and signal there is a gap which only a handle
/// on the process closes.
fn signal_by_number(target: &Seen, signal: Signal) -> rustix::io::Result<()> {
    match (host::look(target.pid), as_pid(target.pid)) {
        (Ok(Some(now)), Some(pid)) if now.start == target.start => rustix::process::kill_process(pid, signal),
        _ => Ok(()),
    }
}

/// A number as the kernel takes it; `None` for those that name no single process.
fn as_pid(number: u32) -> Option<Pid> {
    i32::try_from(number).ok().filter(|raw| *raw > 1).and_then(Pid::from_raw)
}
