//! The process table as `/proc` shows it.

use std::{fs, io, time::Duration};

use rustix::{
    io::Errno,
    process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

use super::{Seen, as_pid, signal_by_number};

pub(super) fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

pub(super) fn look(pid: u32) -> io::Result<Option<Seen>> {
    let stat = match fs::read(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat,
        Err(e) if is_gone(&e) => return Ok(None),
        Err(e) => return Err(e),
    };
    parse(pid, &stat).map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

pub(super) fn all() -> io::Result<Vec<Seen>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        found.extend(look(pid)?);
    }
    Ok(found)
}

pub(super) fn carries(pid: u32, entry: &str) -> bool {
    // The environment of another user's process cannot be read; it is none of ours.
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|other| other == entry.as_bytes()))
}

pub(super) fn processor_time(pid: u32) -> Option<Duration> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let ticks = parse_ticks(&stat)?;
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Some(Duration::from_millis(ticks.saturating_mul(1000) / per_second))
}

/// What a process has used in user and in kernel mode, with those of its children that have ended.
fn parse_ticks(stat: &[u8]) -> Option<u64> {
    let end_of_comm = stat.iter().rposition(|byte| *byte == b')')?;
    let fields = std::str::from_utf8(stat.get(end_of_comm + 1..)?).ok()?.split_ascii_whitespace();
    fields.skip(11).take(4).map(|field| field.parse::<u64>().ok()).sum()
}

pub(super) fn signal(target: &Seen, signal: Signal) -> rustix::io::Result<()> {
    let Some(pid) = as_pid(target.pid) else { return Ok(()) };
    let handle = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(Errno::NOSYS) => return signal_by_number(target, signal),
        handle => handle?,
    };
    // The handle keeps to one process, so if that is the right one now, it is the right one when the signal arrives.
    match look(target.pid) {
        Ok(Some(now)) if now.start == target.start => pidfd_send_signal(handle, signal),
        _ => Ok(()),
    }
}

/// Reads `pid (comm) state ppid pgrp …`, where `comm` is chosen by the process and may hold spaces, parentheses and newlines.
fn parse(pid: u32, stat: &[u8]) -> Option<Seen> {
    let end_of_comm = stat.iter().rposition(|byte| *byte == b')')?;
    let mut fields = std::str::from_utf8(stat.get(end_of_comm + 1..)?).ok()?.split_ascii_whitespace();
    let state = fields.next()?;
    // A process that is just being taken out of the table is shown with group -1.
    let parent = fields.next()?.parse().ok()?;
    let group = match fields.next()? {
        "-1" => None,
        group => Some(group.parse().ok()?),
    };
    let start = fields.nth(16)?.to_owned();
    let ended = group.is_none() || matches!(state, "Z" | "X" | "x");
    Some(Seen { pid, parent, group: group.unwrap_or(0), start, ended })
}

fn is_gone(error: &io::Error) -> bool {
    // A process that ends between opening and reading its file shows as ESRCH.
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let tail = " S 1 77 77 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 1000 10";
        for comm in ["sh", "a b", ") Z 9 9", "((", "x)\n(y"] {
            let seen = parse(5, format!("5 ({comm}){tail}").as_bytes());
            let expected = Seen { pid: 5, parent: 1, group: 77, start: "123456".to_owned(), ended: false };
            assert_eq!(seen, Some(expected), "{comm:?}");
        }
        assert_eq!(parse_ticks(format!("5 (a b){tail}").as_bytes()), Some(5 + 6 + 7 + 8));
        assert_eq!(parse(5, b"5 (sh"), None);
        assert_eq!(parse(5, b"5 (sh) S 1"), None);
    }

    #[test]
    fn a_zombie_has_ended_and_so_has_one_that_has_no_group() {
        for head in ["Z 1 77", "X 1 77", "R 0 -1"] {
            let stat = format!("5 (sh) {head} 77 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 0 0");
            assert!(parse(5, stat.as_bytes()).is_some_and(|seen| seen.ended), "{head}");
        }
    }

    #[test]
    fn a_number_that_went_to_another_process_is_left_alone() {
        let mut bystander = std::process::Command::new("/bin/cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("cat runs");
        let seen = look(bystander.id()).expect("proc").expect("it lives");
        let stale = Seen { start: "0".to_owned(), ..seen };
        signal(&stale, Signal::KILL).expect("nothing to do");
        signal_by_number(&stale, Signal::KILL).expect("nothing to do");
        drop(bystander.stdin.take());
        assert!(bystander.wait().expect("its end").success());
    }
}
