//! A running process and the group that it leads.

use std::{
    fmt, io,
    process::{Child as StdChild, ChildStderr, ChildStdin, ChildStdout, Command},
    sync::{Arc, mpsc},
    time::Duration,
};

use async_trait::async_trait;
use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid},
};
use striatum_core::sandbox::{Child, Exit, SandboxError, SandboxErrorKind};
use tokio::sync::watch;

use crate::{blocking::aside, failure::failed, folder::Folder, process::ProcessRecord, remains::Remains};

/// How the process ended, once it has.
type End = Option<Result<Exit, Errno>>;

/// The wrapper of a process, which leads its group.
///
/// While this lives the wrapper stays in the process table, if only as a zombie. So neither its number nor that of its group
/// can go to anybody else, and the group may be signalled at any time. One that is [adopted](Leader::adopt) is somebody else's child:
/// it is told from others by its record.
pub(crate) struct Leader {
    pid: Pid,
    adopted: Option<ProcessRecord>,
    folder: Folder,
    suffix: String,
    end: watch::Receiver<End>,
    /// Dropped with the leader: the thread that waits for it then takes it out of the process table.
    _release: mpsc::Sender<()>,
}

impl Leader {
    /// Starts a process in a thread of its own, which lives as long as the process does: a process that dies with its parent
    /// dies with the *thread* that started it.
    ///
    /// `keep` is dropped after the process is out of the process table.
    pub(crate) fn start(
        mut command: Command,
        folder: Folder,
        suffix: String,
        author: Author,
        keep: impl Send + 'static,
    ) -> io::Result<Started> {
        let (tell, end) = watch::channel(None);
        let (release, released) = mpsc::channel();
        let (announce, announced) = mpsc::channel();
        let (records, name) = (folder.clone(), suffix.clone());
        let watch = move || {
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => return drop(announce.send(Err(error))),
            };
            // Its copies of the streams go, or their ends would never be seen.
            drop(command);
            let pid = Pid::from_child(&child);
            let streams = (pid, child.stdin.take(), child.stdout.take(), child.stderr.take());
            let watched = Watched(child);
            if announce.send(Ok(streams)).is_ok() {
                watched.watch(pid, &tell, &released, |exit| {
                    if author == Author::Host {
                        records.write_outcome(&name, exit);
                    }
                });
            }
            drop(keep);
        };
        std::thread::Builder::new().name("striatum-wait".to_owned()).spawn(watch)?;
        let gone = |_| io::Error::other("the thread that starts processes is gone");
        let (pid, stdin, stdout, stderr) = announced.recv().map_err(gone)??;
        let leader = Self { pid, adopted: None, folder, suffix, end, _release: release };
        Ok(Started { leader, stdin, stdout, stderr })
    }

    /// Takes on a process that leads its group and that others have started. `end` returns once it has ended; `keep` is dropped
    /// after that, and not before the leader.
    #[cfg(target_os = "linux")]
    pub(crate) fn adopt(
        record: ProcessRecord,
        folder: Folder,
        suffix: String,
        end: impl FnOnce() -> Exit + Send + 'static,
        keep: impl Send + 'static,
    ) -> io::Result<Self> {
        let pid = i32::try_from(record.pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
        let (tell, ended) = watch::channel(None);
        let (release, released) = mpsc::channel::<()>();
        let (records, name) = (folder.clone(), suffix.clone());
        let watch = move || {
            let exit = end();
            // It is on record before anybody acts on it.
            records.write_outcome(&name, exit);
            tell.send_replace(Some(Ok(exit)));
            // Nothing is ever sent: this waits for the leader to be dropped.
            let _ = released.recv();
            drop(keep);
        };
        std::thread::Builder::new().name("striatum-wait".to_owned()).spawn(watch)?;
        Ok(Self { pid, adopted: Some(record), folder, suffix, end: ended, _release: release })
    }

    /// What names it, if it is somebody else's child.
    pub(crate) fn adopted(&self) -> Option<&ProcessRecord> {
        self.adopted.as_ref()
    }

    pub(crate) fn group(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Sends a signal to every process of the group; that none is left is no failure.
    pub(crate) fn signal_group(&self, signal: Signal) -> io::Result<()> {
        match kill_process_group(self.pid, signal) {
            // What macOS says of a group in which only zombies are left.
            Err(Errno::PERM) if cfg!(not(target_os = "linux")) => Ok(()),
            Err(Errno::SRCH) => Ok(()),
            answer => Ok(answer?),
        }
    }

    /// Kills the group, with no word first.
    pub(crate) fn kill_at_once(&self) {
        self.mark_killed();
        if let Some(record) = &self.adopted {
            return Remains::recorded(None, vec![record.clone()]).kill_at_once();
        }
        if let Err(error) = self.signal_group(Signal::KILL) {
            tracing::warn!(group = self.group(), %error, "a process group could not be killed");
        }
    }

    pub(crate) fn mark_killed(&self) {
        // The mark is the second line: a wrapper that gets the signal with its group leaves no outcome anyway.
        if let Err(error) = self.folder.mark_killed(&self.suffix) {
            tracing::debug!(group = self.group(), %error, "a process could not be marked as killed");
        }
    }

    /// Resolves once the process has ended.
    pub(crate) fn ended(&self) -> impl Future<Output = Result<Exit, SandboxError>> + Send + 'static {
        let mut end = self.end.clone();
        async move {
            let known = end.wait_for(Option::is_some).await.map(|end| *end);
            match known {
                Ok(Some(Ok(exit))) => Ok(exit),
                Ok(Some(Err(e))) => Err(failed("learn how a process ended")(e.into())),
                Ok(None) | Err(_) => {
                    Err(SandboxError::new(SandboxErrorKind::Other, "learn how a process ended"))
                }
            }
        }
    }
}

