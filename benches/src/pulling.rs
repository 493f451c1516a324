//! Two hundred agents that wait for work over HTTP: what they cost while there is none, and how soon one of them is woken.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use striatum_core::id::InstanceId;
use striatum_server::{
    agents::{Agents, AgentsOptions, Documents, Pull},
    authority::{Authority, ClaimScope, Scope, SigningKey},
};
use striatum_sqlite::SqliteStore;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
    time::{sleep, timeout},
};

use crate::{
    Outcome,
    pg::cpu,
    resident,
    table::Table,
    workload::{Shell, now},
};

const SESSIONS: usize = 200;
const SOON: Duration = Duration::from_secs(60);

pub(crate) async fn run(folder: &Path, quick: bool) -> Outcome {
    let folder = tempfile::tempdir_in(folder)?;
    let store = Arc::new(SqliteStore::open(folder.path().join("striatum.db")).await?);
    let mut shell = Shell::new(store.clone(), 0).await?;
    let authority = Arc::new(Authority::new(SigningKey::generate()?, Arc::new(now)));
    let workshop = Arc::new(Documents::new(shell.engine.clone()));
    let mut options = AgentsOptions::default();
    options.pull = Some(Pull::new(shell.engine.clone(), workshop, InstanceId::from_bytes([8; 16])));
    let agents = Agents::listen(authority.clone(), options).await?;
    let scope =
        ClaimScope { repository: shell.chain().clone(), role: "author".parse()?, lane: "author".parse()? };
    let issued = authority.issue(Scope::Claim(scope), Duration::from_secs(3600))?;
    let token = Arc::new(secrecy::ExposeSecret::expose_secret(&issued.secret).to_owned());
    let address = agents.url().trim_start_matches("http://").trim_end_matches("/mcp").to_owned();

    let before = resident::now()?;
    let (woken, mut wakes) = mpsc::unbounded_channel();
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..SESSIONS {
        let session = Session::open(address.clone(), token.clone()).await?;
        let woken = woken.clone();
        waiting.spawn(async move {
            let at = session.wait_for_work().await.map_err(|error| error.to_string());
            let _ = woken.send(at);
        });
    }
    // All of them wait by now.
    sleep(Duration::from_secs(2)).await;
    let each = resident::now()?.saturating_sub(before) / SESSIONS as u64;
    let mut table = Table::new("Two hundred agents that pull, SQLite");
    table.plain("memory of a session, both ends of it", format!("{:.2} MB", each as f64 / 1e6), "< 1 MB");

    let idle = Duration::from_secs(if quick { 20 } else { 60 });
    let (used, begun) = (cpu::own()?, Instant::now());
    sleep(idle).await;
    let share = (cpu::own()? - used).as_secs_f64() / begun.elapsed().as_secs_f64();
    table.plain("of a core while there is no work, all of them", format!("{:.2} %", share * 100.0), "< 2 %");

    let times = if quick { 50 } else { SESSIONS - 10 };
    let mut delays = Vec::with_capacity(times);
    for _ in 0..times {
        let run = shell.prepare().await?;
        // They are asleep again by the time something happens.
        sleep(Duration::from_millis(50)).await;
        shell.start(run).await?;
        let committed = Instant::now();
        let at = timeout(SOON, wakes.recv()).await?.ok_or("nobody waits")??;
        delays.push(at.saturating_duration_since(committed));
    }
    delays.sort_unstable();
    let milliseconds = |of: usize| format!("{:.2} ms", delays[times * of / 100].as_secs_f64() * 1e3);
    table.plain("from a job that is ready to the agent that has it, p50", milliseconds(50), "");
    table.plain("the same, p99", milliseconds(99), "< 50 ms");
    table.print();
    waiting.abort_all();
    Ok(())
}

/// An agent's end, in as few bytes as possible.
struct Session {
    address: String,
    token: Arc<String>,
    mcp: String,
    session: String,
}

impl Session {
    async fn open(address: String, token: Arc<String>) -> Outcome<Self> {
        let mut session = Self { address, token, mcp: String::new(), session: String::new() };
        let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#;
        let said = session.post(hello).await?;
        let id = said.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).ok_or("no session")?;
        session.mcp = format!("mcp-session-id: {}\r\n", id.trim());
        session.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await?;
        let said = session.call("register_session", "{}").await?;
        let (_, rest) = said.split_once(r#"\"session\":\""#).ok_or("no session was registered")?;
        session.session = rest.chars().take(32).collect();
        Ok(session)
    }

    /// Waits until there is work, and says when it came.
    async fn wait_for_work(&self) -> Outcome<Instant> {
        let arguments = format!(r#"{{"session":"{}"}}"#, self.session);
        loop {
            let said = self.call("await_work", &arguments).await?;
            let at = Instant::now();
            if said.contains(r#"\"job\":\"draft\""#) {
                return Ok(at);
            }
            if !said.contains(r#"\"job\":null"#) {
                return Err(said.into());
            }
        }
    }

    async fn call(&self, tool: &str, arguments: &str) -> Outcome<String> {
        let params = format!(r#"{{"name":"{tool}","arguments":{arguments}}}"#);
        self.post(&format!(r#"{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{params}}}"#)).await
    }

    async fn post(&self, body: &str) -> Outcome<String> {
        let Self { address, token, mcp, .. } = self;
        let mut stream = TcpStream::connect(address).await?;
        let head = format!(
            "POST /mcp HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n{mcp}content-type: application/json\r\n\
             accept: application/json, text/event-stream\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await?;
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    }
}
