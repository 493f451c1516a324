//! From a document to a run that can be started.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Component, Path, PathBuf},
};

use bytes::Bytes;
use striatum_core::{
    digest::BlobRef,
    engine::EngineError,
    id::{CommitId, LaneId, RunId},
    run::{Actor, Intent, RunStatus},
    store::{RunQuery, RunSummary, StoreExt as _},
    workflow::{
        BranchMode, Finding, FrozenFile, JobType, Lane, Rules, Shortfall, Snapshot, Validated, Workflow,
    },
};
use striatum_workspace::BranchName;

use crate::{
    mint,
    orchestrator::{Error, ErrorKind, Orchestrator, Shared, assignment::lane_environment},
};

/// The largest document that is read, in bytes; the validator refuses more as well.
const MAX_DOCUMENT: u64 = 4 << 20;

/// A workflow document, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    bytes: Vec<u8>,
    folder: PathBuf,
}

impl Document {
    /// Reads a document. The files that it refers to are looked for beside it, or, if it lies in the repository, at the run's
    /// base commit.
    ///
    /// # Errors
    /// [`ErrorKind::FileUnreadable`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let unreadable = |error: io::Error| {
            Error::new(ErrorKind::FileUnreadable, format!("read {}", path.display())).because(error)
        };
        let path = fs::canonicalize(path).map_err(unreadable)?;
        let size = fs::metadata(&path).map_err(unreadable)?.len();
        if size > MAX_DOCUMENT {
            return Err(unreadable(io::Error::other(format!(
                "it has {size} bytes; a document has at most {MAX_DOCUMENT}"
            ))));
        }
        let bytes = fs::read(&path).map_err(unreadable)?;
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Self { bytes, folder })
    }

    /// A document that is not a file. The files that it refers to are looked for in `folder`.
    pub fn new(bytes: impl Into<Vec<u8>>, folder: impl Into<PathBuf>) -> Self {
        Self { bytes: bytes.into(), folder: folder.into() }
    }
}

/// A run that was prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Prepared {
    /// The run.
    pub run: RunId,
    /// The branch for its result: the suggested one, or, if that is taken, the same with the first number that is free.
    pub branch: String,
    /// Whether a principal has yet to confirm it.
    pub needs_confirmation: bool,
    /// What is doubtful about the document.
    pub warnings: Vec<Finding>,
}

impl Orchestrator {
    /// Prepares a run of a document at the repository's present commit: validates it, checks that every lane can be run, and
    /// freezes the document with the files that it refers to.
    ///
    /// # Errors
    /// [`ErrorKind::DocumentInvalid`] with every finding; [`ErrorKind::AdapterUnknown`] and [`ErrorKind::EnvMissing`] for a lane
    /// that cannot be run; [`ErrorKind::FileMissing`] with every file that is not there; [`ErrorKind::AgentMissing`] with all that its
    /// agents lack, if it is known [where](crate::Builder::path) programs are; an uncommitted change in the checkout, unless the
    /// document allows it.
    #[tracing::instrument(skip_all)]
    pub async fn prepare(&self, document: &Document, actor: Actor) -> Result<Prepared, Error> {
        let (snapshot, warnings) = self.frozen(document).await?;
        self.shared.expect_agents(snapshot.workflow()).await?;
        let branch = &snapshot.workflow().branch;
        let needs_confirmation = branch.mode == BranchMode::Confirm;
        let run = mint::run_id()?;
        let branch = self.free_branch(&branch.suggested_name).await?;
        crate::fault::point("prepare.before");
        let chain = self.shared.repository.chain();
        let applied =
            self.shared.engine.prepare(chain, run, snapshot, mint::command_id()?, actor.clone()).await?;
        crate::fault::point("prepare.after");
        self.shared.tell(run, &applied);
        if !needs_confirmation {
            self.confirm_branch(run, actor, &branch).await?;
        }
        Ok(Prepared { run, branch, needs_confirmation, warnings })
    }

