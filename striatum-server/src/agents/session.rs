//! One open session: a grant, its token, and what an agent did with it so far.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use secrecy::SecretString;
use striatum_core::{digest::Digest, id::Fence, transport::AgentIdentity};
use tokio::{
    sync::{Mutex, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Refusal,
    agents::{Act, Conclusion, Mode, Receipt, Task, Workbench, listener::Shared},
    authority::TokenId,
    refusal::Code,
};

/// Where an agent finds its tools, and what opens them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Endpoint {
    /// The address of an MCP server over streamable HTTP.
    pub url: String,
    /// For the header `Authorization: Bearer …`.
    pub bearer: SecretString,
}

impl Endpoint {
    /// The variables in which a program that carries the tools to an agent finds their address and their token.
    pub const VARIABLES: [&str; 2] = ["STRIATUM_MCP_URL", "STRIATUM_MCP_TOKEN"];

    /// An endpoint that is known from elsewhere.
    pub const fn new(url: String, bearer: SecretString) -> Self {
        Self { url, bearer }
    }

    /// What the [variables](Self::VARIABLES) of this process say, if both are set.
    ///
    /// ```
    /// use striatum_server::agents::Endpoint;
    ///
    /// assert!(Endpoint::of_environment().is_none(), "nobody started this program for an agent");
    /// ```
    pub fn of_environment() -> Option<Self> {
        let [Ok(url), Ok(bearer)] = Self::VARIABLES.map(std::env::var) else { return None };
        Some(Self::new(url, bearer.into()))
    }
}

/// The tools of one grant are open as long as this lives.
///
/// Dropping it makes the token worthless at once and ends every MCP session that was opened with it. A call that has begun is
/// still driven to its end; [`close`](Self::close) waits for it.
#[must_use = "the tools are closed when this is dropped"]
pub struct OpenSession {
    live: Arc<Live>,
    endpoint: Endpoint,
    registry: Weak<Shared>,
}

impl OpenSession {
    pub(super) fn new(live: Arc<Live>, endpoint: Endpoint, registry: Weak<Shared>) -> Self {
        Self { live, endpoint, registry }
    }

    /// The grant.
    pub fn fence(&self) -> &Fence {
        &self.live.fence
    }

    /// What the agent is to be given.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The same for an agent that reaches the tools elsewhere: at `http://{authority}`, where they are [served](crate::agents::Agents::serve) too.
    pub fn endpoint_at(&self, authority: impl fmt::Display) -> Endpoint {
        let url = format!("http://{authority}{}", crate::agents::listener::PATH);
        Endpoint { url, bearer: self.endpoint.bearer.clone() }
    }

    /// Whether an agent has asked which tools there are. Agents do not say when they cannot reach an MCP server: this says it.
    pub fn is_connected(&self) -> bool {
        self.live.attendance.borrow().connected
    }

    /// Waits until an agent has asked which tools there are. It may never do so.
    pub async fn connected(&self) {
        self.wait(|attendance| attendance.connected).await;
    }

    /// Whether a call has ended the grant.
    pub fn is_concluded(&self) -> bool {
        self.live.attendance.borrow().concluded
    }

    /// Waits until a call has ended the grant. That may never happen.
    pub async fn concluded(&self) {
        self.wait(|attendance| attendance.concluded).await;
    }

    /// What the MCP client of the agent said that it is, if it said something.
    pub fn client(&self) -> AgentIdentity {
        self.live.attendance.borrow().client.clone()
    }

    /// How many calls of tools have been made, whatever came of them: a sign of life.
    pub fn calls(&self) -> u64 {
        self.live.attendance.borrow().calls
    }

    /// Makes the token worthless, and waits until the call that is under way, if there is one, has ended.
    pub async fn close(self) {
        self.live.over.cancel();
        drop(self.live.concluded.lock().await);
    }

    async fn wait(&self, until: impl FnMut(&Attendance) -> bool) {
        // The sender is in `live`, which we hold: it cannot be gone.
        let _ = self.live.attendance.subscribe().wait_for(until).await;
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        self.live.over.cancel();
        if let Some(registry) = self.registry.upgrade() {
            registry.forget(&self.live.token);
        }
    }
}

