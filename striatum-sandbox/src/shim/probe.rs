//! Inside the walls: trying them. What this reports is what was measured, not what was asked for.

use std::{
    ffi::OsString,
    fs, io,
    net::{SocketAddr, TcpStream, UdpSocket},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

use crate::environment::MARK;

/// What there is on the host to be reached.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Bait {
    /// A file that its user may read and write.
    pub(crate) file: PathBuf,
    /// A socket on which somebody listens.
    pub(crate) socket: PathBuf,
    /// An address on the loopback on which somebody listens.
    pub(crate) address: SocketAddr,
    /// A process.
    pub(crate) process: i32,
}

/// What could be done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reached {
    /// By dimension, in words.
    pub(crate) file_system: Vec<String>,
    pub(crate) network: Vec<String>,
    pub(crate) processes: Vec<String>,
    pub(crate) system_calls: Vec<String>,
    pub(crate) credentials: Vec<String>,
}

/// Prints what could be done as JSON and ends; returns only what went wrong.
pub(super) fn report(mut arguments: impl Iterator<Item = OsString>) -> io::Error {
    let print = |question: OsString| -> io::Result<()> {
        let bait: Bait = serde_json::from_slice(question.as_encoded_bytes())?;
        serde_json::to_writer(io::stdout(), &attempt(&bait))?;
        Ok(())
    };
    match arguments.next().ok_or_else(|| io::Error::other("there is no question")).and_then(print) {
        Ok(()) => std::process::exit(0),
        Err(error) => error,
    }
}

/// Tries everything.
pub(crate) fn attempt(bait: &Bait) -> Reached {
    let mut reached = Reached::default();
    let mut note = |list: fn(&mut Reached) -> &mut Vec<String>, could: bool, what: &str| {
        if could {
            list(&mut reached).push(what.to_owned());
        }
    };
    note(|it| &mut it.file_system, fs::read(&bait.file).is_ok(), "read a file of the host");
    note(|it| &mut it.file_system, writes(&bait.file), "write a file of the host");
    note(|it| &mut it.file_system, fs::write("/usr/striatum-probe", b"").is_ok(), "write to /usr");
    note(|it| &mut it.file_system, fs::write("/striatum-probe", b"").is_ok(), "write to /");
    note(|it| &mut it.file_system, fs::read_dir("/proc/1/root/").is_ok(), "walk the root of another process");

    let patience = Duration::from_millis(500);
    note(
        |it| &mut it.network,
        TcpStream::connect_timeout(&bait.address, patience).is_ok(),
        "connect to the host's loopback",
    );
    note(|it| &mut it.network, UnixStream::connect(&bait.socket).is_ok(), "connect to a socket of the host");
    note(|it| &mut it.network, sends(), "send a datagram");
    let interfaces = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let others = interfaces.lines().skip(2).filter(|line| !line.trim_start().starts_with("lo:")).count();
    note(|it| &mut it.network, others > 0, "see a network interface beside its own loopback");

    // Small numbers are those of the sandbox itself.
    let host = Pid::from_raw(bait.process).filter(|_| bait.process > 8);
    let same = host.is_some_and(|host| test_kill_process(host).is_ok());
    note(|it| &mut it.processes, same, "signal a process of the host");
    note(|it| &mut it.processes, visible() > 8, "see processes of the host");

    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| status.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()));
    note(
        |it| &mut it.system_calls,
        field("NoNewPrivs:").as_deref() != Some("1"),
        "gain privileges by running a program",
    );
    note(|it| &mut it.system_calls, field("Seccomp:").as_deref() != Some("2"), "make any system call");
    let capable = field("CapEff:").is_none_or(|set| set.bytes().any(|digit| digit != b'0'));
    note(|it| &mut it.system_calls, capable, "use capabilities");
    for call in ["keyctl", "unshare", "io_uring_setup"] {
        note(|it| &mut it.system_calls, is_let_through(call), &format!("call {call}"));
    }
    let named = ["PATH", "HOME", "TMPDIR", MARK];
    let is_named = |name: &[u8]| named.iter().any(|known| known.as_bytes() == name);
    let inherited = std::env::vars_os().any(|(name, _)| !is_named(name.as_encoded_bytes()));
    note(|it| &mut it.credentials, inherited, "find a variable that nobody named");
    let environ = fs::read("/proc/1/environ").unwrap_or_default();
    let mut names =
        environ.split(|byte| *byte == 0).filter_map(|entry| entry.split(|byte| *byte == b'=').next());
    let others = names.any(|name| !name.is_empty() && !is_named(name));
    note(|it| &mut it.credentials, others, "read the environment of another process");
    reached
}

fn writes(path: &Path) -> bool {
    fs::OpenOptions::new().append(true).open(path).is_ok()
}

/// To an address that is kept for documentation: nobody gets it.
fn sends() -> bool {
    let sent = UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.send_to(b"striatum", "192.0.2.1:9"));
    sent.is_ok()
}

fn visible() -> usize {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit)).count()
}

/// Makes a call that changes nothing, whatever the answer: the filter's answers differ from the kernel's own.
fn is_let_through(call: &str) -> bool {
    let (number, refused) = match call {
        // KEYCTL_GET_KEYRING_ID of the session's keyring.
        "keyctl" => (libc::SYS_keyctl, libc::EPERM),
        "unshare" => (libc::SYS_unshare, libc::EPERM),
        _ => (libc::SYS_io_uring_setup, libc::ENOSYS),
    };
    #[expect(unsafe_code, reason = "a raw call is the only way to ask whether the filter lets it through")]
    // SAFETY: with these arguments none of the three calls reads or writes memory: the numbers name no key, no namespace and no
    // ring, and the addresses are null.
    let answer = unsafe { libc::syscall(number, 0_usize, 0_usize, 0_usize, 0_usize, 0_usize) };
    !(answer == -1 && io::Error::last_os_error().raw_os_error() == Some(refused))
}
