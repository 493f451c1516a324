//! What comes back, and what is kept of it.

use std::sync::atomic::Ordering;

use striatum_sandbox::egress::{EgressLimits, EgressRecord, Fate, Refusal};

use super::{
    client::Client,
    filled,
    stage::{Proxy, SECRET, Stage, demanding, limits, soon},
    table::{connect, get, within},
    upstream::contains,
};

/// Everything that a client receives for a request that closes its connection.
async fn received(stage: &Stage, proxy: &Proxy, host: &'static str, path: &str, header: &str) -> Vec<u8> {
    let mut client = Client::connect(proxy.address).await;
    let steps = within(host, get(host, path, &[header, "Connection: close"]));
    let act = async {
        client.walk(&filled(stage, &steps)).await;
        client.rest().await;
    };
    soon(path, act).await;
    client.received
}

async fn refusal_of(limits: EgressLimits, host: &'static str, path: &str) -> (Refusal, Vec<u8>) {
    let stage = Stage::new().await;
    let proxy = stage.proxy(limits).await;
    let received = received(&stage, &proxy, host, path, "X-Nothing: 1").await;
    (soon(path, proxy.records.refusal()).await, received)
}

#[tokio::test]
async fn answers_that_are_none_are_told_as_such() {
    for (host, path, expected) in [
        ("stranger.test", "/", Refusal::UpstreamUntrusted),
        ("inspected.test", "/open/garbage", Refusal::UpstreamBroken),
        ("inspected.test", "/open/switch", Refusal::UpgradeRefused),
        ("inspected.test", "/open/large-head", Refusal::UpstreamBroken),
        ("inspected.test", "/open/large", Refusal::TooLarge),
    ] {
        let (refusal, received) = refusal_of(limits(), host, path).await;
        assert_eq!(refusal, expected, "{path}");
        let is_told = contains(&received, format!("x-striatum-refusal: {refusal}").as_bytes());
        // What has begun can only be broken off.
        assert_eq!(is_told, refusal != Refusal::TooLarge, "{path}");
    }
    let (refusal, _) = refusal_of(demanding(), "inspected.test", "/open/mute").await;
    assert_eq!(refusal, Refusal::UpstreamSilent);
}

#[tokio::test]
async fn a_host_that_cannot_be_resolved_or_reached_is_told_before_anything_is_sent() {
    for (authority, expected) in
        [("unknown.test:{tls}", Refusal::NameUnknown), ("closed.test:{closed}", Refusal::Unreachable)]
    {
        let stage = Stage::new().await;
        let proxy = stage.proxy(limits()).await;
        let mut client = Client::connect(proxy.address).await;
        client.walk(&filled(&stage, &connect(authority))).await;
        assert_eq!(soon(authority, proxy.records.refusal()).await, expected);
        let answer = String::from_utf8(client.received).expect("text");
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    }
}

#[tokio::test]
async fn a_secret_does_not_come_back() {
    for path in ["/repeat", "/repeat-name"] {
        for scheme in ["Bearer", "basic"] {
            let stage = Stage::new().await;
            let proxy = stage.proxy(limits()).await;
            let header = match scheme {
                "Bearer" => format!("Authorization: Bearer {}", proxy.placeholder()),
                _ => format!("Authorization: Basic {}", super::table::basic("me", &proxy.placeholder())),
            };
            let received = received(&stage, &proxy, "secret.test", path, &header).await;
            assert_eq!(
                soon(path, proxy.records.refusal()).await,
                Refusal::SecretReflected,
                "{path} {scheme}"
            );
            let secret = super::table::basic("me", SECRET);
            assert!(!contains(&received, SECRET.as_bytes()) && !contains(&received, &secret.as_bytes()[4..]));
        }
    }
}

#[tokio::test]
async fn an_answer_framed_in_two_ways_is_passed_on_in_one() {
    let stage = Stage::new().await;
    let proxy = stage.proxy(limits()).await;
    let received = received(&stage, &proxy, "inspected.test", "/open/both", "X-Nothing: 1").await;
    let text = String::from_utf8(received).expect("text").to_lowercase();
    assert!(text.ends_with("2\r\nok\r\n0\r\n\r\n"), "{text}");
    assert!(!text.contains("content-length: 3"), "{text}");
}

