//! A repository, a workflow whose lanes are real agents, and an orchestrator, all in a folder that goes with it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use striatum::{
    Document, Limits, Orchestrator,
    acp::{Adapter, Decision, PermissionPolicy},
    adapter::{AcpAdapter, LaneAdapter},
    core::{
        id::{JobId, RunId},
        run::{Actor, Event, Intent, Record, RunStatus, State},
        sandbox::Sandbox,
        store::RunHead,
    },
    sandbox::NoSandbox,
    server::agents::Endpoint,
    sqlite::SqliteStore,
    workspace::{Git, ObjectBlobs, Repository},
};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::{
    Outcome,
    agents::{Agent, Installed},
    walled::Brokered,
};

const WORKFLOW: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../workflows/code_change");

/// How long a scenario may take.
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) struct Scene {
    pub(crate) orchestrator: Orchestrator,
    pub(crate) run: RunId,
    folder: TempDir,
}

/// The folder of a scene, with nothing in it.
struct Place {
    folder: TempDir,
}

impl Place {
    fn make(installed: &Installed) -> Outcome<Self> {
        let mut folder = match &installed.keep {
            Some(place) => tempfile::tempdir_in(place)?,
            None => tempfile::tempdir()?,
        };
        folder.disable_cleanup(installed.keep.is_some());
        fs::create_dir(folder.path().join("data"))?;
        Ok(Self { folder })
    }

    fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

impl Scene {
    /// A prepared run of the reviewed change, whose author, reviewer and finisher ask the model at this URL.
    pub(crate) async fn open(installed: &Installed, model: &str, parts: [Agent; 3]) -> Outcome<Self> {
        Self::within(installed, model, parts, Limits::default()).await
    }

    /// The same within these limits.
    pub(crate) async fn within(
        installed: &Installed,
        model: &str,
        parts: [Agent; 3],
        limits: Limits,
    ) -> Outcome<Self> {
        let place = Place::make(installed)?;
        let allow = PermissionPolicy::uniform(Decision::AllowOnce).beyond(Decision::Reject);
        let mut adapters = Vec::new();
        for &known in Adapter::ALL {
            let adapter: Arc<dyn LaneAdapter> = Arc::new(equipped(known)?.policy(allow.clone()));
            adapters.push((known, adapter));
        }
        let sandbox = Arc::new(NoSandbox::new(installed.path()?));
        let lanes = parts.map(|agent| installed.lane(agent, model, place.folder.path()));
        Self::prepare(place, sandbox, adapters, lanes, limits).await
    }

    /// The same behind walls, through a broker.
    pub(crate) async fn behind_walls(
        installed: &Installed,
        model: &str,
        parts: [Agent; 3],
        brokered: &Brokered,
    ) -> Outcome<Self> {
        let place = Place::make(installed)?;
        let mut adapters = Vec::new();
        for &known in Adapter::ALL {
            adapters.push((known, brokered.adapter(known, model)?));
        }
        let sandbox = brokered.walls(installed, &place.data()).await?;
        let lanes = parts.map(|agent| Ok(Installed::brokered_lane(agent)));
        Self::prepare(place, sandbox, adapters, lanes, Limits::default()).await
    }

