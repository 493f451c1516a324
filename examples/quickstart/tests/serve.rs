//! The program as a service: whoever has the token sees and steers, and nobody else.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
    time::Duration,
};

use rustix::process::Signal;
use serde_json::{Value, json};
use striatum_testkit::agent::{Reached, Tools};

use crate::{
    history::History,
    place::{Place, Running, git, run, start, until, write},
};

/// A service, as an operator at the same machine knows it.
pub(crate) struct Service {
    pub(crate) running: Running,
    address: String,
    token: String,
}

impl Service {
    fn of(place: &Place) -> Self {
        Self::start(place, &mut place.quickstart(&["serve"]))
    }

    /// What was started so serves the place.
    pub(crate) fn start(place: &Place, command: &mut Command) -> Self {
        let running = start(command);
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

    pub(crate) fn json(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut answer = String::new();
        self.ask(method, path, &body.to_string()).read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// Prepares, confirms and starts a run of the demonstration.
    pub(crate) fn begin(&self) -> String {
        let document = json!({ "workflow": { "path": "workflow/workflow.json" } });
        let prepared = self.json("POST", "/v1/runs", &document);
        let run = prepared["run"]["run"].as_str().unwrap_or_else(|| panic!("{prepared}")).to_owned();
        for step in ["confirm", "start"] {
            self.json("POST", &format!("/v1/runs/{run}/{step}"), &json!({}));
        }
        run
    }

    /// Follows the events until one of this kind.
    pub(crate) fn until(&self, kind: &str) {
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
    let service =
        Service::start(&place, &mut place.quickstart(&["serve", "--egress", rules.to_str().unwrap()]));
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

#[test]
fn a_run_whose_agents_lack_something_is_not_prepared_for_whoever_asks() {
    let place = Place::new();
    let service = Service::of(&place);
    let text = fs::read_to_string(place.demo().join("workflow/workflow.json")).unwrap();
    let mut document: Value = serde_json::from_str(&text).unwrap();
    // Its credentials are named by nobody.
    document["lanes"]["reviewer"] = json!({"adapter": "acp:gemini"});
    let wanted = json!({"workflow": {"inline": {"document": document, "folder": "workflow"}}});
    let refused = service.json("POST", "/v1/runs", &wanted);
    assert_eq!(refused["error"]["code"], "agent_missing", "{refused}");
    assert!(refused.to_string().contains("let the lane name one of GEMINI_API_KEY"), "{refused}");
    assert_eq!(service.json("GET", "/v1/runs", &json!({}))["items"], json!([]));
    service.running.signal(Signal::INT);
    service.running.end().expect_code(0);
}

/// Comes with a new session and does the next job: `work` writes into its tree.
fn pull(tools: &mut Tools, work: impl Fn(&str, &Path)) -> String {
    let said = tools.call("register_session", &json!({})).unwrap().text;
    let session = serde_json::from_str::<Value>(&said).unwrap()["session"].clone();
    let mut call = |tool: &str| {
        let said = tools.call(tool, &json!({ "session": session })).unwrap();
        assert!(!said.refused, "{tool}: {}", said.text);
        said.text
    };
    let given = loop {
        let said: Value = serde_json::from_str(&call("await_work")).unwrap();
        if !said["job"].is_null() {
            break said;
        }
    };
    call("ack_work");
    let text = |key: &str| given[key].as_str().unwrap_or_else(|| panic!("{given}")).to_owned();
    let task = text("task");
    let (_, rest) = task.split_once("Work in the folder ").unwrap();
    let job = text("job");
    work(&job, Path::new(rest.split_once(", and nowhere else").unwrap().0));
    let mut own = Tools::open(&Reached::Http { url: text("url"), bearer: text("token") }).unwrap();
    let said = own.call("complete_work", &json!({})).unwrap();
    assert!(said.text.starts_with("accepted"), "{}", said.text);
    // It asks for more, and what it had is closed.
    let more = tools.call("await_work", &json!({ "session": session, "wait_seconds": 0 })).unwrap();
    assert!(more.text.contains("\"job\":null"), "{}", more.text);
    job
}

#[test]
fn agents_that_come_by_themselves_do_the_jobs_of_the_lanes_that_are_left_to_them() {
    let place = Place::new();
    let service = Service::start(&place, &mut place.quickstart(&["serve", "--pull", "author"]));
    let out = service.running.out();
    let url = out.split_once("agents:    ").unwrap().1.split_whitespace().next().unwrap().to_owned();
    let run = service.begin();
    let wanted = json!({ "role": "author", "lane": "author", "seconds": 600 });
    let issued = service.json("POST", "/v1/claim-tokens", &wanted);
    let bearer = issued["secret"].as_str().unwrap_or_else(|| panic!("{issued}")).to_owned();
    assert!(Tools::open(&Reached::Http { url: url.clone(), bearer: service.token.clone() }).is_err());

    let mut tools = Tools::open(&Reached::Http { url, bearer }).unwrap();
    let greet = "#!/bin/sh\necho \"hello, ${1:-world}\"\n";
    let work = |job: &str, tree: &Path| match job {
        "draft_change" => write(&tree.join("proposals/greet.sh"), greet),
        _ => write(&tree.join("bin/greet.sh"), greet),
    };
    for job in ["draft_change", "apply_change"] {
        assert_eq!(pull(&mut tools, work), job);
    }
    service.until("run.delivered");
    let shown = service.json("GET", &format!("/v1/runs/{run}"), &json!({}));
    let delivered =
        git(&place.demo(), &["show", &format!("{}:bin/greet.sh", shown["branch"].as_str().unwrap())]);
    assert_eq!(delivered, greet);
    service.running.signal(Signal::INT);
    service.running.end().expect_code(0);
    place.assert_tidy(&place.demo(), "pulled");
}

#[test]
fn a_lane_that_no_document_has_is_left_to_nobody() {
    let place = Place::new();
    let service = Service::start(&place, &mut place.quickstart(&["serve", "--pull", "nobody"]));
    let document = json!({ "workflow": { "path": "workflow/workflow.json" } });
    let refused = service.json("POST", "/v1/runs", &document);
    assert_eq!(refused["error"]["code"], "lane_unknown", "{refused}");
    service.running.signal(Signal::INT);
    service.running.end().expect_code(0);
}

/// A scripted author that asks for leave, and a reviewer.
fn asking(place: &Place, verb: &[&str]) -> Command {
    let mut command = place.quickstart(&[]);
    command.args(["--transport", "acp", "--author-command"]).arg(place.agent("--acp --leave ls"));
    command.arg("--reviewer-command").arg(place.agent("--acp")).args(verb);
    command
}

#[test]
fn an_agent_without_walls_waits_for_a_person_where_nobody_sits_before_the_program() {
    let place = Place::new();
    let service = Service::start(&place, &mut asking(&place, &["serve"]));
    let out = service.running.out();
    assert!(out.contains("what they ask leave for waits for a person if it stays in their tree"), "{out}");
    let run = service.begin();
    let asked =
        || service.json("GET", &format!("/v1/runs/{run}/escalations?topic=leave&open=true"), &json!({}));
    for _ in ["draft_change", "apply_change"] {
        until("the request", || asked()["items"].as_array().is_some_and(|open| !open.is_empty()));
        let number = &asked()["items"][0]["escalation"];
        let settle = format!("/v1/runs/{run}/escalations/{number}/settle");
        service.json("POST", &settle, &json!({ "ruling": "accept" }));
    }
    service.until("run.delivered");
    service.running.signal(Signal::INT);
    service.running.end().expect_code(0);
}

#[test]
fn an_agent_without_walls_is_granted_what_it_asks_by_whoever_named_it() {
    let place = Place::new();
    let said = run(asking(&place, &[])).expect_code(0);
    assert!(
        said.out.contains("what they ask leave for is granted if it stays in their tree"),
        "{}",
        said.out
    );
    assert_eq!(History::read(&place.data()).count("escalation.raised"), 0);
}
