//! The helper that stands between the first wall (bubblewrap's, or podman's) and an agent.
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
//! Whether a program really is a shim is found out by the probe of [`Namespaces`](crate::Namespaces), which runs it. A program that
//! forgot to call [`main_if_shim`] is told so there, and does not run itself again and again.

#[cfg(target_os = "linux")]
use std::ffi::OsString;
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

/// Whether a program with these arguments was run to be a shim.
#[cfg(target_os = "linux")]
pub(crate) fn is_call(arguments: impl IntoIterator<Item = OsString>) -> bool {
    arguments.into_iter().nth(1).is_some_and(|first| first == CALL)
}

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
        if !is_call(std::env::args_os()) {
            return;
        }
        let mut arguments = std::env::args_os().skip(2);
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_a_shim_by_its_first_argument_alone() {
        let is_one = |arguments: &[&str]| is_call(arguments.iter().map(OsString::from));
        assert!(is_one(&["program", CALL, "launch"]));
        for arguments in [&[][..], &["program"], &[CALL], &["program", "run", CALL], &["program", "launch"]] {
            assert!(!is_one(arguments), "{arguments:?}");
        }
    }
}
