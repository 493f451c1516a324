//! The helper that stands between bubblewrap and an agent.
//!
//! Some walls can only be built by the process that is to stand behind them: Landlock, the filter of system calls, limits, and
//! sockets inside its own network. That needs a program with a single thread that becomes the agent in the end, and the host
//! program, with its runtime, is none. So the sandbox runs a **shim**. There are two ways to have one:
//!
//! - The host program is its own shim: it calls [`main_if_shim`] as the first thing in `main`, and [`Shim::this_program`] runs it
//!   once more. Nothing else has to be shipped.
//! - A helper is shipped: the program `striatum-shim` of this crate, or any whose `main` calls [`main_if_shim`]; [`Shim::at`]
//!   says where it lies. Tests need this, since their `main` is not theirs.
//!
//! ```no_run
//! // The first line of `main`, before the runtime is built:
//! striatum_sandbox::shim::main_if_shim();
//! ```
//!
//! In a machine of [`MicroVm`](crate::MicroVm) the shim is the first process too, and starts there what the host program asks for.
//!
//! Whether a program really is a shim is found out by the probe of [`Namespaces`](crate::Namespaces), which runs it.

use std::{
    io,
    path::{Path, PathBuf},
};

#[cfg(target_os = "linux")]
mod descriptors;
#[cfg(target_os = "linux")]
mod enter;
#[cfg(target_os = "linux")]
mod files;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod guest;
#[cfg(target_os = "linux")]
pub(crate) mod keep;
#[cfg(target_os = "linux")]
mod launch;
#[cfg(target_os = "linux")]
pub(crate) mod order;
#[cfg(target_os = "linux")]
pub(crate) mod probe;
#[cfg(target_os = "linux")]
mod system_calls;

/// The first argument of a program that is run as a shim. Nobody calls a program like this by accident.
#[cfg(target_os = "linux")]
pub(crate) const CALL: &str = "striatum-sandbox-shim";

/// Where a shim is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shim(PathBuf);

impl Shim {
    /// This program, whose `main` begins with [`main_if_shim`].
    ///
    /// # Errors
    /// An [`io::Error`] if the host does not tell where this program lies.
    pub fn this_program() -> io::Result<Self> {
        std::env::current_exe().map(Self)
    }

    /// Another program.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// Becomes a shim if this process was started as one, and then never returns; otherwise it does nothing.
///
/// It must be called before anything else in `main`, above all before any thread is started. Where the sandbox has no walls (on
/// other systems than Linux) it does nothing.
pub fn main_if_shim() {
    #[cfg(target_os = "linux")]
    {
        let mut arguments = std::env::args_os().skip(1);
        if arguments.next().is_none_or(|first| first != CALL) {
            return;
        }
        let part = arguments.next().unwrap_or_default();
        let refusal = match part.to_str() {
            Some("launch") => launch::launch(arguments),
            Some("engine") => launch::engine(arguments),
            Some("keep") => keep::keep(),
            Some("enter") => enter::enter(),
            #[cfg(target_arch = "x86_64")]
            Some("guest") => guest::serve(),
            Some("probe") => probe::report(arguments),
            _ => io::Error::other(format!("there is no part {part:?}")),
        };
        // Before the agent has its streams this reaches the log of the session; afterwards nothing is written here.
        let _unheard = io::Write::write_all(&mut io::stderr(), format!("shim: {refusal}\n").as_bytes());
        std::process::exit(126);
    }
}
