//! Agents behind walls: namespaces, a fresh root, Landlock, a filter of system calls.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use striatum_core::sandbox::{
    Access, Isolation, Level, Mount, Reaped, Sandbox, SandboxError, SandboxErrorKind, SandboxSession,
    SandboxSpec,
};

use self::{
    bubblewrap::Bubblewrap, cgroup::Cgroups, guard::Guard, root::Root, session::Session, start::First,
};
use crate::{
    blocking::aside,
    crew,
    environment::check,
    failure::failed,
    folder::Folder,
    measured::Measured,
    shim::{self, Shim},
};

pub(crate) mod bubblewrap;
pub(crate) mod cgroup;
pub(crate) mod guard;
pub(crate) mod plan;
pub(crate) mod probe;
pub(crate) mod root;
pub(crate) mod session;
pub(crate) mod start;

/// Runs agents in namespaces of their own, on Linux, as any user.
///
/// # What stands around an agent
/// - **File system**: a fresh root. The host's system folders (`/usr` and what goes with it, certificates, time zones) are there to
///   be read; `HOME` (`/home/agent`), `/tmp`, `/var/tmp` and `/dev/shm` are empty, in memory, and gone with the process; the work tree
///   and the [mounts](SandboxSpec::mounts) are at their own paths. A program outside these is shown as one file. Landlock says once
///   more what may be changed.
/// - **Network**: a loopback of its own and nothing else; no name can be resolved. The [listeners](striatum_core::sandbox::Listen) of
///   an exec are bound there and handed to the host program.
/// - **Processes**: only those of its own session can be seen or signalled. When its main process ends, all that it started ends.
/// - **System calls**: no capability, no new privilege, no further namespace, and a filter: see [`shim`](crate::shim).
/// - **Resources**: open files, processes and core dumps are limited, and what is kept in memory as files. Where this process may
///   make control groups (of either version), memory, the number of processes and, if the group is given that controller, the
///   share of the processors are bounded for all that a process starts together; [`Measured::bounds`] says which. Where memory or
///   processes are not, `resources` is only advisory. Disk is not bounded.
/// - **Credentials**: the environment is empty but for what is named; folders of credentials, sockets, the home and whatever contains
///   one of them are refused as mounts, even to be read.
///
/// What of this holds on this host is measured by [`probe`](NamespacesBuilder::probe), which runs a process behind the walls and
/// lets it try; [`offers`](Sandbox::offers) says what was found. Nothing falls back to less.
///
/// # How a session ends
/// The agent dies with the host program, however that dies: bubblewrap is tied to the thread that started it, and everything
/// behind the walls to bubblewrap. Records are kept as [`NoSandbox`](crate::NoSandbox) keeps them, so [`reap`](Sandbox::reap) works
/// on either's sessions: should the host program be killed while bubblewrap is still making the namespaces, a process of
/// bubblewrap's that never becomes anything is left, and ended then. An outcome is on record only if the agent ended by itself while the host program lived. Asked to
/// end, an agent has the grace of the session; a process that hides the session's mark gets no word before it is killed.
///
/// # Needs
/// Bubblewrap 0.8 or later, a kernel with user namespaces and Landlock (5.13), and a [`Shim`].
///
/// ```no_run
/// # async fn example() -> Result<(), striatum_core::sandbox::SandboxError> {
/// use striatum_core::sandbox::{Level, Sandbox};
/// use striatum_sandbox::Namespaces;
///
/// // `main` begins with `striatum_sandbox::shim::main_if_shim()`.
/// let sandbox = Namespaces::builder().protect("/srv/striatum").probe().await?;
/// assert_eq!(sandbox.offers().network, Level::Enforced);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Namespaces {
    parts: Arc<Parts>,
    measured: Measured,
}

/// What every session is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) first: Box<dyn First>,
    pub(crate) shim: Shim,
    pub(crate) path: OsString,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) guard: Guard,
    pub(crate) cgroups: Option<Cgroups>,
}

impl Namespaces {
    /// Begins with the programs of this host and the shim that this program is.
    pub fn builder() -> NamespacesBuilder {
        NamespacesBuilder::default()
    }

    /// What the probe found.
    pub fn measured(&self) -> &Measured {
        &self.measured
    }
}

/// How to get control groups, or to do without.
const DELEGATE: &str = "run Striatum in a control group that is delegated with the controllers memory, pids and cpu, such as \
                        systemd-run --user --scope -p Delegate=yes";

