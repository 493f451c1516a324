//! Namespaces where there are none.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use striatum_core::sandbox::{
    Access, Isolation, Reaped, Sandbox, SandboxError, SandboxErrorKind, SandboxSession, SandboxSpec,
};

use crate::{measured::Measured, shim::Shim};

/// Agents behind walls, which there are on Linux only: on this system there is no value of this type, and
/// [`probe`](NamespacesBuilder::probe) says so.
#[derive(Debug, Clone, Copy)]
pub enum Namespaces {}

impl Namespaces {
    /// As on Linux.
    pub fn builder() -> NamespacesBuilder {
        NamespacesBuilder::default()
    }

    /// As on Linux.
    pub fn measured(&self) -> &Measured {
        match *self {}
    }
}

#[async_trait]
impl Sandbox for Namespaces {
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

/// Takes what it takes on Linux, and comes to nothing.
#[derive(Debug, Clone, Copy, Default)]
#[must_use]
pub struct NamespacesBuilder(());

impl NamespacesBuilder {
    /// As on Linux.
    pub fn shim(self, _shim: Shim) -> Self {
        self
    }

    /// As on Linux.
    pub fn path(self, _path: impl Into<OsString>) -> Self {
        self
    }

    /// As on Linux.
    pub fn bubblewrap(self, _program: impl Into<PathBuf>) -> Self {
        self
    }

    /// As on Linux.
    pub fn mount(self, _path: impl Into<PathBuf>, _access: Access) -> Self {
        self
    }

    /// As on Linux.
    pub fn protect(self, _path: impl Into<PathBuf>) -> Self {
        self
    }

    /// There is nothing to probe.
    ///
    /// # Errors
    /// Always [`SandboxErrorKind::Unavailable`].
    pub async fn probe(self) -> Result<Namespaces, SandboxError> {
        let error = SandboxError::new(SandboxErrorKind::Unavailable, "have namespaces on this system");
        Err(error.with_remedy("run on Linux, in a virtual machine for example"))
    }
}
