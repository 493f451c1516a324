//! Machines where there are none.

use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use striatum_core::sandbox::{
    Access, Isolation, Reaped, Sandbox, SandboxError, SandboxErrorKind, SandboxSession, SandboxSpec,
};

use crate::{measured::Measured, shim::Shim};

/// Agents in machines of their own, which there are on Linux and x86-64 only: on this system there is no value of this type, and
/// [`probe`](MicroVmBuilder::probe) says so.
#[derive(Debug, Clone, Copy)]
pub enum MicroVm {}

impl MicroVm {
    /// As on Linux and x86-64.
    pub fn builder() -> MicroVmBuilder {
        MicroVmBuilder::default()
    }

    /// As on Linux and x86-64.
    pub fn measured(&self) -> &Measured {
        match *self {}
    }
}

#[async_trait]
impl Sandbox for MicroVm {
    fn offers(&self) -> Isolation {
        match *self {}
    }

    async fn open(&self, _spec: &SandboxSpec) -> Result<Box<dyn SandboxSession>, SandboxError> {
        match *self {}
    }

    async fn reap(&self, _folder: &Path) -> Result<Reaped, SandboxError> {
        match *self {}
    }
}

/// What would carry out a machine's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Accelerator {
    /// The processor, through the host's kernel.
    Kvm,
    /// A translator.
    Emulation,
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("none")
    }
}

/// Takes what it takes on Linux and x86-64, and comes to nothing.
#[derive(Debug, Clone, Copy, Default)]
#[must_use]
pub struct MicroVmBuilder(());

impl MicroVmBuilder {
    /// As on Linux and x86-64.
    pub fn shim(self, _shim: Shim) -> Self {
        self
    }

    /// As on Linux and x86-64.
    pub fn path(self, _path: impl Into<OsString>) -> Self {
        self
    }

    /// As on Linux and x86-64.
    pub fn bubblewrap(self, _program: impl Into<PathBuf>) -> Self {
        self
    }

    /// As on Linux and x86-64.
    pub fn mount(self, _path: impl Into<PathBuf>, _access: Access) -> Self {
        self
    }

    /// As on Linux and x86-64.
    pub fn protect(self, _path: impl Into<PathBuf>) -> Self {
        self
    }

    /// As on Linux and x86-64.
    pub fn hypervisor(self, _program: impl Into<PathBuf>) -> Self {
        self
    }

    /// As on Linux and x86-64.
    pub fn kernel(self, _image: impl Into<PathBuf>) -> Self {
        self
    }

    /// As on Linux and x86-64.
    pub fn cache(self, _folder: impl Into<PathBuf>) -> Self {
        self
    }

    /// As on Linux and x86-64.
    pub fn accelerator(self, _accelerator: Accelerator) -> Self {
        self
    }

    /// As on Linux and x86-64.
    pub fn processors(self, _number: u16) -> Self {
        self
    }

    /// There is nothing to probe.
    ///
    /// # Errors
    /// Always [`SandboxErrorKind::Unavailable`].
    pub async fn probe(self) -> Result<MicroVm, SandboxError> {
        let error = SandboxError::new(SandboxErrorKind::Unavailable, "have machines on this system");
        Err(error.with_remedy("run on Linux and x86-64"))
    }
}
