//! Folders for one session, and what to ask of the processes in it.
#![expect(clippy::expect_used, reason = "a case fails by panicking")]

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::{AsyncReadExt as _, AsyncWriteExt as _};
use striatum_core::{
    id::{Fence, JobId, RunId, SessionId},
    sandbox::{
        Exec, Exit, Listen, Output, Process, Reaped, Sandbox, SandboxError, SandboxSession, SandboxSpec,
    },
};
use tempfile::TempDir;
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
};

use super::SandboxFactory;

/// Only ever reached by a case that hangs.
const HANG: Duration = Duration::from_secs(60);

/// Enough that no case waits for it.
pub(super) const LONG: Duration = Duration::from_secs(600);

/// A sandbox, and folders for one session in it.
pub(super) struct Place {
    root: TempDir,
    sandbox: Arc<dyn Sandbox>,
    pub(super) spec: SandboxSpec,
}

impl Place {
    /// `None` where this host has no such sandbox.
    pub(super) async fn new(factory: &dyn SandboxFactory) -> Option<Self> {
        let sandbox = factory.sandbox().await?;
        let root = TempDir::new().expect("a folder");
        // Quoting is the sandbox's business.
        let (tree, folder) = (root.path().join("the tree"), root.path().join("it's a \"folder\" $HOME"));
        for path in [&tree, &folder] {
            std::fs::create_dir(path).expect("a folder");
        }
        let fence = Fence {
            run: RunId::from_bytes([1; 16]),
            job: JobId::new("draft").expect("a name"),
            epoch: 1,
            session: unused_session(),
        };
        let spec = SandboxSpec::new(fence, tree, folder);
        Some(Self { root, sandbox, spec })
    }

    /// A path beside the tree.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(super) fn in_tree(&self, name: &str) -> PathBuf {
        self.spec.tree.join(name)
    }

    pub(super) fn sandbox(&self) -> &dyn Sandbox {
        self.sandbox.as_ref()
    }

    pub(super) async fn open(&self) -> Box<dyn SandboxSession> {
        soon(self.sandbox.open(&self.spec)).await.expect("a session")
    }

    pub(super) async fn refused(&self) -> SandboxError {
        soon(self.sandbox.open(&self.spec)).await.expect_err("it must be refused")
    }

    pub(super) async fn reap(&self) -> Reaped {
        soon(self.sandbox.reap(&self.spec.folder)).await.expect("it can be reaped")
    }

    /// What a script says, run in a session of its own.
    pub(super) async fn says(&self, script: &str) -> String {
        let mut session = self.open().await;
        let mut process = spawn(session.as_mut(), &shell(script)).await;
        let said = said(&mut process).await;
        soon(session.close()).await.expect("nothing is left");
        said
    }
}

/// Holds a connection to the host as descriptor 9, by bash.
pub(super) const HOLD: &str = "IFS=: read -r host port <<<\"$HELD\"; exec 9<>/dev/tcp/$host/$port";

/// A script of bash that may [`HOLD`] a connection: whoever has it open is alive.
pub(super) fn holder(script: &str) -> Exec {
    Exec::new(["bash", "-c", script]).listening(Listen::new("held").announced("HELD", "{}"))
}

/// The host's end of a connection that processes hold open.
pub(super) struct Held(TcpStream);

impl Held {
    /// Waits until a process holds a connection.
    pub(super) async fn by(process: &mut Process) -> Self {
        let listener = process.take_listener("held").expect("it was asked for");
        let listener = TcpListener::from_std(listener).expect("it does not block");
        Self(soon(listener.accept()).await.expect("the process connects").0)
    }

    /// Returns once nobody holds it any longer.
    pub(super) async fn let_go(mut self) {
        // An end is an end, with a goodbye or without one.
        let _ended = soon(self.0.read(&mut [0])).await;
    }
}

/// No two sessions may share an id: it finds their processes, of whichever program.
fn unused_session() -> SessionId {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (mut bytes, number) = ([0; 16], NEXT.fetch_add(1, Ordering::Relaxed));
    bytes[..4].copy_from_slice(&std::process::id().to_le_bytes());
    bytes[4..8].copy_from_slice(&number.to_le_bytes());
    // The suite may run for two sandboxes at once, in programs whose numbers were given out again.
    let unique = TempDir::new().expect("a folder");
    let name = unique.path().as_os_str().as_encoded_bytes().iter().rev();
    bytes[8..].iter_mut().zip(name).for_each(|(to, from)| *to = *from);
    SessionId::from_bytes(bytes)
}

pub(super) fn shell(script: &str) -> Exec {
    Exec::new(["/bin/sh", "-c", script])
}

pub(super) async fn spawn(session: &mut dyn SandboxSession, exec: &Exec) -> Process {
    soon(session.spawn(exec)).await.expect("it starts")
}

/// All that a process writes to its output.
pub(super) async fn said(process: &mut Process) -> String {
    rest(process.stdout.take().expect("an output")).await
}

pub(super) async fn rest(mut output: Output) -> String {
    let mut bytes = Vec::new();
    soon(output.read_to_end(&mut bytes)).await.expect("an output");
    String::from_utf8(bytes).expect("text")
}

/// The next line, without reading beyond it.
pub(super) async fn line(output: &mut Output) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while soon(output.read(&mut byte)).await.expect("an output") == 1 && byte != *b"\n" {
        line.push(byte[0]);
    }
    String::from_utf8(line).expect("text")
}

pub(super) async fn say(process: &mut Process, text: &str) {
    let input = process.stdin.as_mut().expect("an input");
    soon(input.write_all(text.as_bytes())).await.expect("it listens");
    soon(input.flush()).await.expect("it listens");
}

pub(super) async fn exit(process: &mut Process) -> Exit {
    soon(process.child.wait()).await.expect("an end")
}

tokio::task_local! {
    /// How long a case waits, where it is not as long as usual.
    pub(super) static PATIENCE: Duration;
}

/// What a future answers, unless it hangs.
pub(super) async fn soon<F: Future>(future: F) -> F::Output {
    let patience = PATIENCE.try_with(|patience| *patience).unwrap_or(HANG);
    tokio::time::timeout(patience, future).await.expect("this hangs")
}

/// A program that anybody may run.
pub(super) fn make_program(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).expect("a file");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("its mode");
}
