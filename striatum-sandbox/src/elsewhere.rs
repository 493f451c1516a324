//! Sandboxes where there are none: their builders take what they take elsewhere, and come to nothing.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use striatum_core::sandbox::{
    Access, Isolation, Reaped, Sandbox, SandboxError, SandboxErrorKind, SandboxSession, SandboxSpec,
};

use crate::{accelerator::Accelerator, measured::Measured, shim::Shim};

/// A sandbox of which there is no value, and its builder.
macro_rules! nowhere {
    ($sandbox:ident, $builder:ident, $what:literal, $remedy:literal, $($method:ident($($given:ty),+)),+) => {
        #[doc = concat!("There is no value of this type: this system does not ", $what, ", and the probe of [`", stringify!($builder), "`] says so.")]
        #[derive(Debug, Clone, Copy)]
        pub enum $sandbox {}

        impl $sandbox {
            /// As elsewhere.
            pub fn builder() -> $builder {
                $builder::default()
            }

            /// As elsewhere.
            pub fn measured(&self) -> &Measured {
                match *self {}
            }
        }

        #[async_trait]
        impl Sandbox for $sandbox {
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

        #[doc = concat!("Takes what it takes where there is [`", stringify!($sandbox), "`], and comes to nothing.")]
        #[derive(Debug, Clone, Copy, Default)]
        #[must_use]
        pub struct $builder(());

        impl $builder {
            $(
                /// As elsewhere.
                pub fn $method(self, $(_: $given),+) -> Self {
                    self
                }
            )+

            /// There is nothing to probe.
            ///
            /// # Errors
            /// Always [`SandboxErrorKind::Unavailable`].
            pub async fn probe(self) -> Result<$sandbox, SandboxError> {
                let doing = concat!($what, " on this system");
                Err(SandboxError::new(SandboxErrorKind::Unavailable, doing).with_remedy($remedy))
            }
        }
    };
}

#[cfg(not(target_os = "linux"))]
nowhere!(
    Namespaces,
    NamespacesBuilder,
    "have namespaces",
    "run on Linux, in a virtual machine for example",
    shim(Shim),
    path(impl Into<OsString>),
    bubblewrap(impl Into<PathBuf>),
    mount(impl Into<PathBuf>, Access),
    protect(impl Into<PathBuf>)
);

#[cfg(not(target_os = "linux"))]
nowhere!(
    Container,
    ContainerBuilder,
    "have containers",
    "run on Linux, in a virtual machine for example",
    shim(Shim),
    path(impl Into<OsString>),
    engine(impl Into<PathBuf>),
    mount(impl Into<PathBuf>, Access),
    protect(impl Into<PathBuf>)
);

nowhere!(
    MicroVm,
    MicroVmBuilder,
    "have machines",
    "run on Linux and x86-64",
    shim(Shim),
    path(impl Into<OsString>),
    bubblewrap(impl Into<PathBuf>),
    mount(impl Into<PathBuf>, Access),
    protect(impl Into<PathBuf>),
    hypervisor(impl Into<PathBuf>),
    kernel(impl Into<PathBuf>),
    cache(impl Into<PathBuf>),
    accelerator(Accelerator),
    processors(u16)
);
