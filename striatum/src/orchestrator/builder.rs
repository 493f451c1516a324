//! Putting an orchestrator together.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
};

use striatum_core::{
    engine::Engine,
    sandbox::Sandbox,
    store::{Blobs, ChainMeta, Store},
    time::Clock,
};
use striatum_workspace::Repository;
use tokio::sync::{Mutex, broadcast};
use tokio_util::sync::CancellationToken;

use crate::{
    adapter::{LaneAdapter, ProcessAdapter},
    instance::Instance,
    mint::{self, SystemClock},
    notify::Notifier,
    orchestrator::{Error, ErrorKind, Leases, Limits, Orchestrator, Registry, Shared},
};

const PROGRESS: usize = 1024;

/// Puts an [`Orchestrator`] together. Store, blobs, repository, sandbox and data folder must be given; the adapter `process`
/// is registered already, and with the feature `acp` also `acp`, for any agent that speaks the Agent Client Protocol, and for
/// each that is [known](striatum_acp::Adapter::ALL) one by its name, such as `acp:claude`.
#[derive(Debug)]
#[must_use]
pub struct Builder {
    store: Option<Arc<dyn Store>>,
    blobs: Option<Arc<dyn Blobs>>,
    repository: Option<Repository>,
    sandbox: Option<Arc<dyn Sandbox>>,
    adapters: Vec<(String, Arc<dyn LaneAdapter>)>,
    pulled: BTreeSet<String>,
    limits: Limits,
    data: Option<PathBuf>,
    path: Option<OsString>,
    clock: Arc<dyn Clock>,
    notifier: Option<Arc<dyn Notifier>>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            store: None,
            blobs: None,
            repository: None,
            sandbox: None,
            adapters: adapters(),
            pulled: BTreeSet::new(),
            limits: Limits::default(),
            data: None,
            path: None,
            clock: Arc::new(SystemClock),
            notifier: None,
        }
    }
}

/// Those that need not be registered.
fn adapters() -> Vec<(String, Arc<dyn LaneAdapter>)> {
    let process: Arc<dyn LaneAdapter> = Arc::new(ProcessAdapter::default());
    let adapters = [("process".to_owned(), process)].into_iter();
    #[cfg(feature = "acp")]
    let adapters = {
        use crate::adapter::AcpAdapter;

        let shared = |adapter| -> Arc<dyn LaneAdapter> { Arc::new(adapter) };
        let any = ("acp".to_owned(), shared(AcpAdapter::default()));
        let known = striatum_acp::Adapter::ALL.iter().copied();
        let known = known.map(move |known| (format!("acp:{}", known.name), shared(AcpAdapter::of(known))));
        adapters.chain([any]).chain(known)
    };
    adapters.collect()
}

impl Builder {
    /// Where events are kept.
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Where texts and artifacts are kept.
    pub fn blobs(mut self, blobs: Arc<dyn Blobs>) -> Self {
        self.blobs = Some(blobs);
        self
    }

    /// The repository to work on.
    pub fn repository(mut self, repository: Repository) -> Self {
        self.repository = Some(repository);
        self
    }

    /// Where agents run.
    pub fn sandbox(mut self, sandbox: Arc<dyn Sandbox>) -> Self {
        self.sandbox = Some(sandbox);
        self
    }

    /// Registers an adapter under the name that lanes use; a later one replaces an earlier one.
    pub fn adapter(mut self, name: impl Into<String>, adapter: Arc<dyn LaneAdapter>) -> Self {
        self.adapters.push((name.into(), adapter));
        self
    }

    /// Leaves the lanes with an adapter of this name to agents that come for their work by themselves: documents may name it, and their
    /// jobs are not claimed here. Nothing is enforced on such agents. [`pull`](Orchestrator::pull) lets them in.
    #[cfg(all(feature = "acp", feature = "server"))]
    pub fn pulled(mut self, name: impl Into<String>) -> Self {
        self.pulled.insert(name.into());
        self
    }

    /// What the orchestrator allows itself and its agents.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The folder for sessions, locks and everything else that is not in the repository. It is made if it is not there.
    pub fn data(mut self, data: impl Into<PathBuf>) -> Self {
        self.data = Some(data.into());
        self
    }

    /// Where the sandbox looks programs up, as in `PATH`. Given, a run whose agents [lack](LaneAdapter::missing) something of this host is
    /// refused before it begins; otherwise that is a failure of the first attempt.
    pub fn path(mut self, path: impl Into<OsString>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// The clock that tells people what time it was; the system's unless given.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Who tells people that one of them is wanted: of escalations, until somebody was told, and of questions.
    pub fn notifier(mut self, notifier: Arc<dyn Notifier>) -> Self {
        self.notifier = Some(notifier);
        self
    }

    /// Opens the repository's chain and takes up an identity.
    ///
    /// # Errors
    /// [`ErrorKind::Incomplete`], or whatever keeps store or data folder from being used.
    pub async fn build(self) -> Result<Orchestrator, Error> {
        let lacks =
            |what: &str| Error::new(ErrorKind::Incomplete, format!("build an orchestrator without {what}"));
        let store = self.store.ok_or_else(|| lacks("a store"))?;
        let blobs = self.blobs.ok_or_else(|| lacks("blobs"))?;
        let repository = self.repository.ok_or_else(|| lacks("a repository"))?;
        let sandbox = self.sandbox.ok_or_else(|| lacks("a sandbox"))?;
        let data = self.data.ok_or_else(|| lacks("a data folder"))?;
        let unusable = |error| {
            Error::new(ErrorKind::DataFolder, format!("use the data folder {}", data.display()))
                .because(error)
        };
        let data = std::path::absolute(&data).map_err(unusable)?;
        let meta = ChainMeta { label: repository.root().display().to_string() };
        store.open_chain(repository.chain(), &meta).await?;
        #[cfg(feature = "acp")]
        let agents = {
            use striatum_server::{agents, authority};

            // Its tokens are worth nothing once this process has ended, and neither are the agents that hold them.
            let no_entropy =
                |error| Error::new(ErrorKind::Entropy, "make a key for the tokens of agents").because(error);
            let key = authority::SigningKey::generate().map_err(no_entropy)?;
            let clock = self.clock.clone();
            let authority = authority::Authority::new(key, Arc::new(move || clock.now()));
            agents::Agents::mounted(Arc::new(authority), "http://127.0.0.1", agents::AgentsOptions::default())
        };
        let instance = Instance::new(mint::instance_id()?, &data).map_err(unusable)?;
        Ok(Orchestrator {
            shared: Arc::new(Shared {
                engine: Arc::new(Engine::new(store, blobs, self.clock)),
                repository,
                sandbox,
                adapters: Registry::new(self.adapters, self.pulled),
                #[cfg(feature = "acp")]
                agents,
                limits: self.limits,
                instance,
                leases: Leases::default(),
                notifier: self.notifier,
                data,
                path: self.path,
                working: Mutex::new(()),
                is_service: AtomicBool::new(true),
                progress: broadcast::Sender::new(PROGRESS),
                draining: CancellationToken::new(),
                stopping: CancellationToken::new(),
            }),
        })
    }
}
