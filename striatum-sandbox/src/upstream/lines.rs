//! Connections to one host, which are used again.
//!
//! None has a task of its own: who waits for an answer lets its connection read and write meanwhile. So what has come is passed on at
//! once by the task that reads it, and all that has come at one time; between two tasks each part would be handed over by itself.

use std::{
    fmt, io, mem,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::{
    Request, Response, Uri,
    body::Incoming,
    client::conn::{TrySendError, http1},
    service::Service as _,
};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo, service::TowerToHyperService};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    runtime::Handle,
    time::{Instant, sleep},
};

use super::tls::Tls;

/// About how much is passed on at once, in bytes, if so much has come. No head is longer.
const AT_ONCE: usize = 64 << 10;

/// How long a connection is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(60);

/// The connections to one host. Clones share them.
#[derive(Clone)]
pub(super) struct Lines {
    host: Uri,
    tcp: TowerToHyperService<HttpConnector>,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    rest: Arc<Mutex<Rest>>,
}

/// Connections that nobody uses, the longest unused first.
#[derive(Default)]
struct Rest {
    lines: Vec<(Line, Instant)>,
    is_watched: bool,
}

impl Lines {
    /// To the host of this URL, within TLS if there is any.
    pub(super) fn to(
        host: Uri,
        tcp: HttpConnector,
        tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    ) -> Self {
        Self { host, tcp: TowerToHyperService::new(tcp), tls, rest: Arc::default() }
    }

    /// Sends a request, which names a path alone, and waits for the head of its answer.
    pub(super) async fn send(&self, mut request: Request<Full<Bytes>>) -> io::Result<Response<Arriving>> {
        while let Some(line) = self.take() {
            match line.send(request, &self.rest).await {
                Ok(response) => return Ok(response),
                // The host closed the connection before it could be used again; nothing was sent.
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(io::Error::other(failed.into_error())),
                },
            }
        }
        let line = self.open().await?;
        line.send(request, &self.rest).await.map_err(|failed| io::Error::other(failed.into_error()))
    }

    async fn open(&self) -> io::Result<Line> {
        let tcp = self.tcp.call(self.host.clone()).await.map_err(io::Error::other)?.into_inner();
        let stream: Stream = match &self.tls {
            None => Box::new(tcp),
            Some((config, name)) => Box::new(Tls::connect(config.clone(), name.clone(), tcp).await?),
        };
        Line::over(stream).await.map_err(io::Error::other)
    }

    /// A connection that was used before, and that the host has left open.
    fn take(&self) -> Option<Line> {
        loop {
            let (mut line, since) = rest_of(&self.rest).lines.pop()?;
            if since.elapsed() < IDLE && line.is_free() {
                return Some(line);
            }
        }
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("host", &self.host).finish_non_exhaustive()
    }
}

fn rest_of(rest: &Mutex<Rest>) -> MutexGuard<'_, Rest> {
    rest.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps a connection for the next request.
fn keep(rest: &Arc<Mutex<Rest>>, line: Line) {
    let Ok(runtime) = Handle::try_current() else { return };
    let mut kept = rest_of(rest);
    kept.lines.push((line, Instant::now()));
    if !mem::replace(&mut kept.is_watched, true) {
        runtime.spawn(watch(Arc::downgrade(rest)));
    }
}

/// Closes what nobody has used for long, until nothing is left.
async fn watch(rest: Weak<Mutex<Rest>>) {
    loop {
        sleep(IDLE).await;
        let Some(rest) = rest.upgrade() else { return };
        let mut kept = rest_of(&rest);
        kept.lines.retain(|(_, since)| since.elapsed() < IDLE);
        kept.is_watched = !kept.lines.is_empty();
        if !kept.is_watched {
            return;
        }
    }
}

/// Bytes in both directions, within TLS or not.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

type Stream = Box<dyn Wire>;

/// One connection.
struct Line {
    sender: http1::SendRequest<Full<Bytes>>,
    /// What reads and writes, until it has ended.
    driver: Option<Box<http1::Connection<TokioIo<Stream>, Full<Bytes>>>>,
}

