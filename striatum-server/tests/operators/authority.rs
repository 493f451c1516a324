//! Every route and every tool, with every kind of token.

use axum::http::Method;
use serde_json::{Value, json};
use striatum_core::{
    id::{Fence, JobId, LaneId, RoleId, RunId, SessionId},
    run::{Actor, Verdict},
};
use striatum_server::authority::{Capability, ClaimScope, OperatorScope, Scope};

use super::bench::{Bench, Failed, chain, inline, request, reviewed};

/// The routes of the OpenAPI document, with a run in place of its name: method, path, capability.
fn routes(document: &Value, run: &str) -> Vec<(Method, String, String)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let mut routes = Vec::new();
    for (path, methods) in paths {
        for (method, described) in methods.as_object().into_iter().flatten() {
            let path = path
                .replace("{run}", run)
                .replace("{job}", "draft")
                .replace("{digest}", &"00".repeat(32))
                .replace("{token}", &"00".repeat(16));
            let path = path.replace("{question}", "1").replace("{escalation}", "1");
            let capability = described["x-capability"].as_str().unwrap_or("open").to_owned();
            routes.push((method.to_uppercase().parse().unwrap_or_default(), path, capability));
        }
    }
    routes
}

#[tokio::test]
async fn every_route_wants_its_capability_and_no_other_token_opens_it() -> Result<(), Failed> {
    let bench = Bench::new().await?;
    let ada = bench.ada()?;
    let run = bench.started(&ada, reviewed()).await?;
    let session = SessionId::from_bytes([1; 16]);
    let fence = Fence { run: run.parse()?, job: JobId::new("draft")?, epoch: 1, session };
    let claim = ClaimScope { repository: chain(), role: RoleId::new("author")?, lane: LaneId::new("main")? };
    let all = striatum_server::authority::Capabilities::of(Capability::ALL);
    let posing = OperatorScope { actor: Actor::Session(session), repository: None, capabilities: all };
    let mut tokens = vec![
        ("none".to_owned(), None, 401),
        ("garbage".to_owned(), Some("striatum_a.b".to_owned()), 401),
        ("an agent's".to_owned(), Some(bench.issue(Scope::Session(fence))?), 403),
        ("a puller's".to_owned(), Some(bench.issue(Scope::Claim(claim))?), 403),
        ("a session posing".to_owned(), Some(bench.issue(Scope::Operator(posing))?), 403),
    ];
    for capability in Capability::ALL {
        let token = bench.token(Actor::Human("ada".to_owned()), &[capability])?;
        tokens.push((capability.to_string(), Some(token), 0));
    }
    let routes = routes(&bench.operators.openapi(), &run);
    assert!(routes.len() > 30, "{}", routes.len());
    for (method, path, capability) in &routes {
        for (kind, token, always) in &tokens {
            let body = (method == Method::POST).then(|| json!({}));
            let response = bench.send(request(method.clone(), path, token.as_deref(), body)?).await?;
            let status = response.status().as_u16();
            let place = format!("{method} {path} with {kind}: {status}");
            match (capability.as_str(), *always) {
                ("open", _) => assert_eq!(status, 200, "{place}"),
                (_, always @ (401 | 403)) => assert_eq!(status, always, "{place}"),
                ("none", _) => assert_eq!(status, 200, "{place}"),
                (wanted, _) if wanted == kind => assert!(![401, 403].contains(&status), "{place}"),
                _ => assert_eq!(status, 403, "{place}"),
            }
        }
        // What was let through may have ended the run.
    }
    Ok(())
}

#[tokio::test]
async fn a_token_sees_its_own_repository_and_no_other() -> Result<(), Failed> {
    let bench = Bench::new().await?;
    let run = bench.started(&bench.ada()?, reviewed()).await?;
    let other = striatum_testkit::fixture::chain("other");
    let ada = Actor::Human("ada".to_owned());
    let stranger = bench.token_for(Some(other.clone()), ada.clone(), &Capability::ALL)?;
    for path in
        [format!("/v1/runs/{run}"), format!("/v1/runs/{run}/events"), format!("/v1/runs/{run}/jobs/draft")]
    {
        assert_eq!(bench.get(&stranger, &path).await?.1["error"]["code"], "run_unknown", "{path}");
    }
    assert_eq!(bench.post(&stranger, &format!("/v1/runs/{run}/pause"), json!({})).await?.0, 404);
    assert_eq!(bench.get(&stranger, "/v1/runs").await?.1["items"], json!([]));
    assert_eq!(bench.get(&stranger, "/v1/runs?repository=demo").await?.0, 404);
    assert_eq!(bench.get(&stranger, "/v1/events?repository=demo").await?.0, 404);
    let mut prepare = inline(reviewed());
    prepare["repository"] = json!("demo");
    assert_eq!(bench.post(&stranger, "/v1/runs", prepare).await?.0, 404);

    let everywhere = bench.token_for(None, ada, &Capability::ALL)?;
    assert_eq!(bench.get(&everywhere, &format!("/v1/runs/{run}")).await?.0, 200);
    assert_eq!(bench.get(&everywhere, "/v1/runs").await?.1["error"]["code"], "request_invalid");
    assert_eq!(bench.get(&everywhere, "/v1/runs?repository=audit").await?.0, 404);
    let found = bench.get(&everywhere, "/v1/runs?repository=demo").await?.1;
    assert_eq!(found["items"][0]["run"], json!(run));
    Ok(())
}

