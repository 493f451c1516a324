//! The program that makes machines.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use rustix::fs::{Access, access};
use striatum_core::sandbox::SandboxError;

use crate::installed::Wanted;

const QEMU: Wanted = Wanted {
    called: "qemu",
    file: "qemu-system-x86_64",
    remedy: "install it with: apt-get install qemu-system-x86 (dnf: qemu-system-x86-core, apk: qemu-system-x86_64)",
};

/// The device through which the kernel gives the processor away.
pub(super) const KVM: &str = "/dev/kvm";

/// Where the hypervisor is, and its version.
///
/// # Errors
/// [`SandboxErrorKind::Unavailable`](striatum_core::sandbox::SandboxErrorKind::Unavailable).
pub(super) fn find(given: Option<PathBuf>) -> Result<(PathBuf, String), SandboxError> {
    let (program, answer) = QEMU.find(given)?;
    let version = answer.lines().next().and_then(|line| line.strip_prefix("QEMU emulator version "));
    match version.and_then(|version| version.split_whitespace().next()) {
        Some(version) => Ok((program, version.to_owned())),
        None => Err(QEMU.missing(format!("use {}, which does not say that it is qemu", program.display()))),
    }
}

/// Whether it is worth trying whether the processor can be had: only a guest that ran is a proof.
pub(super) fn may_have_kvm() -> bool {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = cpu.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    let virtual_machines = flags.split_ascii_whitespace().any(|flag| flag == "vmx" || flag == "svm");
    virtual_machines && access(KVM, Access::READ_OK | Access::WRITE_OK).is_ok()
}

/// How many thousand times a second the counter of the processor counts: an emulated machine sees the host's, and has no other clock
/// to learn this by.
pub(super) fn counter_khz() -> u64 {
    let (begun, first) = (Instant::now(), counter());
    std::thread::sleep(Duration::from_millis(20));
    let (counted, took) = (counter() - first, begun.elapsed());
    let khz = u128::from(counted) * 1_000_000 / took.as_nanos().max(1);
    u64::try_from(khz).unwrap_or(u64::MAX)
}

fn counter() -> u64 {
    #[expect(unsafe_code, reason = "nothing else reads the counter")]
    // SAFETY: every processor of this architecture has the instruction, and it touches no memory.
    unsafe {
        std::arch::x86_64::_rdtsc()
    }
}

#[cfg(test)]
mod tests {
    use striatum_core::sandbox::SandboxErrorKind;

    use super::*;

    #[test]
    fn what_is_no_qemu_is_refused_with_the_command_that_installs_it() {
        for wrong in ["/nowhere/qemu", "/etc/passwd", "/bin/true"] {
            let error = find(Some(wrong.into())).expect_err(wrong);
            assert_eq!(error.kind, SandboxErrorKind::Unavailable, "{wrong}");
            assert!(error.remedy.expect("a remedy").contains("apt-get install qemu-system-x86"), "{wrong}");
        }
    }

    #[test]
    fn the_counter_counts_millions_a_second() {
        assert!((100_000..20_000_000).contains(&counter_khz()), "{}", counter_khz());
    }
}
