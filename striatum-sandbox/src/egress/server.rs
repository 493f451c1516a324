//! Serving one agent.

use std::{
    convert::Infallible,
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper::{
    Method, Request, Response,
    body::{Body as _, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ClientConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    authority::Authority as CertificateAuthority,
    body::{AnswerBody, text},
    forward::Route,
    head,
    host::Authority,
    limits::EgressLimits,
    link::Link,
    placeholder::Placeholders,
    record::{Account, Records},
    refusal::Refusal,
    resolve::Resolve,
    rule::Scheme,
    rules::EgressRules,
    tunnel::Tunnel,
};

/// The header of a refusal that says its code.
const REFUSAL: &str = "x-striatum-refusal";

/// What all connections of a session share.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) rules: EgressRules,
    pub(super) placeholders: Placeholders,
    pub(super) authority: CertificateAuthority,
    pub(super) upstream: Arc<ClientConfig>,
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) records: Arc<Records>,
    pub(super) limits: EgressLimits,
}

/// A proxy that is being served. Dropping it ends every connection.
#[must_use = "serving ends when this is dropped"]
pub struct EgressServing {
    _stop: DropGuard,
}

impl fmt::Debug for EgressServing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EgressServing")
    }
}

impl EgressServing {
    pub(super) fn start(session: Arc<Session>, listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let stop = CancellationToken::new();
        let connections = Connections { session, stop: stop.clone() };
        tokio::spawn(connections.accept(listener));
        Ok(Self { _stop: stop.drop_guard() })
    }
}

/// Tasks that end when serving does.
#[derive(Clone)]
struct Connections {
    session: Arc<Session>,
    stop: CancellationToken,
}

/// A place among the connections, which a tunnel keeps when its request has been answered.
type Seat = Arc<OwnedSemaphorePermit>;

impl Connections {
    async fn accept(self, listener: TcpListener) {
        let seats = Arc::new(Semaphore::new(self.session.limits.connections));
        loop {
            let accepted = async {
                let seat = seats.clone().acquire_owned().await.map_err(io::Error::other)?;
                Ok::<_, io::Error>((seat, listener.accept().await?.0))
            };
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = accepted => accepted,
            };
            match accepted {
                Ok((seat, stream)) => self.spawn(self.clone().converse(stream, Arc::new(seat))),
                // Out of descriptors, say. It would fail again at once.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Runs a task for as long as a connection may last.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let (stop, most) = (self.stop.clone(), self.session.limits.connection_time);
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                _ = timeout(most, task) => {}
            }
        });
    }

    async fn converse(self, stream: TcpStream, seat: Seat) {
        // Heads are small, and waited for.
        let _ = stream.set_nodelay(true);
        let asked = AtomicBool::new(false);
        let answer = service_fn(|request| async {
            asked.store(true, Ordering::Relaxed);
            let is_connect = request.method() == Method::CONNECT;
            let scheme = if is_connect { Scheme::Https } else { Scheme::Http };
            let account = self.session.account(scheme, Some(request.method().clone()));
            let answered = async {
                self.session.records.admit()?;
                if is_connect {
                    self.connect(request, &account, &seat).await
                } else {
                    self.session.plain(request, &account).await
                }
            };
            settled(answered.await, &account)
        });
        let connection = self.session.http1().serve_connection(TokioIo::new(stream), answer).with_upgrades();
        if let Some(refusal) = connection.await.err().and_then(|error| why(&error, &asked)) {
            self.session.account(Scheme::Http, None).refused(refusal);
        }
    }

    /// Allows a tunnel, or not. What goes through it is looked at when it comes.
    async fn connect(
        &self,
        request: Request<Incoming>,
        account: &Account,
        seat: &Seat,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let Session { rules, resolver, limits, .. } = &*self.session;
        // A port must be named: there is none that CONNECT is usually for.
        let target = request.uri().authority().ok_or(Refusal::Malformed)?;
        let authority = Authority::parse(target.as_str(), 0).map_err(|_| Refusal::Malformed)?;
        account.goes_to(&authority);
        head::agrees(&request, &authority, authority.port)?;
        head::is_plain(&request)?;
        if !request.body().is_end_stream() {
            return Err(Refusal::FramingRefused);
        }
        let door = rules.door(Scheme::Https, &authority)?;
        let link = Link::connect(&**resolver, &door, &authority, *limits).await?;
        let tunnel = Tunnel { authority, door, link, account: account.clone() };
        let (session, seat) = (self.session.clone(), seat.clone());
        self.spawn(async move {
            if let Ok(client) = hyper::upgrade::on(request).await {
                tunnel.lead(session, TokioIo::new(client)).await;
            }
            drop(seat);
        });
        Ok(Response::new(text("")))
    }
}

impl Session {
    /// Opens the account of a request.
    pub(super) fn account(&self, scheme: Scheme, method: Option<Method>) -> Account {
        Account::open(self.records.clone(), scheme, method)
    }

    /// How clients are listened to.
    pub(super) fn http1(&self) -> http1::Builder {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_time)
            .max_buf_size(self.limits.head_bytes)
            .max_header_size(self.limits.head_bytes);
        builder
    }

    /// A request for a host without TLS, as proxies are sent it.
    async fn plain(
        &self,
        request: Request<Incoming>,
        account: &Account,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let (scheme, target) = (request.uri().scheme_str(), request.uri().authority());
        let (Some("http"), Some(target)) = (scheme, target) else { return Err(Refusal::Malformed) };
        let port = Scheme::Http.port();
        let authority = Authority::parse(target.as_str(), port).map_err(|_| Refusal::Malformed)?;
        account.goes_to(&authority);
        let door = self.rules.door(Scheme::Http, &authority)?;
        let route = Route { session: self, scheme: Scheme::Http, authority: &authority, door: &door };
        let judged = route.judge(request, account).await?;
        let mut link = Link::connect(&*self.resolver, &door, &authority, self.limits).await?;
        route.send(judged, &mut link, account).await
    }
}

/// The answer, or the refusal as one.
pub(super) fn settled(
    answered: Result<Response<AnswerBody>, Refusal>,
    account: &Account,
) -> Result<Response<AnswerBody>, Infallible> {
    Ok(answered.unwrap_or_else(|refusal| {
        account.refused(refusal);
        let words = format!("striatum: {}: {} {}\n", refusal.code(), refusal.meaning(), refusal.remedy());
        let mut response = Response::new(text(words));
        *response.status_mut() = refusal.status();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        response.headers_mut().insert(REFUSAL, HeaderValue::from_static(refusal.code()));
        response
    }))
}

/// Why a client was not listened to any further, if that was not its own wish. One that had asked for something may be silent.
pub(super) fn why(error: &hyper::Error, asked: &AtomicBool) -> Option<Refusal> {
    if error.is_parse_too_large() {
        Some(Refusal::HeadTooLarge)
    } else if error.is_parse() {
        Some(Refusal::Malformed)
    } else if error.is_timeout() && !asked.load(Ordering::Relaxed) {
        Some(Refusal::TooSlow)
    } else {
        None
    }
}
