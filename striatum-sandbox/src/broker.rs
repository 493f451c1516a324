//! Lets agents ask their model without a credential.
//!
//! A [`Broker`] is the way to one model's host, with a [`Credential`] that stays in this process. It opens a [`Session`] for each
//! agent: an endpoint that looks like the provider's, and a **placeholder** that is worth something there and nowhere else. What the
//! agent asks is checked, the placeholder replaced, and the answer passed on as it comes.
//!
//! - The host is fixed: nothing that an agent sends chooses another, redirects are not followed and nothing is upgraded.
//! - Only known paths, headers, parameters and models travel on, and no tool that the provider runs and that could reach the network
//!   for the agent.
//! - Requests and tokens are counted and bounded. Tokens are read from the answers.
//! - What is refused is refused in the provider's words, so that an agent shows the reason.
//!
//! ```no_run
//! use striatum_sandbox::{
//!     broker::{Broker, Budget, Provider},
//!     credential::{Credential, CredentialSource},
//! };
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let key = Credential::new(CredentialSource::Env("ANTHROPIC_API_KEY".to_owned()));
//! let broker = Broker::of(Provider::Anthropic, key).models(["claude-*"]).build()?;
//! let mut session = broker.session(Budget { tokens: Some(100_000), ..Budget::default() })?;
//! let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! let base_url = format!("http://{}", listener.local_addr()?);
//! session.serve(listener)?;
//! // An agent is started with ANTHROPIC_BASE_URL=base_url and ANTHROPIC_API_KEY=session.placeholder().reveal().
//! # Ok(())
//! # }
//! ```

use std::{io, sync::Arc, time::Duration};

use crate::{
    credential::Credential,
    upstream::{Upstream, UpstreamError},
};

mod answer;
mod asked;
mod gate;
mod ledger;
mod limit;
mod provider;
mod refusal;
mod serve;
mod session;
mod usage;

pub use ledger::Observed;
pub use provider::Provider;
pub use session::Session;

/// The way to one model's host. Clones share it.
#[derive(Debug, Clone)]
pub struct Broker(Arc<Settings>);

#[derive(Debug)]
struct Settings {
    provider: Provider,
    upstream: Upstream,
    credential: Credential,
    models: Vec<String>,
    tools: ProviderTools,
    limits: Limits,
}

impl Broker {
    /// Begins one that speaks this interface and has this credential.
    pub fn of(provider: Provider, credential: Credential) -> BrokerBuilder {
        let models = provider.models().iter().map(|model| (*model).to_owned()).collect();
        let (tools, limits) = (ProviderTools::Refused, Limits::default());
        BrokerBuilder { provider, credential, upstream: None, models, tools, limits }
    }

    /// Opens a session for one agent.
    ///
    /// # Errors
    /// If the host gives no randomness for a placeholder.
    pub fn session(&self, budget: Budget) -> io::Result<Session> {
        Session::open(self.0.clone(), budget)
    }

    /// Whose interface it speaks.
    pub fn provider(&self) -> Provider {
        self.0.provider
    }
}

/// Puts a [`Broker`] together.
#[derive(Debug)]
#[must_use]
pub struct BrokerBuilder {
    provider: Provider,
    credential: Credential,
    upstream: Option<Upstream>,
    models: Vec<String>,
    tools: ProviderTools,
    limits: Limits,
}

impl BrokerBuilder {
    /// Another host than the provider's own.
    pub fn upstream(self, upstream: Upstream) -> Self {
        Self { upstream: Some(upstream), ..self }
    }

    /// The models that may be asked, instead of the provider's own that write text. `*` at the end stands for any end.
    pub fn models<M: Into<String>>(self, models: impl IntoIterator<Item = M>) -> Self {
        Self { models: models.into_iter().map(Into::into).collect(), ..self }
    }

    /// Whether agents may use tools that the provider runs.
    pub fn provider_tools(self, tools: ProviderTools) -> Self {
        Self { tools, ..self }
    }

    /// What a session may use at once.
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The broker.
    ///
    /// # Errors
    /// [`UpstreamError`] if the provider's host cannot be spoken to from here.
    pub fn build(self) -> Result<Broker, UpstreamError> {
        let Self { provider, credential, upstream, models, tools, limits } = self;
        let upstream = match upstream {
            Some(upstream) => upstream,
            None => Upstream::at(provider.url(), None)?,
        };
        Ok(Broker(Arc::new(Settings { provider, upstream, credential, models, tools, limits })))
    }
}

/// Tools that the provider runs: a search of the web, a fetched page, a server of tools somewhere. They reach the network for an
/// agent that may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProviderTools {
    /// Agents may not use them.
    #[default]
    Refused,
    /// Agents may.
    Allowed,
}

/// What a session may use in all; `None` is without a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Budget {
    /// Requests to a model.
    pub requests: Option<u64>,
    /// Tokens read and written. What is under way when the last one is used is answered, and nothing after it.
    pub tokens: Option<u64>,
}

/// What a session may use at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest body of a request, in bytes.
    pub body_bytes: usize,
    /// How long a request may take to arrive, and each part of an answer to be taken.
    pub arrival: Duration,
    /// How long the model's host may take to begin an answer.
    pub answer: Duration,
    /// How long it may be silent in the middle of one.
    pub silence: Duration,
    /// How long an answer may take in all.
    pub whole: Duration,
    /// How many requests may be under way.
    pub requests: usize,
    /// How many connections may be open.
    pub connections: usize,
}

impl Default for Limits {
    /// 32 MiB; one minute; ten minutes; five minutes; one hour; 16 requests; 64 connections.
    fn default() -> Self {
        Self {
            body_bytes: 32 << 20,
            arrival: Duration::from_secs(60),
            answer: Duration::from_secs(600),
            silence: Duration::from_secs(300),
            whole: Duration::from_secs(3600),
            requests: 16,
            connections: 64,
        }
    }
}
