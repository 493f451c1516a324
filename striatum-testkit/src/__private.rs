//! What the macros of this crate expand to. Not part of its interface.

use std::{io, time::Duration};

pub use tokio;

/// Runs a case on one thread, with a clock that stands still while anything happens.
///
/// # Errors
/// If there is no runtime to be had.
pub fn run_paused(case: impl Future<Output = ()>) -> io::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(case);
    Ok(())
}

/// Runs a case on several threads.
///
/// # Errors
/// If the threads cannot be started.
pub fn run(case: impl Future<Output = ()>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build()?;
    runtime.block_on(case);
    // A case that failed may leave a blocked thread behind; it must not hide the failure.
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(())
}
