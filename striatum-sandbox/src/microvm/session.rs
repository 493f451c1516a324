//! An open session in a machine.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use striatum_core::sandbox::{
    Child, Exec, Exit, Limits, Process, SandboxError, SandboxErrorKind, SandboxSession, SandboxSpec,
};
use tokio::sync::{mpsc, watch};
use tokio_util::compat::TokioAsyncWriteCompatExt;

use super::{
    Parts,
    machine::{LISTENERS, Machine, News},
    wire::{Ask, LIVE, Start},
};
use crate::{
    folder::Folder,
    namespaces::{plan::Planner, root::Root, session::Session as Walls},
    output::bounded,
};

/// How long a machine may take longer than a process has to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// An open session. Its machines start with its processes, which share one where they can.
#[derive(Debug)]
pub(super) struct Session {
    parts: Arc<Parts>,
    planner: Planner,
    limits: Limits,
    session: String,
    folder: Folder,
    initramfs: PathBuf,
    /// Around the machines.
    walls: Walls,
    machines: Vec<Machine>,
    started: u32,
    landlock: u32,
    guests: Vec<Guest>,
}

/// What a session needs beside its parts.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) root: Root,
    pub(super) folder: Folder,
    pub(super) initramfs: PathBuf,
    pub(super) walls: Walls,
}

impl Session {
    pub(super) fn new(parts: Arc<Parts>, place: Place, spec: &SandboxSpec) -> Self {
        let Place { root, folder, initramfs, walls } = place;
        Self {
            planner: Planner::new(Arc::clone(&parts.outside), root, spec),
            parts,
            limits: spec.limits,
            session: spec.fence.session.to_string(),
            folder,
            initramfs,
            walls,
            machines: Vec::new(),
            started: 0,
            landlock: 0,
            guests: Vec::new(),
        }
    }

    /// The version of Landlock's interface that the last process is held by.
    pub(super) fn landlock(&self) -> u32 {
        self.landlock
    }

    /// A machine in which a process that is to find this root can be started.
    async fn machine(&mut self, root: &Root, listeners: usize) -> Result<&mut Machine, SandboxError> {
        if listeners > LISTENERS.into() {
            let doing = format!("open {listeners} listeners for a process in a machine");
            return Err(SandboxError::new(SandboxErrorKind::Unsupported, doing));
        }
        let fit = self.machines.iter().position(|machine| machine.can_take(root, listeners));
        let place = match fit {
            Some(place) => place,
            None => {
                let folder = self.folder.clone();
                let on_end = move |process, exit| folder.write_outcome(&suffix(process), exit);
                let (initramfs, memory) = (self.initramfs.clone(), self.limits.memory_bytes);
                let machine = Machine::boot(
                    &mut self.walls,
                    &self.parts.blueprint,
                    initramfs,
                    root.clone(),
                    memory,
                    on_end,
                );
                self.machines.push(machine.await?);
                self.machines.len() - 1
            }
        };
        let gone = || SandboxError::new(SandboxErrorKind::Other, "keep a machine running");
        self.machines.get_mut(place).ok_or_else(gone)
    }
}

/// What the names of a process's records end with.
fn suffix(process: u32) -> String {
    if process == 1 { String::new() } else { format!(".{process}") }
}

