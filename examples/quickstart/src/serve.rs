//! Works as a service, seen and steered by operators.

use std::{
    fs,
    io::{self, Write as _},
    net::Ipv4Addr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use secrecy::ExposeSecret as _;
use striatum::{
    Orchestrator,
    core::{
        id::RunId,
        run::{Actor, Supersede},
    },
    mint::SystemClock,
    server::{
        Boundary, Refusal,
        agents::{Agents, AgentsOptions},
        authority::{Authority, Capabilities, Capability, OperatorScope, Scope, SigningKey},
        operators::{Branch, Document, Operators, Prepared, Problem, Repository},
    },
};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};

use crate::{
    args::Args,
    demo,
    failure::Failure,
    outside,
    scene::Scene,
    work::{self, say},
};

/// How long the token that is left in the data folder is valid.
const VALID: Duration = Duration::from_secs(24 * 3600);

/// Works until it is interrupted. Operators come to the one port, agents that come by themselves to the other.
pub(crate) async fn serve(scene: Scene, args: Args, port: u16, pull_port: u16) -> Result<ExitCode, Failure> {
    // Before anybody is told that there is something to interrupt.
    let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    let (data, orchestrator) = (scene.data.clone(), scene.orchestrator.clone());
    let chain = orchestrator.repository().chain().clone();
    let authority = Arc::new(Authority::new(key(&data)?, Arc::new(SystemClock)));
    let (token, file) = token(&scene, &authority)?;

    let pulled: Vec<String> = args.pulled().iter().map(ToString::to_string).collect();
    let agents = match pulled.as_slice() {
        [] => None,
        _ => Some(let_in(&orchestrator, authority.clone(), pull_port).await?),
    };
    let repository: Arc<dyn Repository> = Arc::new(Recast { scene, args });
    let engine = orchestrator.engine().clone();
    let operators = Operators::open(engine, authority, [(chain, repository)], Boundary::default()).await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let unusable = |error| Failure::io("listen at", Path::new(&format!("127.0.0.1:{port}")), &error);
    let served = operators.serve(listener.map_err(unusable)?).map_err(unusable)?;
    keep(&file, &token)?;

    let (address, file) = (served.address(), file.display());
    say!("operators: http://{address} (tools at /mcp, all of it described at /v1/openapi.json)");
    say!("token:     {file}, for 24 hours, in your name");
    if let Some(agents) = &agents {
        let lanes = pulled.join(", ");
        say!("agents:    {} for the jobs of {lanes}, with a token from POST /v1/claim-tokens", agents.url());
    }
    say!("try:       cargo run -p watch -- http://{address} {file}");
    let interrupts = tokio::spawn(heed(orchestrator.clone(), signals));
    let worked = orchestrator.run().await;
    interrupts.abort();
    drop((served, agents));
    worked.map_err(Failure::from)?;
    Ok(ExitCode::SUCCESS)
}

/// Listens for agents that come for their jobs by themselves.
async fn let_in(
    orchestrator: &Orchestrator,
    authority: Arc<Authority>,
    port: u16,
) -> Result<Agents, Failure> {
    let mut options = AgentsOptions::default();
    options.bind = (Ipv4Addr::LOCALHOST, port).into();
    options.pull = Some(orchestrator.pull()?);
    let listening = Agents::listen(authority, options).await;
    listening.map_err(|error| Failure::io("listen at", Path::new(&format!("127.0.0.1:{port}")), &error))
}

/// The first interrupt, or request to end, lets running agents end; the second stops them.
async fn heed(orchestrator: Orchestrator, signals: [io::Result<Signal>; 2]) {
    let [Ok(mut interrupt), Ok(mut end)] = signals else { return };
    let mut any = async || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = end.recv() => {}
        }
    };
    any().await;
    say!("letting running agents end; Ctrl-C again stops them");
    orchestrator.drain();
    any().await;
    say!("stopping; what the agents have done so far is set aside");
    orchestrator.stop();
}

