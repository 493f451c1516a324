//! An agent in this process, with the streams that a process has.
#![expect(clippy::expect_used, reason = "a case fails by panicking")]

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use striatum_core::sandbox::{Child, Exit, Process, SandboxError};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    sync::watch,
    task::JoinHandle,
};
use tokio_util::compat::{TokioAsyncReadCompatExt as _, TokioAsyncWriteCompatExt as _};

use super::Playing;

/// How much a pipe holds, in bytes.
const PIPE: usize = 16 << 10;

/// The agent's ends of its streams.
#[derive(Debug)]
pub struct Puppet {
    stdin: DuplexStream,
    stdout: Option<DuplexStream>,
    stderr: Option<DuplexStream>,
    heard: Vec<u8>,
    written: Arc<AtomicU64>,
}

impl Puppet {
    /// The next line of its input; nothing once that has ended.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn line(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.heard.drain(..=end).collect();
                return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
            }
            if self.stdin.read_buf(&mut self.heard).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// All that there is of its input, to its end.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn rest(&mut self) -> io::Result<String> {
        self.stdin.read_to_end(&mut self.heard).await?;
        Ok(String::from_utf8_lossy(&std::mem::take(&mut self.heard)).into_owned())
    }

    /// Writes to its standard output.
    ///
    /// # Errors
    /// If nobody reads any more.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let out = self.stdout.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        for piece in bytes.chunks(PIPE) {
            out.write_all(piece).await?;
            self.written.fetch_add(piece.len() as u64, Ordering::Relaxed);
        }
        out.flush().await
    }

    /// Writes to its standard error.
    ///
    /// # Errors
    /// If nobody reads any more.
    pub async fn complain(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stderr.as_mut().ok_or(io::ErrorKind::BrokenPipe)?.write_all(bytes).await
    }

    /// Closes its outputs.
    pub fn close_outputs(&mut self) {
        self.stdout = None;
        self.stderr = None;
    }

    /// Lives until it is ended, and reads nothing.
    pub async fn linger(self) -> Exit {
        std::future::pending().await
    }
}

/// What can be seen of a puppet from outside.
#[derive(Debug)]
pub(super) struct Witness {
    gone: watch::Receiver<bool>,
    written: Arc<AtomicU64>,
}

impl Witness {
    /// Waits until its process is no more.
    pub(super) async fn gone(&mut self) {
        self.gone.wait_for(|gone| *gone).await.expect("it tells when it goes");
    }

    /// How many bytes it has written to its standard output.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }
}

/// Starts a puppet.
pub(super) fn start(play: impl FnOnce(Puppet) -> Playing) -> (Process, Witness) {
    let (input, stdin) = duplex(PIPE);
    let (stdout, output) = duplex(PIPE);
    let (stderr, errors) = duplex(PIPE);
    let (tell, gone) = watch::channel(false);
    let written = Arc::<AtomicU64>::default();
    let puppet = Puppet {
        stdin,
        stdout: Some(stdout),
        stderr: Some(stderr),
        heard: Vec::new(),
        written: written.clone(),
    };
    let (playing, last) = (play(puppet), Last(tell));
    let task = tokio::spawn(async move {
        let _last = last;
        playing.await
    });
    let process = Process {
        stdin: Some(Box::pin(input.compat_write())),
        stdout: Some(Box::pin(output.compat())),
        stderr: Some(Box::pin(errors.compat())),
        child: child(task),
        listeners: Vec::new(),
    };
    (process, Witness { gone, written })
}

/// Tells when it is dropped, with the task that holds it.
struct Last(watch::Sender<bool>);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

/// A task as the child of a process: its end is the process's, killing it aborts it (signal 9), and a panic is status 101.
pub fn child(task: JoinHandle<Exit>) -> Box<dyn Child> {
    Box::new(Played { task, exit: None })
}

#[derive(Debug)]
struct Played {
    task: JoinHandle<Exit>,
    exit: Option<Exit>,
}

#[async_trait]
impl Child for Played {
    async fn wait(&mut self) -> Result<Exit, SandboxError> {
        if let Some(exit) = self.exit {
            return Ok(exit);
        }
        let exit = match (&mut self.task).await {
            Ok(exit) => exit,
            Err(error) if error.is_cancelled() => Exit::Signal(9),
            Err(_) => Exit::Code(101),
        };
        self.exit = Some(exit);
        Ok(exit)
    }

    async fn kill(&mut self) -> Result<(), SandboxError> {
        self.task.abort();
        self.wait().await.map(drop)
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        self.task.abort();
    }
}
