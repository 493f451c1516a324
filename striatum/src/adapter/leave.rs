//! Asking a person for leave.

use std::time::Duration;

use striatum_core::run::Ruling;
use tokio_util::sync::CancellationToken;

use crate::orchestrator::Office;

/// Asks a person for leave on behalf of an agent that waits in the middle of its work.
///
/// What is asked is recorded as an escalation with the topic `leave`, of which somebody is told, and which is settled as every other is.
#[derive(Debug, Clone)]
pub struct Leave(Option<Office>);

impl Leave {
    pub(crate) const fn by(office: Office) -> Self {
        Self(Some(office))
    }

    /// Nobody is asked, and nothing is given.
    pub(crate) const fn nobody() -> Self {
        Self(None)
    }

    /// Whether somebody gave leave within that time and before `over` was triggered. If nobody answered, it is not given.
    pub async fn ask(&self, what: String, within: Duration, over: CancellationToken) -> Ruling {
        match &self.0 {
            Some(office) if !within.is_zero() => office.ask(what, within, over).await,
            _ => Ruling::Reject,
        }
    }
}
