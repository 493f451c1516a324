//! An open session behind walls.

use std::{ffi::OsString, sync::Arc};

use async_trait::async_trait;
use striatum_core::sandbox::{
    EnvVar, Exec, Limits, Process, SandboxError, SandboxErrorKind, SandboxSession, SandboxSpec,
};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio_util::compat::TokioAsyncWriteCompatExt;

use super::{
    Parts,
    root::{HOME, Root, SHIM},
    start::{Begun, FIRST_PORT, Launch},
};
use crate::{
    blocking::aside,
    child::Handle,
    crew::Crew,
    environment::{MARK, assemble, check},
    failure::failed,
    folder::Folder,
    output::bounded,
    program,
    shim::order::{MOST_DESCRIPTORS, Order},
};

/// An open session.
#[derive(Debug)]
pub(super) struct Session {
    parts: Arc<Parts>,
    root: Root,
    env: Vec<EnvVar>,
    limits: Limits,
    crew: Crew,
    /// What the shim of the last process found of Landlock.
    landlock: u32,
}

impl Session {
    pub(super) fn new(parts: Arc<Parts>, folder: Folder, root: Root, spec: &SandboxSpec) -> Self {
        let crew = Crew::new(folder, spec);
        Self { parts, root, env: spec.env.clone(), limits: spec.limits, crew, landlock: 0 }
    }

    /// The version of Landlock's interface that the last process is held by.
    pub(super) fn landlock(&self) -> u32 {
        self.landlock
    }

    /// The order for the shim, but for the program's place.
    fn order(&self, exec: &Exec) -> Result<Order, SandboxError> {
        if exec.listeners.len() >= MOST_DESCRIPTORS {
            let doing = format!("open {} listeners for a process", exec.listeners.len());
            return Err(SandboxError::new(SandboxErrorKind::Unsupported, doing));
        }
        let ports: Vec<u16> = (FIRST_PORT..).take(exec.listeners.len()).collect();
        let announced = exec.listeners.iter().zip(&ports);
        let announced: Vec<EnvVar> =
            announced.flat_map(|(listen, port)| listen.variables(([127, 0, 0, 1], *port).into())).collect();
        check(&announced)?;
        let fixed = [
            ("PATH", self.parts.path.clone()),
            ("HOME", HOME.into()),
            ("TMPDIR", "/tmp".into()),
            (MARK, self.crew.session().to_string().into()),
        ];
        let env = assemble(fixed, self.env.iter().chain(&exec.env).chain(&announced));
        Ok(Order {
            program: OsString::new(),
            arguments: exec.argv.iter().skip(1).cloned().collect(),
            env: env.into_iter().map(|(name, value)| (name.into(), value)).collect(),
            folder: self.root.tree().into(),
            writable: Vec::new(),
            ports,
            processes: self.limits.processes.into(),
        })
    }
}

#[async_trait]
impl SandboxSession for Session {
    async fn spawn(&mut self, exec: &Exec) -> Result<Process, SandboxError> {
        check(&exec.env)?;
        let Some(name) = exec.argv.first().cloned() else {
            return Err(SandboxError::new(SandboxErrorKind::NotFound, "start a program without a name"));
        };
        let mut order = self.order(exec)?;
        let (parts, root, folder) = (Arc::clone(&self.parts), self.root.clone(), self.crew.folder().clone());
        let (session, suffix, limits) = (self.crew.session(), self.crew.next_suffix(), self.limits);
        let doing = format!("start {name:?}");
        let launched = aside(move || {
            // The probe runs the shim, which is there for every process.
            let root = if name == SHIM {
                order.program = name;
                root
            } else {
                let found = program::find(&name, &parts.path, root.tree())?;
                let root = root.with_program(&found, &parts.guard)?;
                order.program = found.into();
                root
            };
            order.writable = root.writable();
            let group = parts.cgroups.as_ref().map(|groups| groups.group(session, &suffix, &limits));
            let group = group.transpose().map_err(failed("bound what a process may use"))?;
            let mark = session.to_string();
            Launch { parts: &parts, root: &root, folder, suffix, mark, group }.launch(order)
        });
        let (leader, launched) = launched.await?;
        // From here on whatever goes wrong, and whoever stops waiting, drops the handle and so ends the process.
        let leader = self.crew.join(leader);
        let handle = Handle::new(Arc::clone(&leader), self.limits.grace);
        let Begun { stdin, stdout, stderr, listeners, landlock } =
            aside(move || launched.begin(&doing)).await?;
        self.landlock = landlock;
        let names = exec.listeners.iter().map(|listen| listen.name.clone());
        let unusable = || failed("use the streams of a process");
        let stdin = ChildStdin::from_std(stdin).map_err(unusable())?;
        let stdout = ChildStdout::from_std(stdout).map_err(unusable())?;
        let stderr = ChildStderr::from_std(stderr).map_err(unusable())?;
        Ok(Process {
            stdin: Some(Box::pin(stdin.compat_write())),
            stdout: Some(bounded(stdout, &leader, &self.limits)),
            stderr: Some(bounded(stderr, &leader, &self.limits)),
            child: Box::new(handle),
            listeners: names.zip(listeners).collect(),
        })
    }

    async fn close(self: Box<Self>) -> Result<(), SandboxError> {
        self.crew.close().await
    }
}
