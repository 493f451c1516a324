use std::io::Write as _;

use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::ring,
    pki_types::PrivateKeyDer,
    version::{TLS12, TLS13},
};
use tokio::{io, net::TcpListener};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::*;

/// A host that speaks one version of TLS.
struct Host {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    believer: Arc<ClientConfig>,
}

impl Host {
    async fn speaking(version: &'static SupportedProtocolVersion) -> Self {
        let served = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(served.signing_key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_no_client_auth()
            .with_single_cert(vec![served.cert.der().clone()], key)
            .expect("a configuration");
        let mut roots = RootCertStore::empty();
        roots.add(served.cert.der().clone()).expect("a certificate");
        let believer = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Self { listener, acceptor: Arc::new(config).into(), believer: Arc::new(believer) }
    }

    /// Both ends of a connection.
    async fn met_by(
        &self,
        config: &Arc<ClientConfig>,
    ) -> (io::Result<Tls>, io::Result<TlsStream<TcpStream>>) {
        let address = self.listener.local_addr().expect("an address");
        let stream = TcpStream::connect(address).await.expect("a connection");
        let (accepted, _) = self.listener.accept().await.expect("a connection");
        let name = ServerName::try_from("localhost").expect("a name");
        tokio::join!(Tls::connect(config.clone(), name, stream), self.acceptor.accept(accepted))
    }

    async fn met(&self) -> (Tls, TlsStream<TcpStream>) {
        let (tls, served) = self.met_by(&self.believer).await;
        (tls.expect("they agree"), served.expect("they agree"))
    }
}

/// What is wrong in TLS.
fn fault(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

#[tokio::test]
async fn all_that_is_said_is_heard_in_both_directions_however_it_is_read() {
    let said: Vec<u8> = (0..400_000_u32).flat_map(u32::to_le_bytes).collect();
    for version in [&TLS12, &TLS13] {
        let (tls, served) = Host::speaking(version).await.met().await;
        tokio::spawn(async move {
            let (mut from, mut to) = io::split(served);
            io::copy(&mut from, &mut to).await.expect("it is heard");
            to.shutdown().await.expect("it ends");
        });
        let (mut from, mut to) = io::split(tls);
        let saying = async {
            to.write_all(&said).await.expect("it is heard");
            to.shutdown().await.expect("it ends");
        };
        let hearing = async {
            let mut heard = Vec::new();
            // Less than a record at a time, and more than one.
            for size in [1, 100, 5_000, 16_384, 100_000].into_iter().cycle() {
                if (&mut from).take(size).read_to_end(&mut heard).await.expect("it is said") == 0 {
                    break;
                }
            }
            heard
        };
        let ((), heard) = tokio::join!(saying, hearing);
        assert!(heard == said, "it is not the same");
    }
}

#[tokio::test]
async fn new_keys_are_taken_and_given() {
    let (mut tls, mut served) = Host::speaking(&TLS13).await.met().await;
    for round in 0..3_u8 {
        served.get_mut().1.refresh_traffic_keys().expect("new keys");
        served.write_all(&[round]).await.expect("it is heard");
        served.flush().await.expect("it is heard");
        assert_eq!(tls.read_u8().await.expect("it is said"), round);
        tls.write_all(&[round]).await.expect("it is heard");
        assert_eq!(served.read_u8().await.expect("it is said"), round);
    }
}

#[tokio::test]
async fn whoever_breaks_off_has_not_ended() {
    let (mut tls, mut served) = Host::speaking(&TLS13).await.met().await;
    served.write_all(b"half").await.expect("it is heard");
    served.flush().await.expect("it is heard");
    drop(served);
    let mut heard = Vec::new();
    let error = tls.read_to_end(&mut heard).await.expect_err("it did not end");
    assert_eq!((error.kind(), &heard[..]), (io::ErrorKind::UnexpectedEof, &b"half"[..]));
}

#[tokio::test]
async fn what_is_forged_is_not_read() {
    let (mut tls, mut served) = Host::speaking(&TLS13).await.met().await;
    let (bare, session) = served.get_mut();
    session.writer().write_all(b"before").expect("there is room");
    let mut said = Vec::new();
    session.write_tls(&mut said).expect("it is encrypted");
    said.extend([23, 3, 3, 0, 32].into_iter().chain([0; 32]));
    bare.write_all(&said).await.expect("it is sent");
    tls.read_exact(&mut [0; 6]).await.expect("it was said before");
    for _ in 0..2 {
        let error = tls.read_u8().await.expect_err("it is forged");
        assert_eq!(fault(&error), Some(&rustls::Error::DecryptError));
    }
}

#[tokio::test]
async fn a_host_that_is_not_believed_learns_why() {
    let (host, other) = (Host::speaking(&TLS13).await, Host::speaking(&TLS13).await);
    let (tls, served) = host.met_by(&other.believer).await;
    let error = tls.err().expect("it is not believed");
    assert!(matches!(fault(&error), Some(rustls::Error::InvalidCertificate(_))), "{error}");
    let error = served.expect_err("it is told so");
    assert!(matches!(fault(&error), Some(rustls::Error::AlertReceived(_))), "{error}");
}
