//! Both listeners, for tools that test MCP servers and can send no token: a hop in front of each adds one, that of an open session and
//! that of an operator.
//!
//! Prints the address of the hop, that of the listener, and the token, each on a line, for agents and then for operators, and serves until
//! its standard input closes. `striatum-server/conformance/run` drives it.

use std::{error::Error, io::Write as _, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::Request, http::header, middleware};
use bytes::Bytes;
use secrecy::ExposeSecret as _;
use striatum_core::{
    digest::Digest,
    engine::Engine,
    id::{ChainId, Fence, JobId, RunId, SessionId},
    run::{Actor, Supersede},
    store::{ChainMeta, MemoryBlobs, MemoryStore, Store as _},
    time::Timestamp,
};
use striatum_server::{
    Boundary, Refusal, Serving,
    agents::{Act, Agents, AgentsOptions, Mode, Receipt, Task, Workbench},
    authority::{Authority, Capabilities, Capability, OperatorScope, Scope, SigningKey},
    operators::{Branch, Document, Operators, Prepared, Problem, Repository},
};
use tokio::{io::AsyncReadExt as _, net::TcpListener};

/// A workbench that takes whatever it is given, and keeps none of it.
#[derive(Debug)]
struct Anything;

#[async_trait::async_trait]
impl Workbench for Anything {
    async fn task(&self) -> Result<Task, Refusal> {
        Ok(Task { prompt: "# Greet".to_owned(), packet: Bytes::from_static(b"{}") })
    }

    async fn read(&self, _document: &Digest) -> Result<Bytes, Refusal> {
        Err(Refusal::new("document_unknown", "there are no documents", "do without"))
    }

    async fn act(&self, act: Act, _mode: Mode) -> Result<Receipt, Refusal> {
        Ok(Receipt::goes_on(format!("{} was called", act.tool())))
    }
}

/// A repository in which nothing can be begun.
#[derive(Debug)]
struct Nothing;

#[async_trait::async_trait]
impl Repository for Nothing {
    async fn prepare(&self, _document: Document, _actor: &Actor) -> Result<Prepared, Problem> {
        Err(Problem::of(422, Refusal::new("document_invalid", "there are no documents here", "bring one")))
    }

    async fn branch(&self, _run: RunId, _wanted: Option<&str>) -> Result<Branch, Problem> {
        Ok(Branch { name: "result".to_owned(), at: None })
    }

    async fn amend(&self, _run: RunId, _actor: &Actor, wanted: Supersede) -> Result<Supersede, Problem> {
        Ok(wanted)
    }
}

fn clock() -> Timestamp {
    Timestamp::from_micros(0)
}

/// By default no page may call. The suite asks as a page of the hop's very address would.
fn boundary(door: SocketAddr) -> Boundary {
    let mut boundary = Boundary::default();
    boundary.origins.push(format!("http://{door}"));
    boundary
}

/// Serves a router, and tells where. To each request it adds this token.
fn hop(door: TcpListener, router: Router, token: &str) -> Result<Serving, Box<dyn Error>> {
    let bearer: header::HeaderValue = format!("Bearer {token}").parse()?;
    let router = router.layer(middleware::map_request(move |mut request: Request| {
        request.headers_mut().insert(header::AUTHORIZATION, bearer.clone());
        std::future::ready(request)
    }));
    let serving = Serving::start(door, router)?;
    writeln!(std::io::stdout(), "http://{}/mcp", serving.address())?;
    Ok(serving)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let authority = Arc::new(Authority::new(SigningKey::generate()?, Arc::new(clock)));
    let _agents = agents(authority.clone()).await?;
    let _operators = operators(authority).await?;
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    Ok(())
}

async fn agents(authority: Arc<Authority>) -> Result<impl Sized, Box<dyn Error>> {
    let door = TcpListener::bind("127.0.0.1:0").await?;
    let mut options = AgentsOptions::default();
    options.boundary = boundary(door.local_addr()?);
    let agents = Agents::listen(authority, options).await?;
    let fence = Fence {
        run: RunId::from_bytes([1; 16]),
        job: JobId::new("greet")?,
        epoch: 1,
        session: SessionId::from_bytes([2; 16]),
    };
    let session = agents.open(fence, Arc::new(Anything), Duration::from_secs(3600))?;
    let token = session.endpoint().bearer.expose_secret().to_owned();
    let hop = hop(door, agents.router(), &token)?;
    writeln!(std::io::stdout(), "{}\n{token}", agents.url())?;
    Ok((hop, session, agents))
}

async fn operators(authority: Arc<Authority>) -> Result<impl Sized, Box<dyn Error>> {
    let door = TcpListener::bind("127.0.0.1:0").await?;
    let store = Arc::new(MemoryStore::new(Arc::new(clock)));
    let chain = ChainId::new("conformance")?;
    store.open_chain(&chain, &ChainMeta::default()).await?;
    let engine = Arc::new(Engine::new(store, Arc::new(MemoryBlobs::default()), Arc::new(clock)));
    let scope = Scope::Operator(OperatorScope {
        actor: Actor::AiOperator("conformance".to_owned()),
        repository: Some(chain.clone()),
        capabilities: Capabilities::of(Capability::ALL),
    });
    let issued = authority.issue(scope, Duration::from_secs(3600))?;
    let token = issued.secret.expose_secret();
    let repository: Arc<dyn Repository> = Arc::new(Nothing);
    let boundary = boundary(door.local_addr()?);
    let operators = Operators::open(engine, authority, [(chain, repository)], boundary).await?;
    let hop = hop(door, operators.router(), token)?;
    let served = operators.serve(TcpListener::bind("127.0.0.1:0").await?)?;
    writeln!(std::io::stdout(), "http://{}/mcp\n{token}", served.address())?;
    Ok((hop, served))
}
