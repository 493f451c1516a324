//! What a session may use, and what it used.

use std::time::Duration;

use striatum_core::transport::{Outcome, Reset};
use striatum_sandbox::broker::{Budget, Limits, Provider};

use super::{
    host::{Host, response, say, used},
    scene::{Scene, anything, read_until},
};

#[tokio::test]
async fn tokens_are_counted_and_when_they_are_used_up_the_agent_is_told() {
    let host = Host::saying(used(60, 30)).await;
    let budget = Budget { tokens: Some(100), ..Budget::default() };
    let scene = Scene::of(Provider::Anthropic, &host, budget, |broker| broker);
    assert_eq!(scene.ask_anything().await.status, 200);
    assert_eq!(scene.ask_anything().await.status, 200);
    let answered = scene.ask_anything().await;
    assert_eq!((answered.status, answered.json()["error"]["type"].as_str()), (403, Some("permission_error")));
    assert!(answered.sentence().contains("all of its 100 tokens"), "{answered:?}");
    let observed = scene.session.observed();
    assert_eq!((observed.requests, observed.input_tokens, observed.output_tokens), (2, 120, 60));
    assert_eq!((host.asked().len(), observed.trouble), (2, None));
}

#[tokio::test]
async fn requests_are_counted_whatever_comes_of_them() {
    let host = Host::saying(response("500 Oops", "", "{}")).await;
    let budget = Budget { requests: Some(2), ..Budget::default() };
    let scene = Scene::of(Provider::Anthropic, &host, budget, |broker| broker);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(scene.ask_anything().await.status);
    }
    assert_eq!(statuses, [500, 500, 403]);
    let observed = scene.session.observed();
    assert_eq!((observed.requests, observed.input_tokens, observed.output_tokens), (2, 0, 0));
}

#[tokio::test]
async fn an_answer_that_does_not_say_what_it_cost_or_is_not_waited_for_costs_by_its_length() {
    let text = "data: {\"x\":1}\n\n".repeat(100);
    let headers = "content-type: text/event-stream\r\n";
    let host = Host::saying(response("200 OK", headers, &text)).await;
    let scene = Scene::open(&host);
    scene.ask_anything().await;
    let observed = scene.session.observed();
    assert_eq!(observed.output_tokens, text.len() as u64 / 16);
    assert_eq!(observed.input_tokens, anything().to_string().len() as u64 / 4);

    // It hangs up when it has read all but the end, where the cost would stand.
    let told = "data: {\"message\":{\"usage\":{\"input_tokens\":50,\"output_tokens\":1}}}\n\n";
    let (start, length) = (format!("{told}{text}"), told.len() + text.len() + 1000);
    let expected = start.len() as u64 / 16;
    let host = Host::start(move |_, mut wire| {
        let text = format!("HTTP/1.1 200 OK\r\n{headers}content-length: {length}\r\n\r\n{start}");
        async move {
            say(wire.as_mut(), &text).await;
            std::future::pending::<()>().await;
        }
    })
    .await;
    let scene = Scene::open(&host);
    let mut stream = scene.begin().await;
    let mut heard = String::new();
    while heard.matches("data: ").count() < 101 {
        heard.push_str(&read_until(&mut stream, "\n\n").await);
    }
    drop(stream);
    let settled = async {
        while scene.session.observed().output_tokens == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), settled).await.expect("it is noticed");
    let observed = scene.session.observed();
    assert_eq!((observed.input_tokens, observed.output_tokens), (50, expected));
}

#[tokio::test]
async fn no_more_requests_are_under_way_than_may_be() {
    let host = Host::start(|_, wire| async move {
        let _wire = wire;
        std::future::pending::<()>().await;
    })
    .await;
    let mut limits = Limits::default();
    limits.requests = 1;
    let scene = Scene::of(Provider::Anthropic, &host, Budget::default(), |broker| broker.limits(limits));
    let _stream = scene.begin().await;
    while host.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    let answered = scene.ask_anything().await;
    assert_eq!((answered.status, answered.json()["error"]["type"].as_str()), (503, Some("api_error")));
}

#[tokio::test]
async fn a_limit_of_the_host_is_surfaced_with_its_reset_until_something_is_answered() {
    let host = Host::start(|nth, mut wire| async move {
        let text = match nth {
            0 => response(
                "429 Too Many Requests",
                "retry-after: 20\r\ncontent-type: application/json\r\n",
                "{\"error\":{\"type\":\"rate_limit_error\"}}",
            ),
            1 => response("529 Overloaded", "", "{}"),
            _ => used(1, 2),
        };
        say(wire.as_mut(), &text).await;
    })
    .await;
    let scene = Scene::open(&host);
    let answered = scene.ask_anything().await;
    assert_eq!((answered.status, answered.json()["error"]["type"].as_str()), (429, Some("rate_limit_error")));
    assert!(answered.head.contains("retry-after: 20"), "{answered:?}");
    let Some(Outcome::RateLimited(Some(Reset::In(time)))) = scene.session.observed().trouble else {
        panic!("{:?}", scene.session.observed());
    };
    assert!(time <= Duration::from_secs(20), "{time:?}");
    assert_eq!(scene.ask_anything().await.status, 529);
    assert_eq!(scene.session.observed().trouble, Some(Outcome::Overloaded));
    assert_eq!(scene.ask_anything().await.status, 200);
    assert_eq!(scene.session.observed().trouble, None);
}
