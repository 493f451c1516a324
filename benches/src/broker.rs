//! What a broker adds between an agent and its model.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustls::{
    ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned, pki_types::ServerName,
};
use striatum_sandbox::{
    broker::{Broker, Budget, Provider},
    credential::{Credential, CredentialSource},
    upstream::{Trust, Upstream},
};

use crate::{
    Outcome,
    measure::{Turns, effort_of_all},
    table::Table,
    tls,
};

/// What the host is called.
const NAME: &str = "localhost";

/// How large a request is: the context of a conversation that has begun.
const REQUEST: usize = 40 << 10;

/// How long an answer is whose throughput is taken.
const LONG: usize = 64 << 20;

pub(crate) async fn run(folder: &Path, quick: bool) -> Outcome {
    let folder = tempfile::tempdir_in(folder)?;
    let key = folder.path().join("key");
    fs::write(&key, "a-key")?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let host = listener.local_addr()?;
    // It ends with the process.
    let (config, pem) = tls::host(&[NAME.to_owned()])?;
    thread::spawn(move || serve(&listener, &config));
    let url = format!("https://{NAME}:{}", host.port());
    let broker = Broker::of(Provider::Anthropic, Credential::new(CredentialSource::File(key)))
        .upstream(Upstream::at(&url, Some(&Trust::in_pem(pem.as_bytes())?))?)
        .build()?;
    let mut session = broker.session(Budget::default())?;
    let door = TcpListener::bind("127.0.0.1:0")?;
    let address = door.local_addr()?;
    session.serve(door)?;
    let key = session.placeholder().reveal().to_owned();
    let (requests, streams) = if quick { (200, 3) } else { (2000, 9) };
    let clients = [Client::to_host(host, tls::client(&pem)?, &key)?, Client::to_broker(address, &key)?];
    let taken = tokio::task::spawn_blocking(move || take(clients, requests, streams)).await??;
    let Taken { firsts: [direct, brokered], throughput, effort } = taken;

    let mut table = Table::new("Broker of a model, loopback");
    let milliseconds = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
    table.base("first byte of a streamed answer, direct, p50", milliseconds(direct));
    table.plain("added by the broker, p50", milliseconds(brokered.saturating_sub(direct)), "< 2 ms");
    let [plain, through] = throughput.rates(LONG >> 20);
    let [_, ratio] = throughput.ratios();
    table.base("a streamed answer of 64 MiB, direct", format!("{plain:.0} MiB/s"));
    table.row("the same through the broker", format!("{through:.0} MiB/s"), ratio, "≥ 0.8");
    // What they work at once in three threads and in the system: it does not change much with what else runs.
    let [plain, through] = effort.rates(LONG >> 20).map(f64::recip);
    table.base("processors' time for a MiB of it, direct", format!("{:.2} ms", plain * 1e3));
    table.base("the same through the broker", format!("{:.2} ms", through * 1e3));
    table.print();
    Ok(())
}

/// What was taken, direct and through the broker.
struct Taken {
    /// The median times to a first byte.
    firsts: [Duration; 2],
    /// The times of whole streams.
    throughput: Turns<2>,
    /// The time that processors worked for these.
    effort: Turns<2>,
}

fn take(mut clients: [Client; 2], requests: usize, streams: usize) -> io::Result<Taken> {
    let mut firsts = [Vec::new(), Vec::new()];
    for nth in 0..requests + 20 {
        for (client, times) in clients.iter_mut().zip(&mut firsts) {
            let (first, _) = client.ask("claude-short")?;
            // The first ones open connections.
            if nth >= 20 {
                times.push(first);
            }
        }
    }
    let (mut throughput, mut effort) = (Turns::default(), Turns::default());
    for _ in 0..streams {
        let (mut times, mut efforts) = ([Duration::ZERO; 2], [Duration::ZERO; 2]);
        for (nth, client) in clients.iter_mut().enumerate() {
            let before = effort_of_all();
            times[nth] = client.ask("claude-long")?.1;
            efforts[nth] = effort_of_all().saturating_sub(before);
        }
        throughput.take(times);
        effort.take(efforts);
    }
    let firsts = firsts.map(|mut times| {
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or_default()
    });
    Ok(Taken { firsts, throughput, effort })
}

/// What is written and read in both directions, encrypted or not.
trait Line: Read + Write + Send {}

impl<T: Read + Write + Send> Line for T {}

struct Client {
    stream: BufReader<Box<dyn Line>>,
    key: String,
}

impl Client {
    /// As an agent without a broker speaks to its model: encrypted.
    fn to_host(address: SocketAddr, config: Arc<ClientConfig>, key: &str) -> Outcome<Self> {
        let connection = ClientConnection::new(config, ServerName::try_from(NAME)?)?;
        Ok(Self::over(StreamOwned::new(connection, connect(address)?), key))
    }

    /// As one behind walls does.
    fn to_broker(address: SocketAddr, key: &str) -> Outcome<Self> {
        Ok(Self::over(connect(address)?, key))
    }

    fn over(line: impl Line + 'static, key: &str) -> Self {
        Self { stream: BufReader::with_capacity(64 << 10, Box::new(line)), key: key.to_owned() }
    }

    /// The times until the first byte of the answer's body, and until its end.
    fn ask(&mut self, model: &str) -> io::Result<(Duration, Duration)> {
        let body = format!("{{\"model\":\"{model}\",\"messages\":\"{}\"}}", "x".repeat(REQUEST));
        let (key, length) = (&self.key, body.len());
        let head = format!(
            "POST /v1/messages HTTP/1.1\r\nhost: a\r\nx-api-key: {key}\r\ncontent-length: {length}\r\n\r\n"
        );
        let begun = Instant::now();
        let line = self.stream.get_mut();
        line.write_all(format!("{head}{body}").as_bytes())?;
        line.flush()?;
        read_head(&mut self.stream)?;
        let mut first = None;
        loop {
            let mut size = String::new();
            self.stream.read_line(&mut size)?;
            first = first.or_else(|| Some(begun.elapsed()));
            let size = u64::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
            io::copy(&mut (&mut self.stream).take(size + 2), &mut io::sink())?;
            if size == 0 {
                return Ok((first.unwrap_or_default(), begun.elapsed()));
            }
        }
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Reads a head, and tells how long its body is.
fn read_head(from: &mut impl io::BufRead) -> io::Result<usize> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            return Ok(length);
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
}

/// A host that answers at once, with one event or with many.
fn serve(listener: &TcpListener, config: &Arc<ServerConfig>) {
    while let Ok((stream, _)) = listener.accept() {
        let config = config.clone();
        thread::spawn(move || {
            stream.set_nodelay(true)?;
            let connection = ServerConnection::new(config).map_err(io::Error::other)?;
            converse(StreamOwned::new(connection, stream))
        });
    }
}

fn converse(line: StreamOwned<ServerConnection, TcpStream>) -> io::Result<()> {
    let mut line = BufReader::new(line);
    let event = format!("data: {{\"text\":\"{}\"}}\n\n", "x".repeat(1000));
    let part = event.repeat(16);
    let part = format!("{:x}\r\n{part}\r\n", part.len());
    loop {
        let mut body = vec![0; read_head(&mut line)?];
        line.read_exact(&mut body)?;
        let stream = line.get_mut();
        let is_long = body.starts_with(b"{\"model\":\"claude-long\"");
        stream.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
        )?;
        match is_long {
            true => (0..LONG / part.len()).try_for_each(|_| stream.write_all(part.as_bytes()))?,
            false => stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes())?,
        }
        stream.write_all(b"0\r\n\r\n")?;
        stream.flush()?;
    }
}
