//! How answers come back.

use std::sync::Arc;

use tokio::{io::AsyncWriteExt as _, sync::Notify};
use tokio_rustls::{TlsAcceptor, rustls};

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
        let config =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("versions")
                .with_no_client_auth()
                .with_single_cert(
                    vec![served.cert.der().clone()],
                    rustls::pki_types::PrivateKeyDer::try_from(served.signing_key.serialize_der())
                        .expect("a key"),
                )
                .expect("a configuration");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let wrap = move |stream| {
            let acceptor = acceptor.clone();
            async move { Some(Box::new(acceptor.accept(stream).await.ok()?) as Box<dyn Wire>) }
        };
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
