//! Making a place to work in out of a bare machine.

use std::{
    ffi::CString,
    fs::{self, DirBuilder},
    io,
    os::{fd::AsRawFd, unix::fs::DirBuilderExt},
};

use rustix::{
    mount::{MountFlags, mount},
    net::{AddressFamily, SocketType, socket},
};

use crate::microvm::wire::{GUEST, LIVE, LIVE_TAG};

/// How files of the host are read and written that may change on both sides: nothing of them is kept here, but what is mapped.
const LIVELY: &str = "trans=virtio,version=9p2000.L,cache=mmap,access=client,msize=524288";

/// The groups of processes.
const GROUPS: &str = "/sys/fs/cgroup";

/// The interface to the host, the first of its kind.
const INTERFACE: &[u8] = b"eth0";

/// Mounts what a system has beside its files, and connects to the host.
pub(super) fn furnish() -> io::Result<()> {
    let plain = MountFlags::NOSUID | MountFlags::NODEV;
    let mounts = [
        ("proc", "/proc", "proc", plain, ""),
        ("sysfs", "/sys", "sysfs", plain, ""),
        ("devtmpfs", "/dev", "devtmpfs", MountFlags::NOSUID, ""),
        ("tmpfs", "/tmp", "tmpfs", plain, "mode=0755"),
        ("cgroup2", GROUPS, "cgroup2", plain, ""),
        (LIVE_TAG, LIVE, "9p", plain, LIVELY),
    ];
    for (source, target, kind, flags, options) in mounts {
        let options = CString::new(options)?;
        mount(source, target, kind, flags, Some(options.as_c_str()))
            .map_err(|errno| io::Error::other(format!("mount {target}: {errno}")))?;
    }
    fs::write(format!("{GROUPS}/cgroup.subtree_control"), "+memory +pids")?;
    DirBuilder::new().mode(0o700).create(super::RECORDS)?;
    connect()
}

/// Takes what the host says for the time: the machine has no clock that runs while it is off.
pub(super) fn set_clock(seconds: i64, nanoseconds: i64) -> io::Result<()> {
    let now = rustix::time::Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    Ok(rustix::time::clock_settime(rustix::time::ClockId::Realtime, now)?)
}

/// Gives the interfaces their addresses. There is no route beyond the host, so that there is nowhere to go.
fn connect() -> io::Result<()> {
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    let set = |request: libc::Ioctl, name: &[u8], value: Value| set(socket.as_raw_fd(), request, name, value);
    set(libc::SIOCSIFFLAGS, b"lo", Value::Flags(libc::IFF_UP))?;
    set(libc::SIOCSIFADDR, INTERFACE, Value::Address(GUEST))?;
    set(libc::SIOCSIFNETMASK, INTERFACE, Value::Address([255, 255, 255, 0]))?;
    set(libc::SIOCSIFFLAGS, INTERFACE, Value::Flags(libc::IFF_UP))
}

/// What is set of an interface.
#[derive(Clone, Copy)]
enum Value {
    Flags(i32),
    Address([u8; 4]),
}

fn set(socket: i32, request: libc::Ioctl, name: &[u8], value: Value) -> io::Result<()> {
    // struct ifreq: a name of at most 16 bytes, and a union of 24.
    let mut question = [0_u8; 40];
    question.iter_mut().zip(name.iter().take(15)).for_each(|(to, from)| *to = *from);
    let value: Vec<u8> = match value {
        Value::Flags(flags) => flags.to_ne_bytes().to_vec(),
        // struct sockaddr_in: the family, no port, the address.
        Value::Address(address) => [&libc::AF_INET.to_ne_bytes()[..2], &[0; 2], &address].concat(),
    };
    question.iter_mut().skip(16).zip(value).for_each(|(to, from)| *to = from);
    #[expect(unsafe_code, reason = "neither std nor rustix sets the address of an interface")]
    // SAFETY: each of these requests reads a `struct ifreq`, which has 40 bytes, and writes nothing.
    let answer = unsafe { libc::ioctl(socket, request, question.as_ptr()) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
