//! What goes wrong on either side.

use std::{sync::Arc, time::Duration};

use striatum_core::transport::Outcome;
use striatum_sandbox::{
    broker::{Budget, Limits, Provider},
    upstream::Upstream,
};
use tokio::{io::AsyncWriteExt as _, sync::Notify};

use super::{
    host::{Host, response, say, used},
    scene::{REAL, Scene, anything, read_to_end},
};

/// Short, where what is tested is that it ends.
fn impatient() -> Limits {
    let mut limits = Limits::default();
    (limits.arrival, limits.answer, limits.silence) =
        (Duration::from_millis(200), Duration::from_millis(200), Duration::from_millis(200));
    limits
}

#[tokio::test]
async fn a_host_that_is_not_there_or_speaks_nonsense_is_told_as_such() {
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address")
    };
    let host = Host::saying(used(1, 2)).await;
    let upstream = Upstream::at(&format!("http://{gone}"), None).expect("a URL");
    let scene = Scene::of(Provider::Anthropic, &host, Budget::default(), |broker| broker.upstream(upstream));
    let answered = scene.ask_anything().await;
    assert_eq!((answered.status, answered.json()["error"]["type"].as_str()), (502, Some("api_error")));
    assert_eq!(scene.session.observed().trouble, Some(Outcome::Overloaded));

    for nonsense in [
        "",
        "\u{0}\u{1}\u{2}",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 999999 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
    ] {
        let host = Host::saying(nonsense).await;
        let scene = Scene::open(&host);
        let answered = scene.ask_anything().await;
        assert_eq!(answered.status, 502, "{nonsense:?}");
        let observed = scene.session.observed();
        assert_eq!((observed.input_tokens, observed.output_tokens), (0, 0), "{nonsense:?}");
    }
}

#[tokio::test]
async fn a_host_that_hangs_is_not_waited_for() {
    let host = Host::start(|_, wire| async move {
        let _wire = wire;
        std::future::pending::<()>().await;
    })
    .await;
    let scene = Scene::of(Provider::Anthropic, &host, Budget::default(), |broker| broker.limits(impatient()));
    let answered = scene.ask_anything().await;
    assert_eq!(answered.status, 504);
    let observed = scene.session.observed();
    // It has the request, and may well charge for it.
    assert_eq!(observed.input_tokens, anything().to_string().len() as u64 / 4);
    assert_eq!(observed.trouble, Some(Outcome::Overloaded));
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_stands_still_breaks_off_for_the_agent() {
    for hangs in [false, true] {
        let host = Host::start(move |_, mut wire| async move {
            say(wire.as_mut(), "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n8\r\ndata: 1\n\r\n").await;
            if hangs {
                std::future::pending::<()>().await;
            }
        })
        .await;
        let scene =
            Scene::of(Provider::Anthropic, &host, Budget::default(), |broker| broker.limits(impatient()));
        let answered = scene.ask_anything().await;
        assert_eq!(answered.status, 200);
        assert!(answered.body.contains("data: 1") && !answered.body.ends_with("0\r\n\r\n"), "{answered:?}");
    }
}

#[tokio::test]
async fn a_credential_that_is_refused_and_has_no_successor_is_for_a_person() {
    let refused =
        response("401 Unauthorized", "", &format!("{{\"error\":{{\"message\":\"bad key {REAL}\"}}}}"));
    let host = Host::start(move |nth, mut wire| {
        let text = if nth == 0 { refused.clone() } else { used(1, 2) };
        async move { say(wire.as_mut(), &text).await }
    })
    .await;
    let scene = Scene::open(&host);
    let answered = scene.ask_anything().await;
    assert_eq!(answered.status, 401, "there is no other: {answered:?}");
    assert!(answered.sentence().contains("a person must mend that"), "{answered:?}");
    assert!(!answered.body.contains(REAL), "{answered:?}");
    assert_eq!(scene.session.observed().trouble, Some(Outcome::AuthNeeded));
    assert_eq!(scene.ask_anything().await.status, 200);
    assert_eq!(scene.session.observed().trouble, None);
}

#[tokio::test]
async fn a_credential_that_was_replaced_meanwhile_is_asked_with_instead() {
    let host = Host::start(|nth, mut wire| async move {
        let text = match nth {
            1 => response("401 Unauthorized", "", "{}"),
            _ => used(1, 2),
        };
        say(wire.as_mut(), &text).await;
    })
    .await;
    let scene = Scene::open(&host);
    assert_eq!(scene.ask_anything().await.status, 200);
    scene.renew("sk-second");
    assert_eq!(scene.ask_anything().await.status, 200);
    let keys: Vec<_> =
        host.asked().iter().map(|asked| asked.header("x-api-key").map(str::to_owned)).collect();
    assert_eq!(keys, [REAL, REAL, "sk-second"].map(|key| Some(key.to_owned())));
    assert_eq!(scene.session.observed().requests, 2);
}

#[tokio::test]
async fn without_a_credential_nothing_is_asked() {
    let host = Host::saying(used(1, 2)).await;
    let scene = Scene::open(&host);
    scene.lose();
    let answered = scene.ask_anything().await;
    assert_eq!(
        (answered.status, answered.json()["error"]["type"].as_str()),
        (401, Some("authentication_error"))
    );
    assert_eq!((host.asked().len(), scene.session.observed().trouble), (0, Some(Outcome::AuthNeeded)));
}

#[tokio::test]
async fn a_host_that_repeats_the_credential_is_not_passed_on() {
    for (status, kind) in [
        ("400 Bad Request", "application/json"),
        ("200 OK", "application/json"),
        ("200 OK", "text/event-stream"),
    ] {
        let headers = format!("content-type: {kind}\r\nx-echo: {REAL}\r\n");
        let body = format!("data: {{\"error\":{{\"message\":\"{REAL}\"}}}}\n\n");
        let host = Host::saying(response(status, &headers, &body)).await;
        let scene = Scene::open(&host);
        let said = scene.raw(&scene.request_to_close()).await;
        assert!(!said.contains(REAL), "{said}");
    }
}

#[tokio::test]
async fn an_agent_that_sends_slowly_is_hung_up_on() {
    let host = Host::saying(used(1, 2)).await;
    let scene = Scene::of(Provider::Anthropic, &host, Budget::default(), |broker| broker.limits(impatient()));
    let mut stream = scene.connect().await;
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: a\r\nx-api-key: {}\r\ncontent-length: 100\r\n\r\n{{",
        scene.placeholder()
    );
    stream.write_all(head.as_bytes()).await.expect("it listens");
    assert!(read_to_end(&mut stream).await.starts_with("HTTP/1.1 408"));
    let mut stream = scene.connect().await;
    stream.write_all(b"POST /v1/messages HTT").await.expect("it listens");
    assert_eq!(read_to_end(&mut stream).await, "");
    assert_eq!(host.asked().len(), 0);
}

#[tokio::test]
async fn an_agent_that_does_not_read_does_not_hold_the_host() {
    let over = Arc::new(Notify::new());
    let tell = over.clone();
    let host = Host::start(move |_, mut wire| {
        let tell = tell.clone();
        async move {
            say(wire.as_mut(), "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").await;
            let part = vec![b'x'; 1 << 16];
            while wire.write_all(&part).await.is_ok() {}
            tell.notify_one();
        }
    })
    .await;
    let scene = Scene::of(Provider::Anthropic, &host, Budget::default(), |broker| broker.limits(impatient()));
    let _stream = scene.begin().await;
    tokio::time::timeout(Duration::from_secs(60), over.notified()).await.expect("the host is let go");
}
