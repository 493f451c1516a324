//! Commands that are functions.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use striatum_acp::Spawner;
use striatum_core::sandbox::{Exec, Exit, Process, SandboxError, SandboxErrorKind};
use striatum_testkit::transport::child;
use tokio::{
    io::{AsyncWriteExt, DuplexStream, duplex},
    sync::oneshot,
};
use tokio_util::compat::{TokioAsyncReadCompatExt, TokioAsyncWriteCompatExt};

use crate::agent::soon;

/// What a command is given.
pub(super) struct Started {
    argv: Vec<String>,
    out: DuplexStream,
    err: DuplexStream,
}

pub(super) type Play = fn(Started) -> std::pin::Pin<Box<dyn Future<Output = Exit> + Send>>;

/// Runs functions, and notes what was to be run and what is gone.
#[derive(Debug, Clone)]
pub(super) struct Commands {
    play: Play,
    seen: Arc<Mutex<Vec<Exec>>>,
    gone: Arc<Mutex<Vec<oneshot::Receiver<()>>>>,
}

impl Commands {
    pub(super) fn new(play: Play) -> Self {
        Self { play, seen: Arc::default(), gone: Arc::default() }
    }

    pub(super) fn seen(&self) -> Vec<Exec> {
        self.seen.lock().expect("nobody panicked").clone()
    }

    /// Waits until everything that was started has gone.
    pub(super) async fn all_gone(&self) -> usize {
        let gone = std::mem::take(&mut *self.gone.lock().expect("nobody panicked"));
        let count = gone.len();
        for one in gone {
            soon(one).await.expect_err("it only ever goes");
        }
        count
    }
}

#[async_trait]
impl Spawner for Commands {
    async fn spawn(&self, exec: &Exec) -> Result<Process, SandboxError> {
        self.seen.lock().expect("nobody panicked").push(exec.clone());
        let argv: Vec<String> = exec.argv.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        if argv[0] == "missing" {
            return Err(SandboxError::new(SandboxErrorKind::NotFound, "start \"missing\""));
        }
        let (stdin, _) = duplex(64);
        let (out, stdout) = duplex(4096);
        let (err, stderr) = duplex(4096);
        let (last, gone) = oneshot::channel();
        self.gone.lock().expect("nobody panicked").push(gone);
        let playing = (self.play)(Started { argv, out, err });
        let task = tokio::spawn(async move {
            let _last = last;
            playing.await
        });
        Ok(Process {
            stdin: Some(Box::pin(stdin.compat_write())),
            stdout: Some(Box::pin(stdout.compat())),
            stderr: Some(Box::pin(stderr.compat())),
            child: child(task),
            listeners: Vec::new(),
        })
    }
}

/// A command that does what its last word says.
pub(super) fn obey(started: Started) -> std::pin::Pin<Box<dyn Future<Output = Exit> + Send>> {
    Box::pin(async move {
        let Started { argv, mut out, mut err } = started;
        match argv.last().map(String::as_str) {
            Some("hello") => {
                drop(out.write_all("hello, wörld\n".as_bytes()).await);
                drop(err.write_all(b"careful\n").await);
                Exit::Code(3)
            }
            Some("flood") => {
                for _ in 0..4096 {
                    drop(out.write_all("€".repeat(1024).as_bytes()).await);
                }
                Exit::Code(0)
            }
            Some("crash") => Exit::Signal(11),
            Some("half") => {
                drop(out.write_all(b"begun").await);
                std::future::pending().await
            }
            _ => std::future::pending().await,
        }
    })
}
