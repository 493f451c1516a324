//! An interface over a store in memory, with a repository that has no files, and somebody who does the jobs.

use std::{error::Error, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{
    Router,
    body::Body,
    http::{Method, Request, Response},
};
use http_body_util::BodyExt as _;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use striatum_core::{
    engine::{Engine, EngineError},
    id::{ChainId, CommandId, CommitId, InstanceId, RunId, SessionId},
    run::{
        Actor, Claim, Command, DeliveryMode, Intent, LeaseReport, Outcome, Owner, Packet, Publication,
        Submit, Supersede, Verdict,
    },
    sandbox::{Isolation, Level},
    store::{Blobs, ChainMeta, MemoryBlobs, MemoryStore, ReadyQuery, Store},
    workflow::{Rules, Snapshot, Workflow},
};
use striatum_server::{
    Boundary, Refusal,
    authority::{Authority, Capabilities, Capability, OperatorScope, Scope, SigningKey},
    operators::{Branch, Document, Operators, Prepared, Problem, Repository},
};
use striatum_testkit::clock::ManualClock;
use tower::ServiceExt as _;

pub(crate) type Failed = Box<dyn Error>;

pub(crate) struct Bench {
    pub(crate) engine: Arc<Engine>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) clock: ManualClock,
    pub(crate) router: Router,
    pub(crate) operators: Operators,
}

/// An answer: its status, and its JSON.
pub(crate) type Answer = (u16, Value);

pub(crate) fn chain() -> ChainId {
    striatum_testkit::fixture::chain("demo")
}

impl Bench {
    pub(crate) async fn new() -> Result<Self, Failed> {
        let clock = ManualClock::default();
        let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
        Self::over(store, clock).await
    }

    pub(crate) async fn over(store: Arc<dyn Store>, clock: ManualClock) -> Result<Self, Failed> {
        Self::on(store, Arc::new(MemoryBlobs::default()), clock).await
    }

    /// Another server on the same store.
    pub(crate) async fn beside(other: &Self) -> Result<Self, Failed> {
        Self::on(other.engine.store().clone(), other.engine.blobs().clone(), other.clock.clone()).await
    }

    async fn on(store: Arc<dyn Store>, blobs: Arc<dyn Blobs>, clock: ManualClock) -> Result<Self, Failed> {
        let engine = Arc::new(Engine::new(store, blobs, Arc::new(clock.clone())));
        for name in ["demo", "other"] {
            let chain = striatum_testkit::fixture::chain(name);
            engine.store().open_chain(&chain, &ChainMeta { label: name.to_owned() }).await?;
        }
        let authority = Arc::new(Authority::new(SigningKey::from_bytes([7; 32]), Arc::new(clock.clone())));
        let (operators, router) = open(&engine, &authority).await?;
        Ok(Self { engine, authority, clock, router, operators })
    }

    /// The same after a restart: everything that is not in the store is forgotten.
    pub(crate) async fn restarted(self) -> Result<Self, Failed> {
        Self::beside(&self).await
    }

    pub(crate) fn token(&self, actor: Actor, capabilities: &[Capability]) -> Result<String, Failed> {
        self.token_for(Some(chain()), actor, capabilities)
    }

    pub(crate) fn token_for(
        &self,
        repository: Option<ChainId>,
        actor: Actor,
        capabilities: &[Capability],
    ) -> Result<String, Failed> {
        let capabilities = Capabilities::of(capabilities.iter().copied());
        self.issue(Scope::Operator(OperatorScope { actor, repository, capabilities }))
    }

    pub(crate) fn issue(&self, scope: Scope) -> Result<String, Failed> {
        let issued = self.authority.issue(scope, Duration::from_secs(3600))?;
        Ok(issued.secret.expose_secret().to_owned())
    }

    /// A person who may do everything.
    pub(crate) fn ada(&self) -> Result<String, Failed> {
        self.token(Actor::Human("ada".to_owned()), &Capability::ALL)
    }

    pub(crate) async fn get(&self, token: &str, path: &str) -> Result<Answer, Failed> {
        self.ask(Method::GET, path, Some(token), None).await
    }

