//! Receivers as they are: they prove who they are, or do not, and answer this and that.

use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use striatum_core::id::{CommandId, JobId, RunId, WorkflowId};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::notify::Subject;

/// What stands in an address and in nothing that is written down.
const PATH: &str = "/hook/hunter2?token=hunter2";

/// An authority, and what a receiver of this name shows that it vouches for.
struct Vouched {
    authority: String,
    shown: Arc<ServerConfig>,
}

fn vouched(name: &str) -> Vouched {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = params.self_signed(&key).expect("a certificate").pem();
    let leaf_key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    let leaf = leaf.signed_by(&leaf_key, &Issuer::new(params, key)).expect("a certificate").der().clone();
    let shown = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![leaf], PrivateKeyDer::try_from(leaf_key.serialize_der()).expect("a key"));
    Vouched { authority, shown: Arc::new(shown.expect("a certificate and its key")) }
}

/// A receiver on loopback, and what it was told.
struct Receiver {
    port: u16,
    told: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    /// Answers every request with this head, or never.
    async fn start(shown: Option<Arc<ServerConfig>>, answer: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let told = Arc::new(Mutex::new(Vec::new()));
        let (heard, answer) = (told.clone(), answer.map(str::to_owned));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                match &shown {
                    None => serve(stream, &heard, answer.as_deref()).await,
                    Some(shown) => {
                        if let Ok(stream) = TlsAcceptor::from(shown.clone()).accept(stream).await {
                            serve(stream, &heard, answer.as_deref()).await;
                        }
                    }
                }
            }
        });
        Self { port, told }
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().expect("nobody panicked").clone()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    told: &Mutex<Vec<String>>,
    answer: Option<&str>,
) {
    let (mut text, mut part) = (String::new(), [0; 4096]);
    // The JSON of a call ends with its last brace, and holds no line break.
    while !(text.contains("\r\n\r\n") && text.ends_with('}')) {
        match stream.read(&mut part).await {
            Ok(read @ 1..) => text += &String::from_utf8_lossy(&part[..read]),
            _ => return,
        }
        // It hangs up on what is no request, a greeting of TLS say.
        if !text.starts_with('P') {
            return;
        }
    }
    told.lock().expect("nobody panicked").push(text);
    let Some(answer) = answer else { return std::future::pending().await };
    let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn secret() -> SharedSecret {
    SharedSecret::new("hunter2 as well")
}

fn call() -> Call {
    Call {
        id: CommandId::from_bytes([1; 16]),
        run: RunId::from_bytes([2; 16]),
        workflow: WorkflowId::new("w").expect("a name"),
        subject: Subject::Question { number: 1, job: JobId::new("a").expect("a name") },
        code: "question",
        message: "job a asks a person".to_owned(),
        remedy: "answer it",
        text: Some("Tabs or blanks?".to_owned()),
    }
}

/// The error with all its causes, as it would be logged.
fn spoken(error: &NotifyError) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    assert!(!text.contains("hunter2") && !format!("{error:?}").contains("hunter2"), "{error:?}");
    text
}

fn header<'a>(request: &'a str, name: &str) -> &'a str {
    request.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).expect("a header")
}

#[tokio::test]
async fn a_receiver_that_a_private_authority_vouches_for_is_told_over_tls() {
    let vouched = vouched("localhost");
    let receiver = Receiver::start(Some(vouched.shown.clone()), Some("204 No Content")).await;
    let trust = Trust::in_pem(vouched.authority.as_bytes()).expect("an authority");
    let address = format!("https://localhost:{}{PATH}", receiver.port);
    let webhook = Webhook::trusting(&address, secret(), trust).expect("an address");
    assert!(!format!("{webhook:?}").contains("hunter2"), "{webhook:?}");
    webhook.tell(&call()).await.expect("it is told");
    webhook.tell(&call()).await.expect("it is told again");

    let told = receiver.told();
    let [first, again] = told.as_slice() else { panic!("two calls: {told:?}") };
    assert!(first.starts_with(&format!("POST {PATH} HTTP/1.1\r\n")), "{first}");
    let (_, body) = first.split_once("\r\n\r\n").expect("a body");
    assert_eq!(header(first, "striatum-signature"), format!("sha256={}", secret().sign(body.as_bytes())));
    assert_eq!(header(first, "striatum-delivery"), header(again, "striatum-delivery"));
}

