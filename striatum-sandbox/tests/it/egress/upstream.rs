//! Hosts to reach, and a proxy that lets everything pass.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use striatum_sandbox::upstream::Trust;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use super::stage::SECRET;

/// What hosts were sent, and how many connections to them there are.
#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    bytes: watch::Sender<Vec<u8>>,
    connections: watch::Sender<usize>,
}

impl Log {
    /// Waits until hosts have been sent this.
    pub(super) async fn has(&self, marker: &[u8]) {
        self.bytes.subscribe().wait_for(|bytes| contains(bytes, marker)).await.map(drop).expect("a log");
    }

    /// Everything, once no connection is left.
    pub(super) async fn settled(&self) -> Vec<u8> {
        self.connections.subscribe().wait_for(|count| *count == 0).await.map(drop).expect("a log");
        self.bytes.borrow().clone()
    }
}

pub(super) fn contains(bytes: &[u8], marker: &[u8]) -> bool {
    bytes.windows(marker.len()).any(|window| window == marker)
}

/// An issuer of certificates, with one for every name of the tests.
pub(super) struct Pki {
    root: String,
    config: Arc<ServerConfig>,
}

impl Pki {
    pub(super) fn new(names: &[&str]) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "issuer of the tests");
        let key = KeyPair::generate().expect("a key");
        let root = params.self_signed(&key).expect("a certificate").pem();
        let leaf_key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut leaf = CertificateParams::new(names).expect("names");
        leaf.use_authority_key_identifier_extension = true;
        let leaf = leaf.signed_by(&leaf_key, &Issuer::new(params, key)).expect("a certificate").der().clone();
        let key = PrivateKeyDer::try_from(leaf_key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![leaf], key)
            .expect("a certificate and its key");
        Self { root, config: Arc::new(config) }
    }

    /// Whoever believes its issuer.
    pub(super) fn trust(&self) -> Trust {
        Trust::in_pem(self.root.as_bytes()).expect("a certificate")
    }
}

/// How a host speaks.
pub(super) enum Manner {
    /// It serves the files of a folder below `/git/` to whoever knows the secret.
    Tls(Arc<ServerConfig>, PathBuf),
    Plain,
    /// It says nothing at all.
    Mute,
}

impl Manner {
    pub(super) fn tls(pki: &Pki, files: &Path) -> Self {
        Self::Tls(pki.config.clone(), files.to_owned())
    }
}

/// A task that ends with the test.
pub(super) struct Running {
    pub(super) port: u16,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run<F: Future<Output = ()> + Send + 'static>(
    mut serve: impl FnMut(TcpStream) -> F + Send + 'static,
) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    Running { port, task }
}

/// A host that writes down what it is sent.
pub(super) async fn host(manner: Manner, log: Log) -> Running {
    let manner = Arc::new(manner);
    run(move |stream| {
        let (manner, log) = (manner.clone(), log.clone());
        async move {
            log.connections.send_modify(|count| *count += 1);
            match &*manner {
                Manner::Tls(config, files) => {
                    if let Ok(stream) = TlsAcceptor::from(config.clone()).accept(stream).await {
                        answer(stream, &log, Some(files)).await;
                    }
                }
                Manner::Plain => answer(stream, &log, Some(Path::new(""))).await,
                Manner::Mute => answer(stream, &log, None).await,
            }
            log.connections.send_modify(|count| *count -= 1);
        }
    })
    .await
}

/// Writes everything down, and answers each head unless there is nothing to answer with.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, log: &Log, files: Option<&Path>) {
    let mut received = Vec::new();
    let mut answered = 0;
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        log.bytes.send_modify(|bytes| bytes.extend_from_slice(&buffer[..count]));
        received.extend_from_slice(&buffer[..count]);
        while let (Some(end), Some(files)) = (head_end(&received[answered..]), files) {
            let head = String::from_utf8_lossy(&received[answered..answered + end]).into_owned();
            answered += end;
            if stream.write_all(&response(&head, files)).await.is_err() || head.starts_with("GET /close") {
                let _ = stream.shutdown().await;
                return;
            }
        }
    }
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// What a head is answered with: it asks for it by its path.
fn response(head: &str, files: &Path) -> Vec<u8> {
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(other, _)| other.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value).to_owned()
    };
    if let Some(file) = head.split(' ').nth(1).and_then(|path| path.strip_prefix("/git/")) {
        return served(&files.join(file.split('?').next().unwrap_or_default()), &header("authorization"));
    }
    let body = |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let path = head.split(' ').nth(1).unwrap_or_default();
    let path = path.strip_prefix("/open").unwrap_or(path);
    match path {
        "/mute" => String::new(),
        "/garbage" => "SSH-2.0-OpenSSH_9.6\r\n\r\n".to_owned(),
        "/switch" => {
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n".to_owned()
        }
        "/redirect" => {
            "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0\r\n\r\n"
                .to_owned()
        }
        "/repeat" => body(&format!("you said {}", header("authorization"))),
        "/repeat-name" => {
            format!("HTTP/1.1 200 OK\r\nX-Said: {}\r\nContent-Length: 0\r\n\r\n", header("authorization"))
        }
        "/large" => body(&"x".repeat(96 << 10)),
        "/large-head" => {
            format!("HTTP/1.1 200 OK\r\nX-Large: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(32 << 10))
        }
        "/both" => {
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
                .into()
        }
        _ => body("{}"),
    }
    .into_bytes()
}

/// A file, for who knows the secret.
fn served(file: &Path, authorization: &str) -> Vec<u8> {
    if authorization != format!("Basic {}", super::table::basic("me", SECRET)) {
        let asks = "WWW-Authenticate: Basic realm=\"git\"\r\nContent-Length: 0";
        return format!("HTTP/1.1 401 Unauthorized\r\n{asks}\r\n\r\n").into_bytes();
    }
    match std::fs::read(file) {
        Ok(bytes) => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len());
            [head.into_bytes(), bytes].concat()
        }
        Err(_) => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
    }
}

/// A proxy without rules: it connects whoever asks to the port that he names, whatever the host, and passes every byte.
pub(super) async fn naive() -> Running {
    run(|mut client| async move {
        let mut head = Vec::new();
        // Where a target names its host, the rest need not be waited for.
        while head_end(&head).is_none() && !(contains(&head, b"://") && head.ends_with(b"\r\n")) {
            let mut byte = [0];
            match client.read(&mut byte).await {
                Ok(1) => head.extend(byte),
                _ => return,
            }
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        let mut words = text.split([' ', '\r']);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let port = |text: &str| {
            let authority = text.split_once("://").map_or(text, |(_, rest)| rest);
            let authority = authority.split('/').next().unwrap_or_default();
            authority.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok())
        };
        let in_host = || text.lines().find_map(|line| port(line.strip_prefix("Host: ")?));
        let Some(port) = port(target).or_else(in_host) else { return };
        let Ok(mut server) = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).await else {
            return;
        };
        let begun = match method {
            "CONNECT" => client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await,
            _ => server.write_all(&head).await,
        };
        if begun.is_ok() {
            let _ = copy_bidirectional(&mut client, &mut server).await;
        }
    })
    .await
}

/// A list that somebody else adds to.
pub(super) type Shared<T> = Arc<Mutex<Vec<T>>>;
