//! A broker, with a session that is served, and a client of it.

use std::{fs, net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use striatum_sandbox::{
    broker::{Broker, BrokerBuilder, Budget, Provider, Session},
    credential::{Credential, CredentialSource},
    upstream::Upstream,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::host::Host;

/// What must not be found anywhere.
pub(super) const REAL: &str = "sk-real-and-never-to-be-seen";

/// However loaded the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Scene {
    pub(super) session: Session,
    address: SocketAddr,
    folder: TempDir,
}

/// An answer as the client has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answered {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The sentence in it, whoever's words it uses.
    pub(super) fn sentence(&self) -> String {
        self.json()["error"]["message"].as_str().expect("a sentence").to_owned()
    }
}

impl Scene {
    pub(super) fn open(host: &Host) -> Self {
        Self::of(Provider::Anthropic, host, Budget::default(), |broker| broker)
    }

    pub(super) fn of(
        provider: Provider,
        host: &Host,
        budget: Budget,
        change: impl FnOnce(BrokerBuilder) -> BrokerBuilder,
    ) -> Self {
        let upstream = Upstream::at(&host.url(), None).expect("it is this machine");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("key");
        fs::write(&file, REAL).expect("a file");
        let builder = Broker::of(provider, Credential::new(CredentialSource::File(file))).upstream(upstream);
        let broker = change(builder).build().expect("a broker");
        let mut session = broker.session(budget).expect("a session");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        session.serve(listener).expect("it can be served");
        Self { session, address, folder }
    }

    /// Puts another credential where the present one is.
    pub(super) fn renew(&self, credential: &str) {
        fs::write(self.folder.path().join("key"), credential).expect("a file");
    }

    /// Takes it away.
    pub(super) fn lose(&self) {
        fs::remove_file(self.folder.path().join("key")).expect("it was there");
    }

    pub(super) fn placeholder(&self) -> &str {
        self.session.placeholder().reveal()
    }

    /// What a well-behaved agent sends, on a connection that it keeps.
    pub(super) fn request(&self) -> String {
        let (placeholder, body) = (self.placeholder(), anything().to_string());
        let length = body.len();
        format!(
            "POST /v1/messages HTTP/1.1\r\nhost: a\r\nx-api-key: {placeholder}\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    }

    /// The same, for one request alone.
    pub(super) fn request_to_close(&self) -> String {
        self.request().replacen("\r\n", "\r\nconnection: close\r\n", 1)
    }

    /// Connects and sends the first.
    pub(super) async fn begin(&self) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(self.request().as_bytes()).await.expect("it listens");
        stream
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("it listens")
    }

    /// Sends what stands here, byte by byte, and reads until the other end hangs up.
    pub(super) async fn raw(&self, text: &str) -> String {
        let mut stream = self.connect().await;
        // It may have heard enough before the end.
        let _ = stream.write_all(text.as_bytes()).await;
        read_to_end(&mut stream).await
    }

    /// A request of an agent with these headers, one to a line, and this body.
    pub(super) async fn send(&self, line: &str, headers: &str, body: &str) -> Answered {
        let length = body.len();
        let headers: String = headers.lines().map(|header| format!("{}\r\n", header.trim())).collect();
        let text = format!(
            "{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        );
        parse(&self.raw(&text).await)
    }

    /// What a well-behaved agent asks.
    pub(super) async fn ask(&self, body: &Value) -> Answered {
        self.send("POST /v1/messages", &format!("x-api-key: {}", self.placeholder()), &body.to_string()).await
    }

    /// The same about anything.
    pub(super) async fn ask_anything(&self) -> Answered {
        self.ask(&anything()).await
    }
}

/// A request for a model that may be asked.
pub(super) fn anything() -> Value {
    json!({"model": "claude-x", "messages": []})
}

/// Reads until the other end hangs up, however.
pub(super) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("it hangs up");
    String::from_utf8(bytes).expect("text")
}

/// Reads until this text has come.
pub(super) async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    let read = async {
        while !bytes.ends_with(end.as_bytes()) {
            bytes.push(stream.read_u8().await.expect("more comes"));
        }
    };
    timeout(PATIENCE, read).await.expect("it comes");
    String::from_utf8(bytes).expect("text")
}

pub(super) fn parse(text: &str) -> Answered {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("an answer: {text:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answered { status, head: head.to_lowercase(), body: body.to_owned() }
}
