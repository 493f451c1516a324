//! The program that makes containers.

use std::{
    env,
    ffi::OsString,
    fmt,
    fs::File,
    io,
    os::unix::{net::UnixStream, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::{
    net::sockopt::socket_peercred,
    process::{Pid, PidfdFlags, Resource, getrlimit, pidfd_open},
};
use striatum_core::sandbox::{Access, Exit, SandboxError, SandboxErrorKind};

use super::place::{self, Place, is_ready};
use crate::{
    child::Leader,
    environment::MARK,
    failure::failed,
    folder::Folder,
    installed::Wanted,
    namespaces::{
        cgroup::Group,
        root::{AGENT, HOME, NAME, Piece, Root, SCRATCH, SHIM, Shown},
        start::{First, Footing, Launched, PATIENCE, complaint},
    },
    process::ProcessRecord,
    shim::{
        CALL,
        keep::CONTROL,
        order::{Ended, Order, receive},
    },
};

/// The oldest version that names the user whom an ordinary user is inside.
const OLDEST: (u32, u32) = (4, 3);

const PODMAN: Wanted = Wanted {
    called: "podman",
    file: "podman",
    remedy: "install it with: apt-get install podman crun uidmap (dnf, apk, zypper and pacman have packages of these names too); \
             docker is not used in its place, since its containers are its service's and not ours to end",
};

/// A number that no user of the host has: what the first user of a container is outside, while it is made.
const NOBODY: u32 = 100_000;

/// The processes of a container beside the agent's: its first one, and what prepares it.
const OWN_PROCESSES: u64 = 64;

/// The engine, as it was found.
#[derive(Debug, Clone)]
pub(super) struct Engine {
    program: PathBuf,
    version: String,
}

impl Engine {
    /// Where podman is, and its version.
    ///
    /// # Errors
    /// [`SandboxErrorKind::Unavailable`].
    pub(super) fn find(given: Option<PathBuf>) -> Result<Self, SandboxError> {
        let (program, version) = PODMAN.find_at_least(OLDEST, given, "podman version ")?;
        Ok(Self { program, version })
    }

    /// Has podman start a container, and returns once it has.
    fn run(
        &self,
        footing: &Footing,
        place: &Place,
        arguments: Vec<OsString>,
        log: &Path,
    ) -> Result<(), SandboxError> {
        let ran = || -> io::Result<ExitStatus> {
            let path = env::var_os("PATH").unwrap_or_default();
            let settings = place.configure(&path.to_string_lossy())?;
            let mut podman = Command::new(&footing.shim)
                .args([CALL, "engine", &std::process::id().to_string(), "", "0"])
                .arg(&self.program)
                .args(arguments)
                .env_clear()
                .env("PATH", path)
                .env("HOME", place.at("home"))
                .env("TMPDIR", place.at("tmp"))
                .env("XDG_RUNTIME_DIR", place.run())
                .env("CONTAINERS_CONF", settings)
                .env(MARK, &footing.mark)
                .current_dir("/")
                .process_group(0)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(File::create(log)?)
                .spawn()?;
            let in_time = await_end(Pid::from_child(&podman), Some(PATIENCE));
            if !matches!(in_time, Ok(true)) {
                podman.kill()?;
            }
            podman.wait()
        };
        match ran() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => {
                let complaint = format!("{status}: {}", complaint(log));
                let error = SandboxError::new(SandboxErrorKind::Unavailable, "start a container by podman");
                Err(error.with_remedy(remedy_for(&complaint)).because(complaint))
            }
            Err(error) => Err(failed("run podman")(error)),
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "podman {}", self.version)
    }
}

impl First for Engine {
    fn launch(
        &self,
        footing: Footing,
        root: &Root,
        order: Order,
    ) -> Result<(Leader, Launched), SandboxError> {
        let prepared = || failed("prepare the start of a container");
        let pieces = root.pieces();
        refuse_colons(&footing.folder, &pieces)?;
        let place = Place::make(&footing, &pieces).map_err(prepared())?;
        let log = footing.folder.path().join(format!("podman{}.log", footing.suffix));
        let entrances = footing.group.as_ref().map(Group::entrances).unwrap_or_default();
        let entrances = entrances.iter().map(|entrance| File::options().write(true).open(entrance));
        let entrances = entrances.collect::<io::Result<_>>().map_err(prepared())?;
        let door = place.listen().map_err(prepared())?;
        self.run(&footing, &place, arguments(&footing, &place, root, &pieces, order.processes), &log)?;
        let connect = || -> io::Result<(UnixStream, UnixStream)> {
            Ok((door.accept(PATIENCE)?, door.accept(PATIENCE)?))
        };
        let (life, control) = connect().map_err(|error| {
            SandboxError::new(SandboxErrorKind::Unavailable, "hear from the shim in a container")
                .with_remedy(
                    "check that the shim calls `main_if_shim` first, and that its libraries lie in /usr",
                )
                .because(format!("{error}: {}", complaint(&log)))
        })?;
        drop(door);
        let Footing { folder, suffix, group, .. } = footing;
        let adopted = || -> io::Result<Leader> {
            let pid = socket_peercred(&life)?.pid;
            let record = ProcessRecord::of(pid.as_raw_nonzero().get().unsigned_abs())?;
            folder.write_process(&suffix, &record)?;
            Leader::adopt(record, folder, suffix, move || end(pid, &life), group)
        };
        let leader = adopted().map_err(failed("put a process on record"))?;
        Ok((leader, Launched::new(order, control, log, entrances).map_err(prepared())?))
    }

    fn sweep(&self, folder: &Folder) {
        place::sweep(folder);
    }
}

/// Waits for the end of a container, by its first process.
fn end(pid: Pid, life: &UnixStream) -> Exit {
    let told = receive::<Ended>(life);
    // Its end comes after that of all others.
    let _gone = await_end(pid, None);
    match told {
        Ok(Some((Ended { exit }, _))) => exit,
        _ => Exit::Signal(libc::SIGKILL),
    }
}

/// Whether a process has ended, within this time.
fn await_end(pid: Pid, patience: Option<Duration>) -> io::Result<bool> {
    is_ready(pidfd_open(pid, PidfdFlags::empty())?, patience)
}

fn refuse_colons(folder: &Folder, pieces: &[Piece]) -> Result<(), SandboxError> {
    let sources = pieces.iter().filter_map(|piece| match piece {
        Piece::Bind(Shown { source, .. }) => Some(source.as_path()),
        Piece::Link { .. } => None,
    });
    let mut paths = pieces.iter().map(Piece::at).chain(sources).chain([folder.path()]);
    match paths.find(|path| path.as_os_str().as_encoded_bytes().contains(&b':')) {
        Some(path) => {
            let doing = format!("show {} in a container: its path has a colon", path.display());
            Err(SandboxError::new(SandboxErrorKind::MountRefused, doing)
                .with_remedy("move it to a path without one, or use namespaces"))
        }
        None => Ok(()),
    }
}

fn arguments(
    footing: &Footing,
    place: &Place,
    root: &Root,
    pieces: &[Piece],
    processes: u64,
) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    let mut add = |name: &str, value: &dyn AsRef<std::ffi::OsStr>| {
        arguments.extend([name.into(), value.as_ref().to_owned()])
    };
    add("--root", &place.at("storage"));
    add("--tmpdir", &place.at("tmp"));
    add("--runroot", &place.run());
    add("--storage-driver", &"vfs");
    add("--log-level", &"error");
    add("--runtime", &"crun");
    let mut flag = OsString::from("root=");
    flag.push(place.at("crun"));
    add("--runtime-flag", &flag);
    add("run", &"--detach");
    add("--name", &format!("striatum-{}{}", footing.mark, footing.suffix));
    add("--log-driver", &"passthrough");
    for name in ["--pid", "--uts", "--cgroupns"] {
        add(name, &"private");
    }
    for name in ["--network", "--ipc"] {
        add(name, &"none");
    }
    add("--cgroups", &"disabled");
    for (name, value) in users() {
        add(name, &value);
    }
    add("--user", &format!("{AGENT}:{AGENT}"));
    add("--cap-drop", &"all");
    add("--security-opt", &"no-new-privileges");
    // Labels of system folders are not for containers; the walls do not rest on them.
    add("--security-opt", &"label=disable");
    add("--hostname", &NAME);
    add("--env", &format!("{MARK}={}", footing.mark));
    let host = |resource| getrlimit(resource).maximum.unwrap_or(u64::MAX);
    for (name, most) in [
        ("nofile", host(Resource::Nofile).min(65_536)),
        ("nproc", host(Resource::Nproc).min(processes.saturating_add(OWN_PROCESSES))),
    ] {
        add("--ulimit", &format!("{name}={most}:{most}"));
    }
    let size = root.scratch_bytes();
    for folder in SCRATCH {
        let mode = if folder == HOME { "0700,U" } else { "1777" };
        add("--tmpfs", &format!("{folder}:rw,exec,nosuid,nodev,notmpcopyup,size={size},mode={mode}"));
    }
    // What engines show there tells of the host. They would make the one in the other.
    for folder in ["/sys", "/sys/fs/cgroup"] {
        add("--tmpfs", &format!("{folder}:ro,noexec,nosuid,nodev,notmpcopyup,size=4k,mode=0000"));
    }
    for piece in pieces {
        if let Piece::Bind(Shown { source, at, access }) = piece {
            let access = if *access == Access::Write { "rw" } else { "ro" };
            add("--volume", &volume(source, at, access));
        }
    }
    let control = Path::new(CONTROL).parent().unwrap_or(Path::new("/"));
    add("--volume", &volume(&place.control(), control, "ro"));
    arguments.extend(
        ["--rm", "--read-only", "--read-only-tmpfs=false", "--no-hosts", "--http-proxy=false", "--rootfs"]
            .map(OsString::from),
    );
    arguments.push(place.root().into());
    arguments.extend([SHIM, CALL, "keep"].map(OsString::from));
    arguments
}