impl Line {
    async fn over(stream: Stream) -> hyper::Result<Self> {
        let (sender, driver) =
            http1::Builder::new().max_buf_size(AT_ONCE).handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, driver: Some(Box::new(driver)) })
    }

    /// Lets it read and write what it can.
    fn drive(&mut self, cx: &mut Context<'_>) {
        let Some(driver) = &mut self.driver else { return };
        if let Poll::Ready(ended) = Pin::new(driver).poll(cx) {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection to a host ended early");
            }
            self.driver = None;
        }
    }

    /// Whether it may be asked now.
    fn is_free(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.driver.is_some() && self.sender.is_ready()
    }

    async fn send(
        mut self,
        request: Request<Full<Bytes>>,
        rest: &Arc<Mutex<Rest>>,
    ) -> Result<Response<Arriving>, TrySendError<Request<Full<Bytes>>>> {
        let response = {
            let mut answered = pin!(self.sender.try_send_request(request));
            let driven = std::future::poll_fn(|cx| {
                self.drive(cx);
                answered.as_mut().poll(cx)
            });
            driven.await?
        };
        let rest = rest.clone();
        Ok(response.map(|body| Arriving { body, line: Some(self), rest }))
    }
}

/// The body of an answer, with the connection by which it comes. When it has come whole, the connection is kept.
pub(crate) struct Arriving {
    body: Incoming,
    line: Option<Line>,
    rest: Arc<Mutex<Rest>>,
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        if let Some(line) = &mut this.line {
            line.drive(cx);
        }
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) {
            this.release();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Arriving {
    fn release(&mut self) {
        if let Some(mut line) = self.line.take()
            && line.is_free()
        {
            keep(&self.rest, line);
        }
    }
}

impl fmt::Debug for Arriving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arriving").field("body", &self.body).finish_non_exhaustive()
    }
}

impl Drop for Arriving {
    /// One that has come whole need not be read to learn so. Any other's connection ends with it.
    fn drop(&mut self) {
        if self.body.is_end_stream() {
            self.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http_body_util::BodyExt as _;
    use tokio::{
        io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
        net::TcpListener,
        task::yield_now,
    };

    use super::*;
    use crate::upstream::Upstream;

    /// A host that answers with the number of the connection, as long as its connections may live.
    async fn host(requests: usize, headers: &'static str) -> (Upstream, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let ended = Arc::new(AtomicUsize::new(0));
        let counted = ended.clone();
        tokio::spawn(async move {
            for number in 1.. {
                let (stream, _) = listener.accept().await.expect("a connection");
                let counted = counted.clone();
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    for nth in 1..=requests {
                        let mut line = String::new();
                        while line != "\r\n" {
                            line.clear();
                            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                                return;
                            }
                        }
                        let headers = if nth == requests { headers } else { "" };
                        let answer = format!(
                            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n{headers}\r\n1\r\n{number}\r\n0\r\n\r\n"
                        );
                        stream.write_all(answer.as_bytes()).await.expect("it is read");
                    }
                    drop(stream);
                    counted.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        (Upstream::at(&url, None).expect("it is this machine"), ended)
    }

    async fn ask(host: &Upstream) -> Response<Arriving> {
        host.ask("/", Request::new(Full::default())).await.expect("it answers")
    }

    async fn number(host: &Upstream) -> Bytes {
        ask(host).await.into_body().collect().await.expect("a body").to_bytes()
    }

    #[tokio::test]
    async fn a_connection_is_used_again_until_the_host_wants_no_more() {
        let (host, _) = host(2, "connection: close\r\n").await;
        let mut numbers = Vec::new();
        for _ in 0..5 {
            numbers.push(number(&host).await);
        }
        assert_eq!(numbers, ["1", "1", "2", "2", "3"]);
    }

    #[tokio::test]
    async fn two_that_ask_at_once_have_two_connections_and_whose_answer_is_not_read_ends_with_it() {
        let (host, _) = host(9, "").await;
        let (one, other) = (ask(&host).await, ask(&host).await);
        drop(one);
        assert_eq!(other.into_body().collect().await.expect("a body").to_bytes(), "2");
        assert_eq!([number(&host).await, number(&host).await], ["2", "2"]);
    }

    #[tokio::test]
    async fn a_connection_that_the_host_has_closed_is_not_used() {
        let (host, ended) = host(1, "").await;
        assert_eq!(number(&host).await, "1");
        while ended.load(Ordering::SeqCst) == 0
            || host.lines.take().is_some_and(|line| {
                keep(&host.lines.rest, line);
                true
            })
        {
            yield_now().await;
        }
        assert_eq!(number(&host).await, "2");
    }
}
