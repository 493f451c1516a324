//! The filter of system calls.
//!
//! It refuses what no agent, interpreter, compiler or version control needs, and what has been used to break out: it is a list of
//! what is denied, because Node alone uses more calls than any list of what is allowed would have.

use std::{collections::BTreeMap, io};

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule, apply_filter, sock_filter,
};

/// Refused as not permitted.
const DENIED: &[i64] = &[
    // Other processes: reading, steering and watching them.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_perf_event_open,
    // Mounts and roots.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    // Namespaces.
    libc::SYS_unshare,
    libc::SYS_setns,
    // Files by handle, beyond every mount.
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    // Programs in the kernel, and the kernel itself.
    libc::SYS_bpf,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_fanotify_init,
    // Keyrings are shared by all processes of a user.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
];

#[cfg(target_arch = "x86_64")]
const DENIED_HERE: &[i64] = &[
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_kexec_file_load,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
];
#[cfg(not(target_arch = "x86_64"))]
const DENIED_HERE: &[i64] = &[];

/// Refused as if this kernel did not have them: whoever uses these has another way, and takes it.
const ABSENT: &[i64] = &[
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    // Its flags lie in memory, where a filter cannot look; `clone` is used instead, whose flags are checked.
    libc::SYS_clone3,
];

/// The kinds of namespaces that `clone` could make.
const NAMESPACES: [i32; 8] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
    0x80, // CLONE_NEWTIME
];

/// Families of sockets that stay: pathnames, both versions of IP, and what tells a program its network interfaces.
const FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Numbers at and above this belong to another set of calls on x86-64, which no filter by number would see.
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

/// From here on this process and all that it starts are refused these calls.
pub(super) fn filter() -> io::Result<()> {
    // The one that is applied last is asked first; the stricter answer counts.
    let not_permitted = compile(denied().map_err(io::Error::other)?, libc::EPERM)?;
    let absent = compile(ABSENT.iter().map(|call| (*call, Vec::new())).collect(), libc::ENOSYS)?;
    for program in [absent, not_permitted] {
        apply_filter(&program).map_err(io::Error::other)?;
    }
    Ok(())
}

fn compile(rules: BTreeMap<i64, Vec<SeccompRule>>, errno: i32) -> io::Result<BpfProgram> {
    let architecture = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
    let refused = SeccompAction::Errno(errno.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, architecture);
    let program: BpfProgram = filter.map_err(io::Error::other)?.try_into().map_err(io::Error::other)?;
    Ok(prelude().into_iter().chain(program).collect())
}

/// Refuses every call of the other set. All jumps of the program behind it are relative, so it may stand in front.
#[cfg(target_arch = "x86_64")]
fn prelude() -> Vec<sock_filter> {
    let nr_offset = 0;
    let load = sock_filter { code: 0x20, jt: 0, jf: 0, k: nr_offset };
    let below = sock_filter { code: 0x35, jt: 0, jf: 1, k: X32 };
    let refuse =
        sock_filter { code: 0x06, jt: 0, jf: 0, k: libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs() };
    vec![load, below, refuse]
}

#[cfg(not(target_arch = "x86_64"))]
fn prelude() -> Vec<sock_filter> {
    Vec::new()
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn denied() -> Result<Rules, seccompiler::BackendError> {
    let mut rules: Rules = DENIED.iter().chain(DENIED_HERE).map(|call| (*call, Vec::new())).collect();
    let makes = |flag: i32| {
        let flag = u64::from(flag.unsigned_abs());
        SeccompRule::new(vec![SeccompCondition::new(0, Length::Qword, Op::MaskedEq(flag), flag)?])
    };
    rules.insert(libc::SYS_clone, NAMESPACES.into_iter().map(makes).collect::<Result<_, _>>()?);
    let is = |argument, op, value: i32| {
        SeccompCondition::new(argument, Length::Dword, op, u64::from(value.unsigned_abs()))
    };
    let other_family =
        FAMILIES.into_iter().map(|family| is(0, Op::Ne, family)).collect::<Result<Vec<_>, _>>()?;
    // Of netlink only the first protocol, routes.
    let netlink = vec![is(0, Op::Eq, libc::AF_NETLINK)?, is(2, Op::Ne, libc::NETLINK_ROUTE)?];
    rules.insert(libc::SYS_socket, vec![SeccompRule::new(other_family)?, SeccompRule::new(netlink)?]);
    // Typing into a terminal as if a person did. The kernel looks at 32 bits of the number.
    let types = [0x5412, 0x541C].map(|request| SeccompRule::new(vec![is(1, Op::Eq, request)?]));
    rules.insert(libc::SYS_ioctl, types.into_iter().collect::<Result<_, _>>()?);
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_compile_and_fit_into_the_kernel() {
        let denied = compile(denied().expect("rules"), libc::EPERM).expect("a program");
        let absent = compile(ABSENT.iter().map(|call| (*call, Vec::new())).collect(), libc::ENOSYS);
        for program in [denied, absent.expect("a program")] {
            assert!(program.len() < 4096, "{}", program.len());
        }
    }

    #[test]
    fn no_call_is_both_denied_and_absent() {
        assert!(DENIED.iter().chain(DENIED_HERE).all(|call| !ABSENT.contains(call)));
    }
}
