//! For operators: runs seen and steered, by HTTP, as server-sent events and as tools.
//!
//! ```text
//! GET  /v1/runs, /v1/runs/{run}, …/jobs, …/artifacts, …/checkpoints, …/questions, …/escalations, …/decisions, …/sessions
//! POST /v1/runs (prepare), /v1/runs/{run}/confirm, start, pause, resume, cancel, …/jobs/{job}/resolve, decide, retry, …
//! GET  /v1/events          the chain of the repository as it grows; `Last-Event-ID` goes on where a reader was
//! GET  /v1/openapi.json    all of it, described
//! POST /mcp                the same operations as tools of the Model Context Protocol
//! GET  /v1/health, /v1/ready
//! ```
//!
//! Everything but the last line wants an operator's token ([`Scope::Operator`](crate::authority::Scope)), which names whoever acts, the
//! repository and what may be done. Lists come in pages: `next` of one is `after` of the following. What changes something takes a
//! `request_id`; repeated under it, it is done once. A refusal has a code, a sentence and a remedy, those of `docs/errors.md`.
//!
//! Whether a person is needed is decided by the machine, from the actor that the token names: an AI operator is refused what the workflow
//! leaves to people (`principal_required`), over whichever way it asks.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc};

use axum::Router;
use striatum_core::{engine::Engine, id::ChainId, store::StoreError};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{audit::Audit, authority::Authority, boundary::Boundary, serving::Serving};

mod blobs;
mod caller;
mod desk;
mod http;
mod openapi;
mod operation;
mod operations;
mod page;
mod problem;
mod repository;
mod stream;
mod tools;
mod view;

pub use problem::{Fault, Problem};
pub use repository::{Branch, Document, Prepared, Repository, Warning};

use desk::Desk;
use operation::Operation;

/// How many readers may follow the events at the same time.
const READERS: usize = 256;

/// The interface for operators.
///
/// Dropping it ends its streams and its tasks, but not a server that it was mounted in.
#[derive(Debug)]
pub struct Operators {
    interface: Arc<Interface>,
    boundary: Boundary,
    _closing: DropGuard,
}

/// What routes and tools share.
#[derive(Debug)]
struct Interface {
    desk: Arc<Desk>,
    operations: Vec<Arc<Operation>>,
    readers: Arc<Semaphore>,
    feeds: stream::Feeds,
    closing: CancellationToken,
}

impl Operators {
    /// Opens the interface over an engine. Requests are written down in the chain `audit` of its store, from which the tokens that were
    /// revoked are taken up.
    ///
    /// # Errors
    /// [`StoreError`] if the chain cannot be opened or read.
    pub async fn open(
        engine: Arc<Engine>,
        authority: Arc<Authority>,
        repositories: impl IntoIterator<Item = (ChainId, Arc<dyn Repository>)>,
        boundary: Boundary,
    ) -> Result<Self, StoreError> {
        let audit = Audit::open(engine.store().clone(), authority.clone()).await?;
        let repositories: BTreeMap<_, _> = repositories.into_iter().collect();
        let closing = CancellationToken::new();
        let interface = Interface {
            desk: Arc::new(Desk::new(engine, authority, audit, repositories)),
            operations: operations::all().into_iter().map(Arc::new).collect(),
            readers: Arc::new(Semaphore::new(READERS)),
            feeds: stream::Feeds::default(),
            closing: closing.clone(),
        };
        Ok(Self { interface: Arc::new(interface), boundary, _closing: closing.drop_guard() })
    }

    /// The routes, to mount in a server that listens for operators and for nobody else. Agents have a listener of their own.
    pub fn router(&self) -> Router {
        http::router(&self.interface, &self.boundary)
    }

    /// The OpenAPI document.
    pub fn openapi(&self) -> serde_json::Value {
        openapi::document(&self.interface.operations)
    }

    /// Serves the routes in tasks of their own, until what is returned is dropped; then streams end, and answers under way have five
    /// seconds. Call it within a tokio runtime.
    ///
    /// # Errors
    /// [`io::Error`] if the listener does not say where it listens.
    pub fn serve(self, listener: TcpListener) -> io::Result<Served> {
        let serving = Serving::start(listener, self.router())?;
        Ok(Served { serving, _operators: self })
    }
}

/// The interface with its listener. Dropping it ends both.
#[derive(Debug)]
#[must_use = "serving ends when this is dropped"]
pub struct Served {
    // Streams end first: a connection with one has no other end.
    _operators: Operators,
    serving: Serving,
}

impl Served {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.serving.address()
    }
}
