//! Attempts to break out, each a small program of its own, for the tests of the walls.
//!
//! ```text
//! striatum-escapes attempt NAME   tries one thing, and says whether it could
//! striatum-escapes all            tries everything, each in a process of its own, a line for each
//! striatum-escapes victim         a process of the host that others would like to get at
//! ```
//!
//! Run as a shim it is one that forgot to become it before it started a thread.
//!
//! What there is on the host to be got at stands in the variable `ESCAPE_LURES`, as JSON. The same program is run with and without
//! walls: what fails in both cases proves nothing.

#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod git;
#[cfg(target_os = "linux")]
mod lures;
#[cfg(target_os = "linux")]
mod network;
#[cfg(target_os = "linux")]
mod processes;
#[cfg(target_os = "linux")]
mod raw;
#[cfg(target_os = "linux")]
mod resources;
#[cfg(target_os = "linux")]
mod run;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    run::run(&arguments).unwrap_or_else(|error| {
        raw::say(&format!("striatum-escapes: {error}"));
        ExitCode::from(2)
    })
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    ExitCode::from(2)
}
