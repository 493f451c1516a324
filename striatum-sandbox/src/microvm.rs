//! Agents in machines of their own.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use striatum_core::sandbox::{
    Access, Isolation, Reaped, Sandbox, SandboxError, SandboxErrorKind, SandboxSession, SandboxSpec,
};

use self::{
    kernel::Kernel,
    machine::{Blueprint, HYPERVISOR_MEMORY},
    session::{Place, Session},
};
use crate::{
    accelerator::Accelerator,
    blocking::aside,
    crew,
    environment::check,
    failure::failed,
    folder::Folder,
    measured::Measured,
    namespaces::{
        self, NamespacesBuilder, cgroup::Cgroups, on_premises, probe, root::Root, session::Session as Walls,
    },
    shim::Shim,
};

mod first;
mod hypervisor;
mod initramfs;
mod kernel;
mod machine;
mod session;
mod unpacked;
pub(crate) mod wire;

/// Runs agents in small virtual machines, on Linux and x86-64, as any user.
///
/// # What stands around an agent
/// The walls of [`Namespaces`](crate::Namespaces), twice, and a machine between them. The hypervisor (qemu) runs behind walls: no
/// network but a loopback of its own, no file but what its machine is for. In the machine runs a kernel of its own, and there each
/// process stands behind the same walls once more. So what an agent finds, and what it may do, is what it would find in namespaces;
/// but a hole in a kernel is one in the machine's, and whoever gets through it meets the hypervisor, and then the outer walls.
///
/// - **File system**: by 9p, and at the same paths: system folders to be read, the work tree and the mounts as they are mounted.
///   What changes on one side is seen on the other, but named pipes and sockets with a path end at the machine.
/// - **Network**: each process has a loopback of its own, and on it the [listeners](striatum_core::sandbox::Listen) of its exec.
/// - **Resources**: the machine has the memory of the session's limits and a little more, and never more; in it, memory and the
///   number of processes are bounded for each process, whether the host could do so or not.
///
/// What of this holds is measured by [`probe`](MicroVmBuilder::probe), which boots a machine and lets a process in it try.
///
/// # How a session runs and ends
/// A machine starts with the first process of a session, and the processes of the session share it as long as they need the same
/// programs and no more than 32 listeners together. It ends with the session, and with the host program, however that dies. Records
/// are kept as [`NoSandbox`](crate::NoSandbox) keeps them.
///
/// # Needs
/// What [`Namespaces`](crate::Namespaces) needs, qemu, and a kernel of the host with its modules for 9p and virtio: nothing is
/// downloaded or built. Where a guest runs on the processor (KVM) it boots in less than a second; elsewhere it is emulated, which
/// is several times as slow.
///
/// ```no_run
/// # async fn example() -> Result<(), striatum_core::sandbox::SandboxError> {
/// use striatum_core::sandbox::{Level, Sandbox};
/// use striatum_sandbox::MicroVm;
///
/// // `main` begins with `striatum_sandbox::shim::main_if_shim()`.
/// let sandbox = MicroVm::builder().protect("/srv/striatum").cache("/srv/striatum/cache").probe().await?;
/// assert_eq!(sandbox.offers().resources, Level::Enforced);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct MicroVm {
    parts: Arc<Parts>,
    measured: Measured,
}

/// What every session is made of.
#[derive(Debug)]
struct Parts {
    /// Of the walls outside.
    outside: Arc<namespaces::Parts>,
    /// For the walls in the machine.
    bubblewrap: PathBuf,
    blueprint: Blueprint,
    initramfs: Vec<u8>,
}

impl MicroVm {
    /// Begins with the programs and kernels of this host and the shim that this program is.
    pub fn builder() -> MicroVmBuilder {
        MicroVmBuilder::default()
    }

    /// What the probe found.
    pub fn measured(&self) -> &Measured {
        &self.measured
    }
}

#[async_trait]
impl Sandbox for MicroVm {
    fn offers(&self) -> Isolation {
        self.measured.isolation
    }

    async fn open(&self, spec: &SandboxSpec) -> Result<Box<dyn SandboxSession>, SandboxError> {
        namespaces::admit("a machine", &self.measured, spec)?;
        Ok(Box::new(open(&self.parts, spec).await?))
    }

    async fn reap(&self, folder: &Path) -> Result<Reaped, SandboxError> {
        reap(&self.parts, folder).await
    }
}

/// Where the records of the walls around the machines are, in a session's folder.
fn outside(folder: &Path) -> PathBuf {
    folder.join("machine")
}

/// What machines begin with, in a session's folder for as long as it is open.
const INITRAMFS: &str = "initramfs";