#[tokio::test]
async fn a_name_is_resolved_once_for_a_connection_and_anew_for_the_next() {
    let stage = Stage::new().await;
    let proxy = stage.proxy(limits()).await;
    let turns = ["127.0.0.1", "10.0.0.1"].map(|address| address.parse().expect("an address"));
    proxy.resolver.turns.lock().expect("answers").insert("inspected.test".into(), turns.into());

    let mut client = Client::connect(proxy.address).await;
    let host = "inspected.test";
    // The host closes after the first answer, so that the second request needs a connection of its own.
    let mut steps = within(host, get(host, "/open/close", &[]));
    steps.push(super::client::Step::Head);
    steps.extend(get(host, "/open", &["X-Second: arrived"]));
    let steps = filled(&stage, &steps);
    soon("a second request", async {
        tokio::join!(client.walk(&steps), stage.log.has(b"arrived"));
    })
    .await;
    assert_eq!(*proxy.resolver.asked.lock().expect("a list"), [host]);

    let mut other = Client::connect(proxy.address).await;
    other.walk(&filled(&stage, &connect("inspected.test:{tls}"))).await;
    assert_eq!(soon("another connection", proxy.records.refusal()).await, Refusal::AddressNotAllowed);
}

#[tokio::test]
async fn a_record_says_what_became_of_a_request_and_no_secret() {
    let stage = Stage::new().await;
    let proxy = stage.proxy(limits()).await;
    let header = format!("Authorization: Bearer {}", proxy.placeholder());
    received(&stage, &proxy, "partial.test", "/with/a/path?and=query", &header).await;
    received(&stage, &proxy, "spliced.test", "/close", "X-Nothing: 1").await;
    let records = proxy.records.clone();
    drop(proxy);
    let records = soon("the records", records.finished(3)).await;

    let shown = format!("{records:?}");
    assert!(!shown.contains(SECRET) && !shown.contains("query") && !shown.contains("placeholder"), "{shown}");
    let of = |method: &str, host: &str| -> EgressRecord {
        let is_it = |record: &&EgressRecord| {
            let destination = record.destination.as_deref().unwrap_or_default();
            record.method.as_ref().is_some_and(|m| m.as_str() == method) && destination.starts_with(host)
        };
        records.iter().find(is_it).cloned().unwrap_or_else(|| panic!("no record of {method} {host}: {shown}"))
    };
    let inner = of("GET", "partial.test");
    assert_eq!(inner.fate, Fate::Answered(200));
    assert_eq!(inner.rule, Some(stage.fill("https://partial.test:{tls}/with")));
    assert_eq!((inner.up_bytes, inner.down_bytes), (0, 2));
    assert_eq!(of("CONNECT", "partial.test").fate, Fate::Answered(200));
    let through = of("CONNECT", "spliced.test");
    assert_eq!(through.fate, Fate::Tunnelled);
    assert!(through.up_bytes > 0 && through.down_bytes > 0);
}

#[tokio::test]
async fn what_cannot_be_recorded_does_not_pass_until_it_can() {
    let stage = Stage::new().await;
    let proxy = stage.proxy(limits()).await;
    // That of the first request, of the second, and one of the connections'.
    proxy.records.lost.store(3, Ordering::Relaxed);
    let (host, refused) = ("inspected.test", b"x-striatum-refusal: unrecorded");
    let mut steps = within(host, get(host, "/open", &["X-It: the first"]));
    steps.push(super::client::Step::Head);
    steps.extend(get(host, "/open", &["X-It: the second", "Connection: close"]));
    let mut client = Client::connect(proxy.address).await;
    soon("two requests", client.walk(&filled(&stage, &steps))).await;
    soon("two answers", client.rest()).await;
    assert!(contains(&client.received, refused), "{}", String::from_utf8_lossy(&client.received));
    let mut other = Client::connect(proxy.address).await;
    soon("a refusal", other.walk(&filled(&stage, &connect("inspected.test:{tls}")))).await;
    assert!(contains(&other.received, refused), "{}", String::from_utf8_lossy(&other.received));
    soon("a record", proxy.records.finished(1)).await;
    let again = received(&stage, &proxy, host, "/open", "X-It: the third").await;
    assert!(!contains(&again, refused), "{}", String::from_utf8_lossy(&again));
    drop((client, other, proxy));
    let arrived = soon("the end", stage.log.settled()).await;
    let passed = ["the first", "the second", "the third"];
    assert_eq!(passed.map(|marker| contains(&arrived, marker.as_bytes())), [true, false, true]);
}

#[tokio::test]
async fn dropping_a_proxy_ends_its_connections() {
    let stage = Stage::new().await;
    let proxy = stage.proxy(limits()).await;
    let mut client = Client::connect(proxy.address).await;
    client.walk(&filled(&stage, &within("spliced.test", get("spliced.test", "/", &["X-It: arrived"])))).await;
    soon("the request", stage.log.has(b"arrived")).await;
    drop(proxy);
    soon("the end", client.rest()).await;
    soon("the host's end", stage.log.settled()).await;
}
