//! What an operator can see and do.

use std::sync::Arc;

use axum::http::Method;
use serde_json::json;
use striatum_core::{run::Verdict, store::MemoryStore};
use striatum_testkit::{
    clock::ManualClock,
    faulty::{Fault, FaultyStore},
};

use super::bench::{Bench, Failed, inline, reviewed, waiting, with_person};

#[tokio::test]
async fn a_run_is_steered_from_prepare_to_its_end_by_requests_alone() -> Result<(), Failed> {
    let bench = Bench::new().await?;
    let ada = bench.ada()?;
    let (status, prepared) = bench.post(&ada, "/v1/runs", inline(reviewed())).await?;
    assert_eq!(
        (status, &prepared["run"]["status"]),
        (200, &json!("needs_branch_confirmation")),
        "{prepared}"
    );
    let run = prepared["run"]["run"].as_str().unwrap().to_owned();
    let at = |step: &str| format!("/v1/runs/{run}{step}");

    let (status, confirmed) = bench.post(&ada, &at("/confirm"), json!({ "branch": "mine" })).await?;
    assert_eq!((status, &confirmed["events"]), (200, &json!(["run.branch_confirmed"])));
    bench.post(&ada, &at("/start"), json!({})).await?;
    let (_, paused) = bench.post(&ada, &at("/pause"), json!({})).await?;
    assert_eq!(paused["paused"], true);
    assert!(bench.claim(run.parse()?).await?.is_none());
    bench.post(&ada, &at("/resume"), json!({})).await?;
    bench.work(&run, Verdict::Accept).await?;

    let (_, shown) = bench.get(&ada, &at("")).await?;
    assert_eq!((&shown["status"], &shown["branch"]), (&json!("completed"), &json!("mine")));
    assert_eq!(shown["jobs"], json!({ "completed": 2 }));
    let (_, job) = bench.get(&ada, &at("/jobs/review")).await?;
    assert_eq!(job["verdicts"][0]["verdict"], "accept");
    let (status, refused) = bench.post(&ada, &at("/cancel"), json!({ "reason": "no" })).await?;
    assert_eq!((status, &refused["error"]["code"]), (409, &json!("run_status")));
    let (_, unsound) = bench.post(&ada, &at("/compromise"), json!({ "reason": "It was wrong." })).await?;
    assert_eq!(unsound["status"], "compromised");
    Ok(())
}

#[tokio::test]
async fn one_job_is_cancelled_and_done_after_all_and_the_rest_goes_on() -> Result<(), Failed> {
    let bench = Bench::new().await?;
    let ada = bench.ada()?;
    let run = bench.started(&ada, with_person()).await?;
    let at = |step: &str| format!("/v1/runs/{run}{step}");
    let body = json!({ "request_id": "0b".repeat(16) });
    let (status, cancelled) = bench.post(&ada, &at("/jobs/draft/cancel"), body.clone()).await?;
    assert_eq!(status, 200, "{cancelled}");
    assert_eq!(cancelled["events"][0], "job.canceled", "{cancelled}");
    let (_, again) = bench.post(&ada, &at("/jobs/draft/cancel"), body).await?;
    assert_eq!(again["repeated"], true, "{again}");
    let (_, job) = bench.get(&ada, &at("/jobs/draft")).await?;
    assert_eq!(job["status"], "canceled", "{job}");
    let (status, retried) = bench.post(&ada, &at("/jobs/draft/retry"), json!({})).await?;
    assert_eq!((status, &retried["status"]), (200, &json!("running")), "{retried}");
    Ok(())
}