    /// What a run of a document at the repository's present commit would execute, with every file that it refers to kept: for those who
    /// have a run begun elsewhere, as a request in the inbox of a store on Postgres does.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare), but for agents: they may be on another host.
    pub async fn snapshot(&self, document: &Document) -> Result<Snapshot, Error> {
        Ok(self.frozen(document).await?.0)
    }

    async fn frozen(&self, document: &Document) -> Result<(Snapshot, Vec<Finding>), Error> {
        let Validated { workflow, warnings, .. } = self.validate(document)?;
        let repository = &self.shared.repository;
        if !workflow.branch.allow_dirty {
            repository.check_clean().await?;
        }
        let base = repository.head().await?;
        repository.check_filters(&base, &allowed_filters(&workflow)).await?;
        let files = self.freeze(&workflow, document, &base).await?;
        Ok((Snapshot::new(workflow, base, files).map_err(EngineError::from)?, warnings))
    }

    /// Settles where a run's result goes: to this branch, from where it is now. It need not exist.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn confirm_branch(&self, run: RunId, actor: Actor, branch: &str) -> Result<(), Error> {
        let at = self.shared.repository.branch(&BranchName::new(branch)?).await?;
        self.command(run, actor, Intent::ConfirmBranch { branch: branch.to_owned(), at }).await.map(drop)
    }

    /// The suggested name, or the first of `name-2`, `name-3`, … that is no branch yet and that no other run is to make.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn free_branch(&self, suggested: &str) -> Result<String, Error> {
        let promised = self.promised_branches().await?;
        let mut name = suggested.to_owned();
        for number in 2_u32.. {
            let exists = self.shared.repository.branch(&BranchName::new(&name)?).await?.is_some();
            if !exists && !promised.contains(&name) {
                break;
            }
            name = format!("{suggested}-{number}");
        }
        Ok(name)
    }

    /// The branches of the runs that have not delivered yet.
    async fn promised_branches(&self) -> Result<BTreeSet<String>, Error> {
        let chain = Some(self.shared.repository.chain().clone());
        let ready =
            RunQuery { chain: chain.clone(), statuses: vec![RunStatus::Ready], ..RunQuery::default() };
        let active = RunQuery { chain, active: true, ..RunQuery::default() };
        let mut branches = BTreeSet::new();
        for query in [ready, active] {
            for summary in self.shared.runs(query).await? {
                match self.shared.engine.load(summary.run).await.map_err(Error::from) {
                    Ok(view) if view.state.delivered().is_none() => {
                        branches.extend(view.state.branch().map(|branch| branch.branch.clone()));
                    }
                    Err(error) if error.is_retryable() => return Err(error),
                    // A run that cannot be read delivers nothing.
                    Ok(_) | Err(_) => {}
                }
            }
        }
        Ok(branches)
    }

    /// Judges a document by the rules of this orchestrator: its adapters, its sandbox, its environment.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub fn validate(&self, document: &Document) -> Result<Validated, Error> {
        let refused = |findings: striatum_core::workflow::Findings| {
            Error::new(ErrorKind::DocumentInvalid, findings.to_string())
        };
        let validated = Workflow::parse(&document.bytes, &self.shared.rules()).map_err(refused)?;
        for lane in validated.workflow.lanes.values() {
            self.shared.expect_fit(lane)?;
        }
        Ok(validated)
    }

    async fn freeze(
        &self,
        workflow: &Workflow,
        document: &Document,
        base: &CommitId,
    ) -> Result<Vec<FrozenFile>, Error> {
        let (mut files, mut missing) = (Vec::new(), Vec::new());
        for file in workflow.referenced_files() {
            match self.read_referenced(document, base, file.path).await? {
                Some(bytes) => {
                    let content: BlobRef = self.shared.engine.blobs().put(Bytes::from(bytes)).await?;
                    files.push(FrozenFile { path: file.path.to_owned(), content });
                }
                None if file.required => missing.push(format!("{} ({})", file.path, file.pointer)),
                None => {}
            }
        }
        if missing.is_empty() {
            return Ok(files);
        }
        let doing = format!("find what the document refers to: {}", missing.join(", "));
        Err(Error::new(ErrorKind::FileMissing, doing))
    }

    /// A file that a document refers to. If the document lies in the repository: beside it at the base commit, else at the root
    /// of the repository. Otherwise: in the document's own folder, and nowhere above it.
    async fn read_referenced(
        &self,
        document: &Document,
        base: &CommitId,
        path: &str,
    ) -> Result<Option<Vec<u8>>, Error> {
        let repository = &self.shared.repository;
        if let Ok(inside) = document.folder.strip_prefix(repository.root()) {
            let beside = match inside.to_str() {
                Some("") | None => path.to_owned(),
                Some(folder) => format!("{folder}/{path}"),
            };
            return Ok(match repository.read_at(base, &beside).await? {
                Some(bytes) => Some(bytes),
                None => repository.read_at(base, path).await?,
            });
        }
        let relative =
            Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let path = document.folder.join(path);
        match fs::read(&path) {
            Ok(bytes) if relative => Ok(Some(bytes)),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                Err(Error::new(ErrorKind::FileUnreadable, format!("read {}", path.display())).because(error))
            }
        }
    }
}

