//! Measuring the walls by trying them from behind.

use std::{
    fs::{self, DirBuilder, File},
    io,
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::{
        fs::{DirBuilderExt, MetadataExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_io::AsyncRead;
use striatum_core::{
    id::{Fence, JobId, RunId, SessionId},
    sandbox::{
        Exec, Exit, Isolation, Level, Process, Reaped, SandboxError, SandboxErrorKind, SandboxSession,
        SandboxSpec,
    },
};
use tokio_util::compat::FuturesAsyncReadCompatExt;

use super::{Parts, cgroup::Cgroups, root::SHIM, session::Session};
use crate::{
    blocking::aside,
    failure::failed,
    measured::{Bounds, Measured},
    shim::{
        CALL,
        probe::{Bait, Reached},
    },
};

/// What a probe may say.
const ANSWER_BYTES: u64 = 64 << 10;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(150);

/// A sandbox that is to be measured.
pub(crate) trait Subject: Sync {
    type Session: SandboxSession;

    fn open(&self, spec: &SandboxSpec) -> impl Future<Output = Result<Self::Session, SandboxError>> + Send;

    fn reap(&self, folder: &Path) -> impl Future<Output = Result<Reaped, SandboxError>> + Send;

    /// The version of Landlock's interface that the last process is held by.
    fn landlock(session: &Self::Session) -> u32;

    /// Whether it has the means to bound all that a process starts together.
    fn bounds(&self) -> bool;

    /// The host's control groups, as far as they are ours.
    fn groups(&self) -> Option<Cgroups>;
}

impl Subject for Arc<Parts> {
    type Session = Session;

    async fn open(&self, spec: &SandboxSpec) -> Result<Session, SandboxError> {
        super::open(self, spec).await
    }

    async fn reap(&self, folder: &Path) -> Result<Reaped, SandboxError> {
        super::reap(self, folder).await
    }

    fn landlock(session: &Session) -> u32 {
        session.landlock()
    }

    fn bounds(&self) -> bool {
        self.cgroups.is_some()
    }

    fn groups(&self) -> Option<Cgroups> {
        self.cgroups.clone()
    }
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Found {
    isolation: Isolation,
    landlock: u32,
    bounds: Bounds,
    breaches: Vec<String>,
}

impl Found {
    pub(crate) fn measured(self, kind: &'static str, made_with: String) -> Measured {
        let Self { isolation, landlock, bounds, breaches } = self;
        Measured { isolation, kind, made_with, landlock, bounds, breaches }
    }
}

/// Runs processes behind the walls that try what they can reach, and what they can use up.
pub(crate) async fn measure<S: Subject>(subject: &S) -> Result<Found, SandboxError> {
    sweep(subject, &std::env::temp_dir(), ABANDONED).await;
    let place = Place::new().map_err(failed("make a folder for the probe"))?;
    let lures = Lures::lay(&place).map_err(failed("lay out what a probe may not reach"))?;
    let mut spec = spec(&place)?;
    if subject.bounds() {
        spec.limits.memory_bytes = 48 << 20;
        spec.limits.processes = 16;
    }
    let mut session = subject.open(&spec).await?;
    let tried = async {
        let reached = attempt(&mut session, &lures.bait).await?;
        let is_bounded = subject.bounds();
        let bounds = if is_bounded { bounds(subject, &mut session).await? } else { Bounds::default() };
        Ok((reached, bounds))
    };
    let tried = tokio::time::timeout(PATIENCE, tried).await;
    let landlock = S::landlock(&session);
    Box::new(session).close().await?;
    let late = |_| unmeasured().because(format!("it took more than {} s", PATIENCE.as_secs()));
    let (reached, bounds) = tried.map_err(late)??;
    let held = |breaches: &[String]| if breaches.is_empty() { Level::Enforced } else { Level::Advisory };
    let isolation = Isolation {
        file_system: held(&reached.file_system),
        network: held(&reached.network),
        processes: held(&reached.processes),
        system_calls: held(&reached.system_calls),
        resources: if bounds.memory && bounds.processes { Level::Enforced } else { Level::Advisory },
        credentials: held(&reached.credentials).min(held(&reached.file_system)),
    };
    let Reached { file_system, network, processes, system_calls, credentials } = reached;
    let breaches = [file_system, network, processes, system_calls, credentials].concat();
    for breach in &breaches {
        tracing::warn!(breach, "a process behind the walls could do what it should not");
    }
    Ok(Found { isolation, landlock, bounds, breaches })
}

/// What is bounded for all that a process starts together: limits of single processes bound nothing of it.
async fn bounds<S: Subject>(subject: &S, session: &mut S::Session) -> Result<Bounds, SandboxError> {
    let mut bounds = Bounds { memory: true, processes: true, ..Bounds::default() };
    for (script, beyond, held) in [
        ("head -c 160000000 /dev/zero | tail -c 160000000 | wc -c", "160000000", &mut bounds.memory),
        (
            "for i in 1 2 3 4 5 6 7 8; do for j in 1 2 3 4; do sleep 1000 & done; done; echo all",
            "all",
            &mut bounds.processes,
        ),
    ] {
        let mut process = session.spawn(&Exec::new(["/bin/sh", "-c", script])).await?;
        let said = read(process.stdout.take()).await.map_err(failed("read what the probe found"))?;
        *held = String::from_utf8_lossy(&said).trim() != beyond;
    }
    if let Some(groups) = subject.groups() {
        bounds.processors = aside(move || Ok(groups.bounds_processors())).await?;
    }
    Ok(bounds)
}

fn unmeasured() -> SandboxError {
    SandboxError::new(SandboxErrorKind::Unavailable, "measure what the walls hold on this host")
}

async fn attempt(session: &mut impl SandboxSession, bait: &Bait) -> Result<Reached, SandboxError> {
    let question = serde_json::to_string(bait).map_err(|error| unmeasured().because(error))?;
    let exec = Exec::new([SHIM, CALL, "probe", &question]);
    let mut process = session.spawn(&exec).await?;
    let Process { stdin, stdout, stderr, child, .. } = &mut process;
    drop(stdin.take());
    let (answer, complaint) = futures_util::join!(read(stdout.take()), read(stderr.take()));
    let exit = child.wait().await?;
    let answer = answer.map_err(failed("read what the probe found"))?;
    match serde_json::from_slice(&answer) {
        Ok(reached) if exit == Exit::Code(0) => Ok(reached),
        _ => {
            let complaint = String::from_utf8_lossy(&complaint.unwrap_or_default()).trim().to_owned();
            Err(unmeasured().because(format!("the probe ended with {exit}: {complaint}")))
        }
    }
}

async fn read(stream: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    use tokio::io::AsyncReadExt;
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.compat().take(ANSWER_BYTES).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

fn spec(place: &Place) -> Result<SandboxSpec, SandboxError> {
    let mut session = [0; 16];
    // Only has to differ from those of other probes that run at the same time.
    session
        .iter_mut()
        .zip(place.0.as_os_str().as_encoded_bytes().iter().rev())
        .for_each(|(to, from)| *to = *from);
    let job = JobId::new("probe").map_err(|error| unmeasured().because(error))?;
    let fence =
        Fence { run: RunId::from_bytes([0; 16]), job, epoch: 1, session: SessionId::from_bytes(session) };
    Ok(SandboxSpec::new(fence, place.0.join("tree"), place.0.join("session")))
}

/// What may not be reached, kept there while the probe runs.
struct Lures {
    bait: Bait,
    _socket: UnixListener,
    _listener: TcpListener,
}

impl Lures {
    /// Lays them out and makes sure that they can be reached from here: a lure that nobody can reach proves nothing.
    fn lay(place: &Place) -> io::Result<Self> {
        place.furnish()?;
        let lures = place.0.join("lures");
        let (file, path) = (lures.join("file"), lures.join("socket"));
        fs::write(&file, b"striatum")?;
        let socket = UnixListener::bind(&path)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        fs::read(&file)?;
        UnixStream::connect(&path)?;
        TcpStream::connect(address)?;
        let process = i32::try_from(std::process::id()).map_err(io::Error::other)?;
        Ok(Self { bait: Bait { file, socket: path, address, process }, _socket: socket, _listener: listener })
    }
}

/// A folder that goes with the value. It is locked while the value lives, so that what a killed program left can be told from it.
struct Place(PathBuf, #[expect(dead_code, reason = "held, not read")] File);

/// What the names of probes' folders begin with.
const PREFIX: &str = "striatum-probe-";

/// A folder that is younger may be about to be locked.
const ABANDONED: Duration = Duration::from_secs(60);

/// Ends and removes what probes of this user left whose programs were killed. That something cannot be removed is no reason not to
/// probe.
async fn sweep(subject: &impl Subject, within: &Path, age: Duration) {
    for entry in fs::read_dir(within).into_iter().flatten().flatten() {
        let path = entry.path();
        let ours = || -> io::Result<Option<File>> {
            let meta = fs::symlink_metadata(&path)?;
            let is_ours = meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw();
            if !is_ours || meta.modified()?.elapsed().is_ok_and(|elapsed| elapsed < age) {
                return Ok(None);
            }
            let folder = File::open(&path)?;
            Ok(folder.try_lock().is_ok().then_some(folder))
        };
        if !entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            continue;
        }
        let Ok(Some(_lock)) = ours() else { continue };
        let reaped = subject.reap(&path.join("session")).await;
        let removed = fs::remove_dir_all(&path);
        tracing::debug!(path = %path.display(), ?reaped, ?removed, "swept what a probe had left");
    }
}

impl Place {
    fn new() -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let within = fs::canonicalize(std::env::temp_dir())?;
        for _ in 0..1000 {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = within.join(format!("{PREFIX}{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                // Of a process that had this number before.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    let folder = File::open(&path)?;
                    folder.try_lock().map_err(io::Error::other)?;
                    return Ok(Self(path, folder));
                }
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl Place {
    fn furnish(&self) -> io::Result<()> {
        let make = |folder: &str| DirBuilder::new().mode(0o700).create(self.0.join(folder));
        ["tree", "session", "lures"].into_iter().try_for_each(make)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let path: &Path = &self.0;
        if let Err(error) = fs::remove_dir_all(path) {
            tracing::debug!(path = %path.display(), %error, "the folder of a probe is left");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        child::Leader,
        folder::Folder,
        namespaces::{
            guard::Guard,
            root::Root,
            start::{First, Footing, Launched},
        },
        shim::{Shim, order::Order},
    };

    #[derive(Debug)]
    struct Unmade;

    impl First for Unmade {
        fn launch(&self, _: Footing, _: &Root, _: Order) -> Result<(Leader, Launched), SandboxError> {
            Err(unmeasured())
        }

        fn sweep(&self, _folder: &Folder) {}
    }

    #[tokio::test]
    async fn what_a_killed_probe_left_is_removed_and_what_lives_stays() {
        let root = tempfile::TempDir::new().expect("a folder");
        let at = |name: &str| root.path().join(name);
        for name in ["striatum-probe-1-0", "striatum-probe-2-0", "else"] {
            fs::create_dir_all(at(name).join("session")).expect("a folder");
        }
        std::os::unix::fs::symlink(at("else"), at("striatum-probe-3-0")).expect("a link");
        let living = File::open(at("striatum-probe-2-0")).expect("a folder");
        living.try_lock().expect("nobody holds it");
        let parts = Arc::new(Parts {
            shim: Shim::at("/none"),
            first: Box::new(Unmade),
            path: "/bin".into(),
            mounts: Vec::new(),
            guard: Guard::of_this_host(&[]),
            cgroups: None,
        });
        sweep(&parts, root.path(), ABANDONED).await;
        assert!(at("striatum-probe-1-0").exists(), "it is too young");
        sweep(&parts, root.path(), Duration::ZERO).await;
        let left = ["striatum-probe-1-0", "striatum-probe-2-0", "striatum-probe-3-0", "else"]
            .map(|name| at(name).exists());
        assert_eq!(left, [false, true, true, true]);
    }
}