impl fmt::Debug for OpenSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenSession").field("fence", &self.live.fence).finish_non_exhaustive()
    }
}

/// What an agent did with its tools so far.
#[derive(Debug, Default)]
pub(super) struct Attendance {
    connected: bool,
    concluded: bool,
    client: AgentIdentity,
    calls: u64,
}

/// A session as the tools see it.
pub(super) struct Live {
    fence: Fence,
    token: TokenId,
    bench: Arc<dyn Workbench>,
    deadline: Instant,
    /// Cancelled when the token opens nothing any more.
    over: CancellationToken,
    attendance: watch::Sender<Attendance>,
    /// What ended the grant, once a call has. Held by the call that is under way.
    concluded: Mutex<Option<String>>,
}

impl Live {
    pub(super) fn new(
        fence: Fence,
        token: TokenId,
        bench: Arc<dyn Workbench>,
        deadline: Instant,
        over: CancellationToken,
    ) -> Self {
        Self {
            fence,
            token,
            bench,
            deadline,
            over,
            attendance: watch::Sender::default(),
            concluded: Mutex::default(),
        }
    }

    /// Whether the token still opens the tools.
    pub(super) fn is_open(&self) -> bool {
        !self.over.is_cancelled() && Instant::now() < self.deadline
    }

    /// Ends when the token opens nothing any more, and sees to it that it then does not.
    pub(super) async fn expire(&self) {
        tokio::select! {
            () = self.over.cancelled() => {}
            () = tokio::time::sleep_until(self.deadline) => {
                tracing::info!(fence = %self.fence, "the tools of a grant are closed: its time is over");
                self.over.cancel();
            }
        }
    }

    pub(super) fn over(&self) -> &CancellationToken {
        &self.over
    }

    /// An agent asked which tools there are.
    pub(super) fn note_connected(&self, client: Option<AgentIdentity>) {
        self.attendance.send_if_modified(|attendance| {
            let is_news = !attendance.connected || client.as_ref().is_some_and(|it| *it != attendance.client);
            attendance.connected = true;
            attendance.client = client.unwrap_or_else(|| std::mem::take(&mut attendance.client));
            is_news
        });
    }

    pub(super) fn note_call(&self) {
        self.attendance.send_modify(|attendance| attendance.calls = attendance.calls.saturating_add(1));
    }

    pub(super) async fn task(&self) -> Result<Task, Refusal> {
        self.expect_open()?;
        self.bench.task().await
    }

    pub(super) async fn read(&self, document: &Digest) -> Result<Bytes, Refusal> {
        self.expect_open()?;
        self.bench.read(document).await
    }

    /// Does one thing after the other.
    pub(super) async fn act(&self, act: Act, mode: Mode) -> Result<Receipt, Refusal> {
        let mut concluded = self.concluded.lock().await;
        self.expect_open()?;
        if let Some(by) = &*concluded {
            return Err(
                Code::WorkConcluded.because(format!("your work on this task was accepted and is over: {by}"))
            );
        }
        let tool = act.tool();
        let answer = self.bench.act(act, mode).await;
        match &answer {
            Ok(receipt) => tracing::info!(fence = %self.fence, tool, ?mode, "accepted: {}", receipt.sentence),
            Err(refusal) => tracing::info!(fence = %self.fence, tool, ?mode, "{refusal}"),
        }
        if let Ok(Receipt { conclusion: Conclusion::Over, sentence }) = &answer
            && mode == Mode::Perform
        {
            *concluded = Some(sentence.clone());
            self.attendance.send_modify(|attendance| attendance.concluded = true);
        }
        answer
    }

    fn expect_open(&self) -> Result<(), Refusal> {
        if self.is_open() { Ok(()) } else { Err(self.over_refusal()) }
    }

    /// In the words of the machine.
    fn over_refusal(&self) -> Refusal {
        let Fence { job, epoch, .. } = &self.fence;
        Refusal::from(&striatum_core::run::Rejection::StaleFence { job: job.clone(), epoch: *epoch })
    }
}
