//! Where agent processes of Striatum run.
//!
//! [`NoSandbox`] is the plain way to run an agent: a process of the host with an environment, a home, a folder for temporary
//! files and a process group of its own, and no wall around it. What makes it more than a `Command` is what happens at the
//! end: everything that a session started can be found and ended, by the program that started it or, should that have died, by
//! the next one.
//!
//! [`Namespaces`] puts walls around an agent, on Linux: a fresh root, a network of its own, Landlock, a filter of system calls. It needs
//! bubblewrap and a [`shim`], and it measures what holds.
//!
//! [`Container`] puts the same walls around an agent, the first of them made by podman.
//!
//! [`MicroVm`] puts a machine between two such walls: a kernel of its own for the agents of a session. It needs qemu and a kernel of
//! the host.
//!
//! [`process`] tells whether a process that was noted down earlier still lives; an engine uses it to prove that the owner of a
//! session is dead.
//!
//! Everything here runs on tokio, with its IO and time drivers enabled.

mod accelerator;
mod blocking;
#[cfg(feature = "broker")]
pub mod broker;
mod child;
#[cfg(target_os = "linux")]
mod container;
#[cfg(feature = "outward")]
pub mod credential;
mod crew;
#[cfg(feature = "egress")]
pub mod egress;
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod elsewhere;
mod environment;
mod failure;
mod folder;
#[cfg(target_os = "linux")]
mod installed;
mod measured;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod microvm;
#[cfg(target_os = "linux")]
mod namespaces;
mod none;
mod output;
#[cfg(feature = "broker")]
mod patient;
pub mod process;
mod program;
mod remains;
pub mod shim;
#[cfg(feature = "outward")]
#[cfg_attr(not(feature = "broker"), expect(dead_code, reason = "the broker alone asks a fixed host"))]
pub mod upstream;

pub use accelerator::Accelerator;
#[cfg(target_os = "linux")]
pub use container::{Container, ContainerBuilder};
#[cfg(not(target_os = "linux"))]
pub use elsewhere::{Container, ContainerBuilder, Namespaces, NamespacesBuilder};
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub use elsewhere::{MicroVm, MicroVmBuilder};
pub use measured::{Bounds, Measured};
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub use microvm::{MicroVm, MicroVmBuilder};
#[cfg(target_os = "linux")]
pub use namespaces::{Namespaces, NamespacesBuilder};
pub use none::NoSandbox;
