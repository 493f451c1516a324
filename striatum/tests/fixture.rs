//! A person with a repository, an orchestrator over it, and agents that are functions of the test.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use striatum::{
    Builder, Document, Limits, Orchestrator, Prepared, Progress,
    adapter::{AdapterError, Assignment, End, Finished, LaneAdapter},
    core::{
        engine::View,
        id::{JobId, RunId},
        run::{Actor, Event, Freshness, Intent, JobStatus, RunStatus, State, Usage},
        sandbox::Isolation,
        store::{Blobs, MemoryBlobs, MemoryStore, Store},
        workflow::{BranchMode, JobBuilder, LaneBuilder, Offers, Workflow, WorkflowBuilder},
    },
    sandbox::NoSandbox,
    workspace::{Git, Repository},
};
use striatum_testkit::clock::ManualClock;
use tempfile::TempDir;
use tokio::{
    sync::{Semaphore, broadcast},
    task::JoinHandle,
};

/// Only ever reached by a test that hangs.
const HANG: Duration = Duration::from_secs(60);

pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(HANG, future).await.expect("this hangs")
}

pub(crate) fn ada() -> Actor {
    Actor::Human("ada".to_owned())
}

pub(crate) fn job(id: &str) -> JobId {
    JobId::new(id).expect("a name")
}

/// A repository with one commit, a store whose clock stands still, and blobs.
pub(crate) struct Scene {
    folder: TempDir,
    pub(crate) clock: ManualClock,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) blobs: Arc<dyn Blobs>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::default();
        let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
        Self::over(store, Arc::new(MemoryBlobs::default()), clock)
    }

    pub(crate) fn over(store: Arc<dyn Store>, blobs: Arc<dyn Blobs>, clock: ManualClock) -> Self {
        let scene = Self { folder: TempDir::new().expect("a folder"), clock, store, blobs };
        fs::create_dir(scene.root()).expect("a folder");
        scene.git(&["init", "-q", "-b", "main"]);
        fs::write(scene.root().join("README.md"), "read me\n").expect("a file");
        scene.git(&["add", "-A"]);
        scene.git(&["commit", "-q", "-m", "begin"]);
        scene
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        let output = striatum_testkit::git::call(&self.root(), "Ada").args(args).output().expect("git runs");
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
    }

    /// Everything but adapters; it looks often, so that a clock that is moved by hand is noticed.
    pub(crate) async fn builder(&self) -> Builder {
        let repository =
            Repository::open(&self.root(), &self.data(), Git::new()).await.expect("a repository");
        Orchestrator::builder()
            .store(self.store.clone())
            .blobs(self.blobs.clone())
            .repository(repository)
            .sandbox(Arc::new(NoSandbox::new("/usr/bin:/bin".into())))
            .data(self.data())
            .clock(Arc::new(self.clock.clone()))
            .limits(limits())
    }

    /// An orchestrator whose lanes with the adapter `test` are worked by this function.
    pub(crate) async fn orchestrator(&self, agent: &Agent) -> Orchestrator {
        self.builder().await.adapter("test", Arc::new(agent.clone())).build().await.expect("it builds")
    }

    /// Works until idle, and moves the clock whenever a job has to wait after a failure.
    pub(crate) async fn work(&self, orchestrator: &Orchestrator) {
        let mut progress = orchestrator.progress();
        let work = orchestrator.run_until_idle();
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = soon(&mut work) => return done.expect("it works"),
                update = progress.recv() => {
                    if let Ok(Progress::Event { event: Event::JobReadied(readied), .. }) = update
                        && readied.fresh == Freshness::AfterFailure
                    {
                        self.clock.advance(Duration::from_secs(3600));
                    }
                }
            }
        }
    }
}

pub(crate) fn limits() -> Limits {
    Limits::default().poll(Duration::from_millis(20)).grace(Duration::from_secs(5))
}

/// Works in the background until it is drained or stopped.
pub(crate) fn start(orchestrator: &Orchestrator) -> JoinHandle<()> {
    let orchestrator = orchestrator.clone();
    tokio::spawn(async move { orchestrator.run().await.expect("it works") })
}

/// Prepares and starts a run.
pub(crate) async fn begin(orchestrator: &Orchestrator, workflow: &WorkflowBuilder) -> Prepared {
    let bytes = serde_json::to_vec(&workflow.document()).expect("a document");
    let document = Document::new(bytes, orchestrator.data());
    let prepared = orchestrator.prepare(&document, ada()).await.expect("it is prepared");
    orchestrator.command(prepared.run, ada(), Intent::Start).await.expect("it starts");
    prepared
}

pub(crate) async fn state(orchestrator: &Orchestrator, run: RunId) -> State {
    let View { state, .. } = orchestrator.load(run).await.expect("it loads");
    state
}

pub(crate) async fn status(orchestrator: &Orchestrator, run: RunId) -> Option<RunStatus> {
    state(orchestrator, run).await.status()
}

pub(crate) async fn job_status(orchestrator: &Orchestrator, run: RunId, id: &str) -> JobStatus {
    state(orchestrator, run).await.job(&job(id)).expect("a job").status
}

/// Waits for an update that is looked for; the updates before it are passed over.
pub(crate) async fn until<T>(
    progress: &mut broadcast::Receiver<Progress>,
    look: impl Fn(&Progress) -> Option<T>,
) -> T {
    let found = async {
        loop {
            if let Some(found) = look(&progress.recv().await.expect("an update")) {
                return found;
            }
        }
    };
    soon(found).await
}

