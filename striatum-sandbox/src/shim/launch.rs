//! Outside the walls: becoming bubblewrap, with nothing inherited, and with an end that is tied to the host program's.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::{
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    process::{Resource, Rlimit, Signal, geteuid, getppid, setrlimit},
    thread::UnshareFlags,
};

use super::descriptors::{Heed, Others, heed_termination, keep_streams_only};

/// Where control groups are.
const GROUPS: &str = "/sys/fs/cgroup";

/// The arguments: the number of the host program; who bubblewrap shall run as, or nothing; how many cgroups follow; these, each as the file to which a process writes
/// itself; bubblewrap, and its arguments. Returns only what went wrong.
pub(super) fn launch(arguments: impl Iterator<Item = OsString>) -> io::Error {
    match prepare(arguments) {
        Ok(mut command) => command.exec(),
        Err(error) => error,
    }
}

/// The same, becoming an engine of containers.
pub(super) fn engine(arguments: impl Iterator<Item = OsString>) -> io::Error {
    match prepare(arguments).and_then(|command| apart().map(|()| command)) {
        Ok(mut command) => command.exec(),
        Err(error) => error,
    }
}

/// What the administrator's engine mounts is not mounted on the host. It finds no control groups where there are two versions of
/// them: crun refuses to run beside both, and has no use for either.
fn apart() -> io::Result<()> {
    if !geteuid().is_root() {
        // Engines of ordinary users do so by themselves.
        return Ok(());
    }
    #[expect(unsafe_code, reason = "the call is unsafe for those that share descriptors with other threads")]
    // SAFETY: there is one thread, and descriptors stay shared.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
    if Path::new(GROUPS).join("unified").exists() {
        mount("none", GROUPS, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, None)?;
    }
    Ok(())
}

fn prepare(mut arguments: impl Iterator<Item = OsString>) -> io::Result<Command> {
    let malformed = || io::Error::other("the call of the launcher is not sound");
    let mut next = || arguments.next().ok_or_else(malformed)?.into_string().map_err(|_| malformed());
    let (host, user, groups) = (next()?, next()?, next()?);
    let host: i32 = host.parse().map_err(io::Error::other)?;
    let groups: usize = groups.parse().map_err(io::Error::other)?;
    keep_streams_only(Others::Close)?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have died before the signal was asked for.
    if getppid().is_none_or(|parent| parent.as_raw_nonzero().get() != host) {
        return Err(io::Error::other("the host program is gone"));
    }
    // A request to end goes to everything that carries the session's mark; only the agent is to follow it. When the agent has
    // ended bubblewrap ends by itself.
    heed_termination(Heed::No)?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    for _ in 0..groups {
        let group = PathBuf::from(arguments.next().ok_or_else(malformed)?);
        fs::write(&group, b"0")?;
    }
    let mut command = Command::new(arguments.next().ok_or_else(malformed)?);
    command.args(arguments);
    if !user.is_empty() {
        let user = user.parse().map_err(io::Error::other)?;
        command.uid(user).gid(user);
    }
    Ok(command)
}
