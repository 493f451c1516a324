//! How answers come back.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, sync::Notify};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{self, pki_types::PrivateKeyDer},
};

use striatum_sandbox::{
    broker::{Broker, Budget, Provider},
    credential::{Credential, CredentialSource},
    upstream::{Trust, Upstream, UpstreamErrorKind},
};

use super::{
    host::{Host, Wire, response, say, used},
    scene::{Scene, anything, parse, read_to_end, read_until},
};

const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

#[tokio::test]
async fn an_answer_is_passed_on_as_it_comes() {
    let next = Arc::new(Notify::new());
    let go_on = next.clone();
    let host = Host::start(move |_, mut wire| {
        let next = next.clone();
        async move {
            say(wire.as_mut(), STREAM).await;
            for nth in 0..5 {
                say(wire.as_mut(), &chunk(&format!("data: {{\"nth\":{nth}}}\n\n"))).await;
                // Nothing more is said before this has arrived.
                next.notified().await;
            }
            say(wire.as_mut(), "0\r\n\r\n").await;
        }
    })
    .await;
    let scene = Scene::open(&host);
    let mut stream = scene.begin().await;
    for nth in 0..5 {
        read_until(&mut stream, &format!("data: {{\"nth\":{nth}}}\n\n")).await;
        go_on.notify_one();
    }
    assert_eq!(read_until(&mut stream, "0\r\n\r\n").await, "\r\n0\r\n\r\n");
}

