//! Trees for agents that come for their work by themselves.

use std::sync::Arc;

use async_trait::async_trait;
use striatum_core::{
    id::Fence,
    run::{Pending, Rejection, State},
};
use striatum_server::{
    Refusal,
    agents::{Pull, Workbench, Workshop},
};
use tokio::time::timeout;

use crate::{
    adapter::Account,
    instance::Instance,
    mint,
    orchestrator::{
        Error, ErrorKind, Orchestrator, Shared,
        bench::{Bench, refusal},
        grant::Work,
        owed,
    },
    prompt::{self, By, Texts},
};

impl Orchestrator {
    /// Lets agents pull the jobs of the lanes that are [left](crate::Builder::pulled) to them, each in a work tree of its own: for
    /// [`AgentsOptions::pull`](striatum_server::agents::AgentsOptions::pull). What an agent leaves in its tree, or commits there, is handed
    /// in as if it had been driven here. Its task names the folder, so it runs where that can be reached.
    ///
    /// What is pulled belongs to an instance of its own, which ends with this process: whoever works on the data folder next sets aside what
    /// lies in the trees, and hands the jobs out again.
    ///
    /// # Errors
    /// [`Error`] if the data folder cannot be used.
    pub fn pull(&self) -> Result<Pull, Error> {
        let shared = self.shared.clone();
        let instance = Instance::new(mint::instance_id()?, &shared.data);
        let instance = instance.map_err(|error| owed::folder_error(&shared, error))?;
        let owner = instance.owner().clone();
        let trees = Arc::new(Trees { shared, _instance: instance });
        let mut pull = Pull::new(self.engine().clone(), trees, owner.instance);
        pull.owner = owner;
        Ok(pull)
    }
}

/// A work tree for each grant.
#[derive(Debug)]
struct Trees {
    shared: Arc<Shared>,
    /// Held, so that nobody takes what is pulled for abandoned.
    _instance: Instance,
}

impl Trees {
    async fn opened(&self, state: &State, fence: &Fence) -> Result<Arc<dyn Workbench>, Refusal> {
        let over = || Refusal::from(&Rejection::StaleFence { job: fence.job.clone(), epoch: fence.epoch });
        let work = Work::new(&self.shared, state, fence).ok_or_else(over)?;
        let at = work.place().await.map_err(|error| refusal(&error))?.ok_or_else(over)?;
        let texts = Texts::of(&work.packet, self.shared.engine.blobs().as_ref()).await;
        let texts = texts.map_err(|error| refusal(&error.into()))?;
        let folder = work.desk().unwrap_or_else(|| at.tree.path().to_owned());
        let task = prompt::render(&work.packet, &texts, By::Tools);
        let task = format!("Work in the folder {}, and nowhere else.\n\n{task}", folder.display());
        Ok(Arc::new(Bench::new(&work, &at, task, Account::default())))
    }

    async fn closed(&self, fence: &Fence) -> Result<(), Error> {
        let state = self.shared.engine.load(fence.run).await?.state;
        let is_its_tree =
            |owed: &Pending| matches!(owed, Pending::CloseTree { fence: of, .. } if of == fence);
        match state.pending().find(is_its_tree) {
            Some(owed) => owed::settle(&self.shared, &state, &owed).await,
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Workshop for Trees {
    async fn open(&self, state: &State, fence: &Fence) -> Result<Arc<dyn Workbench>, Refusal> {
        let within = self.shared.limits.effect;
        timeout(within, self.opened(state, fence)).await.unwrap_or_else(|_| {
            let doing = format!("open a work tree within {} s", within.as_secs());
            Err(refusal(&Error::new(ErrorKind::TimedOut, doing)))
        })
    }

    async fn close(&self, fence: &Fence) -> Result<(), Refusal> {
        self.closed(fence).await.map_err(|error| refusal(&error))
    }
}
