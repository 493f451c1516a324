//! Agents that come for their work.
//!
//! A claim token opens four tools: `register_session`, `await_work`, `ack_work` and `heartbeat`. What `await_work` answers holds
//! another token, that of the grant, which opens the tools of the grant at the same address. A session that was registered here pulls
//! and is never pushed anything: its id is drawn by us, and no orchestrator knows it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use striatum_core::{
    engine::Engine,
    id::{ChainId, Fence, InstanceId, LaneId, RoleId},
    run::{Owner, Pending},
};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{Refusal, agents::Workshop};

mod claiming;
mod puller;
mod questions;
mod tools;
mod watcher;

pub(super) use puller::{Puller, SESSIONS};

/// Lets agents pull.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Pull {
    /// What jobs are claimed from.
    pub engine: Arc<Engine>,
    /// What they are worked on in.
    pub workshop: Arc<dyn Workshop>,
    /// Who answers for what is pulled. Nobody can prove a pulling agent dead, so what it holds is freed by expiry alone.
    pub owner: Owner,
    /// How long the token of a grant is valid if the job's lane does not say.
    pub wall: Duration,
}

impl Pull {
    /// Lets agents pull from an engine, for an hour each, in the name of an instance that no orchestrator shares.
    pub fn new(engine: Arc<Engine>, workshop: Arc<dyn Workshop>, instance: InstanceId) -> Self {
        Self { engine, workshop, owner: Owner::unproven(instance), wall: Duration::from_secs(3600) }
    }
}

/// What all pulling agents share.
pub(super) struct Pulling {
    pull: Pull,
    /// Counts how often something may have become ready.
    news: watch::Sender<u64>,
    /// When nothing was ready for a kind of agent, by that count, so that two hundred who wait ask once.
    idle: Mutex<HashMap<Kind, Arc<tokio::sync::Mutex<u64>>>>,
    _stop: DropGuard,
}

type Kind = (ChainId, RoleId, LaneId);

impl Pulling {
    /// Begins to watch the store, until the answer is dropped. Call it within a tokio runtime.
    pub(super) fn start(pull: Pull) -> Arc<Self> {
        let stop = CancellationToken::new();
        // The first count is 1: nobody has asked yet.
        let news = watch::Sender::new(1);
        tokio::spawn(watcher::watch(pull.clone(), news.clone(), stop.clone()));
        Arc::new(Self { pull, news, idle: Mutex::default(), _stop: stop.drop_guard() })
    }

    fn idle(&self, kind: &Kind) -> Arc<tokio::sync::Mutex<u64>> {
        let mut idle: MutexGuard<'_, _> = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.entry(kind.clone()).or_default().clone()
    }
}

/// Closes what is left of grants that are over.
async fn settle(pull: &Pull, grant: &Fence) {
    let owed = async {
        let state = pull.engine.load(grant.run).await?.state;
        let ours = |owed: &Pending| owed.owner() == Some(pull.owner.instance);
        for owed in state.pending().filter(ours) {
            if let Pending::CloseTree { fence, .. } = owed {
                pull.workshop.close(&fence).await?;
            }
        }
        Ok::<(), Refusal>(())
    };
    if let Err(refusal) = owed.await {
        tracing::warn!(fence = %grant, "what a grant left is not closed yet: {refusal}");
    }
}
