//! The tools of a grant, for an agent that calls them while it works.

use std::{net::TcpListener, sync::Arc, time::Duration};

use secrecy::ExposeSecret as _;
use striatum_core::{
    id::Fence,
    transport::{Secret, ToolServer},
};
use striatum_server::{
    Serving,
    agents::{Agents, OpenSession, Workbench},
};

use crate::adapter::AdapterError;

/// What agents put before the names of these tools.
pub(crate) const SERVER: &str = "striatum";

/// Opens the tools of one grant. What an agent records by them is done at once, and its end says nothing any more.
#[derive(Debug, Clone)]
pub struct Toolbox {
    agents: Agents,
    fence: Fence,
    prompt: String,
    bench: Arc<dyn Workbench>,
}

impl Toolbox {
    pub(crate) fn new(agents: Agents, fence: Fence, prompt: String, bench: Arc<dyn Workbench>) -> Self {
        Self { agents, fence, prompt, bench }
    }

    /// The packet in words, for an agent that finishes by these tools.
    pub fn prompt(&self) -> &str {
        &self.prompt
    }

    /// Serves them on a listener, until what is returned is dropped and at most for so long.
    ///
    /// # Errors
    /// [`AdapterError`] if they cannot be served.
    pub fn open(&self, listener: TcpListener, valid_for: Duration) -> Result<OpenTools, AdapterError> {
        let unserved = || AdapterError::new("serve the tools of a grant");
        let listener =
            tokio::net::TcpListener::from_std(listener).map_err(|error| unserved().because(error))?;
        let session = self
            .agents
            .open(self.fence.clone(), self.bench.clone(), valid_for)
            .map_err(|error| unserved().because(error))?;
        let serving = self.agents.serve(listener).map_err(|error| unserved().because(error))?;
        Ok(OpenTools { session, serving })
    }
}

/// Tools that are being served.
#[derive(Debug)]
pub struct OpenTools {
    session: OpenSession,
    serving: Serving,
}

impl OpenTools {
    /// How an agent reaches them.
    pub fn server(&self) -> ToolServer {
        let endpoint = self.session.endpoint_at(self.serving.address());
        ToolServer::http(SERVER, &endpoint.url, Secret::new(endpoint.bearer.expose_secret()))
    }

    /// Whether an agent has asked which tools there are: agents do not say when they cannot reach them.
    pub fn is_connected(&self) -> bool {
        self.session.is_connected()
    }

    /// How many calls were made: a sign of life.
    pub fn calls(&self) -> u64 {
        self.session.calls()
    }

    /// Waits until a call has ended the grant. That may never happen.
    pub async fn concluded(&self) {
        self.session.concluded().await;
    }

    /// Serves them no longer, and waits until the call that is under way has ended.
    pub async fn close(self) {
        self.session.close().await;
    }
}