#[tokio::test]
async fn a_receiver_that_nobody_believed_vouches_for_is_told_nothing() {
    let (mine, other, elsewhere) = (vouched("localhost"), vouched("localhost"), vouched("elsewhere.example"));
    for (shown, believed, reason) in [
        (Some(&mine), Some(&other), "invalid peer certificate"),
        (Some(&elsewhere), Some(&elsewhere), "invalid peer certificate"),
        (None, Some(&mine), ""),
        // Nobody on this host knows the authority of a test.
        (Some(&mine), None, ""),
    ] {
        let receiver = Receiver::start(shown.map(|it| it.shown.clone()), Some("204 No Content")).await;
        let address = format!("https://localhost:{}{PATH}", receiver.port);
        let webhook = match believed {
            Some(it) => {
                let trust = Trust::in_pem(it.authority.as_bytes()).expect("an authority");
                Webhook::trusting(&address, secret(), trust)
            }
            None => Webhook::new(&address, secret()),
        };
        // A host without any authority refuses the address, which will do as well.
        let told = match webhook {
            Ok(webhook) => webhook.tell(&call()).await,
            Err(error) => Err(error),
        };
        let text = spoken(&told.expect_err("it is not believed"));
        assert!(text.contains(reason), "{text}");
        assert!(receiver.told().is_empty(), "{:?}", receiver.told());
    }
}

#[tokio::test]
async fn nobody_was_told_by_an_answer_that_is_no_success_and_a_redirect_is_not_followed() {
    let vouched = vouched("localhost");
    let elsewhere = Receiver::start(None, Some("204 No Content")).await;
    let redirect =
        |status: &str| format!("{status}\r\nlocation: http://127.0.0.1:{}/hunter2", elsewhere.port);
    for answer in [
        "500 Internal Server Error".to_owned(),
        "503 Service Unavailable\r\nretry-after: 1".to_owned(),
        "404 Not Found".to_owned(),
        redirect("302 Found"),
        redirect("307 Temporary Redirect"),
        redirect("308 Permanent Redirect"),
    ] {
        let receiver = Receiver::start(Some(vouched.shown.clone()), Some(&answer)).await;
        let trust = Trust::in_pem(vouched.authority.as_bytes()).expect("an authority");
        let address = format!("https://localhost:{}{PATH}", receiver.port);
        let webhook = Webhook::trusting(&address, secret(), trust).expect("an address");
        let text = spoken(&webhook.tell(&call()).await.expect_err("it is no success"));
        assert!(text.contains(&answer[..3]), "{text}");
        assert_eq!(receiver.told().len(), 1, "it is for the caller to repeat it");
    }
    assert!(elsewhere.told().is_empty());
}

/// Time passes here as soon as nobody has anything else to do.
#[tokio::test(start_paused = true)]
async fn a_receiver_that_does_not_answer_is_waited_for_only_so_long() {
    let receiver = Receiver::start(None, None).await;
    let address = format!("http://127.0.0.1:{}{PATH}", receiver.port);
    let webhook = Webhook::new(&address, secret()).expect("an address");
    let text = spoken(&webhook.tell(&call()).await.expect_err("it is mute"));
    assert!(text.contains("15 s"), "{text}");
}

#[test]
fn an_address_that_leads_nowhere_or_holds_a_password_is_refused_and_not_repeated() {
    let trust = || Trust::of_nobody().expect("ring");
    for address in [
        "ftp://example.invalid/hunter2",
        "/hunter2",
        "not hunter2",
        "https://",
        "http://ada:hunter2@example.invalid/",
    ] {
        spoken(&Webhook::new(address, secret()).expect_err(address));
        spoken(&Webhook::trusting(address, secret(), trust()).expect_err(address));
    }
    let plain = Webhook::trusting("http://example.invalid/hunter2", secret(), trust());
    spoken(&plain.expect_err("nobody can be believed without TLS"));
}