/// The filters that every lane with an agent allows: the trees of a run are all made from one repository.
fn allowed_filters(workflow: &Workflow) -> Vec<String> {
    let with_agents = workflow.jobs.iter().filter(|job| job.kind != JobType::HumanCheckpoint);
    let used: BTreeSet<&LaneId> = with_agents.map(|job| &job.lane_id).collect();
    let mut lanes = used.into_iter().filter_map(|lane| workflow.lanes.get(lane));
    let mut allowed = lanes.next().map(|lane| lane.allowed_filters.clone()).unwrap_or_default();
    for lane in lanes {
        allowed.retain(|filter| lane.allowed_filters.contains(filter));
    }
    allowed
}

impl Shared {
    /// Every run that a query finds.
    pub(super) async fn runs(&self, query: RunQuery) -> Result<Vec<RunSummary>, Error> {
        Ok(self.engine.store().all_runs(query).await?)
    }

    /// What documents are judged by where this orchestrator runs them.
    fn rules(&self) -> Rules {
        let isolation = self.sandbox.offers();
        self.adapters
            .offers(&isolation)
            .fold(Rules::default(), |rules, (name, offers)| rules.with_offers_of(name, offers))
    }

    /// Refuses lanes whose agents would lack something, and tells all of it at once.
    async fn expect_agents(&self, workflow: &Workflow) -> Result<(), Error> {
        let Some(path) = &self.path else { return Ok(()) };
        let mut lacking = Vec::new();
        for (id, lane) in &workflow.lanes {
            // What agents lack that come by themselves they see themselves.
            let Some(adapter) = self.adapters.get(&lane.adapter) else { continue };
            for missing in adapter.missing(lane, path).await {
                lacking.push(format!("lane {id}, {}: {missing}", lane.adapter));
            }
        }
        if lacking.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::AgentMissing, format!("run agents here: {}", lacking.join("; "))))
    }

    /// Whether this process can run the lane: it has its adapter and its variables, and gives what it demands. A run may have
    /// been prepared elsewhere, so this is asked again before each of its jobs is claimed.
    pub(super) fn expect_fit(&self, lane: &Lane) -> Result<(), Error> {
        let offers = self.adapters.offers_of(lane, &self.sandbox.offers())?;
        if let Some(Shortfall { constraint, required, offered, .. }) = offers.shortfalls(lane).next() {
            let doing =
                format!("hold {constraint} as {required}: the adapter {:?} offers {offered}", lane.adapter);
            return Err(Error::new(ErrorKind::EnforcementUnavailable, doing));
        }
        lane_environment(&lane.env).map(drop)
    }
}