#[tokio::test]
async fn an_ai_operator_steers_and_does_not_judge_what_waits_for_a_person() -> Result<(), Failed> {
    let bench = Bench::new().await?;
    let machine = bench.token(Actor::AiOperator("pilot".to_owned()), &Capability::ALL)?;
    let run = bench.started(&machine, super::bench::with_person()).await?;
    bench.work(&run, Verdict::Accept).await?;
    let resolve = format!("/v1/runs/{run}/jobs/sign/resolve");
    let (status, refused) = bench.post(&machine, &resolve, json!({ "how": "cancel" })).await?;
    assert_eq!((status, &refused["error"]["code"]), (403, &json!("principal_required")));
    let waiting = bench.get(&machine, &format!("/v1/runs/{run}/checkpoints")).await?.1;
    assert_eq!(waiting["items"][0]["ai_operator_may"], false);
    Ok(())
}

#[tokio::test]
async fn tokens_are_issued_within_what_the_issuer_may_and_revoked_for_good() -> Result<(), Failed> {
    let bench = Bench::new().await?;
    let admin = bench.token(Actor::AiOperator("pilot".to_owned()), &[Capability::Admin, Capability::Read])?;
    let wanted = |kind: &str, capabilities: Value| json!({ "kind": kind, "name": "bot", "capabilities": capabilities, "seconds": 60 });
    for (kind, capabilities) in [("service", json!(["write"])), ("human", json!(["read"]))] {
        let (status, refused) = bench.post(&admin, "/v1/tokens", wanted(kind, capabilities)).await?;
        assert_eq!((status, &refused["error"]["code"]), (403, &json!("token_too_powerful")));
    }
    let (status, issued) = bench.post(&admin, "/v1/tokens", wanted("service", json!(["read"]))).await?;
    assert_eq!(status, 200, "{issued}");
    let secret = issued["secret"].as_str().unwrap().to_owned();
    assert_eq!(bench.get(&secret, "/v1/runs").await?.0, 200);

    let revoke = format!("/v1/tokens/{}/revoke", issued["token"].as_str().unwrap());
    assert_eq!(bench.post(&admin, &revoke, json!({})).await?.0, 200);
    assert_eq!(bench.get(&secret, "/v1/runs").await?.1["error"]["code"], "token_revoked");
    let bench = bench.restarted().await?;
    assert_eq!(bench.get(&secret, "/v1/runs").await?.1["error"]["code"], "token_revoked");

    bench.clock.advance(std::time::Duration::from_secs(3601));
    assert_eq!(bench.get(&admin, "/v1/runs").await?.1["error"]["code"], "token_expired");
    Ok(())
}

#[tokio::test]
async fn a_token_for_agents_that_pull_is_issued_for_a_repository_that_the_issuer_sees() -> Result<(), Failed>
{
    let bench = Bench::new().await?;
    let claims = bench.token(Actor::Service("pool".to_owned()), &[Capability::Claim, Capability::Read])?;
    let wanted = |more: Value| {
        let mut wanted = json!({ "role": "author", "lane": "main", "seconds": 60 });
        wanted.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        wanted
    };
    let (status, issued) = bench.post(&claims, "/v1/claim-tokens", wanted(json!({}))).await?;
    assert_eq!(status, 200, "{issued}");
    let secret = issued["secret"].as_str().unwrap();
    let scope = ClaimScope { repository: chain(), role: RoleId::new("author")?, lane: LaneId::new("main")? };
    assert_eq!(bench.authority.check(secret)?.scope, Scope::Claim(scope));
    assert_eq!(bench.get(secret, "/v1/runs").await?.1["error"]["code"], "token_scope");

    for (more, code) in [
        (json!({ "seconds": 0 }), "request_invalid"),
        (json!({ "seconds": 400 * 24 * 3600 }), "request_invalid"),
        (json!({ "repository": "other" }), "repository_unknown"),
        (json!({ "role": "no role" }), "request_invalid"),
    ] {
        let (_, refused) = bench.post(&claims, "/v1/claim-tokens", wanted(more.clone())).await?;
        assert_eq!(refused["error"]["code"], code, "{more}: {refused}");
    }
    let admin = bench.token(Actor::Human("ada".to_owned()), &[Capability::Admin])?;
    let (_, refused) = bench.post(&admin, "/v1/claim-tokens", wanted(json!({}))).await?;
    assert_eq!(refused["error"]["code"], "capability_missing");
    bench
        .post(&admin, &format!("/v1/tokens/{}/revoke", issued["token"].as_str().unwrap()), json!({}))
        .await?;
    assert!(bench.authority.check(secret).is_err());
    Ok(())
}

#[tokio::test]
async fn a_wrong_host_a_strange_page_and_a_form_are_refused() -> Result<(), Failed> {
    let bench = Bench::new().await?;
    let ada = bench.ada()?;
    let run = bench.started(&ada, reviewed()).await?;
    for (header, value, code) in [
        ("host", "rebound.example", "host_unknown"),
        ("origin", "https://evil.example", "origin_unknown"),
        ("origin", "null", "origin_unknown"),
    ] {
        for path in ["/v1/health", "/v1/runs", "/mcp"] {
            let mut request = request(Method::GET, path, Some(&ada), None)?;
            request.headers_mut().insert(header, value.parse()?);
            let response = bench.send(request).await?;
            assert_eq!(response.status().as_u16(), 403, "{header} {value} {path}");
            let bytes = http_body_util::BodyExt::collect(response.into_body()).await?.to_bytes();
            assert_eq!(serde_json::from_slice::<Value>(&bytes)?["error"]["code"], code);
        }
    }
    // A page's form can be sent anywhere, but not as JSON.
    let mut form = request(Method::POST, &format!("/v1/runs/{run}/pause"), Some(&ada), Some(json!({})))?;
    form.headers_mut().insert("content-type", "text/plain".parse()?);
    assert_eq!(bench.send(form).await?.status().as_u16(), 400);
    let _: RunId = run.parse()?;
    Ok(())
}
