//! Work that blocks.

use striatum_core::sandbox::{SandboxError, SandboxErrorKind};

/// Runs what blocks where blocking is allowed. It runs to its end even if the caller is gone.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SandboxError> + Send + 'static,
) -> Result<T, SandboxError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(e) => Err(SandboxError::new(SandboxErrorKind::Other, "finish the work on a session").because(e)),
    }
}
