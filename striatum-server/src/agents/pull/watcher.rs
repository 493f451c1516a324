//! Notices when something may have become ready, and declares leases lapsed that nobody renewed.

use std::time::Duration;

use striatum_core::{
    engine::EngineError,
    id::Fence,
    run::{Actor, Command, Intent},
    store::{Mark, StoreError, Wait},
};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::agents::{
    documents,
    pull::{Pull, questions::Questions, settle},
};

/// How long to sleep at most, whatever was announced.
const POLL: Duration = Duration::from_secs(30);
/// How long to rest after the store failed.
const REST: Duration = Duration::from_secs(1);
/// How many lapsed leases are looked at in one go.
const LAPSED: usize = 100;

pub(super) async fn watch(pull: Pull, news: watch::Sender<u64>, stop: CancellationToken) {
    let mut seen = Mark::default();
    let mut questions = Questions::default();
    loop {
        let round = async {
            questions.look(&pull).await;
            match round(&pull, seen, &news).await {
                Ok(mark) => mark,
                Err(error) => {
                    tracing::warn!(%error, "cannot watch the store");
                    sleep(REST).await;
                    seen
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            mark = round => seen = mark,
        }
    }
}

/// Tells that something may be ready, and waits until that may be so again.
async fn round(pull: &Pull, seen: Mark, news: &watch::Sender<u64>) -> Result<Mark, StoreError> {
    let store = pull.engine.store();
    let due = store.due(None, LAPSED).await?;
    for fence in &due.lapsed {
        expire(pull, fence).await;
    }
    news.send_modify(|count| *count += 1);
    // A lease that lapsed and could not be ended is looked at again in a while.
    let next = due.next.unwrap_or(POLL).clamp(Duration::from_millis(5), POLL);
    let wait = Wait { chain: None, after: seen };
    tokio::select! {
        mark = store.changed(&wait) => mark,
        () = sleep(next) => Ok(seen),
    }
}

/// Whoever is faster, we or an orchestrator: the store lets one of us.
async fn expire(pull: &Pull, fence: &Fence) {
    let Ok(id) = documents::command_id() else { return };
    let intent = Intent::Expire { fence: fence.clone() };
    let command = Command { id, actor: Actor::Service("server".to_owned()), intent };
    match pull.engine.execute(fence.run, command).await {
        Ok(_) => settle(pull, fence).await,
        Err(EngineError::Rejected(_) | EngineError::GuardFailed) => {}
        Err(error) => tracing::warn!(%fence, %error, "a lease that lapsed was not ended"),
    }
}
