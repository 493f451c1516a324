//! Agents in containers.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use striatum_core::sandbox::{
    Access, Isolation, Mount, Reaped, Sandbox, SandboxError, SandboxSession, SandboxSpec,
};

use self::engine::Engine;
use crate::{
    blocking::aside,
    measured::Measured,
    namespaces::{self, Parts, Premises, probe},
    shim::Shim,
};

mod engine;
mod place;

/// Runs agents in containers of podman, on Linux, as any user.
///
/// # What stands around an agent
/// What stands around it in [`Namespaces`](crate::Namespaces), but that the fresh root and the namespaces are made by the engine, and
/// that the engine's own filter of system calls stands beside ours. There is no image: the root holds the host's system folders, to
/// be read, the work tree and the mounts. Landlock, our filter, limits and listeners are the shim's, as they are there.
///
/// What of this holds on this host is measured by [`probe`](ContainerBuilder::probe), which runs a container and lets a process in it
/// try; [`offers`](Sandbox::offers) says what was found. Nothing falls back to less.
///
/// # How a session runs and ends
/// Each process has a container of its own. Whatever the engine keeps lies in the session's folder: the containers and settings of the
/// person are neither read nor changed. A container ends with the host program, however that dies, because its first process is
/// connected to it. What the engine leaves running beside it carries the session's mark, and [`reap`](Sandbox::reap) ends it.
///
/// # Needs
/// Podman 4.3 or later with crun, a kernel with Landlock (5.13), and a [`Shim`]; for an ordinary user a range of further
/// user numbers (`/etc/subuid`). Paths that are shown may have no colon in them, since podman's arguments cannot name those.
///
/// ```no_run
/// # async fn example() -> Result<(), striatum_core::sandbox::SandboxError> {
/// use striatum_core::sandbox::{Level, Sandbox};
/// use striatum_sandbox::Container;
///
/// // `main` begins with `striatum_sandbox::shim::main_if_shim()`.
/// let sandbox = Container::builder().protect("/srv/striatum").probe().await?;
/// assert_eq!(sandbox.offers().file_system, Level::Enforced);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Container {
    parts: Arc<Parts>,
    measured: Measured,
}

impl Container {
    /// Begins with the engine of this host and the shim that this program is.
    pub fn builder() -> ContainerBuilder {
        ContainerBuilder::default()
    }

    /// What the probe found.
    pub fn measured(&self) -> &Measured {
        &self.measured
    }
}

#[async_trait]
impl Sandbox for Container {
    fn offers(&self) -> Isolation {
        self.measured.isolation
    }

    async fn open(&self, spec: &SandboxSpec) -> Result<Box<dyn SandboxSession>, SandboxError> {
        namespaces::admit("a container", &self.measured, spec)?;
        Ok(Box::new(namespaces::open(&self.parts, spec).await?))
    }

    async fn reap(&self, folder: &Path) -> Result<Reaped, SandboxError> {
        namespaces::reap(&self.parts, folder).await
    }
}

/// Puts [`Container`] together.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct ContainerBuilder {
    premises: Premises,
    engine: Option<PathBuf>,
}

impl ContainerBuilder {
    /// The shim; this program unless given.
    pub fn shim(mut self, shim: Shim) -> Self {
        self.premises.shim = Some(shim);
        self
    }

    /// The `PATH` of agents, in which their programs are looked up too; `/usr/local/bin:/usr/bin:/bin` unless given.
    pub fn path(mut self, path: impl Into<OsString>) -> Self {
        self.premises.path = Some(path.into());
        self
    }

    /// Where podman is; the first one in this process's `PATH` unless given.
    pub fn engine(mut self, program: impl Into<PathBuf>) -> Self {
        self.engine = Some(program.into());
        self
    }

    /// Shows something of the host to every session, at its own path: a tool chain, say.
    pub fn mount(mut self, path: impl Into<PathBuf>, access: Access) -> Self {
        self.premises.mounts.push(Mount { path: path.into(), access });
        self
    }

    /// Keeps a folder from being shown, whatever asks for it: the engine's data folder, above all.
    pub fn protect(mut self, path: impl Into<PathBuf>) -> Self {
        self.premises.protected.push(path.into());
        self
    }

    /// Runs a container and measures what it holds.
    ///
    /// # Errors
    /// [`SandboxErrorKind::Unavailable`](striatum_core::sandbox::SandboxErrorKind::Unavailable) with what to do about it, if podman,
    /// the shim or something of the kernel is missing;
    /// [`SandboxErrorKind::MountRefused`](striatum_core::sandbox::SandboxErrorKind::MountRefused).
    pub async fn probe(self) -> Result<Container, SandboxError> {
        let given = self.engine;
        let engine = aside(move || Engine::find(given)).await?;
        let made_with = engine.to_string();
        let parts = Arc::new(self.premises.parts(Box::new(engine)).await?);
        let measured = probe::measure(&parts).await?.measured("container", made_with);
        Ok(Container { parts, measured })
    }
}
