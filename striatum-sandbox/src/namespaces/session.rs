//! An open session behind walls.

use std::sync::Arc;

use async_trait::async_trait;
use striatum_core::sandbox::{Exec, Process, SandboxError, SandboxSession, SandboxSpec};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio_util::compat::TokioAsyncWriteCompatExt;

use super::{
    Parts,
    plan::{Plan, Planner},
    root::Root,
    start::{FIRST_PORT, Footing},
};
use crate::{blocking::aside, child::Handle, crew::Crew, failure::failed, folder::Folder, output::bounded};

/// An open session.
#[derive(Debug)]
pub(crate) struct Session {
    planner: Planner,
    crew: Crew,
    /// Dropped after the crew has ended what runs.
    _leavings: Leavings,
    /// What the shim of the last process found of Landlock.
    landlock: u32,
}

/// What the first wall keeps in the folder of a session, for as long as that lasts.
#[derive(Debug)]
struct Leavings {
    parts: Arc<Parts>,
    folder: Folder,
}

impl Drop for Leavings {
    fn drop(&mut self) {
        self.parts.first.sweep(&self.folder);
    }
}

impl Session {
    pub(crate) fn new(parts: Arc<Parts>, folder: Folder, root: Root, spec: &SandboxSpec) -> Self {
        let _leavings = Leavings { parts: Arc::clone(&parts), folder: folder.clone() };
        let (planner, crew) = (Planner::new(parts, root, spec), Crew::new(folder, spec));
        Self { planner, crew, _leavings, landlock: 0 }
    }

    pub(crate) fn planner(&self) -> &Planner {
        &self.planner
    }

    /// The version of Landlock's interface that the last process is held by.
    pub(crate) fn landlock(&self) -> u32 {
        self.landlock
    }

    /// Ends every process of the session.
    pub(crate) async fn end(&self) -> Result<(), SandboxError> {
        self.crew.close().await
    }

    /// Starts what was planned.
    pub(crate) async fn start(&mut self, plan: Plan) -> Result<Process, SandboxError> {
        let names = plan.names();
        let Plan { doing, root, order, .. } = plan;
        let (parts, limits) = (Arc::clone(&self.planner.parts), self.planner.limits);
        let (folder, session, suffix) =
            (self.crew.folder().clone(), self.crew.session(), self.crew.next_suffix());
        let launched = aside(move || {
            let group = parts.cgroups.as_ref().map(|groups| groups.group(session, &suffix, &limits));
            let group = group.transpose().map_err(failed("bound what a process may use"))?;
            let shim = parts.shim.path().to_owned();
            let footing = Footing { shim, folder, suffix, mark: session.to_string(), group };
            parts.first.launch(footing, &root, order)
        });
        let (leader, launched) = launched.await?;
        // From here on whatever goes wrong, and whoever stops waiting, drops the handle and so ends the process.
        let leader = self.crew.join(leader);
        let handle = Handle::new(Arc::clone(&leader), limits.grace);
        let begun = aside(move || launched.begin(&doing)).await?;
        self.landlock = begun.landlock;
        let unusable = || failed("use the streams of a process");
        let stdin = ChildStdin::from_std(begun.stdin).map_err(unusable())?;
        let stdout = ChildStdout::from_std(begun.stdout).map_err(unusable())?;
        let stderr = ChildStderr::from_std(begun.stderr).map_err(unusable())?;
        Ok(Process {
            stdin: Some(Box::pin(stdin.compat_write())),
            stdout: Some(bounded(stdout, leader.ended(), &limits)),
            stderr: Some(bounded(stderr, leader.ended(), &limits)),
            child: Box::new(handle),
            listeners: names.into_iter().zip(begun.listeners).collect(),
        })
    }
}

#[async_trait]
impl SandboxSession for Session {
    async fn spawn(&mut self, exec: &Exec) -> Result<Process, SandboxError> {
        let mut plan = self.planner.plan(exec).await?;
        plan.listen_on(FIRST_PORT..);
        self.start(plan).await
    }

    async fn close(self: Box<Self>) -> Result<(), SandboxError> {
        self.end().await
    }
}