    pub(crate) async fn post(&self, token: &str, path: &str, body: Value) -> Result<Answer, Failed> {
        self.ask(Method::POST, path, Some(token), Some(body)).await
    }

    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Result<Answer, Failed> {
        let response = self.send(request(method, path, token, body)?).await?;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await?.to_bytes();
        Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Result<Response<Body>, Failed> {
        Ok(self.router.clone().oneshot(request).await?)
    }

    /// Prepares, confirms and starts a run by requests alone.
    pub(crate) async fn started(&self, token: &str, workflow: Value) -> Result<String, Failed> {
        let (status, prepared) = self.post(token, "/v1/runs", inline(workflow)).await?;
        let run = prepared["run"]["run"].as_str().ok_or_else(|| format!("{status}: {prepared}"))?.to_owned();
        for step in ["confirm", "start"] {
            let (status, answer) = self.post(token, &format!("/v1/runs/{run}/{step}"), json!({})).await?;
            if status != 200 {
                return Err(format!("{step}: {status}: {answer}").into());
            }
        }
        Ok(run)
    }

    /// A list has so many items, and the same ones in pages of one.
    pub(crate) async fn expect_pages(&self, token: &str, path: &str, expected: usize) -> Result<(), Failed> {
        let (status, whole) = self.get(token, &format!("{path}limit=200")).await?;
        assert_eq!(
            (status, whole["items"].as_array().map(Vec::len)),
            (200, Some(expected)),
            "{path} {whole}"
        );
        let (mut joined, mut after) = (Vec::new(), String::new());
        loop {
            let (_, page) = self.get(token, &format!("{path}limit=1{after}")).await?;
            joined.extend(page["items"].as_array().cloned().unwrap_or_default());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert_eq!(Some(&joined), whole["items"].as_array(), "{path}");
        Ok(())
    }

    /// Does every job that is ready, until there is none. What is judged is judged as `verdict` says.
    pub(crate) async fn work(&self, run: &str, verdict: Verdict) -> Result<(), Failed> {
        let run: RunId = run.parse()?;
        while let Some((packet, submit)) = self.claim(run).await? {
            self.submit(run, packet, submit, verdict).await?;
        }
        Ok(())
    }

    /// Claims one job that is ready.
    pub(crate) async fn claim(&self, run: RunId) -> Result<Option<(Packet, Submit)>, Failed> {
        let query = ReadyQuery { run: Some(run), ..ReadyQuery::all(InstanceId::from_bytes([9; 16]), 1) };
        let Some(ready) = self.engine.store().ready(&query).await?.pop() else { return Ok(None) };
        let claim = Claim {
            job: ready.job.clone(),
            session: SessionId::from_bytes(bits()?),
            owner: Owner::unproven(InstanceId::from_bytes([9; 16])),
            mode: DeliveryMode::Push,
            isolation: Isolation::uniform(Level::Unsupported),
        };
        let state = self.give(run, Actor::Service("worker".to_owned()), Intent::Claim(claim)).await?;
        let fence = state.fence(&ready.job).ok_or("the claim was granted")?;
        let packet = Packet::of(&state, &fence).ok_or("a grant has a packet")?;
        Ok(Some((packet, Submit::new(fence, Outcome::Done))))
    }

    async fn submit(
        &self,
        run: RunId,
        packet: Packet,
        mut submit: Submit,
        verdict: Verdict,
    ) -> Result<(), Failed> {
        for artifact in &packet.expected_artifacts {
            let text = format!("{} {}", artifact.name, packet.attempt);
            let content = self.engine.blobs().put(text.into()).await?;
            let (name, path) = (artifact.name.parse()?, artifact.path.clone());
            submit.artifacts.push(Publication { name, path, content });
        }
        let actor = Actor::Session(submit.fence.session);
        let judged = Outcome::Verdict { verdict, findings: None };
        match self.give(run, actor.clone(), Intent::Submit(submit.clone())).await {
            Err(EngineError::Rejected(_)) => {
                self.give(run, actor, Intent::Submit(Submit { outcome: judged, ..submit })).await?;
            }
            other => drop(other?),
        }
        Ok(())
    }

    /// Lets an agent ask a person instead of doing its job.
    pub(crate) async fn question(&self, run: &str, text: &str) -> Result<(), Failed> {
        let run: RunId = run.parse()?;
        let (_, submit) = self.claim(run).await?.ok_or("a job is ready")?;
        let question = self.engine.blobs().put(text.to_owned().into()).await?;
        let actor = Actor::Session(submit.fence.session);
        let report = LeaseReport::new(submit.fence);
        self.give(run, actor, Intent::Ask { report, question, resume: None, of: None }).await?;
        Ok(())
    }

    async fn give(
        &self,
        run: RunId,
        actor: Actor,
        intent: Intent,
    ) -> Result<Arc<striatum_core::run::State>, EngineError> {
        let id = CommandId::from_bytes(bits().unwrap_or_default());
        Ok(self.engine.execute(run, Command { id, actor, intent }).await?.state)
    }
}

async fn open(engine: &Arc<Engine>, authority: &Arc<Authority>) -> Result<(Operators, Router), Failed> {
    let repository = |name| {
        let chain = striatum_testkit::fixture::chain(name);
        let repository: Arc<dyn Repository> =
            Arc::new(Filed { engine: engine.clone(), chain: chain.clone() });
        (chain, repository)
    };
    let repositories = ["demo", "other"].map(repository);
    let operators =
        Operators::open(engine.clone(), authority.clone(), repositories, Boundary::default()).await?;
    let router = operators.router();
    Ok((operators, router))
}

pub(crate) fn request(
    method: Method,
    path: &str,
    token: Option<&str>,
    body: Option<Value>,
) -> Result<Request<Body>, Failed> {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let body = match body {
        Some(body) => {
            request = request.header("content-type", "application/json");
            Body::from(body.to_string())
        }
        None => Body::empty(),
    };
    Ok(request.body(body)?)
}

pub(crate) fn bits() -> Result<[u8; 16], Failed> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits)?;
    Ok(bits)
}

