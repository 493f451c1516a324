//! The way to a host.

use std::{io, net::SocketAddr, sync::Arc};

use hyper::{Request, Response, body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{
    body::Passing,
    host::{Authority, Host},
    limits::EgressLimits,
    refusal::Refusal,
    resolve::{Resolve, addresses},
    rules::Door,
};

/// A host that was resolved once. Whatever its name leads to later, this leads where it led at first.
pub(super) struct Link {
    address: SocketAddr,
    limits: EgressLimits,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    unused: Option<TcpStream>,
    sender: Option<http1::SendRequest<Passing>>,
}

impl Link {
    /// Resolves a host, sees that its rules admit where it leads, and connects.
    pub(super) async fn connect(
        resolver: &dyn Resolve,
        door: &Door,
        authority: &Authority,
        limits: EgressLimits,
    ) -> Result<Self, Refusal> {
        let resolved = timeout(limits.connect_time, addresses(resolver, door, authority)).await;
        for address in resolved.map_err(|_| Refusal::NameUnknown)?? {
            if let Ok(stream) = dial(address, limits).await {
                return Ok(Self { address, limits, tls: None, unused: Some(stream), sender: None });
            }
        }
        Err(Refusal::Unreachable)
    }

    /// The same within TLS.
    pub(super) fn within_tls(mut self, config: Arc<ClientConfig>, host: &Host) -> Result<Self, Refusal> {
        let name = match host {
            Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| Refusal::Malformed)?,
            Host::Address(address) => ServerName::IpAddress((*address).into()),
        };
        self.tls = Some((TlsConnector::from(config), name));
        Ok(self)
    }

    /// The connection itself, of which nothing was used.
    pub(super) fn into_stream(self) -> Option<TcpStream> {
        self.unused
    }

    /// Sends a request, over a new connection to the same address if there is none.
    pub(super) async fn send(&mut self, request: Request<Passing>) -> Result<Response<Incoming>, Refusal> {
        let mut sender = match self.usable().await {
            Some(sender) => sender,
            None => self.open().await?,
        };
        let answered = match sender.try_send_request(request).await {
            Ok(answered) => answered,
            Err(mut failed) => {
                // The host closed the connection before it could be used again; nothing was sent.
                let request = failed.take_message().ok_or(Refusal::UpstreamBroken)?;
                sender = self.open().await?;
                sender.send_request(request).await.map_err(|_| Refusal::UpstreamBroken)?
            }
        };
        self.sender = Some(sender);
        Ok(answered)
    }

    /// The connection that was used before, if the host has left it open.
    async fn usable(&mut self) -> Option<http1::SendRequest<Passing>> {
        let mut sender = self.sender.take()?;
        sender.ready().await.ok()?;
        Some(sender)
    }

    async fn open(&mut self) -> Result<http1::SendRequest<Passing>, Refusal> {
        let stream = match self.unused.take() {
            Some(stream) => stream,
            None => dial(self.address, self.limits).await.map_err(|_| Refusal::Unreachable)?,
        };
        let Some((connector, name)) = &self.tls else { return self.shake(stream).await };
        let connected = timeout(self.limits.connect_time, connector.connect(name.clone(), stream)).await;
        let stream = connected.map_err(|_| Refusal::UpstreamSilent)?.map_err(|error| why(&error))?;
        self.shake(stream).await
    }

    async fn shake<S>(&self, stream: S) -> Result<http1::SendRequest<Passing>, Refusal>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let builder = http1::Builder::new().max_buf_size(self.limits.head_bytes).to_owned();
        let (sender, connection) =
            builder.handshake(TokioIo::new(stream)).await.map_err(|_| Refusal::UpstreamBroken)?;
        // It ends with the sender and the last answer.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to a host ended early");
            }
        });
        Ok(sender)
    }
}

async fn dial(address: SocketAddr, limits: EgressLimits) -> io::Result<TcpStream> {
    let stream = timeout(limits.connect_time, TcpStream::connect(address)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Why a host cannot be spoken to within TLS.
fn why(error: &io::Error) -> Refusal {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(_)) => Refusal::UpstreamUntrusted,
        _ => Refusal::UpstreamBroken,
    }
}
