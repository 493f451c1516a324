//! The processes of one session, and how they end together.

use std::{path::Path, sync::Arc, time::Duration};

use striatum_core::{
    id::SessionId,
    sandbox::{Reaped, SandboxError, SandboxSpec},
};

use crate::{blocking::aside, child::Leader, folder::Folder, remains::Remains};

/// The leaders of a session's groups. Dropping it kills what they lead.
#[derive(Debug)]
pub(crate) struct Crew {
    folder: Folder,
    session: SessionId,
    grace: Duration,
    /// Kept to the end of the session, so that their groups can be ended then.
    leaders: Vec<Arc<Leader>>,
}

impl Crew {
    pub(crate) fn new(folder: Folder, spec: &SandboxSpec) -> Self {
        Self { folder, session: spec.fence.session, grace: spec.limits.grace, leaders: Vec::new() }
    }

    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    pub(crate) fn session(&self) -> SessionId {
        self.session
    }

    /// What the names of the next process's records end with. The first one is the session's main process; only its records have
    /// plain names.
    pub(crate) fn next_suffix(&self) -> String {
        match self.leaders.len() {
            0 => String::new(),
            earlier => format!(".{}", earlier + 1),
        }
    }

    pub(crate) fn join(&mut self, leader: Leader) -> Arc<Leader> {
        let leader = Arc::new(leader);
        self.leaders.push(Arc::clone(&leader));
        leader
    }

    pub(crate) async fn close(&self) -> Result<(), SandboxError> {
        let (folder, session, grace) = (self.folder.clone(), self.session, self.grace);
        let leaders = self.leaders.clone();
        aside(move || {
            // A session that cannot be marked is ended all the same, and the want of the mark told.
            let marked = folder.mark_closed();
            let ended = Remains::pinned(Some(session), leaders).end(grace);
            marked.and(ended).map(drop)
        })
        .await
        // What is left of the session is dropped then and looks once more.
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        if let Err(error) = self.folder.mark_closed() {
            tracing::debug!(%error, "a session could not be marked as closed");
        }
        Remains::pinned(Some(self.session), std::mem::take(&mut self.leaders)).kill_at_once();
    }
}

/// Ends what a session left that may be that of a program which died.
pub(crate) async fn reap(folder: &Path) -> Result<Reaped, SandboxError> {
    let folder = Folder::new(folder)?;
    aside(move || {
        if !folder.exists() {
            return Ok(Reaped { killed: 0, outcome: None });
        }
        // Before the records are read: a process that is not on record yet will see this and not start.
        folder.mark_closed()?;
        let note = folder.note();
        let killed = Remains::recorded(note.session, folder.processes()?).end(note.grace)?;
        let outcome = folder.outcome();
        tracing::debug!(folder = %folder.path().display(), killed, ?outcome, "reaped a session");
        Ok(Reaped { killed, outcome })
    })
    .await
}
