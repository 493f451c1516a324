//! Using up the host.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::{
    raw::{call, number},
    run::{
        Attempt,
        Real::{Always, Host},
    },
};

/// More than the session may have in memory as files.
const SCRATCH: usize = 48 << 20;
/// More processes than it may have.
const PROCESSES: usize = 300;
/// More memory than it may have.
const MEMORY: usize = 700 << 20;

pub(crate) const ATTEMPTS: &[Attempt] = &[
    Attempt::new("fill /tmp", Always, |_| fills(Path::new("/tmp"))),
    Attempt::new("fill /dev/shm", Host, |_| fills(Path::new("/dev/shm"))),
    Attempt::new("fill its home", Always, |_| {
        let home = std::env::var_os("HOME").ok_or_else(|| io::Error::other("it has none"))?;
        fills(Path::new(&home))
    }),
    Attempt::new("allow itself core dumps", Host, |_| {
        let limit = [u64::MAX, u64::MAX];
        let kind = libc::RLIMIT_CORE as usize;
        call(libc::SYS_prlimit64, [0, kind, limit.as_ptr().addr(), 0, 0, 0]).map(drop)
    }),
    Attempt::new("allow itself a million files", Host, |_| {
        let limit = [1_000_000_u64, 1_000_000];
        let kind = libc::RLIMIT_NOFILE as usize;
        call(libc::SYS_prlimit64, [0, kind, limit.as_ptr().addr(), 0, 0, 0]).map(drop)
    }),
    Attempt::new("start hundreds of processes", Always, |_| {
        let start = || Command::new("/bin/sleep").arg("60").stdin(Stdio::null()).spawn();
        let mut children: Vec<Child> = Vec::new();
        let started = (0..PROCESSES).try_for_each(|_| start().map(|child| children.push(child)));
        for child in &mut children {
            child.kill()?;
            child.wait()?;
        }
        started
    }),
    Attempt::new("use more memory than it may", Always, |_| {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE;
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        call(libc::SYS_mmap, [0, MEMORY, number(rights), number(flags), number(-1), 0]).map(drop)
    }),
];

fn fills(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!("striatum-fill-{}", std::process::id()));
    let filled = File::create(&path).and_then(|mut file| {
        let block = vec![1; 1 << 20];
        (0..SCRATCH >> 20).try_for_each(|_| file.write_all(&block))
    });
    fs::remove_file(path)?;
    filled
}