/// The notices that have come so far.
pub(crate) fn notices(progress: &mut broadcast::Receiver<Progress>) -> Vec<(&'static str, String)> {
    let updates = std::iter::from_fn(|| progress.try_recv().ok());
    updates
        .filter_map(|update| match update {
            Progress::Notice { code, message, .. } => Some((code, message)),
            _ => None,
        })
        .collect()
}

/// A workflow on the adapter `test` whose result goes to the branch `result`.
pub(crate) fn workflow(jobs: impl IntoIterator<Item = JobBuilder>) -> WorkflowBuilder {
    let workflow = Workflow::builder("w")
        .branch(BranchMode::Auto, "result")
        .lane("main", LaneBuilder::adapter("test"))
        .role("author", "Works.")
        .role("reviewer", "Judges.")
        .max_active_jobs(4);
    jobs.into_iter().fold(workflow, WorkflowBuilder::job)
}

/// A job that leaves `out/<id>.md` and may fail often.
pub(crate) fn draft(id: &str) -> JobBuilder {
    JobBuilder::draft(id)
        .by("author", "main")
        .objective("Write.")
        .max_attempts(3)
        .writes(["out/"])
        .artifact(id, format!("out/{id}.md"))
}

/// A review of one job, which leaves `out/<id>.md`.
pub(crate) fn review(id: &str, of: &str) -> JobBuilder {
    JobBuilder::review(id)
        .by("reviewer", "main")
        .objective("Judge.")
        .max_attempts(3)
        .inputs([of])
        .after(of)
        .leaves(id, format!("out/{id}.md"))
}

/// What an agent was told.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) job: String,
    pub(crate) attempt: u32,
    pub(crate) prompt: String,
}

type Act = dyn Fn(&Assignment) -> Option<End> + Send + Sync;

/// An agent that is a function: it returns how it ended, or nothing to be at work until it is stopped.
#[derive(Clone)]
pub(crate) struct Agent {
    act: Arc<Act>,
    told: Arc<Mutex<Vec<Told>>>,
    begun: Arc<Semaphore>,
    gate: Option<Arc<Semaphore>>,
}

impl Agent {
    pub(crate) fn new(act: impl Fn(&Assignment) -> Option<End> + Send + Sync + 'static) -> Self {
        let (told, begun) = (Arc::default(), Arc::new(Semaphore::new(0)));
        Self { act: Arc::new(act), told, begun, gate: None }
    }

    /// The same, which hands in nothing until there is a permit for it.
    pub(crate) fn behind(self, gate: &Arc<Semaphore>) -> Self {
        Self { gate: Some(gate.clone()), ..self }
    }

    /// Waits until it has begun once more.
    pub(crate) async fn has_begun(&self) {
        soon(self.begun.acquire()).await.expect("it is open").forget();
    }

    /// One that does what it is told, and accepts what it judges.
    pub(crate) fn diligent() -> Self {
        Self::new(|assignment| {
            leave(assignment, "accept");
            Some(End::Ended)
        })
    }

    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.lock().expect("nobody panicked").clone()
    }

    /// The jobs that it worked on, with the attempt, in alphabetical order.
    pub(crate) fn jobs(&self) -> Vec<(String, u32)> {
        let mut jobs: Vec<_> = self.told().into_iter().map(|told| (told.job, told.attempt)).collect();
        jobs.sort();
        jobs
    }
}

impl std::fmt::Debug for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Agent")
    }
}

#[async_trait]
impl LaneAdapter for Agent {
    fn offers(&self, sandbox: &Isolation) -> Offers {
        Offers::process().within(sandbox)
    }

    async fn work(&self, assignment: Assignment) -> Result<Finished, AdapterError> {
        let (job, attempt) = (assignment.fence.job.to_string(), assignment.packet.attempt);
        let told = Told { job, attempt, prompt: assignment.prompt.clone() };
        self.told.lock().expect("nobody panicked").push(told);
        let end = (self.act)(&assignment);
        self.begun.add_permits(1);
        if let Some(gate) = &self.gate {
            gate.acquire().await.expect("it is open").forget();
        }
        let end = match end {
            Some(end) => end,
            None => {
                assignment.stop.cancelled().await;
                End::Stopped
            }
        };
        Ok(Finished::new(end, None, Usage::default()))
    }
}

/// Leaves every expected artifact; a review begins with this verdict.
pub(crate) fn leave(assignment: &Assignment, verdict: &str) {
    for artifact in &assignment.packet.expected_artifacts {
        let said = format!("{} at attempt {}\n", assignment.fence.job, assignment.packet.attempt);
        let text = match assignment.packet.review {
            Some(_) => format!("---\nverdict: {verdict}\nfindings:\n  - said so\n---\n{said}"),
            None => said,
        };
        write(assignment, &artifact.path, &text);
    }
}

/// Leaves a report.
pub(crate) fn report(assignment: &Assignment, report: serde_json::Value) {
    fs::write(&assignment.report, report.to_string()).expect("a file");
}

pub(crate) fn write(assignment: &Assignment, path: &str, text: &str) {
    put(&assignment.tree.join(path), text);
}

pub(crate) fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, text).expect("a file");
}
