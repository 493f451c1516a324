//! What the tools say and do.

use serde_json::json;
use striatum_core::run::{Severity, Verdict};
use striatum_server::{
    Refusal,
    agents::{Act, FollowUp, Mode, Receipt, Source},
};

use super::bench::{LONG, Recorder, call, connect, fence, listening};

#[tokio::test]
async fn a_call_reaches_the_workbench_and_its_answer_the_agent() {
    let agents = listening().await;
    let bench = Recorder::answering([
        Err(Refusal::new("artifacts_missing", "review at r.md is missing", "write it")),
        Ok(Receipt::over("the verdict is recorded")),
    ]);
    let session = agents.open(fence("review"), bench.clone(), LONG).expect("chance");
    let client = connect(&session).await;
    assert!(!session.is_connected());
    client.list_all_tools().await.expect("tools");
    session.connected().await;

    let arguments = json!({"verdict": "accept", "findings": [{"title": "One typo", "severity": "low"}]});
    let (said, is_error) = call(&client, "submit_review", arguments.clone()).await;
    assert_eq!(
        (said.as_str(), is_error),
        ("refused (artifacts_missing): review at r.md is missing. What to do: write it.", true)
    );
    let (said, is_error) = call(&client, "submit_review", arguments).await;
    assert!(said.starts_with("accepted: the verdict is recorded.") && !is_error, "{said}");
    session.concluded().await;

    let judged = Act::Judge { verdict: Verdict::Accept, findings: vec!["[low] One typo".to_owned()] };
    assert_eq!(bench.asked(), vec![(judged, Mode::Perform); 2]);
    let (said, is_error) = call(&client, "complete_work", json!({})).await;
    let again =
        "refused (work_concluded): your work on this task was accepted and is over: the verdict is recorded.";
    assert!(said.starts_with(again) && is_error, "{said}");
    assert_eq!(bench.asked().len(), 2, "nothing is asked once the grant is over");
}

#[tokio::test]
async fn every_tool_has_a_schema_that_any_model_can_read() {
    let agents = listening().await;
    let session = agents.open(fence("draft"), Recorder::answering([]), LONG).expect("chance");
    let tools = connect(&session).await.list_all_tools().await.expect("tools");
    for tool in tools {
        let shown = serde_json::to_string(&tool).expect("JSON");
        let schema = json!(tool.input_schema);
        assert_eq!(schema["type"], "object", "{shown}");
        assert_eq!(schema["additionalProperties"], false, "{shown}");
        for fails_somewhere in ["$ref", "$defs", "\"null\"", "anyOf", "oneOf"] {
            assert!(!shown.contains(fails_somewhere), "{shown}");
        }
        let annotations = tool.annotations.as_ref().expect("annotations");
        let is_read_only = matches!(&*tool.name, "get_packet" | "read_document");
        assert_eq!(annotations.read_only_hint, Some(is_read_only), "{shown}");
        assert_eq!(schema["properties"]["dry_run"].is_object(), !is_read_only, "{shown}");
    }
}

#[tokio::test]
async fn what_models_write_is_taken_where_it_is_plain() {
    let agents = listening().await;
    let bench = Recorder::answering([]);
    let session = agents.open(fence("draft"), bench.clone(), LONG).expect("chance");
    let client = connect(&session).await;
    let judge = |findings: &[&str]| Act::Judge {
        verdict: Verdict::NeedsRevision,
        findings: findings.iter().map(|text| (*text).to_owned()).collect(),
    };
    let cases = [
        ("submit_review", json!({"verdict": "needs_revision", "findings": "one"}), judge(&["one"])),
        (
            "submit_review",
            json!({"verdict": "needs_revision", "findings": ["one", {"title": "two", "detail": "why", "path": "a.rs", "line": 3}, " "]}),
            judge(&["one", "two: why (a.rs:3)"]),
        ),
        (
            "submit_review",
            json!({"verdict": "needs_revision", "findings": null, "dry_run": null}),
            judge(&[]),
        ),
        ("publish_artifact", json!({"name": "plan"}), publish(Source::Tree(None))),
        (
            "publish_artifact",
            json!({"name": "plan", "path": "p.md", "dry_run": false}),
            publish(Source::Tree(Some("p.md".to_owned()))),
        ),
        (
            "publish_artifact",
            json!({"name": "plan", "text": "# Plan"}),
            publish(Source::Text("# Plan".to_owned())),
        ),
        (
            "block_work",
            json!({"reason": "no compiler"}),
            Act::Block { reason: "no compiler".to_owned(), severity: Severity::Operator },
        ),
        (
            "block_work",
            json!({"reason": "which?", "needs": "person"}),
            Act::Block { reason: "which?".to_owned(), severity: Severity::HumanCheckpoint },
        ),
        ("report_failure", json!({"reason": "no"}), Act::Fail { reason: "no".to_owned() }),
        ("release_work", json!({"reason": "no"}), Act::Release { reason: "no".to_owned() }),
        (
            "request_human_steering",
            json!({"question": "which?", "resume": "c-1"}),
            Act::Ask { question: "which?".to_owned(), resume: Some("c-1".to_owned()), of: None },
        ),
        (
            "propose_issue",
            json!({"title": "t", "description": "d"}),
            Act::Propose(FollowUp { title: "t".to_owned(), description: "d".to_owned() }),
        ),
    ];
    for (tool, arguments, act) in cases {
        let (said, is_error) = call(&client, tool, arguments.clone()).await;
        assert_eq!((said.as_str(), is_error), ("accepted: all is well.", false), "{tool} {arguments}");
        assert_eq!(bench.asked().pop(), Some((act, Mode::Perform)), "{tool} {arguments}");
    }
}