#[async_trait]
impl Sandbox for Namespaces {
    fn offers(&self) -> Isolation {
        self.measured.isolation
    }

    async fn open(&self, spec: &SandboxSpec) -> Result<Box<dyn SandboxSession>, SandboxError> {
        admit("a process in namespaces", &self.measured, spec)?;
        Ok(Box::new(open(&self.parts, spec).await?))
    }

    async fn reap(&self, folder: &Path) -> Result<Reaped, SandboxError> {
        reap(&self.parts, folder).await
    }
}

pub(crate) async fn reap(parts: &Arc<Parts>, folder: &Path) -> Result<Reaped, SandboxError> {
    let reaped = crew::reap(folder).await?;
    let (folder, parts) = (Folder::new(folder)?, Arc::clone(parts));
    aside(move || {
        parts.first.sweep(&folder);
        if let (Some(cgroups), Some(session)) = (&parts.cgroups, folder.note().session) {
            cgroups.sweep(session);
        }
        Ok(reaped)
    })
    .await
}

/// Refuses what cannot be held as it is demanded.
pub(crate) fn admit(who: &str, measured: &Measured, spec: &SandboxSpec) -> Result<(), SandboxError> {
    if let Some(short) = measured.isolation.shortfall(&spec.demands) {
        return Err(SandboxError::unmet(who, short).with_remedy(remedy_for(short, measured)));
    }
    let is_demanded = spec.demands.resources == Level::Enforced;
    if is_demanded && spec.limits.processor_thousandths.is_some() && !measured.bounds.processors {
        let doing =
            "hold an agent to its share of the processors: no control group for these is ours to make";
        return Err(SandboxError::new(SandboxErrorKind::Unsupported, doing).with_remedy(DELEGATE));
    }
    Ok(())
}

/// How to get what is not offered.
fn remedy_for((dimension, ..): (&'static str, Level, Level), measured: &Measured) -> String {
    if dimension == "resources" {
        return format!("{DELEGATE}, or use `MicroVm`, which always bounds memory and processes");
    }
    let breaches = measured.breaches.join(", ");
    format!(
        "mend this host, or lower the demand: the probe found that a process behind the walls could {breaches}"
    )
}

pub(crate) async fn open(parts: &Arc<Parts>, spec: &SandboxSpec) -> Result<Session, SandboxError> {
    check(&spec.env)?;
    let folder = Folder::new(&spec.folder)?;
    let (parts, wanted) = (Arc::clone(parts), spec.clone());
    let root = aside(move || {
        let root = Root::of(&parts, &wanted)?;
        folder.prepare(wanted.fence.session, wanted.limits.grace)?;
        root.furnish().map_err(failed("furnish the root of a session"))?;
        Ok((parts, folder, root))
    });
    let (parts, folder, root) = root.await?;
    Ok(Session::new(parts, folder, root, spec))
}

/// Puts [`Namespaces`] together.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct NamespacesBuilder {
    pub(crate) premises: Premises,
    bubblewrap: Option<PathBuf>,
}

/// What is said of walls, whatever the first of them is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Premises {
    pub(crate) shim: Option<Shim>,
    pub(crate) path: Option<OsString>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) protected: Vec<PathBuf>,
}

/// What every builder takes that has [`Premises`], which are in this field.
macro_rules! on_premises {
    ($($field:ident).+) => {
        /// The shim; this program unless given.
        pub fn shim(mut self, shim: Shim) -> Self {
            self.$($field).+.shim = Some(shim);
            self
        }

        /// The `PATH` of agents, in which their programs are looked up too; `/usr/local/bin:/usr/bin:/bin` unless given.
        pub fn path(mut self, path: impl Into<OsString>) -> Self {
            self.$($field).+.path = Some(path.into());
            self
        }

        /// Shows something of the host to every session, at its own path: a tool chain, say.
        pub fn mount(mut self, path: impl Into<PathBuf>, access: Access) -> Self {
            self.$($field).+.mounts.push(striatum_core::sandbox::Mount { path: path.into(), access });
            self
        }

        /// Keeps a folder from being shown, whatever asks for it: the engine's data folder, above all.
        pub fn protect(mut self, path: impl Into<PathBuf>) -> Self {
            self.$($field).+.protected.push(path.into());
            self
        }
    };
}
pub(crate) use on_premises;

impl NamespacesBuilder {
    on_premises!(premises);

