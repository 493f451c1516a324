//! Other processes, and what processes share.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::fd::AsRawFd,
    process::ExitCode,
};

use crate::{
    raw::{at, call, number, only_if, text},
    run::{
        Attempt,
        Real::{Always, Host, Root},
    },
};

pub(crate) const ATTEMPTS: &[Attempt] = &[
    Attempt::new("see a process", Always, |_| {
        let processes = fs::read_dir("/proc")?.flatten();
        let mut lines = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
        only_if(lines.any(|line| line.windows(7).any(|part| part == b"\0victim")), "it is not there")
    }),
    Attempt::new("read the environment of a process", Always, |lures| {
        let environ = fs::read(format!("/proc/{}/environ", lures.victim))?;
        only_if(String::from_utf8_lossy(&environ).contains(&lures.secret), "it is another process")
    }),
    Attempt::new("read the environment of its parent", Always, |_| {
        let environ = fs::read(format!("/proc/{}/environ", std::os::unix::process::parent_id()))?;
        // The one above its parent may be the host's.
        let above = fs::read_to_string(format!("/proc/{}/stat", std::os::unix::process::parent_id()))?;
        let above = above
            .rsplit(')')
            .next()
            .and_then(|rest| rest.split_ascii_whitespace().nth(1))
            .unwrap_or("0")
            .to_owned();
        let higher = fs::read(format!("/proc/{above}/environ"))?;
        let host = [environ, higher].concat();
        let host = String::from_utf8_lossy(&host);
        // What cargo sets for a test, and what the test sets for a run without walls.
        let told = ["ESCAPE_HOST=", "CARGO_MANIFEST_DIR="].iter().any(|name| host.contains(name));
        only_if(told, "nothing of the host's")
    }),
    Attempt::new("read the memory of a process", Always, |lures| {
        let mut memory = File::open(format!("/proc/{}/mem", lures.victim))?;
        memory.seek(SeekFrom::Start(lures.address as u64))?;
        let mut bytes = vec![0; lures.secret.len()];
        memory.read_exact(&mut bytes)?;
        only_if(bytes == lures.secret.as_bytes(), "it is another process")
    }),
    Attempt::new("read the memory of a process by a call", Always, |lures| {
        let mut bytes = vec![0_u8; lures.secret.len()];
        let ours = [bytes.as_mut_ptr().addr(), bytes.len()];
        let theirs = [lures.address, bytes.len()];
        let arguments = [number(lures.victim), ours.as_ptr().addr(), 1, theirs.as_ptr().addr(), 1, 0];
        call(libc::SYS_process_vm_readv, arguments)?;
        only_if(bytes == lures.secret.as_bytes(), "it is another process")
    }),
    Attempt::new("trace a process", Always, |lures| {
        call(libc::SYS_ptrace, [libc::PTRACE_SEIZE as usize, number(lures.victim), 0, 0, 0, 0]).map(drop)
    }),
    Attempt::new("trace the process above it", Always, |_| {
        let parent = std::os::unix::process::parent_id() as usize;
        call(libc::SYS_ptrace, [libc::PTRACE_SEIZE as usize, parent, 0, 0, 0, 0]).map(drop)
    }),
    Attempt::new("signal a process", Always, |lures| {
        call(libc::SYS_kill, [number(lures.victim), 0, 0, 0, 0, 0]).map(drop)
    }),
    Attempt::new("take hold of a process", Always, |lures| {
        call(libc::SYS_pidfd_open, [number(lures.victim), 0, 0, 0, 0, 0]).map(drop)
    }),
    Attempt::new("take a descriptor of a process", Always, |lures| {
        let process = call(libc::SYS_pidfd_open, [number(lures.victim), 0, 0, 0, 0, 0])?;
        let process = usize::try_from(process).unwrap_or_default();
        call(libc::SYS_pidfd_getfd, [process, number(lures.descriptor), 0, 0, 0, 0]).map(drop)
    }),
    Attempt::new("take a descriptor of the process above it", Always, |_| {
        let parent = std::os::unix::process::parent_id() as usize;
        let process = call(libc::SYS_pidfd_open, [parent, 0, 0, 0, 0, 0])?;
        call(libc::SYS_pidfd_getfd, [usize::try_from(process).unwrap_or_default(), 0, 0, 0, 0, 0]).map(drop)
    }),
    Attempt::new("change the limits of a process", Always, |lures| {
        let mut limit = [0_u64; 2];
        let kind = libc::RLIMIT_NOFILE as usize;
        call(libc::SYS_prlimit64, [number(lures.victim), kind, 0, limit.as_mut_ptr().addr(), 0, 0]).map(drop)
    }),
    Attempt::new("see where a process works", Always, |lures| {
        fs::read_link(format!("/proc/{}/cwd", lures.victim)).map(drop)
    }),
    Attempt::new("enter the network of a process", Root, |lures| {
        let namespace = File::open(format!("/proc/{}/ns/net", lures.victim))?;
        call(libc::SYS_setns, [number(namespace.as_raw_fd()), 0, 0, 0, 0, 0]).map(drop)
    }),
    Attempt::new("compare itself with a process", Host, |lures| {
        call(libc::SYS_kcmp, [std::process::id() as usize, number(lures.victim), 0, 0, 0, 0]).map(drop)
    }),
    Attempt::new("find shared memory", Always, |lures| {
        call(libc::SYS_shmget, [number(lures.key), 0, 0, 0, 0, 0]).map(drop)
    }),
    Attempt::new("find a queue of messages", Always, |lures| {
        call(libc::SYS_msgget, [number(lures.key), 0, 0, 0, 0, 0]).map(drop)
    }),
    Attempt::new("find a set of semaphores", Always, |lures| {
        call(libc::SYS_semget, [number(lures.key), 0, 0, 0, 0, 0]).map(drop)
    }),
    Attempt::new("open a named queue", Always, |lures| {
        let name = text(queue(lures.key));
        call(libc::SYS_mq_open, [at(&name), number(libc::O_RDONLY), 0, 0, 0, 0]).map(drop)
    }),
    Attempt::new("open named shared memory", Always, |lures| {
        File::open(format!("/dev/shm/{}", queue(lures.key))).map(drop)
    }),
    Attempt::new("learn the host's name", Always, |lures| {
        let name = fs::read_to_string("/proc/sys/kernel/hostname")?;
        only_if(name.trim() == lures.hostname, "it has another")
    }),
    Attempt::new("type into a terminal", Host, |_| {
        let terminal = File::options().read(true).write(true).open("/dev/ptmx")?;
        // TIOCSTI, on a terminal of its own: what is refused here is refused everywhere.
        let letter = b'x';
        let address = (&raw const letter).addr();
        call(libc::SYS_ioctl, [number(terminal.as_raw_fd()), 0x5412, address, 0, 0, 0]).map(drop)
    }),
    Attempt::new("gain privileges by running a program", Always, |_| {
        let set = call(libc::SYS_prctl, [number(libc::PR_GET_NO_NEW_PRIVS), 0, 0, 0, 0, 0])?;
        only_if(set == 0, "it never can")
    }),
];

