//! Everything opened: data folder, store, repository, orchestrator.

use std::{
    fmt::Write as _,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use striatum::{
    Builder, Limits, Orchestrator,
    acp::{Adapter, Decision, PermissionPolicy},
    adapter::{AcpAdapter, EgressGateway, Gateway, ProcessAdapter},
    core::{
        id::RunId,
        run::{Actor, RunStatus},
        sandbox::{Level, Sandbox},
        store::{RunQuery, RunSummary},
    },
    sqlite::SqliteStore,
    workspace::{Git, ObjectBlobs, Repository},
};

use crate::{args::Args, demo, failure::Failure, model, outside, walls, work::say};

/// How long a full disk or a store that somebody holds is waited for: a person is waiting too.
const OUTAGE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) orchestrator: Orchestrator,
    pub(crate) data: PathBuf,
    pub(crate) store: PathBuf,
    pub(crate) repository: PathBuf,
    /// What agents may reach of the world.
    pub(crate) egress: Option<EgressGateway>,
    pub(crate) me: Actor,
    /// How this program is started again on the same things.
    pub(crate) again: String,
}

fn again(args: &Args) -> String {
    let mut command = "cargo run -p quickstart --".to_owned();
    let folders = [("--repo", args.repo.as_deref()), ("--data", Some(args.data.as_path()))];
    for (flag, folder) in folders {
        if let Some(folder) = folder.filter(|folder| *folder != Path::new(".striatum")) {
            let folder = folder.display().to_string();
            let _ =
                write!(command, " {flag} {}", shlex::try_quote(&folder).unwrap_or(folder.as_str().into()));
        }
    }
    command
}

impl Scene {
    pub(crate) async fn open(args: &Args) -> Result<Self, Failure> {
        let data = folder(&args.data)?;
        let repository = match &args.repo {
            Some(path) => path.clone(),
            None => {
                let place = data.join("demo");
                demo::ensure(&place)?;
                place
            }
        };
        let store = data.join("striatum.db");
        let sandbox = walls::choose(args, &data).await?;
        let mut session = striatum::core::sandbox::Limits::default();
        session.processor_thousandths = args.processors;
        let egress = outside::gateway(args).await?;
        let gateway = egress.clone().map(|gateway| Arc::new(gateway) as Arc<dyn Gateway>);
        let orchestrator = adapters(args, sandbox.as_ref(), gateway.as_slice())?
            .store(Arc::new(SqliteStore::open(&store).await?))
            .blobs(Arc::new(ObjectBlobs::local(&data.join("blobs"))?))
            .repository(Repository::open(&repository, &data, Git::default()).await?)
            .sandbox(sandbox)
            .data(&data)
            .limits(Limits::default().outage(OUTAGE).session(session))
            .build()
            .await?;
        let repository = orchestrator.repository().root().to_owned();
        Ok(Self {
            orchestrator,
            data,
            store,
            repository,
            egress,
            me: Actor::Human(args.name.clone()),
            again: again(args),
        })
    }

    /// Waits until no other program begins a run here, and keeps others from it until the file is dropped.
    pub(crate) fn begin_alone(&self) -> Result<File, Failure> {
        let path = self.data.join("begin.lock");
        let lock = File::options().create(true).append(true).open(&path);
        let locked = lock.and_then(|file| file.lock().map(|()| file));
        locked.map_err(|error| Failure::io("lock", &path, &error))
    }

    /// The runs of this repository, newest first.
    pub(crate) async fn runs(&self) -> Result<Vec<RunSummary>, Failure> {
        let chain = Some(self.orchestrator.repository().chain().clone());
        let mut query = RunQuery { chain, limit: 100, ..RunQuery::default() };
        let mut runs = Vec::new();
        loop {
            let page = self.orchestrator.engine().store().runs(&query).await?;
            runs.extend(page.items);
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(runs),
            }
        }
    }

    /// The run whose id begins like this.
    pub(crate) async fn find(&self, beginning: &str) -> Result<RunId, Failure> {
        let runs = self.runs().await?;
        let mut found = runs.iter().filter(|run| run.run.to_string().starts_with(beginning));
        match (found.next(), found.next()) {
            (Some(run), None) => Ok(run.run),
            (None, _) => Err(Failure::new(
                "run_unknown",
                format!("there is no run {beginning:?} in {}", self.repository.display()),
                "`show` lists the runs",
            )),
            (Some(_), Some(_)) => Err(Failure::new(
                "run_ambiguous",
                format!("several runs begin with {beginning:?}"),
                "give more of the id",
            )),
        }
    }

    /// The newest run that can still go on.
    pub(crate) async fn unfinished(&self) -> Result<Option<RunSummary>, Failure> {
        for summary in self.runs().await? {
            let open = match summary.row.status {
                RunStatus::NeedsBranchConfirmation | RunStatus::Ready | RunStatus::Running => true,
                _ => self.orchestrator.load(summary.run).await?.state.pending().next().is_some(),
            };
            if open {
                return Ok(Some(summary));
            }
        }
        Ok(None)
    }
}

/// Adapters for coding agents. Behind walls they reach their model through a broker, and the credential stays here. Where no wall
/// holds an agent to its tree, whoever named it here lets it work there as if it were run by hand, and what leads out of the tree,
/// and is asked for, is rejected.
fn adapters(args: &Args, sandbox: &dyn Sandbox, gateways: &[Arc<dyn Gateway>]) -> Result<Builder, Failure> {
    let is_walled = sandbox.offers().file_system == Level::Enforced;
    let free = PermissionPolicy::uniform(Decision::AllowOnce).beyond(Decision::Reject);
    // This program once more, for agents that reach tools only as programs that they start.
    let mine =
        std::env::current_exe().map_err(|error| Failure::io("find", Path::new("this program"), &error))?;
    let equipped = |adapter: AcpAdapter| {
        let adapter = adapter.bridge([mine.as_os_str(), "bridge".as_ref()]);
        let adapter = gateways.iter().cloned().fold(adapter, AcpAdapter::gateway);
        if is_walled { adapter } else { adapter.policy(free.clone()) }
    };
    let process = gateways.iter().cloned().fold(ProcessAdapter::default(), ProcessAdapter::gateway);
    let builder = Orchestrator::builder().adapter("process", Arc::new(process));
    let builder = builder.adapter("acp", Arc::new(equipped(AcpAdapter::default())));
    Adapter::ALL.iter().copied().try_fold(builder, |builder, known| {
        let mut adapter = equipped(AcpAdapter::of(known));
        if is_walled && let Some((gateway, variable)) = model::broker(known)? {
            if args.runs_agents() && args.names(known) {
                say!("model: {} asks it through a broker, and gets a placeholder for {variable}", known.name);
            }
            adapter = adapter.gateway(Arc::new(gateway));
        }
        Ok(builder.adapter(format!("acp:{}", known.name), Arc::new(adapter)))
    })
}

/// Makes the data folder, hidden from a repository that it may lie in.
fn folder(path: &Path) -> Result<PathBuf, Failure> {
    let unusable = |error: &std::io::Error| Failure::io("use the data folder", path, error);
    fs::create_dir_all(path).map_err(|error| unusable(&error))?;
    let ignore = path.join(".gitignore");
    if !ignore.exists() {
        fs::write(&ignore, "*\n").map_err(|error| unusable(&error))?;
    }
    fs::canonicalize(path).map_err(|error| unusable(&error))
}
