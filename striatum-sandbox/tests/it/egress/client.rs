//! A client that does as it is told, well-behaved or not.

use std::{net::SocketAddr, pin::Pin, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::ring,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// What a client does, one after the other, on one connection.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Sends this.
    Send(Vec<u8>),
    /// Waits for the head of an answer; whatever follows does not happen if it is not a success.
    Head,
    /// Speaks TLS from here on, naming this host or none, and offering these protocols.
    Tls(Option<&'static str>, &'static [&'static [u8]]),
    /// Closes the connection and opens a new one.
    Again,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(super) struct Client {
    proxy: SocketAddr,
    stream: Box<dyn Stream>,
    pub(super) received: Vec<u8>,
}

impl Client {
    pub(super) async fn connect(proxy: SocketAddr) -> Self {
        Self {
            proxy,
            stream: Box::new(TcpStream::connect(proxy).await.expect("a proxy")),
            received: Vec::new(),
        }
    }

    /// Goes as far as it comes.
    pub(super) async fn walk(&mut self, steps: &[Step]) {
        for step in steps {
            let went = match step {
                Step::Send(bytes) => self.send(bytes).await,
                Step::Head => self.head().await.is_some_and(|head| head.contains(" 200 ")).then_some(()),
                Step::Tls(name, protocols) => self.tls(*name, protocols).await,
                Step::Again => {
                    self.stream = Box::new(TcpStream::connect(self.proxy).await.expect("a proxy"));
                    Some(())
                }
            };
            if went.is_none() {
                return;
            }
        }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> Option<()> {
        self.stream.write_all(bytes).await.ok()?;
        self.stream.flush().await.ok()
    }

    /// The head of an answer.
    pub(super) async fn head(&mut self) -> Option<String> {
        let start = self.received.len();
        while !self.received[start..].ends_with(b"\r\n\r\n") {
            let byte = self.stream.read_u8().await.ok()?;
            self.received.push(byte);
        }
        Some(String::from_utf8_lossy(&self.received[start..]).into_owned())
    }

    /// Whatever comes until the end.
    pub(super) async fn rest(&mut self) {
        let _ = self.stream.read_to_end(&mut self.received).await;
    }

    async fn tls(&mut self, name: Option<&str>, protocols: &[&[u8]]) -> Option<()> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Credulous))
            .with_no_client_auth();
        config.enable_sni = name.is_some();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let name = ServerName::try_from(name.unwrap_or("unnamed.test").to_owned()).expect("a name");
        let plain = std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()));
        let stream = TlsConnector::from(Arc::new(config)).connect(name, Pin::new(plain)).await.ok()?;
        self.stream = Box::new(stream);
        Some(())
    }
}

/// Believes everybody: whether hosts are checked is not this client's affair.
#[derive(Debug)]
struct Credulous;

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