async fn reap(parts: &Parts, folder: &Path) -> Result<Reaped, SandboxError> {
    let session = crew::reap(folder).await?;
    let machines = namespaces::reap(&parts.outside, &outside(folder)).await?;
    let initramfs = folder.join(INITRAMFS);
    aside(move || {
        session::forget(&initramfs);
        Ok(())
    })
    .await?;
    Ok(Reaped { killed: session.killed + machines.killed, ..session })
}

async fn open(parts: &Arc<Parts>, spec: &SandboxSpec) -> Result<Session, SandboxError> {
    check(&spec.env)?;
    let mut around = spec.clone();
    around.folder = outside(&spec.folder);
    around.limits.memory_bytes = spec.limits.memory_bytes.saturating_add(HYPERVISOR_MEMORY);
    // Threads of the hypervisor, for files above all.
    around.limits.processes = 512;
    let folder = Folder::new(&spec.folder)?;
    let initramfs = folder.path().join(INITRAMFS);
    let (parts, spec) = (Arc::clone(parts), spec.clone());
    aside(move || {
        let root = Root::of(&parts.outside, &spec)?;
        let root = root.with_program(&parts.bubblewrap, &parts.outside.guard)?;
        folder.prepare(spec.fence.session, spec.limits.grace)?;
        let furnished = || failed("furnish the root of a session");
        root.furnish().map_err(furnished())?;
        fs::write(&initramfs, &parts.initramfs).map_err(furnished())?;
        fs::create_dir(&around.folder).map_err(furnished())?;
        let records = Folder::new(&around.folder)?;
        records.prepare(spec.fence.session, spec.limits.grace)?;
        let walls = Walls::new(Arc::clone(&parts.outside), records, root.clone(), &around);
        Ok(Session::new(parts, Place { root, folder, initramfs, walls }, &spec))
    })
    .await
}

impl probe::Subject for Arc<Parts> {
    type Session = Session;

    async fn open(&self, spec: &SandboxSpec) -> Result<Session, SandboxError> {
        open(self, spec).await
    }

    async fn reap(&self, folder: &Path) -> Result<Reaped, SandboxError> {
        reap(self, folder).await
    }

    fn landlock(session: &Session) -> u32 {
        session.landlock()
    }

    fn bounds(&self) -> bool {
        true
    }

    // Those of the machine may bound its processes; what the machine itself takes is bounded by the host's.
    fn groups(&self) -> Option<Cgroups> {
        self.outside.cgroups.clone()
    }
}

/// Puts [`MicroVm`] together.
#[derive(Debug, Clone)]
#[must_use]
pub struct MicroVmBuilder {
    walls: NamespacesBuilder,
    hypervisor: Option<PathBuf>,
    kernel: Option<PathBuf>,
    cache: Option<PathBuf>,
    accelerator: Option<Accelerator>,
    processors: u16,
}

impl Default for MicroVmBuilder {
    fn default() -> Self {
        Self {
            walls: NamespacesBuilder::default(),
            hypervisor: None,
            kernel: None,
            cache: None,
            accelerator: None,
            processors: 1,
        }
    }
}

impl MicroVmBuilder {
    on_premises!(walls.premises);

    /// Where bubblewrap is; the first `bwrap` in this process's `PATH` unless given.
    pub fn bubblewrap(mut self, program: impl Into<PathBuf>) -> Self {
        self.walls = self.walls.bubblewrap(program);
        self
    }

    /// Where qemu is; the first `qemu-system-x86_64` in this process's `PATH` unless given.
    pub fn hypervisor(mut self, program: impl Into<PathBuf>) -> Self {
        self.hypervisor = Some(program.into());
        self
    }

    /// The kernel of the machines, a file named `vmlinuz-RELEASE` whose modules lie in `/lib/modules/RELEASE`; the newest one in
    /// `/boot` that will do unless given.
    pub fn kernel(mut self, image: impl Into<PathBuf>) -> Self {
        self.kernel = Some(image.into());
        self
    }