#[tokio::test]
async fn a_checkpoint_a_question_and_an_escalation_are_seen_and_answered() -> Result<(), Failed> {
    let bench = Bench::new().await?;
    let ada = bench.ada()?;
    let run = bench.started(&ada, with_person()).await?;
    let at = |step: &str| format!("/v1/runs/{run}{step}");

    bench.question(&run, "Which colour?").await?;
    let (_, questions) = bench.get(&ada, &at("/questions")).await?;
    let digest = questions["items"][0]["text"]["digest"].as_str().unwrap();
    let (_, text) = bench.get(&ada, &at(&format!("/texts/{digest}"))).await?;
    assert_eq!(text["text"], "Which colour?");
    let (status, _) = bench.post(&ada, &at("/questions/1/answer"), json!({ "text": "Blue." })).await?;
    assert_eq!(status, 200);

    let raised = bench.post(&ada, &at("/escalations"), json!({ "reason": "Help." })).await?;
    assert_eq!(raised.1["events"], json!(["escalation.raised"]));
    let settled = bench.post(&ada, &at("/escalations/1/settle"), json!({ "ruling": "accept" })).await?;
    assert_eq!(settled.1["events"], json!(["escalation.resolved"]));

    bench.work(&run, Verdict::Accept).await?;
    let (_, waiting) = bench.get(&ada, &at("/checkpoints")).await?;
    assert_eq!(waiting["items"][0]["possible"], json!(["continue", "override", "cancel"]));
    assert_eq!(waiting["items"][0]["artifacts"], json!(["sign_cycle_1"]));
    let resolve = at("/jobs/sign/resolve");
    let unknown = json!({ "how": "continue", "artifacts": [{ "name": "x", "text": "y" }] });
    assert_eq!(bench.post(&ada, &resolve, unknown).await?.1["error"]["code"], "artifact_not_declared");
    let signed =
        json!({ "how": "continue", "artifacts": [{ "name": "sign_cycle_1", "base64": "c2lnbmVk" }] });
    let (status, answer) = bench.post(&ada, &resolve, signed).await?;
    assert_eq!((status, &answer["status"]), (200, &json!("completed")), "{answer}");

    let (_, artifacts) = bench.get(&ada, &at("/artifacts")).await?;
    let author = |n: usize| artifacts["items"][n]["author"].as_str().map(str::to_owned);
    assert_eq!(author(2).as_deref(), Some("ada"), "{artifacts}");
    Ok(())
}

#[tokio::test]
async fn an_override_is_its_decision_and_what_it_allows_and_can_be_repeated() -> Result<(), Failed> {
    let bench = Bench::new().await?;
    let ada = bench.ada()?;
    let run = bench.started(&ada, with_person()).await?;
    bench.work(&run, Verdict::Accept).await?;
    let resolve = format!("/v1/runs/{run}/jobs/sign/resolve");
    let body = json!({ "how": "override", "reason": "Signed on paper.", "request_id": "0a".repeat(16) });
    let (status, first) = bench.post(&ada, &resolve, body.clone()).await?;
    assert_eq!((status, &first["repeated"]), (200, &json!(false)), "{first}");
    let (status, again) = bench.post(&ada, &resolve, body).await?;
    assert_eq!(
        (status, &again["repeated"], &again["version"]),
        (200, &json!(true), &first["version"]),
        "{again}"
    );
    assert_eq!(again["events"], first["events"]);
    let (_, decisions) = bench.get(&ada, &format!("/v1/runs/{run}/decisions")).await?;
    assert_eq!(
        (decisions["items"].as_array().map(Vec::len), &decisions["items"][0]["by"]),
        (Some(1), &json!("ada"))
    );
    Ok(())
}

#[tokio::test]
async fn what_a_job_published_is_superseded_and_what_is_behind_it_done_again() -> Result<(), Failed> {
    let bench = Bench::new().await?;
    let ada = bench.ada()?;
    let run = bench.started(&ada, with_person()).await?;
    bench.work(&run, Verdict::Accept).await?;
    let supersede = format!("/v1/runs/{run}/jobs/draft/supersede");
    let body = json!({
        "attempt": 1, "reason": "A better one.", "artifacts": [{ "name": "draft_cycle_2", "text": "By hand." }],
    });
    let (status, answer) = bench.post(&ada, &supersede, body).await?;
    assert_eq!(status, 200, "{answer}");
    let (_, review) = bench.get(&ada, &format!("/v1/runs/{run}/jobs/review")).await?;
    assert_eq!((&review["status"], &review["attempt"]), (&json!("ready"), &json!(2)));
    Ok(())
}

#[tokio::test]
async fn the_same_request_twice_is_done_once_and_another_under_its_id_is_refused() -> Result<(), Failed> {
    let bench = Bench::new().await?;
    let ada = bench.ada()?;
    let run = bench.started(&ada, reviewed()).await?;
    let pause = format!("/v1/runs/{run}/pause");
    let id = "0b".repeat(16);
    let (_, first) = bench.post(&ada, &pause, json!({ "request_id": id })).await?;
    let (_, again) = bench.post(&ada, &pause, json!({ "request_id": id })).await?;
    assert_eq!((&first["repeated"], &again["repeated"]), (&json!(false), &json!(true)));
    assert_eq!(first["version"], again["version"]);
    let (status, other) =
        bench.post(&ada, &format!("/v1/runs/{run}/cancel"), json!({ "request_id": id })).await?;
    assert_eq!((status, &other["error"]["code"]), (409, &json!("command_reused")));
    Ok(())
}