/// An agent is the present user outside, without any right but the user's, and nobody in particular inside.
fn users() -> Vec<(&'static str, String)> {
    if !rustix::process::geteuid().is_root() {
        return vec![("--userns", format!("keep-id:uid={AGENT},gid={AGENT}"))];
    }
    let (first, agent) = (format!("0:{NOBODY}:1"), format!("{AGENT}:0:1"));
    ["--uidmap", "--gidmap"]
        .into_iter()
        .flat_map(|name| [(name, first.clone()), (name, agent.clone())])
        .collect()
}

fn volume(source: &Path, at: &Path, access: &str) -> OsString {
    let mut volume = source.as_os_str().to_owned();
    volume.push(":");
    volume.push(at);
    volume.push(":");
    volume.push(access);
    volume
}

/// What to do about a complaint of podman.
fn remedy_for(complaint: &str) -> &'static str {
    let names = |words: &[&str]| words.iter().any(|word| complaint.contains(word));
    if names(&["subuid", "subgid", "newuidmap", "newgidmap", "uid_map", "insufficient UIDs"]) {
        "give this user further numbers: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 NAME, and \
         install newuidmap with: apt-get install uidmap"
    } else if names(&["hybrid mode"]) {
        "boot with one version of control groups (systemd.unified_cgroup_hierarchy=1), or run as the administrator"
    } else if names(&["default OCI runtime", "crun: executable file", "\"crun\" not found"]) {
        "install crun with: apt-get install crun"
    } else {
        "see the cause"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_podman_is_refused_with_the_command_that_installs_it() {
        for wrong in ["/nowhere/podman", "/etc/passwd", "/bin/true"] {
            let error = Engine::find(Some(wrong.into())).expect_err(wrong);
            assert_eq!(error.kind, SandboxErrorKind::Unavailable, "{wrong}");
            assert!(error.remedy.expect("a remedy").contains("apt-get install podman"), "{wrong}");
        }
    }
}