    /// Where bubblewrap is; the first `bwrap` in this process's `PATH` unless given.
    pub fn bubblewrap(mut self, program: impl Into<PathBuf>) -> Self {
        self.bubblewrap = Some(program.into());
        self
    }

    /// Runs a process behind the walls and measures what they hold.
    ///
    /// # Errors
    /// [`SandboxErrorKind::Unavailable`] with what to do about it, if bubblewrap, the shim or something of the kernel is
    /// missing; [`SandboxErrorKind::MountRefused`].
    pub async fn probe(self) -> Result<Namespaces, SandboxError> {
        let (parts, bubblewrap) = self.parts().await?;
        let measured = probe::measure(&parts).await?.measured("namespaces", bubblewrap.to_string());
        Ok(Namespaces { parts, measured })
    }

    pub(crate) async fn parts(self) -> Result<(Arc<Parts>, Bubblewrap), SandboxError> {
        let given = self.bubblewrap;
        let bubblewrap = aside(move || Bubblewrap::find(given)).await?;
        let parts = self.premises.parts(Box::new(bubblewrap.clone())).await?;
        Ok((Arc::new(parts), bubblewrap))
    }
}

impl Premises {
    /// What sessions are made of, with this first wall.
    ///
    /// # Errors
    /// [`SandboxErrorKind::Unavailable`], [`SandboxErrorKind::MountRefused`].
    pub(crate) async fn parts(self, first: Box<dyn First>) -> Result<Parts, SandboxError> {
        if shim::is_call(std::env::args_os()) {
            // It would run itself once more, and that one itself, and so on.
            let doing = "open walls in a program that was run to be the shim of walls, and is none";
            let error = SandboxError::new(SandboxErrorKind::Unavailable, doing);
            return Err(
                error.with_remedy("call `striatum_sandbox::shim::main_if_shim` as the first thing in `main`")
            );
        }
        let shim = match self.shim {
            Some(shim) => shim,
            None => Shim::this_program().map_err(failed("find this program, which is its own shim"))?,
        };
        if !shim.path().is_file() {
            let doing = format!("use the shim {}, which is no file", shim.path().display());
            return Err(SandboxError::new(SandboxErrorKind::Unavailable, doing).with_remedy(
                "build and ship the program `striatum-shim`, or call `main_if_shim` and be your own",
            ));
        }
        let guard = Guard::of_this_host(&self.protected);
        for Mount { path, .. } in &self.mounts {
            guard.admit(path)?;
        }
        let cgroups = aside(|| Ok(Cgroups::find())).await?;
        let path = self.path.unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        Ok(Parts { first, shim, path, mounts: self.mounts, guard, cgroups })
    }
}

#[cfg(test)]
mod tests {
    use striatum_core::id::{Fence, JobId, RunId, SessionId};

    use super::*;
    use crate::measured::Bounds;

    #[test]
    fn what_is_demanded_and_not_held_is_refused_with_how_to_get_it() {
        let measured = Measured {
            isolation: Isolation {
                network: Level::Advisory,
                resources: Level::Advisory,
                ..Isolation::uniform(Level::Enforced)
            },
            kind: "namespaces",
            made_with: "bubblewrap".to_owned(),
            landlock: 6,
            bounds: Bounds::default(),
            breaches: vec!["send a datagram".to_owned()],
        };
        let (run, session) = (RunId::from_bytes([1; 16]), SessionId::from_bytes([2; 16]));
        let fence = Fence { run, job: JobId::new("draft").expect("a name"), epoch: 1, session };
        let mut spec = SandboxSpec::new(fence, "/tree", "/folder");
        let none = Isolation::uniform(Level::Unsupported);
        for (demands, asked, how) in [
            (Isolation { network: Level::Enforced, ..none }, "hold network as enforced", "send a datagram"),
            (Isolation { resources: Level::Enforced, ..none }, "hold resources as enforced", "Delegate=yes"),
        ] {
            spec.demands = demands;
            let error = admit("a process in namespaces", &measured, &spec).expect_err(asked);
            assert_eq!(error.kind, SandboxErrorKind::Unsupported);
            let said = error.to_string();
            assert!(
                said.contains(asked) && said.ends_with("a process in namespaces offers advisory"),
                "{said}"
            );
            assert!(error.remedy.is_some_and(|remedy| remedy.contains(how)), "{how}");
        }
        spec.demands = Isolation { file_system: Level::Enforced, ..none };
        admit("a process in namespaces", &measured, &spec).expect("that is held");
    }
}