fn publish(source: Source) -> Act {
    Act::Publish { name: "plan".parse().expect("a name"), source }
}

#[tokio::test]
async fn what_is_not_plain_is_refused_and_nothing_is_done() {
    let agents = listening().await;
    let bench = Recorder::answering([]);
    let session = agents.open(fence("draft"), bench.clone(), LONG).expect("chance");
    let client = connect(&session).await;
    for (tool, arguments, named) in [
        ("complete_work", json!({"dryRun": true}), "dryRun"),
        ("complete_work", json!({"dry_run": "yes"}), "boolean"),
        ("submit_review", json!({}), "verdict"),
        ("submit_review", json!({"verdict": "lgtm"}), "lgtm"),
        ("submit_review", json!({"verdict": "accept", "findings": [{"text": "x"}]}), "findings"),
        ("publish_artifact", json!({"name": "../../etc/passwd"}), "not a name"),
        ("publish_artifact", json!({"name": "plan", "text": "x", "path": "y"}), "a text and a path"),
        ("report_failure", json!({"reason": " "}), "empty"),
        ("ask_human", json!({"question": ""}), "empty"),
        ("read_document", json!({"digest": "abc"}), "abc"),
        ("get_packet", json!({"format": "yaml"}), "yaml"),
    ] {
        let (said, is_error) = call(&client, tool, arguments.clone()).await;
        assert!(said.starts_with("refused (arguments_invalid)") && is_error, "{tool} {arguments}: {said}");
        assert!(said.contains(named), "{tool} {arguments}: {said}");
    }
    assert_eq!(bench.asked(), []);
    let unknown = client.call_tool(rmcp::model::CallToolRequestParams::new("merge_to_main")).await;
    assert!(unknown.is_err());
}

#[tokio::test]
async fn the_task_and_what_it_names_can_be_read() {
    let agents = listening().await;
    let session = agents.open(fence("draft"), Recorder::answering([]), LONG).expect("chance");
    let client = connect(&session).await;
    let read = |tool, arguments| call(&client, tool, arguments);
    assert_eq!(read("get_packet", json!({})).await, ("# Do it".to_owned(), false));
    assert_eq!(read("get_packet", json!({"format": "json"})).await, ("{\"attempt\":1}".to_owned(), false));
    let document = |text: &[u8]| json!({"digest": striatum_core::digest::Digest::of(text).to_string()});
    assert_eq!(read("read_document", document(b"a finding")).await, ("a finding".to_owned(), false));
    let (said, is_error) = read("read_document", document(b"a secret")).await;
    assert!(said.starts_with("refused (document_unknown)") && is_error, "{said}");
}

#[tokio::test]
async fn a_dry_run_says_what_would_come_and_ends_nothing() {
    let agents = listening().await;
    let bench = Recorder::answering([Ok(Receipt::over("the work would be handed in"))]);
    let session = agents.open(fence("draft"), bench.clone(), LONG).expect("chance");
    let client = connect(&session).await;
    let (said, _) = call(&client, "complete_work", json!({"dry_run": true})).await;
    assert_eq!(said, "would be accepted: the work would be handed in. Nothing was done.");
    let (said, _) = call(&client, "complete_work", json!({})).await;
    assert_eq!(said, "accepted: all is well.");
    assert_eq!(bench.asked(), [(Act::Complete, Mode::DryRun), (Act::Complete, Mode::Perform)]);
}
