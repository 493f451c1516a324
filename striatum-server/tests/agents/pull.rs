//! Agents that come for their work, on the real machine.

use std::{collections::BTreeSet, time::Duration};

use rmcp::model::{CallToolRequestParams, Tool};
use serde_json::{Value, json};
use striatum_core::{
    run::{DeliveryMode, Intent, JobStatus, Pending, RunStatus, Verdict},
    sandbox::Level,
    workflow::{Constraint, LaneBuilder},
};
use tokio::time::timeout;

use super::bench::{Client, LONG, call, client};

mod office;

use office::{Office, RUN};

async fn accepted(client: &Client, tool: &'static str, arguments: Value) {
    let (said, is_error) = call(client, tool, arguments).await;
    assert!(said.starts_with("accepted") && !is_error, "{tool}: {said}");
}

/// A call of every tool of a grant, each of which the author of the draft could make.
fn calls() -> [(&'static str, Value); 14] {
    let (question, title) = (json!({"question": "Which?"}), json!({"title": "t", "description": "d"}));
    let reason = json!({"reason": "no"});
    [
        ("get_packet", json!({})),
        ("read_document", json!({"digest": "00".repeat(32)})),
        ("publish_artifact", json!({"name": "greeting", "text": "Welcome."})),
        ("submit_review", json!({"verdict": "accept"})),
        ("complete_work", json!({})),
        ("report_failure", reason.clone()),
        ("release_work", reason.clone()),
        ("block_work", reason),
        ("ask_human", question.clone()),
        ("request_human_steering", question),
        ("ask_upstream", json!({"job": "draft", "question": "Why?"})),
        ("answer", json!({"answer": "So."})),
        ("propose_follow_up", title.clone()),
        ("propose_issue", title),
    ]
}

#[tokio::test]
async fn a_dry_run_of_any_tool_says_what_the_call_then_says_and_does_nothing() {
    let mut told = Vec::new();
    for (tool, arguments) in calls() {
        let office = Office::open().await;
        office.start().await;
        let (_, tools) = office.puller("author").await.work().await;
        let all = tools.list_all_tools().await.expect("tools");
        let names: BTreeSet<_> = all.iter().map(|tool| &*tool.name).collect();
        assert_eq!(names, calls().iter().map(|(tool, _)| *tool).collect(), "every tool is tried");
        let offered = all.iter().find(|it| it.name == tool).expect("it is offered");
        if !json!(offered.input_schema)["properties"]["dry_run"].is_object() {
            continue;
        }
        let before = office.head().await;
        let mut dry = arguments.clone();
        dry["dry_run"] = json!(true);
        let (would, would_fail) = call(&tools, tool, dry).await;
        assert_eq!(office.head().await, before, "{tool}: {would}");
        let (said, is_error) = call(&tools, tool, arguments).await;
        assert_eq!(would_fail, is_error, "{tool}: {would} {said}");
        if is_error {
            assert_eq!((would, office.head().await), (said, before), "{tool}");
        } else {
            assert!(
                would.starts_with("would be accepted") && said.starts_with("accepted"),
                "{tool}: {would} {said}"
            );
            assert_ne!(office.head().await, before, "{tool}");
            told.push(tool);
        }
    }
    assert_eq!(told.len(), 8, "the others are no tools for a draft that is not written yet: {told:?}");
}

#[tokio::test]
async fn two_agents_that_pull_bring_a_run_to_its_end() {
    let office = Office::open().await;
    let (author, reviewer) = (office.puller("author").await, office.puller("reviewer").await);
    author.finds_nothing().await;
    // It waits before there is anything to judge, and is woken.
    let ((), (first, tools)) = tokio::join!(office.start(), author.work());
    assert_eq!((first["job"].as_str(), first["epoch"].as_u64()), (Some("draft"), Some(1)));
    assert!(first["task"].as_str().is_some_and(|task| task.contains("Write a greeting.")), "{first}");

    let (said, is_error) = call(&tools, "complete_work", json!({"dry_run": true})).await;
    assert!(said.starts_with("refused (artifacts_missing)") && is_error, "{said}");
    let (said, is_error) = call(&tools, "publish_artifact", json!({"name": "greeting"})).await;
    assert!(said.starts_with("refused (tree_missing)") && is_error, "{said}");
    accepted(&tools, "publish_artifact", json!({"name": "greeting", "text": "Go away."})).await;
    accepted(&tools, "propose_follow_up", json!({"title": "Translate it", "description": "Into French."}))
        .await;
    let handing_in = async { accepted(&tools, "complete_work", json!({})).await };
    let ((), (second, judging)) = tokio::join!(handing_in, reviewer.work());
    assert_eq!(second["job"], "review");

    let (packet, _) = call(&judging, "get_packet", json!({"format": "json"})).await;
    let packet: Value = serde_json::from_str(&packet).expect("JSON");
    let digest = &packet["inputs"][0]["job"]["artifacts"][0]["content"]["digest"];
    assert_eq!(
        call(&judging, "read_document", json!({"digest": digest})).await,
        ("Go away.".to_owned(), false)
    );
    accepted(&judging, "publish_artifact", json!({"name": "review", "text": "# No"})).await;
    let findings = json!([{"title": "It is rude", "severity": "high"}]);
    accepted(&judging, "submit_review", json!({"verdict": "needs_revision", "findings": findings})).await;

    let (third, tools) = author.work().await;
    assert_eq!((third["job"].as_str(), third["epoch"].as_u64()), (Some("draft"), Some(2)));
    let (packet, _) = call(&tools, "get_packet", json!({"format": "json"})).await;
    let packet: Value = serde_json::from_str(&packet).expect("JSON");
    let digest = &packet["revision"][0]["findings"]["digest"];
    let (found, _) = call(&tools, "read_document", json!({"digest": digest})).await;
    assert_eq!(found, "[high] It is rude");
    accepted(&tools, "publish_artifact", json!({"name": "greeting", "text": "Welcome."})).await;
    accepted(&tools, "complete_work", json!({})).await;
    let (_, judging) = reviewer.work().await;
    accepted(&judging, "publish_artifact", json!({"name": "review", "text": "# Yes"})).await;
    accepted(&judging, "submit_review", json!({"verdict": "accept"})).await;

    let state = office.state().await;
    assert_eq!(state.status(), Some(RunStatus::Completed));
    let review = state.job(&"review".parse().expect("a name")).expect("it is there");
    let verdicts: Vec<_> = review.verdicts.iter().map(|verdict| verdict.verdict).collect();
    assert_eq!(verdicts, [Verdict::NeedsRevision, Verdict::Accept]);
    let still_open = |owed: &Pending| matches!(owed, Pending::Drive { .. } | Pending::CloseTree { .. });
    assert_eq!(state.pending().find(still_open), None);
    assert_eq!(state.escalations().len(), 1, "the proposal waits for a person");
    author.finds_nothing().await;
}

#[tokio::test]
async fn who_does_not_renew_loses_the_work_to_another() {
    let office = Office::open().await;
    office.start().await;
    let (slow, next) = (office.puller("author").await, office.puller("author").await);
    let (work, tools) = slow.work().await;
    let (again, _) = slow.ask("await_work").await;
    assert_eq!(serde_json::from_str::<Value>(&again).expect("JSON"), work, "it is told again");
    let lease = Duration::from_secs(work["lease_seconds"].as_u64().expect("a term"));
    office.clock.advance(lease / 2);
    let (said, is_error) = slow.ask("heartbeat").await;
    assert!(said.starts_with("accepted") && !is_error, "{said}");
    office.clock.advance(lease * 3 / 4);
    next.finds_nothing().await;

    office.clock.advance(lease);
    // The store's clock moved by hand; something must happen for anybody to look at it.
    let wake = async {
        office.give(Intent::Pause).await;
        office.give(Intent::Resume).await;
    };
    let ((), (work, theirs)) = tokio::join!(wake, next.work());
    assert_eq!((work["job"].as_str(), work["epoch"].as_u64()), (Some("draft"), Some(2)));
    for (tool, arguments) in calls() {
        let (said, is_error) = call(&tools, tool, arguments).await;
        let code = if tool == "answer" { "nothing_asked" } else { "stale_fence" };
        assert!(said.starts_with(&format!("refused ({code})")) && is_error, "{tool}: {said}");
    }
    assert!(slow.ask("heartbeat").await.0.starts_with("refused (stale_fence)"));
    assert!(slow.ask("ack_work").await.0.starts_with("refused (no_work)"));
    accepted(&theirs, "release_work", json!({"reason": "I must go"})).await;
    assert_eq!(
        office.state().await.job(&"draft".parse().expect("a name")).expect("it is there").status,
        JobStatus::Ready
    );
}

#[tokio::test]
async fn a_claim_token_opens_its_own_role_and_lane_and_nothing_else() {
    let office = Office::open().await;
    office.start().await;
    let (author, reviewer) = (office.puller("author").await, office.puller("reviewer").await);
    reviewer.finds_nothing().await;
    let stolen = call(&reviewer.client, "await_work", json!({"session": author.session})).await;
    assert!(stolen.0.starts_with("refused (session_unknown)") && stolen.1, "{stolen:?}");
    let guessed = call(&reviewer.client, "heartbeat", json!({"session": "00".repeat(16)})).await;
    assert!(guessed.0.starts_with("refused (session_unknown)") && guessed.1, "{guessed:?}");

    let names = |tools: Vec<Tool>| tools.into_iter().map(|tool| tool.name.into_owned()).collect::<Vec<_>>();
    let offered = names(author.client.list_all_tools().await.expect("tools"));
    assert_eq!(offered, ["register_session", "await_work", "ack_work", "heartbeat", "answer_question"]);
    let (_, tools) = author.work().await;
    let of_grant = names(tools.list_all_tools().await.expect("tools"));
    assert!(of_grant.iter().all(|tool| !offered.contains(tool)), "{of_grant:?}");
    for tool in &offered {
        let request = CallToolRequestParams::new(tool.clone());
        assert!(tools.call_tool(request).await.is_err(), "{tool} under the token of a grant");
    }
    for tool in of_grant {
        let request = CallToolRequestParams::new(tool.clone());
        assert!(author.client.call_tool(request).await.is_err(), "{tool} under a claim token");
    }
    let state = office.state().await;
    let lease =
        state.job(&"draft".parse().expect("a name")).and_then(|job| job.lease.clone()).expect("it is held");
    assert_eq!(lease.mode, DeliveryMode::Pull);
}

#[tokio::test]
async fn what_must_be_enforced_is_not_given_to_agents_that_pull() {
    for (level, is_given) in
        [(Level::Enforced, false), (Level::AdvisoryStrict, false), (Level::Advisory, true)]
    {
        let lane = LaneBuilder::process(["pulls"]).require(Constraint::Network, "forbidden", level);
        let office = Office::with(lane).await;
        office.start().await;
        let author = office.puller("author").await;
        if is_given {
            author.work().await;
        } else {
            author.finds_nothing().await;
        }
        let state = office.state().await;
        let draft = state.job(&"draft".parse().expect("a name")).expect("it is there");
        let expected = if is_given { JobStatus::Running } else { JobStatus::Ready };
        assert_eq!((draft.status, draft.epoch), (expected, u32::from(is_given)), "{level}");
    }
}

#[tokio::test]
async fn a_claim_token_that_is_revoked_takes_nothing_more() {
    let office = Office::open().await;
    let token = office.claim_token("author");
    let waiting = client(office.agents.url(), &token).await.expect("it may pull");
    let (said, _) = call(&waiting, "register_session", json!({})).await;
    let said: Value = serde_json::from_str(&said).expect("JSON");
    let bearer = office.authority.check(&token).expect("it is valid");
    let session = json!({"session": said["session"], "wait_seconds": 20});
    let request =
        CallToolRequestParams::new("await_work").with_arguments(session.as_object().expect("one").clone());
    let revoke = async {
        office.authority.revoke(bearer.id, bearer.expires_at);
        office.start().await;
    };
    let (answer, ()) = tokio::join!(timeout(LONG, waiting.call_tool(request)), revoke);
    // Whether it waited already when the token was revoked is nobody's to say.
    if let Ok(answer) = answer.expect("an answer in time") {
        let said = json!(answer.content).to_string();
        assert!(said.contains("refused (token_revoked)"), "{said}");
    }
    let state = office.state().await;
    assert_eq!(state.job(&"draft".parse().expect("a name")).expect("it is there").status, JobStatus::Ready);
    assert!(client(office.agents.url(), &token).await.is_err());
}

#[tokio::test]
async fn a_session_that_pulls_is_asked_about_what_it_did() {
    let office = Office::open().await;
    let (author, other) = (office.puller("author").await, office.puller("author").await);
    let reviewer = office.puller("reviewer").await;
    office.start().await;
    let (_, tools) = author.work().await;
    accepted(&tools, "publish_artifact", json!({"name": "greeting", "text": "Hullo."})).await;
    let (said, is_error) = call(&tools, "answer", json!({"answer": "?"})).await;
    assert!(said.starts_with("refused (nothing_asked)") && is_error, "{said}");
    accepted(&tools, "complete_work", json!({})).await;

    let (_, judging) = reviewer.work().await;
    let (said, is_error) = call(&judging, "ask_upstream", json!({"job": "review", "question": "?"})).await;
    assert!(said.starts_with("refused (not_interrogable)") && is_error, "{said}");
    let question = json!({"job": "draft", "question": "Why not hello?"});
    let asking = async { accepted(&judging, "ask_upstream", question).await };
    // It waits for work, and is woken by the question.
    let ((), (said, _)) = tokio::join!(asking, author.ask("await_work"));
    let said: Value = serde_json::from_str(&said).expect("JSON");
    let asked = &said["question"];
    assert_eq!((asked["text"].as_str(), asked["from"].as_str()), (Some("Why not hello?"), Some("review")));
    other.finds_nothing().await;

    let reply = |session: &str, question: u64| json!({"session": session, "run": asked["run"], "question": question, "answer": "Manners."});
    for (puller, number) in [(&author, 2), (&other, 1)] {
        let (said, is_error) = call(&puller.client, "answer_question", reply(&puller.session, number)).await;
        assert!(said.starts_with("refused (question_unknown)") && is_error, "{said}");
    }
    accepted(&author.client, "answer_question", reply(&author.session, 1)).await;
    author.finds_nothing().await;
    let (again, judging) = reviewer.work().await;
    assert_eq!(again["epoch"].as_u64(), Some(2));
    let (packet, _) = call(&judging, "get_packet", json!({"format": "json"})).await;
    let packet: Value = serde_json::from_str(&packet).expect("JSON");
    let answer = &packet["answers"][0];
    assert_eq!(
        (answer["of"].as_str(), answer["by"].as_str()),
        (Some("draft"), Some(author.session.as_str()))
    );
    let told = json!({"digest": answer["answer"]["digest"]});
    assert_eq!(call(&judging, "read_document", told).await, ("Manners.".to_owned(), false));
}

#[tokio::test]
async fn a_question_that_no_session_answers_within_ten_minutes_is_for_a_person() {
    let office = Office::open().await;
    let (author, reviewer) = (office.puller("author").await, office.puller("reviewer").await);
    office.start().await;
    let (_, tools) = author.work().await;
    accepted(&tools, "publish_artifact", json!({"name": "greeting", "text": "Hullo."})).await;
    accepted(&tools, "complete_work", json!({})).await;
    let (_, judging) = reviewer.work().await;
    accepted(&judging, "ask_upstream", json!({"job": "draft", "question": "Why not hello?"})).await;

    tokio::time::pause();
    let mut waited = Duration::ZERO;
    while !office.is_referred().await {
        // The watcher looks every half minute, and may have seen the question only at its second look.
        assert!(waited < Duration::from_secs(690), "nobody is asked");
        office.pass(Duration::from_secs(30)).await;
        waited += Duration::from_secs(30);
    }
    assert!(waited >= Duration::from_secs(600), "it had {waited:?}");
    tokio::time::resume();

    let late =
        json!({"session": author.session, "run": RUN.to_string(), "question": 1, "answer": "Manners."});
    let (said, is_error) = call(&author.client, "answer_question", late).await;
    assert!(said.starts_with("refused (question_unknown)") && is_error, "{said}");
    let answer = office.engine.blobs().put("Manners.".into()).await.expect("it is kept");
    office.give(Intent::Answer { question: 1, answer }).await;
    let (again, _) = reviewer.work().await;
    assert_eq!((again["job"].as_str(), again["epoch"].as_u64()), (Some("review"), Some(2)));
}
