//! A store with two runs in it, and the program that looks at it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::Connection;
use serde_json::Value;
use striatum_core::{
    chain::Position,
    digest::{BlobRef, Digest},
    engine::Engine,
    id::{ChainId, CommandId, CommitId, InstanceId, RunId, SessionId},
    run::{
        Actor, Claim, Command as RunCommand, CompletionRecord, DeliveryMode, Intent, Outcome, Owner, Packet,
        Publication, Submit, Verdict,
    },
    sandbox::{Isolation, Level},
    store::{Batch, BlobError, Blobs, ChainMeta, IndexDelta, ReadyQuery, RunQuery, Store},
    time::Timestamp,
    workflow::{JobBuilder, LaneBuilder, Snapshot, Workflow},
};
use striatum_sqlite::SqliteStore;

/// A run that has ended well.
pub(crate) const ENDED: RunId = RunId::from_bytes([1; 16]);
/// A run that was only prepared.
pub(crate) const PREPARED: RunId = RunId::from_bytes([2; 16]);

/// A folder with `striatum.db` and `blobs/`.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    pub(crate) head: Position,
    /// The last work packet that was handed out.
    pub(crate) packet: Bytes,
    /// The completion record of the run that has ended.
    pub(crate) record: Bytes,
}

/// What the program answered.
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) said: String,
    pub(crate) complaint: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.said).unwrap_or_else(|_| panic!("{}{}", self.said, self.complaint))
    }

    /// The class and place of the fault of the only chain.
    pub(crate) fn fault(&self) -> Option<(String, u64)> {
        let json = self.json();
        let fault = json.pointer("/chains/0/fault").filter(|fault| !fault.is_null())?;
        Some((fault["code"].as_str()?.to_owned(), fault["seq"].as_u64()?))
    }

    /// The codes of the findings of the audit.
    pub(crate) fn findings(&self) -> Vec<String> {
        let json = self.json();
        let findings = json.pointer("/chains/0/audit/findings").and_then(Value::as_array).cloned();
        findings.unwrap_or_default().iter().map(|found| found["code"].as_str().unwrap().to_owned()).collect()
    }
}

impl Site {
    /// Two runs, written by the engine.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (head, packet, record) = block_on(fill(folder.path()));
        Self { folder, head, packet, record }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn database(&self) -> PathBuf {
        database(self.folder())
    }

    /// Lets somebody at the file who knows SQL and how chains are made.
    pub(crate) fn tamper(&self, change: impl FnOnce(&Connection)) {
        change(&Connection::open(self.database()).unwrap());
    }

    /// Runs the program on the store.
    pub(crate) fn verify(&self, arguments: &[&str]) -> Answer {
        verify(&self.database(), arguments)
    }

    /// Appends a body to a run by way of the store.
    pub(crate) fn append(&self, run: RunId, body: impl Into<Bytes>) {
        block_on(async {
            let store = open(self.folder()).await;
            let query = RunQuery { limit: 10, ..RunQuery::default() };
            let runs = store.runs(&query).await.unwrap().items;
            let summary = runs.into_iter().find(|summary| summary.run == run).unwrap();
            let delta = IndexDelta::new(summary.row);
            let batch = Batch::new(chain(), run, summary.head, vec![body.into()], delta).unwrap();
            store.append(&batch).await.unwrap();
            store.close().await.unwrap();
        });
    }
}

pub(crate) fn verify(path: &Path, arguments: &[&str]) -> Answer {
    let mut program = Command::new(env!("CARGO_BIN_EXE_verify"));
    let output = program.arg(path).args(arguments).output().unwrap();
    Answer {
        code: output.status.code(),
        said: String::from_utf8(output.stdout).unwrap(),
        complaint: String::from_utf8(output.stderr).unwrap(),
    }
}

pub(crate) fn chain() -> ChainId {
    ChainId::new("demo").unwrap()
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

pub(crate) async fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(database(folder)).await.unwrap()
}

fn database(folder: &Path) -> PathBuf {
    folder.join("striatum.db")
}

async fn fill(folder: &Path) -> (Position, Bytes, Bytes) {
    let store = Arc::new(open(folder).await);
    let meta = ChainMeta { label: "a demonstration".to_owned() };
    store.open_chain(&chain(), &meta).await.unwrap();
    let blobs = Folder(folder.join("blobs"));
    let clock = || Timestamp::from_micros(1_700_000_000_000_000);
    let engine = Engine::new(store.clone(), Arc::new(blobs), Arc::new(clock));
    let mut shell = Shell { engine, commands: 0, packet: Bytes::new() };
    shell.prepare(ENDED).await;
    shell.finish(ENDED).await;
    shell.prepare(PREPARED).await;
    let head = shell.engine.store().head(&chain()).await.unwrap();
    let state = shell.engine.load(ENDED).await.unwrap().state;
    let record = CompletionRecord::new(&state).unwrap().bytes();
    store.close().await.unwrap();
    (head, shell.packet, record)
}

