//! Runs that an application asks for together with what it writes itself.

use striatum_core::{
    id::RunId,
    run::{Intent, Rejection, RunStatus},
    workflow::BranchMode,
};
use striatum_pg::Requests;
use striatum_workspace::BranchName;
use tokio::time::sleep;

use crate::orchestrator::{Error, Orchestrator, service};

impl Orchestrator {
    /// Begins the runs of this repository that are asked for in the inbox of a store, until [`drain`](Self::drain) or
    /// [`stop`](Self::stop) is called: beside [`run`](Self::run), which works on them. The requests are those of the store that this
    /// orchestrator was built with.
    ///
    /// Who asked wants it done: where the branch is the document's to choose (`auto`), it is settled and the run is started. Otherwise
    /// the run waits until a person has confirmed the branch and started it. Any number of processes may serve one inbox.
    ///
    /// # Errors
    /// [`Error`] if the store cannot be used at all. What goes wrong with one run is a [`Progress::Notice`](crate::Progress::Notice); an
    /// outage of the store is one too, and is waited out.
    pub async fn serve_requests(&self, requests: Requests) -> Result<(), Error> {
        let shared = &self.shared;
        let mut requests = requests.of(shared.repository.chain().clone());
        while !shared.draining.is_cancelled() {
            let served = requests.begin_each(&shared.engine, |run| self.set_going(run)).await;
            let outage = match served {
                Ok(_) => None,
                Err(error) if error.is_retryable() => Some(error),
                Err(error) => return Err(error),
            };
            let rest = async {
                match &outage {
                    Some(error) => {
                        shared.notice(None, error);
                        sleep(shared.limits.poll).await;
                    }
                    None => requests.wait().await,
                }
            };
            tokio::select! {
                () = rest => {}
                () = shared.draining.cancelled() => {}
            }
        }
        Ok(())
    }

    /// Has a run that has just begun go on, if nobody is to be asked. What keeps this one from it keeps no other.
    async fn set_going(&self, run: RunId) -> Result<(), Error> {
        match self.try_to_set_going(run).await {
            Err(error) if error.is_retryable() => Err(error),
            Err(error) => {
                self.shared.notice(Some(run), &error);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    async fn try_to_set_going(&self, run: RunId) -> Result<(), Error> {
        let state = self.load(run).await?.state;
        let branch = &state.workflow().branch;
        if state.status() != Some(RunStatus::NeedsBranchConfirmation) || branch.mode != BranchMode::Auto {
            return Ok(());
        }
        let branch = self.free_branch(&branch.suggested_name).await?;
        let at = self.shared.repository.branch(&BranchName::new(&branch)?).await?;
        // In one append: a run that is only confirmed looks like one that a person has not started yet.
        let intents = vec![Intent::ConfirmBranch { branch, at }, Intent::Start];
        match self.commands(run, &service(), intents).await {
            // Another process that serves the inbox has done it meanwhile.
            Err(error) if matches!(error.rejection(), Some(Rejection::RunStatus { .. })) => Ok(()),
            done => done.map(drop),
        }
    }
}
