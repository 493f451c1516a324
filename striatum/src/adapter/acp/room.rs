//! Where an agent runs, with the commands of its terminals.

use std::sync::Arc;

use async_trait::async_trait;
use striatum_acp::Spawner;
use striatum_core::sandbox::{Exec, Process, SandboxError, SandboxErrorKind, SandboxSession};
use tokio::sync::Mutex;

type Shared = Arc<Mutex<Option<Box<dyn SandboxSession>>>>;

/// A session of a sandbox that others start processes in as well. Dropping it kills what runs in it, whoever started it.
#[derive(Debug)]
pub(super) struct Room(Shared);

impl Room {
    pub(super) fn new(session: Box<dyn SandboxSession>) -> Self {
        Self(Arc::new(Mutex::new(Some(session))))
    }

    /// For whoever starts processes in it.
    pub(super) fn door(&self) -> Door {
        Door(self.0.clone())
    }

    /// Ends whatever runs in it. Nothing is started afterwards.
    pub(super) async fn close(self) -> Result<(), SandboxError> {
        let session = self.0.lock().await.take();
        match session {
            Some(session) => session.close().await,
            None => Ok(()),
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // Where something is just being started, the last door closes behind it.
        if let Ok(mut session) = self.0.try_lock() {
            session.take();
        }
    }
}

/// Leads into a room as long as that is open.
#[derive(Debug, Clone)]
pub(super) struct Door(Shared);

#[async_trait]
impl Spawner for Door {
    async fn spawn(&self, exec: &Exec) -> Result<Process, SandboxError> {
        // Held meanwhile: a session starts one process at a time.
        match self.0.lock().await.as_mut() {
            Some(session) => session.spawn(exec).await,
            None => {
                let doing = "start a process in a session that is closed";
                Err(SandboxError::new(SandboxErrorKind::Other, doing))
            }
        }
    }
}
