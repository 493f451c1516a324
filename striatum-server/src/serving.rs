//! Serving a router to callers that may be slow, many, or never come to an end.

use std::{io, net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt as _;
use tower_http::timeout::RequestBodyTimeoutLayer;

/// Who has connected must have sent the head of a request by then, and after it each part of its body.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many may be connected at a time. Whoever comes then waits.
const CONNECTIONS: usize = 1024;
/// How long answers under way may take once serving is to end.
const GRACE: Duration = Duration::from_secs(5);

/// A listener that is served. Dropping it ends that: answers under way have five seconds.
#[derive(Debug)]
#[must_use = "serving ends when this is dropped"]
pub struct Serving {
    address: SocketAddr,
    _stop: DropGuard,
}

impl Serving {
    /// Serves a router in tasks of its own. Call it within a tokio runtime.
    ///
    /// # Errors
    /// If the listener does not say where it listens.
    pub fn start(listener: TcpListener, router: Router) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, router, stop.clone()));
        Ok(Self { address, _stop: stop.drop_guard() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let router = router.layer(RequestBodyTimeoutLayer::new(PATIENCE));
    let mut connections = JoinSet::new();
    loop {
        let has_room = connections.len() < CONNECTIONS;
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if has_room => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(converse(stream, peer, router.clone(), stop.clone()));
                }
                // Out of descriptors, say. It would fail again at once.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    drop(listener);
    // Whatever is left is aborted with the set.
    let _ = timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
}

async fn converse(stream: TcpStream, peer: SocketAddr, router: Router, stop: CancellationToken) {
    // Answers are small, and waited for.
    let _ = stream.set_nodelay(true);
    let service = router.map_request(move |mut request: hyper::Request<hyper::body::Incoming>| -> Request {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.map(axum::body::Body::new)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut connection = std::pin::pin!(connection);
    let ended: Result<(), hyper::Error> = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
