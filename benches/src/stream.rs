//! Fifty readers of `GET /v1/events` while a thousand events a second are appended: what they miss, and how late they learn.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use futures_util::future::try_join_all;
use striatum_core::{
    chain::Position,
    id::{ChainId, RunId},
    run::{Actor, Supersede},
};
use striatum_server::{
    Boundary,
    authority::{Authority, Capabilities, Capability, OperatorScope, Scope, SigningKey},
    operators::{Branch, Document, Operators, Prepared, Problem, Repository},
};
use striatum_sqlite::SqliteStore;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    Outcome,
    table::{Table, per_second, thousands},
    workload::{Shell, now},
};

const READERS: usize = 50;
/// Events a second: a few more than are wanted, since a timer is never early.
const RATE: f64 = 1020.0;
/// How many runs are worked off at the same time.
const WRITERS: u64 = 4;
/// The jobs of a run, each behind the one before.
const LINE: usize = 500;
/// After how many events a reader drops its connection and comes back.
const AGAIN: u64 = 2000;
/// Only ever reached if a reader misses something.
const HANG: Duration = Duration::from_secs(60);

pub(crate) async fn run(folder: &Path, quick: bool) -> Outcome {
    let time = Duration::from_secs(if quick { 10 } else { 60 });
    let folder = tempfile::tempdir_in(folder)?;
    let store = Arc::new(SqliteStore::open(folder.path().join("striatum.db")).await?);
    let mut shell = Shell::new(store.clone(), 0).await?.in_line(LINE)?;
    let chain = shell.chain().clone();
    let authority = Arc::new(Authority::new(SigningKey::generate()?, Arc::new(now)));
    let scope = OperatorScope {
        actor: Actor::Human("ada".to_owned()),
        repository: Some(chain.clone()),
        capabilities: Capabilities::of([Capability::Read]),
    };
    let issued = authority.issue(Scope::Operator(scope), Duration::from_secs(3600))?;
    let token = secrecy::ExposeSecret::expose_secret(&issued.secret).to_owned();
    let repository: Arc<dyn Repository> = Arc::new(Nowhere);
    let repositories = [(chain.clone(), repository)];
    let operators =
        Operators::open(shell.engine.clone(), authority, repositories, Boundary::default()).await?;
    let served = operators.serve(TcpListener::bind("127.0.0.1:0").await?)?;

    // To ask the store how far it has come would wait behind its readers.
    let each = events_of_a_step(&mut shell, &chain).await?;
    let first = shell.engine.store().head(&chain).await?;
    let until = Arc::new(AtomicU64::new(u64::MAX));
    let (address, end) = (served.address().to_string(), until.clone());
    // They take no time of the thread that serves them.
    let readers = thread::spawn(move || follow(&address, &token, first, &end, time + HANG));
    sleep(Duration::from_secs(1)).await;

    let mut writers = (1..=WRITERS).map(|number| shell.beside(number)).collect::<Outcome<Vec<_>>>()?;
    let begun = Instant::now();
    let pace = each * WRITERS as f64 / RATE;
    try_join_all(writers.iter_mut().map(|shell| write(shell, begun, pace, time))).await?;
    let took = begun.elapsed();
    let written = shell.engine.store().head(&chain).await?.seq;
    let rate = (written - first.seq) as f64 / took.as_secs_f64();
    until.store(written, Ordering::Relaxed);
    // Whoever has read all and waits is woken by one more.
    shell.prepare().await?;
    while !readers.is_finished() {
        sleep(Duration::from_millis(10)).await;
    }
    let read = readers.join().map_err(|_| "the readers panicked")??;

    let mut table = Table::new("Fifty readers of the events, SQLite");
    table.plain("events appended", per_second(rate), "≥ 1,000/s");
    let most = read.iter().map(|read| read.missed).max().unwrap_or(0);
    table.plain("the most that a reader missed, or saw twice", thousands(most as f64), "≤ 0");
    let dropped: u64 = read.iter().map(|read| read.dropped).sum();
    table.base("connections that were dropped and taken up again", thousands(dropped as f64));
    let mut delays: Vec<Duration> = read.into_iter().flat_map(|read| read.delays).collect();
    delays.sort_unstable();
    let delay = |of: usize| {
        let delay = delays.get(delays.len() * of / 100).copied().unwrap_or_default();
        format!("{:.2} ms", delay.as_secs_f64() * 1e3)
    };
    table.base("from sealing an event to its reader, p50", delay(50));
    table.base("the same, p99", delay(99));
    table.print();
    match most {
        0 => Ok(()),
        _ => Err("a reader missed something".into()),
    }
}

