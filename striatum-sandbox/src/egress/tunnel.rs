//! What follows CONNECT.

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use hyper::{Method, Request, StatusCode, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
    sync::{Mutex, Notify},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::{
    forward::Route,
    hello::Hello,
    host::Authority,
    link::Link,
    record::{Account, Way},
    refusal::Refusal,
    rule::Scheme,
    rules::Door,
    server::{Session, settled, why},
};

/// A connection that CONNECT asked for, and that was allowed so far.
pub(super) struct Tunnel {
    pub(super) authority: Authority,
    pub(super) door: Door,
    pub(super) link: Link,
    pub(super) account: Account,
}

impl Tunnel {
    /// Leads it to its end.
    pub(super) async fn lead<S>(self, session: Arc<Session>, client: S)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let account = self.account.clone();
        if let Err(refusal) = self.enter(session, client).await {
            account.refused(refusal);
        }
    }

    async fn enter<S>(self, session: Arc<Session>, mut client: S) -> Result<(), Refusal>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let hello = timeout(session.limits.head_time, Hello::read(&mut client)).await;
        let hello = hello.map_err(|_| Refusal::TooSlow)??;
        hello.agrees(&self.authority.host)?;
        if self.door.is_open() {
            hello.is_plain()?;
            self.splice(&session, client, &hello).await
        } else {
            self.look_inside(session, client, hello).await
        }
    }

    /// Passes TLS through, end to end.
    async fn splice<S>(self, session: &Session, client: S, hello: &Hello) -> Result<(), Refusal>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut server = self.link.into_stream().ok_or(Refusal::UpstreamBroken)?;
        self.account.count(Way::Up, hello.bytes.len());
        server.write_all(&hello.bytes).await.map_err(|_| Refusal::UpstreamBroken)?;
        self.account.tunnelled();
        relay(session, &self.account, client, server).await
    }

    /// Speaks for the host to the client, and judges every request.
    async fn look_inside<S>(self, session: Arc<Session>, client: S, hello: Hello) -> Result<(), Refusal>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Self { authority, door, link, account } = self;
        let config = session.authority.vouch(&authority.host).map_err(|_| Refusal::ClientTls)?;
        let link = link.within_tls(session.upstream.clone(), &authority.host)?;
        let client = Replayed { before: hello.bytes, at: 0, stream: client };
        let accepted = timeout(session.limits.head_time, TlsAcceptor::from(config).accept(client)).await;
        let client = accepted.map_err(|_| Refusal::TooSlow)?.map_err(|_| Refusal::ClientTls)?;
        // From here on each request has a record of its own.
        account.answered(StatusCode::OK);
        drop(account);
        let (link, asked) = (Mutex::new(link), AtomicBool::new(false));
        let answer = service_fn(|request: Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            let (session, authority, door, link) = (&session, &authority, &door, &link);
            async move {
                let account = session.account(Scheme::Https, Some(request.method().clone()));
                account.goes_to(authority);
                let route = Route { session, scheme: Scheme::Https, authority, door };
                let answered = async {
                    session.records.admit()?;
                    if request.method() == Method::CONNECT {
                        return Err(Refusal::Malformed);
                    }
                    let judged = route.judge(request, &account).await?;
                    route.send(judged, &mut *link.lock().await, &account).await
                };
                settled(answered.await, &account)
            }
        });
        let served = session.http1().serve_connection(TokioIo::new(client), answer).await;
        if let Some(refusal) = served.err().and_then(|error| why(&error, &asked)) {
            let account = session.account(Scheme::Https, None);
            account.goes_to(&authority);
            account.refused(refusal);
        }
        Ok(())
    }
}

/// Copies in both directions until both have ended, nothing moves any more, or there was too much.
async fn relay<S>(session: &Session, account: &Account, client: S, server: TcpStream) -> Result<(), Refusal>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let limits = session.limits;
    let moved = Notify::new();
    let (from_client, to_client) = tokio::io::split(client);
    let (from_server, to_server) = server.into_split();
    let up = copy(from_client, to_server, limits.up_bytes, account, Way::Up, &moved);
    let down = copy(from_server, to_client, limits.down_bytes, account, Way::Down, &moved);
    let idle = async { while timeout(limits.idle_time, moved.notified()).await.is_ok() {} };
    let mut both = pin!(async { tokio::try_join!(up, down) });
    tokio::select! {
        copied = &mut both => copied.map(drop),
        () = idle => Ok(()),
    }
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    most: u64,
    account: &Account,
    way: Way,
    moved: &Notify,
) -> Result<(), Refusal> {
    let mut buffer = vec![0; 32 << 10];
    // A side that breaks off has ended; the other learns it the same way.
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        moved.notify_one();
        if account.count(way, count) > most {
            return Err(Refusal::TooLarge);
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
    Ok(())
}

/// A stream of which the beginning was read already.
struct Replayed<S> {
    before: Vec<u8>,
    at: usize,
    stream: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Replayed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let rest = &this.before[this.at..];
        if rest.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buffer);
        }
        let count = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..count]);
        this.at += count;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Replayed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