/// A workflow as the body of `POST /v1/runs`.
pub(crate) fn inline(workflow: Value) -> Value {
    json!({ "workflow": { "inline": { "document": workflow } } })
}

/// A draft and its review, which may be sent back once.
pub(crate) fn reviewed() -> Value {
    json!({
        "schema_version": "striatum.workflow.v2",
        "workflow_id": "reviewed",
        "workflow_version": "1",
        "name": "A reviewed draft",
        "branch": { "mode": "confirm", "suggested_name": "result" },
        "coordinator": { "role_id": "author", "lane_id": "main" },
        "lanes": { "main": lane("claude-opus"), "other": lane("gpt-5") },
        "roles": { "author": { "summary": "Writes." }, "reviewer": { "summary": "Judges." } },
        "context_docs": [],
        "parallelism": { "mode": "serial", "max_active_jobs": 1, "require_disjoint_write_scopes": false },
        "jobs": [
            job("draft", "draft", "author", "main"),
            job("review", "review", "reviewer", "other"),
        ],
        "edges": [{ "from": "draft", "to": "review", "on": "completed" }],
        "cycles": [{ "from": "review", "to": "draft", "on_verdict": "needs_revision", "max_iterations": 1 }],
    })
}

/// The same with a person at the end.
pub(crate) fn with_person() -> Value {
    let mut workflow = reviewed();
    let mut sign = job("sign", "human_checkpoint", "author", "main");
    sign["expected_artifacts"][0]["required"] = json!(true);
    if let Some(jobs) = workflow["jobs"].as_array_mut() {
        jobs.push(sign);
    }
    if let Some(edges) = workflow["edges"].as_array_mut() {
        edges.push(json!({ "from": "review", "to": "sign", "on": "completed" }));
    }
    workflow
}

/// Two jobs that can ask, and two that wait for a person.
pub(crate) fn waiting() -> Value {
    let mut workflow = reviewed();
    workflow["parallelism"]["max_active_jobs"] = json!(4);
    let jobs =
        [("draft", "draft"), ("more", "draft"), ("sign", "human_checkpoint"), ("seal", "human_checkpoint")];
    workflow["jobs"] = jobs.map(|(id, kind)| job(id, kind, "author", "main")).into_iter().collect();
    (workflow["edges"], workflow["cycles"]) = (json!([]), json!([]));
    workflow
}

fn lane(model: &str) -> Value {
    json!({ "adapter": "process", "command": ["agent"], "display_model": model })
}

fn job(id: &str, kind: &str, role: &str, lane: &str) -> Value {
    let writes = kind == "draft";
    let mode = if writes { "repo_write" } else { "review_only_artifact" };
    json!({
        "id": id, "type": kind, "title": id, "role_id": role, "lane_id": lane, "objective": "Do it.",
        "task_prompt": { "inline": "Do it." },
        "write_scope": { "mode": mode, "repo_write": writes, "allowed_paths": [format!("{id}/")], "forbidden_paths": [] },
        "expected_artifacts": [{
            "logical_name": format!("{id}_${{cycle}}"), "kind": "text", "path": format!("{id}/${{cycle}}.md"), "required": true,
        }],
    })
}

/// A repository without files: what a document refers to is not there.
#[derive(Debug)]
struct Filed {
    engine: Arc<Engine>,
    chain: ChainId,
}

#[async_trait]
impl Repository for Filed {
    async fn prepare(&self, document: Document, actor: &Actor) -> Result<Prepared, Problem> {
        let refused = |sentence: String| {
            Problem::of(422, Refusal::new("document_invalid", sentence, "correct the document"))
        };
        let Document::Inline { document, .. } = document else {
            return Err(refused("there are no files here".to_owned()));
        };
        let parsed = Workflow::parse(document.to_string().as_bytes(), &Rules::default());
        let workflow = parsed.map_err(|findings| refused(findings.to_string()))?.workflow;
        let base = CommitId::new("0".repeat(40)).map_err(|error| refused(error.to_string()))?;
        let snapshot = Snapshot::new(workflow, base, Vec::new()).map_err(EngineError::from)?;
        let run = RunId::from_bytes(bits().map_err(|error| refused(error.to_string()))?);
        let id = CommandId::from_bytes(*run.as_bytes());
        self.engine.prepare(&self.chain, run, snapshot, id, actor.clone()).await?;
        Ok(Prepared::new(run, Vec::new()))
    }

    async fn amend(&self, _run: RunId, _actor: &Actor, wanted: Supersede) -> Result<Supersede, Problem> {
        Ok(wanted)
    }

    async fn branch(&self, _run: RunId, wanted: Option<&str>) -> Result<Branch, Problem> {
        Ok(Branch { name: wanted.unwrap_or("result").to_owned(), at: None })
    }
}