/// Appends a step whenever its time has come.
async fn write(shell: &mut Shell, begun: Instant, pace: f64, time: Duration) -> Outcome {
    let mut steps = 0_u32;
    loop {
        let run = shell.prepare().await?;
        shell.start(run).await?;
        for number in 0..LINE {
            if begun.elapsed() > time {
                return Ok(());
            }
            shell.step(run, number).await?;
            steps += 1;
            sleep_until(begun + Duration::from_secs_f64(f64::from(steps) * pace)).await;
        }
    }
}

/// How many events a step appends, on the average of a whole line.
async fn events_of_a_step(shell: &mut Shell, chain: &ChainId) -> Outcome<f64> {
    let run = shell.prepare().await?;
    shell.start(run).await?;
    let before = shell.engine.store().head(chain).await?.seq;
    for number in 0..LINE {
        shell.step(run, number).await?;
    }
    Ok((shell.engine.store().head(chain).await?.seq - before) as f64 / LINE as f64)
}

/// What a reader has read.
#[derive(Debug, Default)]
struct Read {
    delays: Vec<Duration>,
    missed: u64,
    dropped: u64,
}

/// The readers, in a runtime of their own, until each has read that far.
fn follow(
    address: &str,
    token: &str,
    first: Position,
    until: &Arc<AtomicU64>,
    within: Duration,
) -> Result<Vec<Read>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        let mut readers = tokio::task::JoinSet::new();
        for number in 0..READERS {
            let mut reader = Reader {
                address: address.to_owned(),
                token: token.to_owned(),
                seq: first.seq,
                id: first.to_string(),
                read: Read::default(),
            };
            let until = until.clone();
            readers.spawn(async move {
                // They do not come back all at once.
                let leave_at = first.seq + AGAIN * (number as u64 + 1) / READERS as u64;
                let done = timeout(within, reader.read_until(&until, leave_at)).await;
                let done = done.map_err(|_| format!("reader {number} got as far as {}", reader.seq));
                done?.map_err(|error| error.to_string()).map(|()| reader.read)
            });
        }
        readers.join_all().await.into_iter().collect()
    })
}

struct Reader {
    address: String,
    token: String,
    /// The event that was read last, and its cursor.
    seq: u64,
    id: String,
    read: Read,
}

impl Reader {
    async fn read_until(&mut self, until: &AtomicU64, mut leave_at: u64) -> Outcome {
        while self.seq < until.load(Ordering::Relaxed) {
            self.connect_and_read(until, leave_at).await?;
            leave_at = self.seq + AGAIN;
            self.read.dropped += 1;
        }
        Ok(())
    }

    /// Goes on where it was, as far as that.
    async fn connect_and_read(&mut self, until: &AtomicU64, leave_at: u64) -> Outcome {
        let Self { address, token, id, .. } = self;
        let mut stream = TcpStream::connect(&*address).await?;
        // In this version of the protocol a body ends with its connection, and is not cut into chunks.
        let head = format!(
            "GET /v1/events HTTP/1.0\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nlast-event-id: {id}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        let mut lines = BufReader::with_capacity(64 << 10, stream).lines();
        loop {
            let line = lines.next_line().await?.ok_or("the stream ended")?;
            // Behind an event and its cursor.
            if line.is_empty() && self.seq >= leave_at.min(until.load(Ordering::Relaxed)) {
                return Ok(());
            }
            match line.split_once(": ") {
                Some(("data", data)) => self.take(data)?,
                Some(("id", id)) => id.clone_into(&mut self.id),
                Some(("event", _)) => return Err(line.into()),
                _ => {}
            }
        }
    }

    fn take(&mut self, data: &str) -> Outcome {
        let seq = number(data, "\"seq\":")?;
        self.read.missed += seq.abs_diff(self.seq + 1);
        self.seq = seq;
        let sealed = Duration::from_micros(number(data, "\"at_us\":")?);
        self.read.delays.push(SystemTime::UNIX_EPOCH.elapsed()?.saturating_sub(sealed));
        Ok(())
    }
}

fn number(data: &str, key: &str) -> Outcome<u64> {
    let (_, rest) = data.split_once(key).ok_or("an event without its place")?;
    Ok(rest.split([',', '}']).next().unwrap_or_default().parse()?)
}

/// A repository that nobody prepares anything in.
#[derive(Debug)]
struct Nowhere;

#[async_trait]
impl Repository for Nowhere {
    async fn prepare(&self, _: Document, _: &Actor) -> Result<Prepared, Problem> {
        Err(absent())
    }

    async fn branch(&self, _: RunId, _: Option<&str>) -> Result<Branch, Problem> {
        Err(absent())
    }

    async fn amend(&self, _: RunId, _: &Actor, _: Supersede) -> Result<Supersede, Problem> {
        Err(absent())
    }
}

fn absent() -> Problem {
    let refusal = striatum_server::Refusal::new("absent", "there is no repository", "ask for events");
    Problem::of(409, refusal)
}