fn queue(key: i32) -> String {
    format!("striatum-{key}")
}

/// A process that others would like to get at: says where, and waits for the end of its input.
pub(crate) fn victim(secret: &str, file: &str, key: &str) -> io::Result<ExitCode> {
    let key: i32 = key.parse().map_err(io::Error::other)?;
    let open = File::open(file)?;
    let secret = secret.to_owned();
    let create = number(libc::IPC_CREAT | 0o666);
    let memory = call(libc::SYS_shmget, [number(key), 4096, create, 0, 0, 0])?;
    let messages = call(libc::SYS_msgget, [number(key), create, 0, 0, 0, 0])?;
    let semaphores = call(libc::SYS_semget, [number(key), 1, create, 0, 0, 0])?;
    let name = text(queue(key));
    call(libc::SYS_mq_open, [at(&name), number(libc::O_RDWR | libc::O_CREAT), 0o666, 0, 0, 0])?;
    let named = format!("/dev/shm/{}", queue(key));
    fs::write(&named, "")?;
    let mut out = io::stdout().lock();
    writeln!(out, "{} {}", secret.as_ptr().addr(), open.as_raw_fd())?;
    out.flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    let remove = number(libc::IPC_RMID);
    let id = |id: i64| usize::try_from(id).unwrap_or_default();
    call(libc::SYS_shmctl, [id(memory), remove, 0, 0, 0, 0])?;
    call(libc::SYS_msgctl, [id(messages), remove, 0, 0, 0, 0])?;
    call(libc::SYS_semctl, [id(semaphores), 0, remove, 0, 0, 0])?;
    call(libc::SYS_mq_unlink, [at(&name), 0, 0, 0, 0, 0])?;
    fs::remove_file(named)?;
    Ok(ExitCode::SUCCESS)
}
