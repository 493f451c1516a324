//! The program as a service: whoever has the token sees and steers, and nobody else.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    time::Duration,
};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::place::{Place, Running, git, start, until, write};

/// A service, as an operator at the same machine knows it.
struct Service {
    running: Running,
    address: String,
    token: String,
}

impl Service {
    fn of(place: &Place) -> Self {
        Self::with(place, &[])
    }

    fn with(place: &Place, options: &[&str]) -> Self {
        let running = start(place.quickstart(&["serve"]).args(options));
        until("the address", || running.out().contains("try:"));
        let out = running.out();
        let address = out.split_once("http://").unwrap().1.split_whitespace().next().unwrap().to_owned();
        let file = place.data().join("operator.token");
        for secret in [&file, &place.data().join("operator.key")] {
            assert_eq!(fs::metadata(secret).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let token = fs::read_to_string(file).unwrap();
        assert!(!out.contains(&token), "{out}");
        Self { running, address, token }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let (address, token, length) = (&self.address, &self.token, body.len());
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        BufReader::new(stream)
    }

    fn json(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut answer = String::new();
        self.ask(method, path, &body.to_string()).read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// Prepares, confirms and starts a run of the demonstration.
    fn begin(&self) -> String {
        let document = json!({ "workflow": { "path": "workflow/workflow.json" } });
        let prepared = self.json("POST", "/v1/runs", &document);
        let run = prepared["run"]["run"].as_str().unwrap_or_else(|| panic!("{prepared}")).to_owned();
        for step in ["confirm", "start"] {
            self.json("POST", &format!("/v1/runs/{run}/{step}"), &json!({}));
        }
        run
    }

    /// Follows the events until one of this kind.
    fn until(&self, kind: &str) {
        let wanted = format!("\"kind\":\"{kind}\"");
        let found = self.ask("GET", "/v1/events", "").lines().map_while(Result::ok);
        assert!(found.into_iter().any(|line| line.contains(&wanted)), "the stream ended before {kind}");
    }
}

#[test]
fn an_operator_with_the_token_takes_a_run_to_its_delivery() {
    let place = Place::new();
    let service = Service::of(&place);
    let run = service.begin();
    service.until("run.delivered");
    let shown = service.json("GET", &format!("/v1/runs/{run}"), &json!({}));
    assert_eq!(shown["status"], "completed");
    let branch = shown["branch"].as_str().unwrap();
    let delivered = git(&place.demo(), &["rev-parse", branch]);
    assert_eq!(shown["delivered"], delivered.trim());

    let stranger = Service { token: "striatum_e30.e30".to_owned(), ..service };
    assert_eq!(stranger.json("GET", "/v1/runs", &json!({}))["error"]["code"], "token_invalid");
    stranger.running.signal(Signal::INT);
    stranger.running.end().expect_code(0);
    place.assert_tidy(&place.demo(), "served");
}

#[test]
fn a_run_is_not_confirmed_when_rules_are_for_a_lane_that_it_does_not_have() {
    let place = Place::new();
    let rules = place.path("rules.json");
    write(&rules, &json!({"lanes": {"mian": ["example.com"]}}).to_string());
    let service = Service::with(&place, &["--egress", rules.to_str().unwrap()]);
    let document = json!({ "workflow": { "path": "workflow/workflow.json" } });
    let prepared = service.json("POST", "/v1/runs", &document);
    let run = prepared["run"]["run"].as_str().unwrap_or_else(|| panic!("{prepared}"));
    let refused = service.json("POST", &format!("/v1/runs/{run}/confirm"), &json!({}));
    assert_eq!(refused["error"]["code"], "egress_lane_unknown", "{refused}");
    let shown = service.json("GET", &format!("/v1/runs/{run}"), &json!({}));
    assert_eq!(shown["status"], "needs_branch_confirmation", "{shown}");
    service.running.signal(Signal::INT);
    service.running.end().expect_code(0);
}

#[test]
fn a_token_outlives_a_restart_of_the_service() {
    let place = Place::new();
    let first = Service::of(&place);
    first.running.signal(Signal::INT);
    first.running.end().expect_code(0);
    let second = Service::of(&place);
    let with_old = Service { token: first.token, ..second };
    assert_eq!(with_old.json("GET", "/v1/runs", &json!({}))["items"], json!([]));
    with_old.running.signal(Signal::TERM);
    with_old.running.end().expect_code(0);
}