/// The secret that tokens are sealed with. It is kept, so that tokens outlive a restart.
fn key(data: &Path) -> Result<SigningKey, Failure> {
    let file = data.join("operator.key");
    match fs::read(&file) {
        Ok(bytes) => match <[u8; 32]>::try_from(bytes) {
            Ok(bytes) => Ok(SigningKey::from_bytes(bytes)),
            Err(_) => Err(Failure::new(
                "key_invalid",
                format!("{} does not have 32 bytes", file.display()),
                "remove it: a new one is made, and every token is worthless then",
            )),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes)
                .map_err(|error| Failure::new("no_entropy", error.to_string(), "check the host"))?;
            keep(&file, &bytes)?;
            Ok(SigningKey::from_bytes(bytes))
        }
        Err(error) => Err(Failure::io("read", &file, &error)),
    }
}

/// A token in the person's name, and the file for it.
fn token(scene: &Scene, authority: &Authority) -> Result<(Vec<u8>, PathBuf), Failure> {
    let scope = OperatorScope {
        actor: scene.me.clone(),
        repository: Some(scene.orchestrator.repository().chain().clone()),
        capabilities: Capabilities::of(Capability::ALL),
    };
    let issued = authority.issue(Scope::Operator(scope), VALID);
    let issued = issued.map_err(|error| Failure::new("no_entropy", error.to_string(), "check the host"))?;
    Ok((issued.secret.expose_secret().as_bytes().to_vec(), scene.data.join("operator.token")))
}

/// Writes a file that nobody else may read, in full or not at all.
fn keep(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let aside = file.with_extension("new");
    let written = || {
        match fs::remove_file(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut new = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
        new.write_all(bytes)?;
        new.sync_all()?;
        fs::rename(&aside, file)
    };
    written().map_err(|error| Failure::io("write", file, &error))
}

/// The orchestrator, but for whose document runs with the agents of the command line: that of the demonstration, or the one that
/// `--workflow` names.
#[derive(Debug)]
struct Recast {
    scene: Scene,
    args: Args,
}

#[async_trait]
impl Repository for Recast {
    async fn prepare(&self, document: Document, actor: &Actor) -> Result<Prepared, Problem> {
        let Document::Path(path) = &document else {
            return Repository::prepare(&self.scene.orchestrator, document, actor).await;
        };
        let root = &self.scene.repository;
        let meant = self.args.workflow.clone().unwrap_or_else(|| root.join(demo::WORKFLOW));
        if fs::canonicalize(root.join(path)).ok() != fs::canonicalize(&meant).ok() {
            return Repository::prepare(&self.scene.orchestrator, document, actor).await;
        }
        let recast = work::document(&self.scene, &self.args).await.map_err(problem)?;
        let prepared = self.scene.orchestrator.prepare(&recast, actor.clone()).await;
        let prepared = prepared.map_err(|error| problem(error.into()))?;
        Ok(Prepared::new(prepared.run, Vec::new()))
    }

    async fn branch(&self, run: RunId, wanted: Option<&str>) -> Result<Branch, Problem> {
        // No run starts before this, whoever prepared it.
        let loaded = self.scene.orchestrator.load(run).await.map_err(|error| problem(error.into()))?;
        let known = outside::lanes_are_known(self.scene.egress.as_ref(), loaded.state.workflow());
        known.map_err(|error| problem(error.into()))?;
        self.scene.orchestrator.branch(run, wanted).await
    }

    async fn amend(&self, run: RunId, actor: &Actor, wanted: Supersede) -> Result<Supersede, Problem> {
        self.scene.orchestrator.amend(run, actor, wanted).await
    }
}

fn problem(failure: Failure) -> Problem {
    let Failure { code, sentence, remedy } = failure;
    Problem::of(422, Refusal::new(code, sentence, remedy))
}