    /// A folder, made if need be, in which the kernel is kept unpacked: an emulated machine takes seconds to unpack it. No agent may be
    /// able to write there. Without such a folder the kernel is used as it is.
    pub fn cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = Some(folder.into());
        self
    }

    /// What carries out the machines' instructions; unless given, the processor where a guest really boots on it, and else a
    /// translator.
    pub fn accelerator(mut self, accelerator: Accelerator) -> Self {
        self.accelerator = Some(accelerator);
        self
    }

    /// How many processors a machine has; one unless given.
    pub fn processors(mut self, number: u16) -> Self {
        self.processors = number.max(1);
        self
    }

    /// Boots a machine, runs a process in it and measures what holds.
    ///
    /// # Errors
    /// [`SandboxErrorKind::Unavailable`] with what to do about it, if qemu, a kernel, or something that
    /// [`Namespaces`](crate::Namespaces) needs is missing, or no machine boots; [`SandboxErrorKind::MountRefused`].
    pub async fn probe(self) -> Result<MicroVm, SandboxError> {
        let Self { walls, hypervisor, kernel, cache, accelerator, processors } = self;
        let (outside, bubblewrap) = walls.parts().await?;
        let (hypervisor, version) = aside(move || hypervisor::find(hypervisor)).await?;
        let (kernel, image) = aside(move || {
            let kernel = Kernel::find(kernel)?;
            let image = match cache {
                Some(cache) => unpacked::image(&kernel, &cache).map_err(failed("unpack the kernel"))?,
                None => kernel.image.clone(),
            };
            Ok((kernel, image))
        })
        .await?;
        let initramfs = initramfs::pack(&kernel.modules);
        let counter_khz = aside(|| Ok(hypervisor::counter_khz())).await?;
        let release = kernel.release;
        let probe = async |accelerator| {
            let blueprint = Blueprint {
                hypervisor: hypervisor.clone(),
                kernel: image.clone(),
                accelerator,
                processors,
                counter_khz,
                patience: patience(accelerator),
            };
            let (outside, initramfs) = (Arc::clone(&outside), initramfs.clone());
            let program = bubblewrap.program.clone();
            let parts = Arc::new(Parts { outside, bubblewrap: program, blueprint, initramfs });
            let machine = format!("qemu {version}, Linux {release}, {accelerator}, {bubblewrap}");
            let measured = probe::measure(&parts).await?.measured("microvm", machine);
            Ok(MicroVm { parts, measured })
        };
        first_that_boots(&candidates(accelerator, hypervisor::may_have_kvm()), probe).await
    }
}

/// What is tried, in order: what was asked for and nothing else, or the best that may be had.
fn candidates(given: Option<Accelerator>, may_have_kvm: bool) -> Vec<Accelerator> {
    match given {
        Some(given) => vec![given],
        None if may_have_kvm => vec![Accelerator::Kvm, Accelerator::Emulation],
        None => vec![Accelerator::Emulation],
    }
}

/// What was probed of the first accelerator on which a machine boots.
async fn first_that_boots<T>(
    candidates: &[Accelerator],
    probe: impl AsyncFn(Accelerator) -> Result<T, SandboxError>,
) -> Result<T, SandboxError> {
    let mut last = SandboxError::new(SandboxErrorKind::Unavailable, "boot a machine");
    for accelerator in candidates {
        match probe(*accelerator).await {
            Ok(found) => return Ok(found),
            Err(error) => {
                tracing::warn!(%error, "no machine boots with {accelerator}");
                last = error;
            }
        }
    }
    Err(last)
}

/// How long a machine may take until it calls: on a busy host, not on a usual one.
const fn patience(accelerator: Accelerator) -> Duration {
    match accelerator {
        Accelerator::Kvm => Duration::from_secs(15),
        Accelerator::Emulation => Duration::from_secs(90),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KVM: Accelerator = Accelerator::Kvm;
    const EMULATION: Accelerator = Accelerator::Emulation;

    /// What becomes of a probe on a host where machines boot on these; and what was tried.
    async fn probed(
        given: Option<Accelerator>,
        may_have_kvm: bool,
        boots: &[Accelerator],
    ) -> (Option<Accelerator>, Vec<Accelerator>) {
        let tried = std::cell::RefCell::new(Vec::new());
        let probe = async |accelerator| {
            tried.borrow_mut().push(accelerator);
            let refused = || SandboxError::new(SandboxErrorKind::Unavailable, format!("boot: {accelerator}"));
            boots.contains(&accelerator).then_some(accelerator).ok_or_else(refused)
        };
        let found = first_that_boots(&candidates(given, may_have_kvm), probe).await;
        if let (Err(error), Some(last)) = (&found, tried.borrow().last()) {
            assert_eq!(error.doing, format!("boot: {last}"), "the last reason is told");
        }
        (found.ok(), tried.into_inner())
    }

    #[tokio::test]
    async fn the_processor_is_used_where_a_guest_boots_on_it_and_else_a_translator() {
        let both = [KVM, EMULATION];
        assert_eq!(probed(None, true, &both).await, (Some(KVM), vec![KVM]));
        assert_eq!(probed(None, true, &[EMULATION]).await, (Some(EMULATION), both.to_vec()));
        assert_eq!(probed(None, true, &[]).await, (None, both.to_vec()));
        assert_eq!(probed(None, false, &both).await, (Some(EMULATION), vec![EMULATION]));
        assert_eq!(probed(Some(EMULATION), true, &both).await, (Some(EMULATION), vec![EMULATION]));
    }

    #[tokio::test]
    async fn who_asks_for_the_processor_gets_nothing_less() {
        assert_eq!(probed(Some(KVM), false, &[EMULATION]).await, (None, vec![KVM]));
        assert_eq!(probed(Some(KVM), false, &[KVM]).await, (Some(KVM), vec![KVM]));
    }
}
