//! System calls that open the kernel wide.

use std::{fs, io};

use crate::{
    raw::{at, call, number, only_if, text, unless_refused},
    run::{
        Attempt,
        Real::{Always, Host, Root},
    },
};

pub(crate) const ATTEMPTS: &[Attempt] = &[
    Attempt::new("make a namespace of users", Always, |_| {
        call(libc::SYS_unshare, [number(libc::CLONE_NEWUSER), 0, 0, 0, 0, 0]).map(drop)
    }),
    Attempt::new("make a process in a namespace of users", Always, |_| {
        born(call(libc::SYS_clone, [number(libc::CLONE_NEWUSER | libc::SIGCHLD), 0, 0, 0, 0, 0]))
    }),
    Attempt::new("make a process in a namespace of mounts", Root, |_| {
        born(call(libc::SYS_clone, [number(libc::CLONE_NEWNS | libc::SIGCHLD), 0, 0, 0, 0, 0]))
    }),
    Attempt::new("make a process in a namespace by the newer call", Always, |_| {
        // struct clone_args: flags first, the signal at the end fifth.
        let mut arguments = [0_u64; 11];
        arguments[0] = u64::from(libc::CLONE_NEWUSER.unsigned_abs());
        arguments[4] = u64::from(libc::SIGCHLD.unsigned_abs());
        born(call(libc::SYS_clone3, [arguments.as_ptr().addr(), 64, 0, 0, 0, 0]))
    }),
    Attempt::new("use the user's keyring", Always, |_| {
        // KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, create.
        call(libc::SYS_keyctl, [0, number(-4), 1, 0, 0, 0]).map(drop)
    }),
    Attempt::new("put a key into a keyring", Always, |_| {
        let (kind, name, value) = (text("user"), text("striatum-escape"), text("x"));
        // KEY_SPEC_PROCESS_KEYRING goes with the process.
        call(libc::SYS_add_key, [at(&kind), at(&name), at(&value), 1, number(-2), 0]).map(drop)
    }),
    Attempt::new("ask for somebody's key", Host, |_| {
        let (kind, name) = (text("user"), text("striatum-nobodys"));
        match call(libc::SYS_request_key, [at(&kind), at(&name), 0, 0, 0, 0]) {
            Err(error) if error.raw_os_error() == Some(libc::ENOKEY) => Ok(()),
            answer => answer.map(drop),
        }
    }),
    Attempt::new("set up a ring of calls", Host, |_| {
        let mut parameters = [0_u8; 120];
        call(libc::SYS_io_uring_setup, [4, parameters.as_mut_ptr().addr(), 0, 0, 0, 0]).map(drop)
    }),
    Attempt::new("load a program into the kernel", Root, |_| {
        // BPF_MAP_CREATE: an array of one number.
        let attributes = [2_u32, 4, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        call(libc::SYS_bpf, [0, attributes.as_ptr().addr(), 64, 0, 0, 0]).map(drop)
    }),
    Attempt::new("watch events of the machine", Host, |_| {
        // PERF_TYPE_SOFTWARE, PERF_ATTR_SIZE_VER0, PERF_COUNT_SW_TASK_CLOCK.
        let mut attributes = [0_u32; 32];
        attributes[0] = 1;
        attributes[1] = 64;
        attributes[2] = 1;
        call(libc::SYS_perf_event_open, [attributes.as_ptr().addr(), 0, number(-1), number(-1), 0, 0])
            .map(drop)
    }),
    Attempt::new("handle faults of memory", Host, |_| {
        call(libc::SYS_userfaultfd, [number(libc::O_CLOEXEC), 0, 0, 0, 0, 0]).map(drop)
    }),
    Attempt::new("load a module", Host, |_| {
        let none = text("");
        unless_refused(call(libc::SYS_finit_module, [number(-1), at(&none), 0, 0, 0, 0]))
    }),
    Attempt::new("load another kernel", Host, |_| {
        unless_refused(call(libc::SYS_kexec_load, [0, 0, 0, usize::MAX, 0, 0]))
    }),
    Attempt::new("restart the machine", Root, |_| {
        // The magic numbers are wrong, which only those are told who might.
        unless_refused(call(libc::SYS_reboot, [0, 0, 0, 0, 0, 0]))
    }),
    Attempt::new("swap to a file", Root, |_| {
        let path = text("/nowhere/swap");
        unless_refused(call(libc::SYS_swapon, [at(&path), 0, 0, 0, 0, 0]))
    }),
    Attempt::new("read the kernel's messages", Root, |_| {
        // SYSLOG_ACTION_SIZE_UNREAD.
        call(libc::SYS_syslog, [9, 0, 0, 0, 0, 0]).map(drop)
    }),
    Attempt::new("watch every file", Host, |_| {
        // FAN_CLASS_NOTIF | FAN_REPORT_FID.
        call(libc::SYS_fanotify_init, [0x200, 0, 0, 0, 0, 0]).map(drop)
    }),
    Attempt::new("use capabilities", Root, |_| {
        let status = fs::read_to_string("/proc/self/status")?;
        let set = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap_or("0");
        only_if(set.trim().bytes().any(|digit| digit != b'0'), "it has none")
    }),
    Attempt::new("regain capabilities", Root, |_| {
        let status = fs::read_to_string("/proc/self/status")?;
        let set = status.lines().find_map(|line| line.strip_prefix("CapBnd:")).unwrap_or("0");
        only_if(set.trim().bytes().any(|digit| digit != b'0'), "it never can")
    }),
    Attempt::new("be the administrator", Root, |_| {
        call(libc::SYS_setresuid, [0, 0, 0, 0, 0, 0])?;
        let uid = call(libc::SYS_getuid, [0; 6])?;
        only_if(uid == 0, "it is not")
    }),
    Attempt::new("leave its groups", Root, |_| call(libc::SYS_setgroups, [0, 0, 0, 0, 0, 0]).map(drop)),
    Attempt::new("rename the host", Root, |_| {
        let name = fs::read_to_string("/proc/sys/kernel/hostname")?;
        let name = text(name.trim());
        call(libc::SYS_sethostname, [at(&name), name.as_bytes().len(), 0, 0, 0, 0]).map(drop)
    }),
    #[cfg(target_arch = "x86_64")]
    Attempt::new("make calls of another set", Host, |_| {
        call(0x4000_0000 | libc::SYS_getpid, [0; 6]).map(drop)
    }),
    #[cfg(target_arch = "x86_64")]
    Attempt::new("change its segments", Host, |_| call(libc::SYS_modify_ldt, [0, 0, 0, 0, 0, 0]).map(drop)),
    #[cfg(target_arch = "x86_64")]
    Attempt::new("talk to ports of the machine", Host, |_| {
        call(libc::SYS_iopl, [3, 0, 0, 0, 0, 0]).map(drop)
    }),
];

/// The parent goes on; the child is gone at once.
fn born(answer: io::Result<i64>) -> io::Result<()> {
    match answer {
        Ok(0) => std::process::exit(0),
        answer => answer.map(drop),
    }
}
