//! The endpoint of one agent.

use std::{fmt::Write as _, io, net::TcpListener, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use striatum_core::transport::Secret;
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{JoinHandle, JoinSet},
    time::sleep,
};

use super::{Budget, Observed, Settings, ledger::Ledger, serve};
use crate::patient::Patient;

/// The longest head of a request, in bytes.
const HEAD: usize = 64 << 10;

/// About how much of an answer is written at once, in bytes, if so much has come.
const WRITTEN: usize = 64 << 10;

/// How long is waited when the host gives no more connections.
const PAUSE: Duration = Duration::from_millis(100);

/// A model's endpoint for one agent. Dropping it ends whatever is under way.
#[derive(Debug)]
pub struct Session {
    desk: Arc<Desk>,
    serving: Option<JoinHandle<()>>,
}

/// What every request of a session needs.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) settings: Arc<Settings>,
    pub(super) placeholder: Secret,
    pub(super) budget: Budget,
    pub(super) ledger: Ledger,
    /// For requests under way.
    pub(super) slots: Arc<Semaphore>,
}

impl Session {
    pub(super) fn open(settings: Arc<Settings>, budget: Budget) -> io::Result<Self> {
        let slots = Arc::new(Semaphore::new(settings.limits.requests));
        let desk = Desk { settings, placeholder: placeholder()?, budget, ledger: Ledger::default(), slots };
        Ok(Self { desk: Arc::new(desk), serving: None })
    }

    /// What the agent gets instead of a credential.
    pub fn placeholder(&self) -> &Secret {
        &self.desk.placeholder
    }

    /// Answers on a listener from now on, until the session is dropped. To be called on a tokio runtime.
    ///
    /// # Errors
    /// If the listener cannot be used.
    pub fn serve(&mut self, listener: TcpListener) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let serving = tokio::spawn(accept(listener, self.desk.clone()));
        if let Some(before) = self.serving.replace(serving) {
            before.abort();
        }
        Ok(())
    }

    /// What was used so far.
    pub fn observed(&self) -> Observed {
        self.desk.ledger.observed()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

/// 256 bits that nobody guesses, and that say in every dump what they are.
fn placeholder() -> io::Result<Secret> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let mut text = "sk-striatum-placeholder-".to_owned();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(Secret::new(text))
}

async fn accept(listener: tokio::net::TcpListener, desk: Arc<Desk>) {
    let seats = Arc::new(Semaphore::new(desk.settings.limits.connections));
    // They end with this task.
    let mut connections = JoinSet::new();
    while let Ok(seat) = seats.clone().acquire_owned().await {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(converse(stream, desk.clone(), seat));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to the broker of a model was lost");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, desk: Arc<Desk>, _seat: OwnedSemaphorePermit) {
    // What is streamed comes in small parts.
    let _ = stream.set_nodelay(true);
    let arrival = desk.settings.limits.arrival;
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(arrival).max_header_size(HEAD).max_buf_size(WRITTEN);
    let answer = service_fn(move |request| serve::answer(desk.clone(), request));
    // Whoever hangs up, or speaks something else, has no more to do with us.
    if let Err(error) = http.serve_connection(TokioIo::new(Patient::new(stream, arrival)), answer).await {
        tracing::debug!(%error, "a connection to the broker of a model ended early");
    }
}