#[tokio::test]
async fn headers_that_belong_to_the_connection_or_have_something_remembered_stay_here() {
    let headers = "content-type: application/json\r\nrequest-id: 7\r\nset-cookie: a=b\r\nalt-svc: h3=\":443\"\r\n\
                   keep-alive: timeout=5\r\nx-hop: 1\r\nconnection: x-hop\r\nstrict-transport-security: max-age=1\r\n";
    let host = Host::saying(response("200 OK", headers, "{}")).await;
    let scene = Scene::open(&host);
    let answered = scene.ask_anything().await;
    assert!(answered.head.contains("request-id: 7"), "{answered:?}");
    for kept in ["set-cookie", "alt-svc", "keep-alive", "x-hop", "strict-transport"] {
        assert!(!answered.head.contains(kept), "{kept}: {answered:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_not_passed_on() {
    let elsewhere = Host::saying(used(1, 2)).await;
    for status in [
        "301 Moved",
        "302 Found",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
        "101 Switching Protocols",
    ] {
        let headers = format!("location: {}/v1/messages\r\nupgrade: x\r\n", elsewhere.url());
        let host = Host::saying(response(status, &headers, "")).await;
        let scene = Scene::open(&host);
        let answered = scene.ask_anything().await;
        assert_eq!(answered.status, 502, "{status}");
        assert!(!answered.head.contains("location"), "{answered:?}");
    }
    assert_eq!(elsewhere.asked().len(), 0);
}

#[tokio::test]
async fn a_base_with_a_path_goes_before_every_path() {
    let host = Host::saying(used(1, 2)).await;
    let upstream = Upstream::at(&format!("{}/behind/a/", host.url()), None).expect("a URL");
    let scene = Scene::of(Provider::Anthropic, &host, Budget::default(), |broker| broker.upstream(upstream));
    assert_eq!(scene.ask_anything().await.status, 200);
    assert_eq!(host.asked()[0].line, "POST /behind/a/v1/messages HTTP/1.1");
}

#[tokio::test]
async fn a_host_is_believed_by_its_certificate_alone() {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let elsewhere =
        rcgen::generate_simple_self_signed(["elsewhere.example".to_owned()]).expect("a certificate");
    for (served, believed, expected) in
        [(&key, &key, 200), (&key, &other, 502), (&elsewhere, &elsewhere, 502)]
    {
        let wrap = within_tls(served);
        let host =
            Host::behind(wrap, |_, mut wire| async move { say(wire.as_mut(), &used(1, 2)).await }).await;
        let trust = Trust::in_pem(believed.cert.pem().as_bytes()).expect("a certificate");
        let url = format!("https://localhost:{}", host.address().port());
        let upstream = Upstream::at(&url, Some(&trust)).expect("a URL");
        let scene =
            Scene::of(Provider::Anthropic, &host, Budget::default(), |broker| broker.upstream(upstream));
        assert_eq!(scene.ask_anything().await.status, expected);
        assert_eq!(host.asked().len(), usize::from(expected == 200));
    }
    let nobody = Trust::in_pem(b"nothing").expect_err("there is no certificate");
    assert_eq!(nobody.kind, UpstreamErrorKind::NoAuthorities);
}

/// What gives a host this certificate.
fn within_tls(
    served: &rcgen::CertifiedKey<rcgen::KeyPair>,
) -> impl Fn(TcpStream) -> BoxFuture<'static, Option<Box<dyn Wire>>> + Send + Sync + 'static {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::try_from(served.signing_key.serialize_der()).expect("a key");
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![served.cert.der().clone()], key)
        .expect("a configuration");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    move |stream| {
        let acceptor = acceptor.clone();
        Box::pin(async move { Some(Box::new(acceptor.accept(stream).await.ok()?) as Box<dyn Wire>) })
    }
}

#[tokio::test]
async fn a_long_answer_arrives_whole_however_it_is_divided() {
    // Parts of all sizes, so that ends of parts, records of TLS and reads fall on each other in many ways.
    let parts: Vec<String> = (0..400_usize)
        .map(|nth| format!("data: {{\"{nth}\":\"{}\"}}\n\n", "x".repeat(nth * 7919 % 40_000)))
        .collect();
    let told = "data: {\"usage\":{\"input_tokens\":7,\"output_tokens\":8}}\n\n";
    let whole = format!("{}{told}", parts.concat());
    let mut said: String = parts.iter().map(|part| chunk(part)).collect();
    said.push_str(&told.split_inclusive('u').map(chunk).collect::<String>());
    let said = format!("{STREAM}{said}0\r\n\r\n");
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let host = Host::behind(within_tls(&key), move |_, mut wire| {
        let said = said.clone();
        async move { say(wire.as_mut(), &said).await }
    })
    .await;
    let trust = Trust::in_pem(key.cert.pem().as_bytes()).expect("a certificate");
    let url = format!("https://localhost:{}", host.address().port());
    let upstream = Upstream::at(&url, Some(&trust)).expect("a URL");
    let scene = Scene::of(Provider::Anthropic, &host, Budget::default(), |broker| broker.upstream(upstream));
    let answered = scene.ask_anything().await;
    assert!(unchunked(&answered.body) == whole, "it is not the same");
    let observed = scene.session.observed();
    assert_eq!((observed.input_tokens, observed.output_tokens), (7, 8));
}

/// A body without what divides it.
fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a size");
        whole.push_str(&rest[..size]);
        body = rest[size..].strip_prefix("\r\n").expect("the end of a part");
    }
    whole
}

#[tokio::test]
async fn a_session_that_is_dropped_answers_no_more_and_its_placeholder_is_worth_nothing_elsewhere() {
    let host = Host::saying(used(1, 2)).await;
    let scene = Scene::open(&host);
    let other = Scene::open(&host);
    let key = format!("x-api-key: {}", scene.placeholder());
    let answered = other.send("POST /v1/messages", &key, &anything().to_string()).await;
    assert_eq!(answered.status, 401);

    let mut open = scene.begin().await;
    let text = read_until(&mut open, "}}").await;
    assert_eq!(parse(&text).status, 200);
    let request = scene.request();
    drop(scene);
    let _ = open.write_all(request.as_bytes()).await;
    assert_eq!(read_to_end(&mut open).await, "");
}

#[test]
fn a_broker_without_an_endpoint_says_so_when_it_is_built() {
    let credential = Credential::new(CredentialSource::Env("NOBODY".to_owned()));
    let error = Upstream::at("http://model.example", None).expect_err("it is not this machine");
    assert_eq!((error.kind, error.kind.code()), (UpstreamErrorKind::Url, "upstream_url"));
    let host = Upstream::at("http://127.0.0.1:1", None).expect("it is");
    assert!(Broker::of(Provider::OpenAi, credential).upstream(host).build().is_ok());
}
