//! What stands around an agent in a machine.

use striatum_core::sandbox::{Isolation, Level, Sandbox, SandboxErrorKind};
use striatum_sandbox::{Accelerator, MicroVm, shim::Shim};

use crate::support::{Place, machines_with, shim_program, works};

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_works_in_a_machine_as_it_does_behind_walls() {
    let name = "an_agent_works_in_a_machine_as_it_does_behind_walls";
    let Some(sandbox) = machines_with(name, |builder| builder).await else { return };
    assert_eq!(sandbox.measured().breaches, [""; 0]);
    assert_eq!(sandbox.offers(), Isolation::uniform(Level::Enforced));
    let place = Place::new();
    works(&sandbox, &place).await;
    assert!(!place.record("initramfs").exists(), "what the machine began with is gone");
}

#[tokio::test]
async fn machines_that_cannot_be_had_are_told_with_what_to_install() {
    let name = "machines_that_cannot_be_had_are_told_with_what_to_install";
    if crate::support::walls(name).await.is_none() {
        return;
    }
    let builder = || MicroVm::builder().shim(Shim::at(shim_program()));
    for (builder, install) in [
        (builder().hypervisor("/nowhere/qemu"), "apt-get install qemu-system-x86"),
        (builder().hypervisor("/bin/true"), "apt-get install qemu-system-x86"),
        (builder().bubblewrap("/nowhere/bwrap"), "apt-get install bubblewrap"),
    ] {
        let error = builder.probe().await.expect_err(install);
        assert_eq!(error.kind, SandboxErrorKind::Unavailable, "{error}");
        assert!(error.remedy.as_ref().is_some_and(|remedy| remedy.contains(install)), "{error:?}");
    }
}

/// A kernel that cannot boot ends the probe with what it said, and nothing else takes its place.
#[tokio::test]
async fn machines_whose_kernel_is_none_are_told_with_what_the_hypervisor_said() {
    let name = "machines_whose_kernel_is_none_are_told_with_what_the_hypervisor_said";
    let Some(release) = release() else { return striatum_testkit::skip(name, "there is no kernel with 9p") };
    let folder = tempfile::TempDir::new().expect("a folder");
    let kernel = folder.path().join(format!("vmlinuz-{release}"));
    std::fs::write(&kernel, [0; 4096]).expect("a file");
    let builder = MicroVm::builder().shim(Shim::at(shim_program())).kernel(&kernel);
    let error = builder.accelerator(Accelerator::Emulation).probe().await.expect_err("it is none");
    assert_eq!(error.kind, SandboxErrorKind::Unavailable, "{error}");
    if error.remedy.as_ref().is_some_and(|remedy| remedy.contains("apt-get install")) {
        return striatum_testkit::skip(name, &error.to_string());
    }
    let cause = std::error::Error::source(&error).expect("a cause").to_string();
    assert!(cause.contains("qemu"), "{cause}");
}

/// A kernel of which this host has what a machine needs.
fn release() -> Option<String> {
    let releases = std::fs::read_dir("/lib/modules").ok()?.flatten();
    let fit = |entry: &std::fs::DirEntry| {
        let modules = std::fs::read_to_string(entry.path().join("modules.dep"));
        modules.is_ok_and(|modules| modules.contains("/9p.ko"))
    };
    releases.into_iter().find(fit)?.file_name().into_string().ok()
}
