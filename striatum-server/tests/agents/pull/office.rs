//! Where agents come for their work.

use std::{sync::Arc, time::Duration};

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use striatum_core::{
    chain::Position,
    engine::Engine,
    id::{CommandId, CommitId, InstanceId, LaneId, RoleId, RunId},
    run::{Actor, Command, Intent, State},
    sandbox::Level,
    store::{ChainMeta, MemoryBlobs, MemoryStore, Store as _},
    workflow::{Constraint, JobBuilder, LaneBuilder, Offers, Rules, Snapshot, Workflow},
};
use striatum_server::{
    agents::{Agents, AgentsOptions, Documents, Pull},
    authority::{Authority, ClaimScope, Scope},
};
use striatum_testkit::clock::ManualClock;
use tokio::time::timeout;

use super::super::bench::{self, Client, call, client};

pub(super) const RUN: RunId = RunId::from_bytes([3; 16]);

/// An engine in memory with one run, and a listener where agents pull.
pub(super) struct Office {
    pub(super) clock: ManualClock,
    pub(super) engine: Arc<Engine>,
    pub(super) authority: Arc<Authority>,
    pub(super) agents: Agents,
}

impl Office {
    pub(super) async fn open() -> Self {
        Self::with(LaneBuilder::process(["pulls"])).await
    }

    /// With this lane for the author.
    pub(super) async fn with(author: LaneBuilder) -> Self {
        let clock = ManualClock::default();
        let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
        let chain = "repo".parse().expect("a name");
        store.open_chain(&chain, &ChainMeta::default()).await.expect("a chain");
        let blobs = Arc::new(MemoryBlobs::default());
        let engine = Arc::new(Engine::new(store, blobs, Arc::new(clock.clone())));
        let base = CommitId::new("a".repeat(40)).expect("a commit");
        let snapshot = Snapshot::new(workflow(author), base, Vec::new()).expect("it is sound");
        let actor = Actor::Human("ada".to_owned());
        engine.prepare(&chain, RUN, snapshot, id(), actor).await.expect("it is new");

        let mut options = AgentsOptions::default();
        let workshop = Arc::new(Documents::new(engine.clone()));
        options.pull = Some(Pull::new(engine.clone(), workshop, InstanceId::from_bytes([8; 16])));
        let authority = bench::authority();
        let agents = Agents::listen(authority.clone(), options).await.expect("a free port");
        Self { clock, engine, authority, agents }
    }

    pub(super) async fn give(&self, intent: Intent) {
        let command = Command { id: id(), actor: Actor::Human("ada".to_owned()), intent };
        self.engine.execute(RUN, command).await.expect("it applies");
    }

    pub(super) async fn start(&self) {
        self.give(Intent::ConfirmBranch { branch: "striatum/w".to_owned(), at: None }).await;
        self.give(Intent::Start).await;
    }

    pub(super) async fn state(&self) -> State {
        self.engine.load(RUN).await.expect("it is there").state
    }

    pub(super) async fn head(&self) -> Position {
        let chain = "repo".parse().expect("a name");
        self.engine.store().head(&chain).await.expect("a chain")
    }

    pub(super) async fn is_referred(&self) -> bool {
        self.state().await.open_questions().all(|(_, question)| question.referred)
    }

    /// Lets time pass, and whoever waited for it do what it does.
    pub(super) async fn pass(&self, time: Duration) {
        tokio::time::advance(time).await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    pub(super) fn claim_token(&self, role: &str) -> String {
        let scope = ClaimScope {
            repository: "repo".parse().expect("a name"),
            role: RoleId::new(role).expect("a name"),
            lane: LaneId::new(role).expect("a name"),
        };
        let issued = self.authority.issue(Scope::Claim(scope), Duration::from_secs(3600)).expect("chance");
        issued.secret.expose_secret().to_owned()
    }

    pub(super) async fn puller(&self, role: &str) -> Puller {
        let client = client(self.agents.url(), &self.claim_token(role)).await.expect("it may pull");
        let (said, is_error) = call(&client, "register_session", json!({"name": role, "model": role})).await;
        assert!(!is_error, "{said}");
        let said: Value = serde_json::from_str(&said).expect("JSON");
        Puller { client, session: said["session"].as_str().expect("an id").to_owned() }
    }
}

/// An agent with a registered session.
pub(super) struct Puller {
    pub(super) client: Client,
    pub(super) session: String,
}

impl Puller {
    pub(super) async fn ask(&self, tool: &'static str) -> (String, bool) {
        let asking = call(&self.client, tool, json!({"session": self.session}));
        timeout(Duration::from_secs(20), asking).await.expect("an answer in time")
    }

    /// Waits for work, begins it, and opens its tools.
    pub(super) async fn work(&self) -> (Value, Client) {
        let (said, is_error) = self.ask("await_work").await;
        let work: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
        assert!(!is_error && work["job"].is_string(), "{said}");
        let (said, is_error) = self.ask("ack_work").await;
        assert!(said.starts_with("accepted") && !is_error, "{said}");
        let (url, token) = (work["url"].as_str().expect("a url"), work["token"].as_str().expect("a token"));
        (work.clone(), client(url, token).await.expect("its tools are open"))
    }

    pub(super) async fn finds_nothing(&self) {
        let (said, is_error) =
            call(&self.client, "await_work", json!({"session": self.session, "wait_seconds": 0})).await;
        assert!(said.contains("\"job\":null") && !is_error, "{said}");
    }
}

fn id() -> CommandId {
    CommandId::from_bytes(rand())
}

fn rand() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("chance");
    bytes
}

fn workflow(author: LaneBuilder) -> Workflow {
    // Where an orchestrator has walls, the document asks for no more than there is.
    let offers = Offers::process().raise(Constraint::Network, "forbidden", Level::Enforced);
    let built = Workflow::builder("pulled")
        .lane("author", author.model("one"))
        .lane("reviewer", LaneBuilder::process(["pulls"]).model("two"))
        .role("author", "Writes.")
        .role("reviewer", "Judges.")
        .job(
            JobBuilder::draft("draft")
                .by("author", "author")
                .objective("Write a greeting.")
                .key("interrogable", true)
                .writes(["docs/"])
                .artifact("greeting", "docs/GREETING.md"),
        )
        .job(
            JobBuilder::review("review")
                .by("reviewer", "reviewer")
                .objective("Is it friendly?")
                .after("draft")
                .leaves("review", "docs/REVIEW.md"),
        )
        .cycle("review", "draft", 2)
        .build_by(&Rules::default().with_offers(offers));
    built.expect("it is sound").workflow
}