#[async_trait]
impl SandboxSession for Session {
    async fn spawn(&mut self, exec: &Exec) -> Result<Process, SandboxError> {
        let mut plan = self.planner.plan(exec).await?;
        self.started += 1;
        let (process, session) = (self.started, self.session.clone());
        let (limits, folder) = (self.limits, self.folder.clone());
        let bubblewrap = self.parts.bubblewrap.clone();
        let machine = self.machine(&plan.root, plan.listens.len()).await?;
        let (ports, listeners): (Vec<u16>, Vec<_>) = machine.take(plan.listens.len()).unzip();
        // The same inside and outside: whoever asks a listener for its address is told what the process connects to.
        plan.listen_on(ports);
        let names = plan.names();
        let start = Start {
            process,
            session,
            bubblewrap,
            walls: plan.root.in_machine(LIVE.as_ref()).arguments(),
            order: plan.order,
            memory_bytes: limits.memory_bytes,
            grace_ms: u64::try_from(limits.grace.as_millis()).unwrap_or(u64::MAX),
        };
        let guest =
            Guest { process, folder, asks: machine.asks(), news: machine.news(), grace: limits.grace };
        // From here on whatever goes wrong, and whoever stops waiting, drops the handle and so ends the process.
        let handle = Handle(guest.clone());
        let started = machine.start(start).await?;
        self.landlock = started.landlock;
        self.guests.push(guest.clone());
        // What the process wrote is on its way through the machine when it has ended; the end of it comes too.
        let mut patient = limits;
        patient.grace = limits.grace.max(PATIENCE);
        Ok(Process {
            stdin: Some(Box::pin(started.input.compat_write())),
            stdout: Some(bounded(started.output, guest.ended(), &patient)),
            stderr: Some(bounded(started.errors, guest.ended(), &patient)),
            child: Box::new(handle),
            listeners: names.into_iter().zip(listeners).collect(),
        })
    }

    async fn close(self: Box<Self>) -> Result<(), SandboxError> {
        // Each has its grace, and all have it at the same time.
        let asked = futures_util::future::join_all(self.guests.iter().map(Guest::kill)).await;
        let marked = self.folder.mark_closed();
        let ended = self.walls.end().await;
        asked.into_iter().chain([marked, ended]).collect()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Err(error) = self.folder.mark_closed() {
            tracing::debug!(%error, "a session could not be marked as closed");
        }
        forget(&self.initramfs);
    }
}

/// Removes what machines began with: it is large, and the folder stays.
pub(super) fn forget(initramfs: &Path) {
    match fs::remove_file(initramfs) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::debug!(%error, "what machines began with is left");
        }
        _ => {}
    }
}

/// A process in a machine.
#[derive(Debug, Clone)]
struct Guest {
    process: u32,
    folder: Folder,
    asks: mpsc::UnboundedSender<Ask>,
    news: watch::Receiver<News>,
    grace: Duration,
}

impl Guest {
    /// Resolves once it has ended.
    fn ended(&self) -> impl Future<Output = Result<Exit, SandboxError>> + Send + 'static {
        let (mut news, process) = (self.news.clone(), self.process);
        async move {
            let known = news.wait_for(|news| news.end(process).is_some()).await;
            // Whoever told the news goes only after the machine.
            Ok(known.ok().and_then(|news| news.end(process)).unwrap_or(Exit::Signal(libc::SIGKILL)))
        }
    }

    async fn kill(&self) -> Result<(), SandboxError> {
        if self.news.borrow().end(self.process).is_some() {
            return Ok(());
        }
        self.mark_killed();
        let _gone = self.asks.send(Ask::Kill { process: self.process });
        match tokio::time::timeout(self.grace.saturating_add(PATIENCE), self.ended()).await {
            Ok(ended) => ended.map(drop),
            Err(_) => Err(SandboxError::new(SandboxErrorKind::Other, "end a process in a machine")
                .with_remedy("close its session, which ends the machine")),
        }
    }

    fn mark_killed(&self) {
        if let Err(error) = self.folder.mark_killed(&suffix(self.process)) {
            tracing::debug!(process = self.process, %error, "a process could not be marked as killed");
        }
    }
}

/// A handle on a process in a machine.
#[derive(Debug)]
struct Handle(Guest);

#[async_trait]
impl Child for Handle {
    async fn wait(&mut self) -> Result<Exit, SandboxError> {
        self.0.ended().await
    }

    async fn kill(&mut self) -> Result<(), SandboxError> {
        self.0.kill().await
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.0.news.borrow().end(self.0.process).is_none() {
            self.0.mark_killed();
        }
        let _gone = self.0.asks.send(Ask::Forget { process: self.0.process });
    }
}