#[tokio::test]
async fn lists_come_in_pages_that_join_to_the_whole() -> Result<(), Failed> {
    let bench = Bench::new().await?;
    let ada = bench.ada()?;
    for _ in 0..3 {
        bench.post(&ada, "/v1/runs", inline(reviewed())).await?;
    }
    let run = bench.started(&ada, reviewed()).await?;
    bench.work(&run, Verdict::Accept).await?;
    for (path, expected) in [
        ("/v1/runs?".to_owned(), 4),
        ("/v1/runs?status=needs_branch_confirmation,ready&".to_owned(), 3),
        (format!("/v1/runs/{run}/jobs?"), 2),
        (format!("/v1/runs/{run}/artifacts?"), 2),
        (format!("/v1/runs/{run}/sessions?"), 2),
        ("/v1/repositories?".to_owned(), 1),
    ] {
        bench.expect_pages(&ada, &path, expected).await?;
    }
    let events = format!("/v1/runs/{run}/events?limit=4");
    let (_, first) = bench.get(&ada, &events).await?;
    let (_, second) = bench.get(&ada, &format!("{events}&after={}", first["next"].as_str().unwrap())).await?;
    assert_eq!(second["items"][0]["prev"], first["items"][3]["digest"]);
    assert_eq!(bench.get(&ada, "/v1/runs?after=x").await?.1["error"]["code"], "request_invalid");
    Ok(())
}

#[tokio::test]
async fn what_waits_and_what_was_ruled_comes_in_pages_too_and_escalations_by_their_topic()
-> Result<(), Failed> {
    let bench = Bench::new().await?;
    let ada = bench.ada()?;
    let run = bench.started(&ada, waiting()).await?;
    let at = |step: &str| format!("/v1/runs/{run}{step}");
    for text in ["Which colour?", "Which size?"] {
        bench.question(&run, text).await?;
    }
    for reason in ["First.", "Second.", "Third."] {
        bench.post(&ada, &at("/escalations"), json!({ "reason": reason })).await?;
    }
    bench.post(&ada, &at("/escalations/2/settle"), json!({ "ruling": "accept" })).await?;
    for (job, ruling) in [("sign", "reject"), ("seal", "accept")] {
        let decide = at(&format!("/jobs/{job}/decide"));
        let (status, decided) =
            bench.post(&ada, &decide, json!({ "ruling": ruling, "reason": "So." })).await?;
        assert_eq!(status, 200, "{decided}");
    }
    for (list, expected) in [
        ("/questions?", 2),
        ("/checkpoints?", 2),
        ("/decisions?", 2),
        ("/escalations?", 3),
        ("/escalations?open=true&", 2),
        ("/escalations?topic=raised&", 3),
        ("/escalations?topic=follow_up&", 0),
        ("/escalations?topic=leave&open=true&", 0),
    ] {
        bench.expect_pages(&ada, &at(list), expected).await?;
    }
    let open = bench.get(&ada, &at("/escalations?open=true&topic=raised")).await?.1;
    assert_eq!((&open["items"][0]["escalation"], &open["items"][1]["escalation"]), (&json!(1), &json!(3)));
    let unknown = bench.get(&ada, &at("/escalations?topic=weather")).await?.1;
    assert_eq!(unknown["error"]["code"], "request_invalid");

    // What was asked: prepare, confirm, start, the raising and settling of escalations, and the decisions.
    bench.expect_pages(&ada, "/v1/audit?", 9).await
}

#[tokio::test]
async fn bytes_are_handed_out_only_if_the_run_names_them() -> Result<(), Failed> {
    let bench = Bench::new().await?;
    let ada = bench.ada()?;
    let run = bench.started(&ada, reviewed()).await?;
    bench.work(&run, Verdict::Accept).await?;
    let (_, artifacts) = bench.get(&ada, &format!("/v1/runs/{run}/artifacts")).await?;
    let digest = artifacts["items"][0]["content"]["digest"].as_str().unwrap();
    let path = format!("/v1/runs/{run}/blobs/{digest}");
    let request = super::bench::request(axum::http::Method::GET, &path, Some(&ada), None)?;
    let response = bench.send(request).await?;
    assert_eq!(response.headers()["content-disposition"], "attachment");
    let bytes = http_body_util::BodyExt::collect(response.into_body()).await?.to_bytes();
    assert_eq!(bytes, "draft_cycle_1 1");

    let secret = bench.engine.blobs().put("of another repository".into()).await?.digest;
    let (status, refused) = bench.get(&ada, &format!("/v1/runs/{run}/blobs/{secret}")).await?;
    assert_eq!((status, &refused["error"]["code"]), (404, &json!("blob_not_named")));
    Ok(())
}