fn workflow() -> Workflow {
    let draft = JobBuilder::draft("draft")
        .by("author", "one")
        .objective("Write.")
        .writes(["docs/"])
        .artifact("text", "docs/text.md");
    let review = JobBuilder::review("review")
        .by("reviewer", "two")
        .objective("Judge.")
        .after("draft")
        .fresh_session()
        .leaves("review", "docs/review.md");
    let workflow = Workflow::builder("demo")
        .lane("one", LaneBuilder::adapter("function").model("a"))
        .lane("two", LaneBuilder::adapter("function").model("b"))
        .role("author", "Writes.")
        .role("reviewer", "Judges.")
        .job(draft)
        .job(review);
    workflow.build().unwrap().workflow
}

struct Shell {
    engine: Engine,
    commands: u8,
    packet: Bytes,
}

impl Shell {
    fn id(&mut self) -> CommandId {
        self.commands += 1;
        CommandId::from_bytes([self.commands; 16])
    }

    async fn prepare(&mut self, run: RunId) {
        let snapshot = Snapshot::new(workflow(), CommitId::new("a".repeat(40)).unwrap(), Vec::new()).unwrap();
        let id = self.id();
        self.engine.prepare(&chain(), run, snapshot, id, Actor::Human("ada".to_owned())).await.unwrap();
    }

    async fn execute(&mut self, run: RunId, actor: Actor, intent: Intent) -> Arc<striatum_core::run::State> {
        let id = self.id();
        self.engine.execute(run, RunCommand { id, actor, intent }).await.unwrap().state
    }

    async fn finish(&mut self, run: RunId) {
        let ada = Actor::Human("ada".to_owned());
        let confirm = Intent::ConfirmBranch { branch: "demo".to_owned(), at: None };
        self.execute(run, ada.clone(), confirm).await;
        self.execute(run, ada, Intent::Start).await;
        let instance = InstanceId::from_bytes([9; 16]);
        while let [ready] = &self.engine.store().ready(&ReadyQuery::all(instance, 1)).await.unwrap()[..] {
            self.work(run, ready.job.clone(), instance).await;
        }
    }

    async fn work(&mut self, run: RunId, job: striatum_core::id::JobId, instance: InstanceId) {
        let claim = Claim {
            job: job.clone(),
            session: SessionId::from_bytes([100 + self.commands; 16]),
            owner: Owner::unproven(instance),
            mode: DeliveryMode::Push,
            isolation: Isolation::uniform(Level::Unsupported),
        };
        let service = Actor::Service("demo".to_owned());
        let state = self.execute(run, service.clone(), Intent::Claim(claim)).await;
        let fence = state.fence(&job).unwrap();
        let packet = Packet::of(&state, &fence).unwrap();
        self.packet = packet.bytes();
        let outcome = match packet.review {
            Some(_) => Outcome::Verdict { verdict: Verdict::Accept, findings: None },
            None => Outcome::Done,
        };
        let mut submit = Submit::new(fence, outcome);
        for artifact in &packet.expected_artifacts {
            let content = self.engine.blobs().put(Bytes::from(format!("{job}\n"))).await.unwrap();
            let (name, path) = (artifact.name.parse().unwrap(), artifact.path.clone());
            submit.artifacts.push(Publication { name, path, content });
        }
        self.execute(run, service, Intent::Submit(submit)).await;
    }
}

/// Blobs as files named by their digest.
#[derive(Debug)]
struct Folder(PathBuf);

#[async_trait]
impl Blobs for Folder {
    async fn put(&self, bytes: Bytes) -> Result<BlobRef, BlobError> {
        let blob = BlobRef::of(&bytes);
        let digits = blob.digest.to_string();
        let folder = self.0.join(&digits[..2]);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(&digits[2..]), bytes).unwrap();
        Ok(blob)
    }

    async fn get(&self, digest: &Digest) -> Result<Bytes, BlobError> {
        let digits = digest.to_string();
        Ok(fs::read(self.0.join(&digits[..2]).join(&digits[2..])).unwrap().into())
    }
}