/// A leader, and the streams of its process as far as they are pipes.
pub(crate) struct Started {
    pub(crate) leader: Leader,
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: Option<ChildStdout>,
    pub(crate) stderr: Option<ChildStderr>,
}

/// Who writes down how a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Author {
    /// The process itself: a wrapper that outlives us.
    Wrapper,
    /// We do, because the process dies with us.
    Host,
}

impl fmt::Debug for Leader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leader").field("group", &self.group()).finish_non_exhaustive()
    }
}

/// The process, held by the thread that waits for it. Dropping it takes the process out of the process table.
struct Watched(StdChild);

impl Watched {
    fn watch(
        self,
        pid: Pid,
        tell: &watch::Sender<End>,
        released: &mpsc::Receiver<()>,
        note: impl FnOnce(Exit),
    ) {
        let end = wait_without_reaping(pid);
        // It is on record before anybody acts on it.
        if let Ok(exit) = end {
            note(exit);
        }
        tell.send_replace(Some(end));
        // Nothing is ever sent: this waits for the leader to be dropped.
        let _ = released.recv();
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Its users have ended the group by now, save where the thread could not be started.
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

fn wait_without_reaping(pid: Pid) -> Result<Exit, Errno> {
    loop {
        match waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Err(Errno::INTR) | Ok(None) => {}
            Err(e) => return Err(e),
            Ok(Some(status)) => {
                let signal = status.terminating_signal().map(Exit::Signal);
                return signal.or(status.exit_status().map(from_wrapper)).ok_or(Errno::INVAL);
            }
        }
    }
}

/// What the wrapper's status says of the agent. The wrapper writes the same into the outcome.
const fn from_wrapper(status: i32) -> Exit {
    match status {
        129..=192 => Exit::Signal(status - 128),
        code => Exit::Code(code),
    }
}

/// A handle on one process of a session.
#[derive(Debug)]
pub(crate) struct Handle {
    leader: Arc<Leader>,
    grace: Duration,
}

impl Handle {
    pub(crate) const fn new(leader: Arc<Leader>, grace: Duration) -> Self {
        Self { leader, grace }
    }
}

#[async_trait]
impl Child for Handle {
    async fn wait(&mut self) -> Result<Exit, SandboxError> {
        self.leader.ended().await
    }

    async fn kill(&mut self) -> Result<(), SandboxError> {
        let (leader, grace) = (Arc::clone(&self.leader), self.grace);
        aside(move || {
            leader.mark_killed();
            Remains::pinned(None, vec![leader]).end(grace)
        })
        .await?;
        // The table shows the end a moment before the waiting thread learns of it.
        self.leader.ended().await.map(drop)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.leader.kill_at_once();
    }
}
