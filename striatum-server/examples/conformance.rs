//! A listener for tools that test MCP servers and can send no token: one session is open, and a hop in front of it adds its token.
//!
//! Prints the address of the hop, that of the listener, and the token, each on a line, and serves until its standard input closes.
//! `striatum-server/conformance/run` drives it.

use std::{io::Write as _, sync::Arc, time::Duration};

use axum::{extract::Request, http::header, middleware};
use bytes::Bytes;
use secrecy::ExposeSecret as _;
use striatum_core::{
    digest::Digest,
    id::{Fence, JobId, RunId, SessionId},
    time::Timestamp,
};
use striatum_server::{
    Refusal, Serving,
    agents::{Act, Agents, AgentsOptions, Mode, Receipt, Task, Workbench},
    authority::{Authority, SigningKey},
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

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let clock = Arc::new(|| Timestamp::from_micros(0));
    let authority = Arc::new(Authority::new(SigningKey::generate()?, clock));
    let door = TcpListener::bind("127.0.0.1:0").await?;
    let mut options = AgentsOptions::default();
    // By default no page may call. The suite asks as a page of this very address would.
    options.boundary.origins.push(format!("http://{}", door.local_addr()?));
    let agents = Agents::listen(authority, options).await?;
    let fence = Fence {
        run: RunId::from_bytes([1; 16]),
        job: JobId::new("greet")?,
        epoch: 1,
        session: SessionId::from_bytes([2; 16]),
    };
    let session = agents.open(fence, Arc::new(Anything), Duration::from_secs(3600))?;

    let token = session.endpoint().bearer.expose_secret().to_owned();
    let bearer: header::HeaderValue = format!("Bearer {token}").parse()?;
    let hop = agents.router().layer(middleware::map_request(move |mut request: Request| {
        request.headers_mut().insert(header::AUTHORIZATION, bearer.clone());
        std::future::ready(request)
    }));
    let hop = Serving::start(door, hop)?;
    writeln!(std::io::stdout(), "http://{}/mcp\n{}\n{token}", hop.address(), agents.url())?;

    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    Ok(())
}
