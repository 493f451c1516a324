//! The process table as `ps` shows it.

use std::{
    io,
    process::{Command, Output},
};

use rustix::process::Signal;

use super::{Seen, signal_by_number};

pub(super) fn boot_id() -> io::Result<String> {
    let answer = Command::new("/usr/sbin/sysctl").args(["-n", "kern.bootsessionuuid"]).output()?;
    let id = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    if answer.status.success() && !id.is_empty() { Ok(id) } else { Err(io::ErrorKind::Unsupported.into()) }
}

pub(super) fn look(pid: u32) -> io::Result<Option<Seen>> {
    // For a number that nobody has, `ps` prints nothing and fails.
    Ok(rows(&ps(&["-p", &pid.to_string()])?).into_iter().find(|seen| seen.pid == pid))
}

pub(super) fn all() -> io::Result<Vec<Seen>> {
    let answer = ps(&["-A"])?;
    if answer.status.success() { Ok(rows(&answer)) } else { Err(io::ErrorKind::Unsupported.into()) }
}

pub(super) const fn carries(_pid: u32, _entry: &str) -> bool {
    false
}

pub(super) const fn processor_time(_pid: u32) -> Option<std::time::Duration> {
    None
}

pub(super) fn signal(target: &Seen, signal: Signal) -> rustix::io::Result<()> {
    signal_by_number(target, signal)
}

fn ps(selection: &[&str]) -> io::Result<Output> {
    // The start time is written as a local date: the same locale and zone make it comparable.
    Command::new("/bin/ps")
        .env_clear()
        .envs([("LC_ALL", "C"), ("TZ", "UTC0")])
        .args(selection)
        .args(["-o", "pid=", "-o", "ppid=", "-o", "pgid=", "-o", "stat=", "-o", "lstart="])
        .output()
}

fn rows(answer: &Output) -> Vec<Seen> {
    String::from_utf8_lossy(&answer.stdout).lines().filter_map(row).collect()
}

fn row(line: &str) -> Option<Seen> {
    let mut fields = line.split_ascii_whitespace();
    let pid = fields.next()?.parse().ok()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let ended = fields.next()?.starts_with('Z');
    let start = fields.collect::<Vec<_>>().join(" ");
    Some(Seen { pid, parent, group, start, ended })
}
