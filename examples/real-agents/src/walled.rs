//! Agents behind walls, which reach their model through a broker and never get its credential.

use std::{
    fs,
    io::{self, Read as _},
    net::TcpListener,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use striatum::{
    acp::Adapter,
    adapter::{AdapterError, Assignment, Gateway, LaneAdapter, ModelGateway, Passage, Porter, Seen},
    core::sandbox::{Access, Sandbox},
    sandbox::{
        Namespaces,
        broker::{Broker, Provider},
        credential::{Credential, CredentialSource},
        upstream::Upstream,
    },
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
};

use crate::{Outcome, agents::Installed, scene::equipped};

/// What every placeholder of a broker begins with.
pub(crate) const PLACEHOLDER: &str = "sk-striatum-placeholder-";

/// The real credential of a scene, and everything that agents said to their model and heard from it.
#[derive(Debug)]
pub(crate) struct Brokered {
    pub(crate) real: String,
    heard: Heard,
    folder: TempDir,
}

impl Brokered {
    pub(crate) fn new() -> Outcome<Self> {
        let mut random = [0; 24];
        fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
        let random: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let brokered =
            Self { real: format!("sk-real-{random}"), heard: Heard::default(), folder: tempfile::tempdir()? };
        fs::write(brokered.key(), &brokered.real)?;
        Ok(brokered)
    }

    fn key(&self) -> std::path::PathBuf {
        self.folder.path().join("key")
    }

    /// Walls around these agents, with nothing of the host shown but Node and what npm installed.
    pub(crate) async fn walls(&self, installed: &Installed, data: &Path) -> Outcome<Arc<dyn Sandbox>> {
        let mut builder =
            Namespaces::builder().path(installed.path()?).protect(data).protect(self.folder.path());
        for folder in installed.folders() {
            builder = builder.mount(folder, Access::Read);
        }
        Ok(Arc::new(builder.probe().await?))
    }

    /// How an agent is worked with that asks the model at this URL through a broker.
    pub(crate) fn adapter(&self, known: &'static Adapter, model: &str) -> Outcome<Arc<dyn LaneAdapter>> {
        let adapter = equipped(known)?;
        let (Some(endpoint), Some(variable)) = (known.endpoint, known.credentials.first()) else {
            return Ok(Arc::new(adapter));
        };
        let provider = Provider::named(endpoint.provider).ok_or("its interface is known")?;
        let credential = Credential::new(CredentialSource::File(self.key()));
        let broker =
            Broker::of(provider, credential).upstream(Upstream::at(model, None)?).models(["*"]).build()?;
        let mut gateway = ModelGateway::of(known, broker, *variable).ok_or("it can be led to a broker")?;
        for (name, value) in endpoint.variables.iter().filter(|(name, _)| *name == "CODEX_CONFIG") {
            // With its own model it speaks in programs, which our script does not understand.
            let value = value.replacen('{', "{\"model\":\"mock-model\",", 1).replace("{variable}", variable);
            gateway = gateway.announced(*name, value);
        }
        let overheard = Overheard { gateway: Arc::new(gateway), heard: self.heard.clone() };
        Ok(Arc::new(adapter.gateway(Arc::new(overheard))))
    }

    /// Every byte that went either way between agents and their broker.
    pub(crate) fn heard(&self) -> Vec<u8> {
        self.heard.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Debug, Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

/// A gateway at whose door every word is written down.
#[derive(Debug)]
struct Overheard {
    gateway: Arc<dyn Gateway>,
    heard: Heard,
}

#[async_trait::async_trait]
impl Gateway for Overheard {
    async fn prepare(&self, assignment: &Assignment) -> Result<Option<Passage>, AdapterError> {
        let Some(mut passage) = self.gateway.prepare(assignment).await? else { return Ok(None) };
        let ear = Ear { porter: passage.porter, heard: self.heard.clone(), listening: None };
        passage.porter = Box::new(ear);
        Ok(Some(passage))
    }
}

/// Stands before a porter.
#[derive(Debug)]
struct Ear {
    porter: Box<dyn Porter>,
    heard: Heard,
    listening: Option<JoinHandle<()>>,
}

impl Porter for Ear {
    fn open(&mut self, listener: TcpListener) -> Result<(), AdapterError> {
        let failed = |error: io::Error| AdapterError::new("listen at a broker's door").because(error);
        let behind = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
        let address = behind.local_addr().map_err(failed)?;
        self.porter.open(behind)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
        let heard = self.heard.clone();
        self.listening = Some(tokio::spawn(async move {
            while let Ok((agent, _)) = listener.accept().await {
                let Ok(broker) = TcpStream::connect(address).await else { continue };
                let (from_agent, to_agent) = agent.into_split();
                let (from_broker, to_broker) = broker.into_split();
                tokio::spawn(pass(from_agent, to_broker, heard.clone()));
                tokio::spawn(pass(from_broker, to_agent, heard.clone()));
            }
        }));
        Ok(())
    }

    fn seen(&self) -> Seen {
        self.porter.seen()
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        if let Some(listening) = &self.listening {
            listening.abort();
        }
    }
}

async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, heard: Heard) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let said = buffer.get(..length).unwrap_or_default();
        heard.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(said);
        if to.write_all(said).await.is_err() {
            break;
        }
    }
    // Nobody waits for more.
    let _ = to.shutdown().await;
}
