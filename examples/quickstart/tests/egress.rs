//! Agents that reach named hosts, and what is wrong with rules.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use serde_json::{Value, json};

use crate::{
    place::{Place, git, run, write},
    site::{DILIGENT, Site, expect_words},
};

/// A host on loopback that answers every request.
fn host() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
                head.extend(byte);
            }
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
        }
    });
    port
}

/// What the proxy wrote down of all agents.
fn records(place: &Place) -> Vec<Value> {
    let mut folders = vec![place.data()];
    let mut records = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name() == "egress.jsonl" {
                let text = fs::read_to_string(entry.path()).unwrap();
                records.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
    records
}

/// The first job asks for an allowed and a forbidden path, and publishes what it got and what it has for a token.
fn asking(port: u16) -> Site {
    // Loopback is usually reached without a proxy.
    let get = |path: &str| format!("curl --noproxy '' -s http://127.0.0.1:{port}{path}");
    let script = format!(
        "{DILIGENT}[ $STRIATUM_JOB != a ] || {{ {}; echo; {}; echo \"$TOKEN\"; }} >> out/a.md\n",
        get("/open"),
        get("/closed")
    );
    Site::new(&script, |document| document["lanes"]["main"]["env"] = json!({"TOKEN": null}))
}

#[test]
fn agents_reach_what_the_rules_allow_with_placeholders_for_secrets() {
    let port = host();
    for walls in ["none", "namespaces"] {
        let site = asking(port);
        let rules = site.place.path("rules.json");
        let text = json!({
            "allow": [{"to": "secret.example", "secrets": ["TOKEN"]}],
            "lanes": {"main": [format!("http://127.0.0.1:{port}/open")]},
            "secrets": {"TOKEN": {"env": "TOKEN"}},
        });
        write(&rules, &text.to_string());
        let mut command = site.begin();
        command.arg("--egress").arg(&rules).arg("--mount").arg(site.place.path("agent.sh"));
        command.env("TOKEN", "the-real-one").env("STRIATUM_SANDBOX", walls);
        let said = run(command);
        if walls == "namespaces" && said.err.starts_with("error[sandbox_un") {
            let test = "agents_reach_what_the_rules_allow_with_placeholders_for_secrets";
            return striatum_testkit::skip(test, &said.err);
        }
        expect_words(&said.expect_code(0), &["network: https://secret.example:443, http://127.0.0.1:"]);
        let published = git(&site.repository, &["show", "striatum/site:out/a.md"]);
        for word in ["hello", "striatum: path_not_allowed: ", "striatum-placeholder-"] {
            assert!(published.contains(word), "{walls}: {word:?} is missing in {published}");
        }
        assert!(!published.contains("the-real-one"), "{published}");
        let fates: Vec<Value> =
            records(&site.place).into_iter().map(|record| record["fate"].clone()).collect();
        for fate in [json!({"status": 200}), json!({"refused": "path_not_allowed"})] {
            assert!(fates.contains(&fate), "{walls}: {fates:?}");
        }
    }
}

#[test]
fn a_lane_that_is_to_have_no_network_has_none() {
    let port = host();
    let site = asking(port);
    let document = site.repository.join("workflow.json");
    let mut text: Value = serde_json::from_str(&fs::read_to_string(&document).unwrap()).unwrap();
    text["lanes"]["main"]["constraints"] = json!({"network": "forbidden"});
    write(&document, &text.to_string());
    crate::place::commit_all(&site.repository);
    let mut command = site.begin();
    let rule = format!("http://127.0.0.1:{port}/open");
    command.args(["--allow", &rule]).env("TOKEN", "its own");
    run(command).expect_code(0);
    assert_eq!(records(&site.place), [] as [Value; 0]);
    assert!(git(&site.repository, &["show", "striatum/site:out/a.md"]).contains("its own"));
}

#[test]
fn rules_for_a_lane_that_there_is_not_are_refused_before_an_agent_starts() {
    let site = asking(host());
    let rules = site.place.path("rules.json");
    write(&rules, &json!({"lanes": {"mian": ["example.com"]}}).to_string());
    let mut command = site.begin();
    command.arg("--egress").arg(&rules);
    run(command).expect_error("egress_lane_unknown", &["mian", "main", "name a lane"]);
    assert_eq!(site.history().count("job.claimed"), 0);
    write(&rules, &json!({"lanes": {"main": ["example.com"]}}).to_string());
    let mut command = site.begin();
    command.arg("--egress").arg(&rules).env("TOKEN", "its own");
    run(command).expect_code(0);
}

#[test]
fn rules_that_cannot_be_kept_are_refused_before_anything_is_begun() {
    let place = Place::new();
    for (rule, code) in [
        ("not a host", "egress_host_invalid"),
        ("example.com:0", "egress_port_invalid"),
        ("example.com/../x", "egress_path_invalid"),
        ("ftp://example.com", "egress_rules_unreadable"),
    ] {
        run(place.quickstart(&["--allow", rule])).expect_error(code, &[]);
    }
    let secret = r#"{"allow": [{"to": "example.com", "secrets": ["TOKEN"]}], "secrets": {"TOKEN": SOURCE}}"#;
    for (rules, code) in [
        ("{}", "egress_rules_empty"),
        ("{", "egress_rules_unreadable"),
        (r#"{"allow": ["example.com"], "also": 1}"#, "egress_rules_unreadable"),
        (r#"{"allow": [{"to": "*.example.com", "secrets": ["TOKEN"]}]}"#, "egress_secret_exposed"),
        (r#"{"allow": [{"to": "example.com", "secrets": ["TOKEN"]}]}"#, "egress_secret_missing"),
        (&secret.replace("SOURCE", r#"{"env": "STRIATUM_NO_SUCH_VARIABLE"}"#), "egress_secret_missing"),
        (&secret.replace("SOURCE", r#"{"file": "/nonexistent/secret"}"#), "egress_secret_missing"),
        (&secret.replace("SOURCE", r#"{"command": ["false"]}"#), "egress_secret_missing"),
        (&secret.replace("SOURCE", r#"{"command": ["true"]}"#), "egress_secret_missing"),
    ] {
        let file = place.path("rules.json");
        write(&file, rules);
        let mut command = place.quickstart(&[]);
        command.arg("--egress").arg(&file);
        run(command).expect_error(code, &[]);
    }
}
