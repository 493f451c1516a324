//! What an adapter tells of its agent while it works.

use striatum_core::{run::Usage, transport::AgentIdentity};
use tokio::sync::watch;

/// Takes what an adapter learns of its agent, as it learns it: whoever records an outcome while the agent is still at work needs it
/// by then.
#[derive(Debug, Clone, Default)]
pub struct Account(watch::Sender<Told>);

/// What was told so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Told {
    /// What the agent said over its protocol that it is.
    pub agent: AgentIdentity,
    /// What it has used, the time apart.
    pub usage: Usage,
    /// By what it can find its conversation again.
    pub conversation: Option<String>,
}

impl Account {
    /// The agent said what it is.
    pub fn identify(&self, agent: &AgentIdentity) {
        self.0.send_if_modified(|told| {
            let is_news = told.agent != *agent;
            told.agent.clone_from(agent);
            is_news
        });
    }

    /// The agent has used so much, in all.
    pub fn spend(&self, usage: Usage) {
        self.0.send_if_modified(|told| {
            told.usage = usage;
            false
        });
    }

    /// The agent calls its conversation so.
    pub fn converse(&self, name: Option<&str>) {
        self.0.send_if_modified(|told| {
            told.conversation = name.map(str::to_owned);
            false
        });
    }

    /// What was told so far.
    pub fn told(&self) -> Told {
        self.0.borrow().clone()
    }

    /// Waits until the agent has said something else of what it is, and tells it.
    pub(crate) fn identities(&self) -> watch::Receiver<Told> {
        self.0.subscribe()
    }
}