    async fn prepare(
        place: Place,
        sandbox: Arc<dyn Sandbox>,
        adapters: Vec<(&'static Adapter, Arc<dyn LaneAdapter>)>,
        lanes: [Outcome<Value>; 3],
        limits: Limits,
    ) -> Outcome<Self> {
        let (repository, data) = (place.repository(), place.data());
        fs::create_dir_all(&repository)?;
        fs::write(repository.join("README.md"), "A program that greets.\n")?;
        for arguments in [&["init", "--quiet", "--initial-branch=main"][..], &["add", "--all"]] {
            git(&repository, arguments)?;
        }
        git(&repository, &["commit", "--quiet", "--message", "Begin"])?;

        let store = place.folder.path().join("striatum.db");
        let mut builder = Orchestrator::builder()
            .store(Arc::new(SqliteStore::open(&store).await?))
            .blobs(Arc::new(ObjectBlobs::local(&data.join("blobs"))?))
            .repository(Repository::open(&repository, &data, Git::default()).await?)
            .sandbox(sandbox)
            .data(&data)
            .limits(limits);
        for (known, adapter) in adapters {
            builder = builder.adapter(format!("acp:{}", known.name), adapter);
        }
        let orchestrator = builder.build().await?;

        let document = Document::new(workflow(lanes)?, WORKFLOW);
        let me = Actor::Human("ada".to_owned());
        let prepared = orchestrator.prepare(&document, me.clone()).await?;
        if prepared.needs_confirmation {
            orchestrator.confirm_branch(prepared.run, me.clone(), &prepared.branch).await?;
        }
        orchestrator.command(prepared.run, me, Intent::Start).await?;
        Ok(Self { orchestrator, run: prepared.run, folder: place.folder })
    }

    /// Where everything of this scene is.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Works until nothing goes on by itself.
    pub(crate) async fn work(&self) -> Outcome<State> {
        timeout(PATIENCE, self.orchestrator.run_until_idle()).await.map_err(|_| "it takes too long")??;
        self.state().await
    }

    async fn state(&self) -> Outcome<State> {
        Ok(self.orchestrator.load(self.run).await?.state)
    }

    /// What a file holds in the result.
    pub(crate) async fn delivered(&self, path: &str) -> Outcome<String> {
        let state = self.state().await?;
        let commit = state.delivered().ok_or("nothing was delivered")?.clone();
        let bytes = self.orchestrator.repository().read_at(&commit, path).await?;
        Ok(String::from_utf8(bytes.ok_or_else(|| format!("{path} was not delivered"))?)?)
    }

    /// Ends a scenario whose run is not completed, with every reason that was written down for the end of a grant.
    pub(crate) async fn expect_completed(&self, state: &State) -> Outcome<()> {
        if state.status() == Some(RunStatus::Completed) {
            return Ok(());
        }
        let jobs = state.jobs().map(|(spec, job)| format!("{} {}", spec.id, job.status));
        let jobs = jobs.collect::<Vec<_>>().join(", ");
        let reasons = self.reasons().await?.join("; ");
        Err(format!("the run is {:?}: {jobs}; {reasons}", state.status()).into())
    }

    /// Why grants ended that did not end well, as the chain has it.
    pub(crate) async fn reasons(&self) -> Outcome<Vec<String>> {
        let engine = self.orchestrator.engine();
        let mut reasons = Vec::new();
        for sealed in engine.store().read_run(&self.run, RunHead::START, 1000).await? {
            let (job, ended) = match Record::decode(&sealed.body)?.event {
                Event::JobBlocked(e) => (e.job, e.ended),
                Event::JobFailed(e) => (e.job, e.ended),
                Event::JobReadied(e) => match e.ended {
                    Some(ended) => (e.job, ended),
                    None => continue,
                },
                _ => continue,
            };
            let Some(reason) = ended.reason else { continue };
            let text = engine.blobs().get(&reason.digest).await?;
            reasons.push(format!("{job} {:?}: {}", ended.cause, String::from_utf8_lossy(&text)));
        }
        Ok(reasons)
    }

    /// The leaders of the process groups that agents of a job were started in.
    pub(crate) fn agents_of(&self, job: &str) -> Outcome<Vec<i32>> {
        leaders(&sessions(self.folder(), self.run).join(job))
    }
}

/// Where the sessions of a run have their folders.
pub(crate) fn sessions(scene: &Path, run: RunId) -> PathBuf {
    scene.join("data/sessions").join(run.to_string())
}

/// The leaders of the process groups that agents were started in, as the folders of their sessions have them.
pub(crate) fn leaders(sessions: &Path) -> Outcome<Vec<i32>> {
    let mut pids = Vec::new();
    for session in fs::read_dir(sessions)? {
        for entry in fs::read_dir(session?.path())? {
            let path = entry?.path();
            let is_record =
                path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("process"));
            if !is_record {
                continue;
            }
            let record: Value = serde_json::from_slice(&fs::read(path)?)?;
            pids.extend(record["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()));
        }
    }
    Ok(pids)
}

/// By what argument this program is asked to carry tools.
pub(crate) const BRIDGE: &str = "bridge";

/// How an agent is worked with: one that reaches tools only as programs that it starts has this one for a bridge.
pub(crate) fn equipped(known: &'static Adapter) -> Outcome<AcpAdapter> {
    let mine = std::env::current_exe()?;
    Ok(AcpAdapter::of(known).bridge([mine.as_os_str(), BRIDGE.as_ref()]))
}

/// Carries tools between an agent that started this program and their server.
pub(crate) async fn bridge() -> Outcome<ExitCode> {
    let endpoint = Endpoint::of_environment().ok_or("no tools to carry")?;
    striatum::server::bridge(&endpoint, tokio::io::stdin(), tokio::io::stdout()).await?;
    Ok(ExitCode::SUCCESS)
}

/// The document of the reviewed change with real agents for lanes, of whom the third sums it up.
fn workflow(lanes: [Outcome<Value>; 3]) -> Outcome<Vec<u8>> {
    let [author, reviewer, finisher] = lanes;
    let mut document: Value = serde_json::from_slice(&fs::read(Path::new(WORKFLOW).join("workflow.json"))?)?;
    document["lanes"] = json!({"author": author?, "reviewer": reviewer?, "finisher": finisher?});
    let jobs = document["jobs"].as_array_mut().ok_or("the workflow has jobs")?;
    for job in jobs.iter_mut().filter(|job| job["id"] == "apply") {
        job["lane_id"] = json!("finisher");
        job["type"] = json!("synthesis");
    }
    Ok(serde_json::to_vec(&document)?)
}

/// A job of the workflow.
pub(crate) fn job(id: &str) -> Outcome<JobId> {
    Ok(JobId::new(id)?)
}

/// Runs git without anybody's settings.
fn git(repository: &Path, arguments: &[&str]) -> Outcome<()> {
    let ended = striatum_testkit::git::call(repository, "Striatum").args(arguments).output()?;
    match ended.status.success() {
        true => Ok(()),
        false => Err(format!("git {arguments:?}: {}", String::from_utf8_lossy(&ended.stderr)).into()),
    }
}
