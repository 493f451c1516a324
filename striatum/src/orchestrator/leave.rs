//! Asking a person for leave, while an agent waits.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use striatum_core::{
    id::Fence,
    run::{Event, Intent, Ruling},
    store::{Mark, Wait},
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    mint,
    orchestrator::{Error, Shared},
};

/// Asks people for leave on behalf of the agent of one grant.
#[derive(Debug, Clone)]
pub(crate) struct Office {
    shared: Arc<Shared>,
    fence: Fence,
}

impl Office {
    pub(super) const fn new(shared: Arc<Shared>, fence: Fence) -> Self {
        Self { shared, fence }
    }

    /// Whether a person gave leave within that time, and before the agent stopped waiting. Whatever else happens, it was not given.
    pub(crate) async fn ask(&self, what: String, within: Duration, over: CancellationToken) -> Ruling {
        let asked = async {
            let request = self.shared.engine.blobs().put(Bytes::from(what)).await?;
            let intent = Intent::RequestLeave { fence: self.fence.clone(), request };
            let applied = self.shared.act(self.fence.run, mint::command_id()?, intent).await?;
            let raised = applied.events.iter().find_map(|event| match event {
                Event::EscalationRaised(raised) => Some(raised.escalation),
                _ => None,
            });
            match raised {
                Some(escalation) => self.answer(escalation, within, over).await,
                None => Ok(Ruling::Reject),
            }
        };
        asked.await.unwrap_or_else(|error: Error| {
            self.shared.notice(Some(self.fence.run), &error);
            Ruling::Reject
        })
    }

    async fn answer(
        &self,
        escalation: u32,
        within: Duration,
        over: CancellationToken,
    ) -> Result<Ruling, Error> {
        let until = Instant::now() + within;
        let mut mark = Mark::default();
        loop {
            if let Some(ruling) = self.ruling(escalation).await? {
                return Ok(ruling);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || over.is_cancelled() {
                break;
            }
            let wait = Wait { chain: Some(self.shared.repository.chain().clone()), after: mark };
            tokio::select! {
                changed = self.shared.engine.store().changed(&wait) => match changed {
                    Ok(seen) => mark = seen,
                    Err(_) => sleep(left.min(Duration::from_secs(1))).await,
                },
                () = sleep(left.min(self.shared.limits.poll)) => {}
                () = over.cancelled() => {}
            }
        }
        let withdraw = Intent::WithdrawLeave { escalation };
        self.shared.act(self.fence.run, mint::command_id()?, withdraw).await?;
        // Somebody may have been faster.
        Ok(self.ruling(escalation).await?.unwrap_or(Ruling::Reject))
    }

    async fn ruling(&self, escalation: u32) -> Result<Option<Ruling>, Error> {
        let state = self.shared.engine.load(self.fence.run).await?.state;
        let asked = (escalation as usize).checked_sub(1).and_then(|place| state.escalations().get(place));
        Ok(asked.and_then(|asked| asked.ruling))
    }
}