#[tokio::test]
async fn a_request_that_is_built_wrongly_is_refused_in_words() -> Result<(), Failed> {
    let bench = Bench::new().await?;
    let ada = bench.ada()?;
    let run = bench.started(&ada, reviewed()).await?;
    for (path, body, code) in [
        ("/v1/runs".to_owned(), json!({}), "request_invalid"),
        ("/v1/runs".to_owned(), inline(json!({ "schema_version": "x" })), "document_invalid"),
        (format!("/v1/runs/{run}/pause"), json!({ "wrong": 1 }), "request_invalid"),
        (format!("/v1/runs/{run}/pause"), json!({ "run": run }), "request_invalid"),
        (format!("/v1/runs/{run}/pause"), json!({ "request_id": "short" }), "request_invalid"),
        (format!("/v1/runs/{}/pause", "00".repeat(16)), json!({}), "run_unknown"),
        (format!("/v1/runs/{run}/jobs/nobody/retry"), json!({}), "job_unknown"),
        (format!("/v1/runs/{run}/jobs/nobody/cancel"), json!({}), "job_unknown"),
        (format!("/v1/runs/{run}/questions/9/answer"), json!({ "text": "" }), "question_unknown"),
        (format!("/v1/runs/{run}/nothing"), json!({}), "route_unknown"),
        (format!("/v1/runs/{run}/jobs"), json!({}), "method_unknown"),
    ] {
        let (status, answer) = bench.post(&ada, &path, body).await?;
        assert_eq!(answer["error"]["code"], code, "{path} {status} {answer}");
        assert!(answer["error"]["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()));
    }
    let large = json!({ "workflow": { "path": "x".repeat(5 << 20) } });
    assert_eq!(bench.post(&ada, "/v1/runs", large).await?.0, 413);
    Ok(())
}

#[tokio::test]
async fn the_openapi_document_tells_every_operation_with_its_capability() -> Result<(), Failed> {
    let bench = Bench::new().await?;
    let (status, document) = bench.get(&bench.ada()?, "/v1/openapi.json").await?;
    assert_eq!(status, 200);
    assert_eq!(document, bench.operators.openapi());
    assert_eq!(document["openapi"], "3.1.0");
    let pause = &document["paths"]["/v1/runs/{run}/pause"]["post"];
    assert_eq!((&pause["operationId"], &pause["x-capability"]), (&json!("pause_run"), &json!("write")));
    assert_eq!(pause["parameters"][0]["in"], "path");
    assert!(
        pause["requestBody"]["content"]["application/json"]["schema"]["properties"]["request_id"].is_object()
    );
    let runs = &document["paths"]["/v1/runs"]["get"]["parameters"];
    let named = |name: &str| runs.as_array().is_some_and(|all| all.iter().any(|it| it["name"] == name));
    assert!(named("after") && named("limit") && named("status"), "{runs}");
    Ok(())
}

#[tokio::test]
async fn who_is_asked_while_the_store_is_gone_is_alive_and_not_ready() -> Result<(), Failed> {
    let clock = ManualClock::default();
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new(Arc::new(clock.clone())))));
    let bench = Bench::over(store.clone(), clock).await?;
    let ada = bench.ada()?;
    let told = async |path: &str| bench.ask(Method::GET, path, None, None).await;
    assert_eq!(told("/v1/ready").await?, (200, json!({ "status": "ready" })));

    store.meets(Fault::CrashBefore);
    let (status, failed) = bench.post(&ada, "/v1/runs", inline(reviewed())).await?;
    assert!(status >= 500, "{failed}");
    assert_eq!(told("/v1/ready").await?, (503, json!({ "status": "store_unavailable" })));
    assert_eq!(told("/v1/health").await?.0, 200);
    store.recover();
    assert_eq!(told("/v1/ready").await?, (200, json!({ "status": "ready" })));
    Ok(())
}
