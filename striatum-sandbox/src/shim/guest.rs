//! Inside a machine: its first process, which does there for the host program what the host program does outside.
//!
//! Each process gets walls of its own here too, by the same program and the same order as outside.

use std::{collections::BTreeMap, io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use striatum_core::sandbox::{Exit, Limits, SandboxError};
use tokio::task::AbortHandle;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::{ChildStderr, ChildStdin, ChildStdout},
    sync::mpsc,
};

use crate::{
    blocking::aside,
    child::Leader,
    failure::failed,
    folder::Folder,
    microvm::wire::{Ask, HOST, MOST_ASKED, Refused, Start, Tell, receive, send},
    namespaces::{
        cgroup::Cgroups,
        root::{AGENT, SHIM},
        start::{Begun, FIRST_PORT, Footing, Launch},
    },
    remains::Remains,
};

mod furnish;

/// Where the records of the machine's processes are: nobody reads them but the machine.
const RECORDS: &str = "/tmp/session";

/// Serves the host until it is gone. Returns only what went wrong.
pub(super) fn serve() -> io::Error {
    let serve = || -> io::Result<()> {
        furnish::furnish()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(converse())
    };
    // Its end is the end of the machine.
    serve().err().unwrap_or_else(|| io::Error::other("the host is gone"))
}

async fn converse() -> io::Result<()> {
    let host = SocketAddr::from((HOST, FIRST_PORT));
    let (mut hear, mut say) = TcpStream::connect(host).await?.into_split();
    let (tell, mut told) = mpsc::unbounded_channel::<Tell>();
    tokio::spawn(async move {
        while let Some(message) = told.recv().await {
            if send(&mut say, &message).await.is_err() {
                return;
            }
        }
    });
    let mut guests = Guests { cgroups: Cgroups::find(), living: BTreeMap::new(), tell };
    while let Some(ask) = receive::<Ask>(&mut hear, MOST_ASKED).await? {
        match ask {
            Ask::Clock { seconds, nanoseconds } => furnish::set_clock(seconds, nanoseconds)?,
            Ask::Start(start) => {
                let process = start.process;
                let answer = match guests.start(*start, host).await {
                    Ok(landlock) => Tell::Started { process, landlock },
                    Err(error) => Tell::Refused { process, refusal: refusal(&error) },
                };
                let _gone = guests.tell.send(answer);
            }
            Ask::Kill { process } => guests.kill(process),
            Ask::Forget { process } => drop(guests.living.remove(&process)),
        }
    }
    Ok(())
}

/// Whoever works in this machine.
struct Guests {
    cgroups: Option<Cgroups>,
    living: BTreeMap<u32, Guest>,
    tell: mpsc::UnboundedSender<Tell>,
}

/// One of them. Dropping it ends it at once.
struct Guest {
    leader: Arc<Leader>,
    grace: Duration,
    relays: Vec<AbortHandle>,
}

impl Guests {
    async fn start(&mut self, start: Start, host: SocketAddr) -> Result<u32, SandboxError> {
        let Start { process, session, bubblewrap, walls, order, memory_bytes, grace_ms } = start;
        let (doing, ports) = (format!("start {:?}", order.program), order.ports.clone());
        let call = || failed(format!("{doing}: call the host"));
        let input = TcpStream::connect(host).await.map_err(call())?;
        let output = TcpStream::connect(host).await.map_err(call())?;
        let errors = TcpStream::connect(host).await.map_err(call())?;

        let mut limits = Limits::default();
        limits.memory_bytes = memory_bytes;
        limits.processes = u32::try_from(order.processes).unwrap_or(u32::MAX);
        let suffix = format!(".{process}");
        let cgroups = self.cgroups.clone();
        let launched = aside(move || {
            let group = cgroups.map(|groups| groups.make(&format!("striatum{suffix}"), &limits));
            let group = group.transpose().map_err(failed("bound what a process may use"))?;
            let folder = Folder::new(Path::new(RECORDS))?;
            let footing = Footing { shim: SHIM.into(), folder, suffix, mark: session, group };
            Launch { footing, bubblewrap, walls, user: Some(AGENT) }.launch(order)
        });
        let (leader, launched) = launched.await?;
        let leader = Arc::new(leader);
        let mut guest =
            Guest { leader: Arc::clone(&leader), grace: Duration::from_millis(grace_ms), relays: Vec::new() };
        let begun = aside(move || launched.begin(&doing)).await?;
        let landlock = begun.landlock;
        guest.relays = relay(begun, input, output, errors, &ports)
            .map_err(failed("pass on the streams of a process"))?;
        self.living.insert(process, guest);
        let tell = self.tell.clone();
        tokio::spawn(async move {
            let exit = leader.ended().await.unwrap_or(Exit::Signal(libc::SIGKILL));
            let _gone = tell.send(Tell::Ended { process, exit });
        });
        Ok(landlock)
    }

    fn kill(&self, process: u32) {
        let Some(Guest { leader, grace, .. }) = self.living.get(&process) else { return };
        let (leader, grace) = (Arc::clone(leader), *grace);
        tokio::task::spawn_blocking(move || Remains::pinned(None, vec![leader]).end(grace));
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.leader.kill_at_once();
        self.relays.iter().for_each(AbortHandle::abort);
    }
}

/// Connects the streams of a process with those of the host, and its listeners too, for as long as the listeners are not aborted.
fn relay(
    begun: Begun,
    input: TcpStream,
    output: TcpStream,
    errors: TcpStream,
    ports: &[u16],
) -> io::Result<Vec<AbortHandle>> {
    let Begun { stdin, stdout, stderr, listeners, .. } = begun;
    tokio::spawn(pass(input, ChildStdin::from_std(stdin)?));
    tokio::spawn(pass(ChildStdout::from_std(stdout)?, output));
    tokio::spawn(pass(ChildStderr::from_std(stderr)?, errors));
    let mut relays = Vec::new();
    for (listener, port) in listeners.into_iter().zip(ports) {
        let listener = TcpListener::from_std(listener)?;
        let relay = forward(listener, SocketAddr::from((HOST, *port)));
        relays.push(tokio::spawn(relay).abort_handle());
    }
    Ok(relays)
}

/// All that comes, and then the end of it.
async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    // Whoever does not listen any longer is told nothing more.
    let _over = tokio::io::copy(&mut from, &mut to).await;
    let _over = to.shutdown().await;
}

async fn forward(listener: TcpListener, host: SocketAddr) {
    while let Ok((mut inside, _)) = listener.accept().await {
        tokio::spawn(async move {
            if let Ok(mut outside) = TcpStream::connect(host).await {
                let _over = tokio::io::copy_bidirectional(&mut inside, &mut outside).await;
            }
        });
    }
}

fn refusal(error: &SandboxError) -> Refused {
    Refused {
        code: error.kind.code().to_owned(),
        doing: error.doing.clone(),
        remedy: error.remedy.clone(),
        cause: error.source.as_ref().map(ToString::to_string),
    }
}
