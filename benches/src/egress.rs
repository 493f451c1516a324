//! What a new TLS session costs through the proxy for agents, against one without it: connecting, the handshake, a request and its
//! answer. The host is in this process too, and new to the proxy each time in the first figure.

use std::{
    fmt::Write as _,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use rustls::{ClientConfig, pki_types::ServerName};
use striatum_sandbox::{
    egress::{Egress, EgressRules, EgressServing, Resolve},
    upstream::Trust,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::{Outcome, table::Table, tls};

/// What is aimed at.
const WANTED: Duration = Duration::from_millis(10);

pub(crate) async fn run(folder: &Path, quick: bool) -> Outcome {
    let rounds = if quick { 20 } else { 300 };
    let names: Vec<String> = (0..rounds).map(|number| format!("host-{number}.test")).collect();
    let (config, pem) = tls::host(&names)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let host = listener.local_addr()?;
    tokio::spawn(serve(listener, TlsAcceptor::from(config)));

    let inside = Proxy::open(&names, host.port(), true, &pem, folder).await?;
    let through = Proxy::open(&names, host.port(), false, &pem, folder).await?;
    let direct = tls::client(&pem)?;
    let mut times: [Vec<Duration>; 4] = Default::default();
    for name in &names {
        let turns = [
            (host, &direct),
            (inside.address, &inside.client),
            (inside.address, &inside.client),
            (through.address, &direct),
        ];
        for (times, (to, client)) in times.iter_mut().zip(turns) {
            let proxied = (to != host).then_some(host.port());
            let begun = Instant::now();
            session(to, proxied, name, client.clone()).await?;
            times.push(begun.elapsed());
        }
    }
    for times in &mut times {
        times.sort_unstable();
    }
    report(&times);
    Ok(())
}

fn report(times: &[Vec<Duration>; 4]) {
    let at =
        |times: &[Duration], share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    let shown = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
    let mut table = Table::new("A new TLS session through the proxy, with a request");
    let wanted = format!("≤ {} ms", WANTED.as_millis());
    let [direct, new, known, through] = times;
    table.base("without it, median", shown(at(direct, 50)));
    for (what, times) in [
        ("to a host that it is asked for first", new),
        ("to a host that it knows", known),
        ("through end to end", through),
    ] {
        table.plain(&format!("{what}, median"), shown(at(times, 50)), &wanted);
        table.plain(&format!("{what}, 99 of 100"), shown(at(times, 99)), "");
    }
    table.print();
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            stream.set_nodelay(true)?;
            let mut stream = acceptor.accept(stream).await?;
            head(&mut stream).await?;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await?;
            stream.shutdown().await
        });
    }
}

/// Reads a head to its end.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let (mut head, mut part) = (Vec::new(), [0; 1024]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut part).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => head.extend_from_slice(&part[..count]),
        }
    }
    Ok(head)
}

/// Connects, by a proxy if a port of the host is named, and asks for something.
async fn session(to: SocketAddr, proxied: Option<u16>, name: &str, client: Arc<ClientConfig>) -> Outcome {
    let mut stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    if let Some(port) = proxied {
        let asked = format!("CONNECT {name}:{port} HTTP/1.1\r\nHost: {name}:{port}\r\n\r\n");
        stream.write_all(asked.as_bytes()).await?;
        expect_success(&head(&mut stream).await?)?;
    }
    let mut stream =
        TlsConnector::from(client).connect(ServerName::try_from(name.to_owned())?, stream).await?;
    ask(&mut stream, &format!("{name}:{}", proxied.unwrap_or(to.port()))).await
}

async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), host: &str) -> Outcome {
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await?;
    stream.flush().await?;
    expect_success(&head(stream).await?)
}

fn expect_success(head: &[u8]) -> Outcome {
    match head.starts_with(b"HTTP/1.1 200 ") {
        true => Ok(()),
        false => Err(format!("refused: {}", String::from_utf8_lossy(head)).into()),
    }
}

struct Proxy {
    address: SocketAddr,
    /// Believes its authority.
    client: Arc<ClientConfig>,
    _serving: EgressServing,
}

impl Proxy {
    async fn open(names: &[String], port: u16, inspect: bool, pem: &str, folder: &Path) -> Outcome<Self> {
        let mut rules = String::new();
        for name in names {
            let comma = if rules.is_empty() { "" } else { "," };
            let rule =
                format!(r#"{{"to": "{name}:{port}", "inspect": {inspect}, "addresses": ["127.0.0.1"]}}"#);
            write!(rules, "{comma}{rule}")?;
        }
        let rules = EgressRules::parse(&format!(r#"{{"allow": [{rules}]}}"#))?;
        let trust = Trust::in_pem(pem.as_bytes())?;
        let egress = Egress::builder(rules).trust(trust).resolver(Arc::new(Here)).open().await?;
        let file = folder.join(format!("striatum-egress-{}.pem", std::process::id()));
        egress.write_trust(&file)?;
        let believed = std::fs::read_to_string(&file)?;
        std::fs::remove_file(&file)?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        Ok(Self { address, client: tls::client(&believed)?, _serving: egress.serve(listener)? })
    }
}

/// Every name is this machine.
#[derive(Debug)]
struct Here;

#[async_trait]
impl Resolve for Here {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }
}
