//! From what is to be run to an order for the shim.

use std::{ffi::OsString, path::Path, sync::Arc};

use striatum_core::{
    id::SessionId,
    sandbox::{EnvVar, Exec, Limits, Listen, SandboxError, SandboxErrorKind, SandboxSpec},
};

use super::{
    Parts,
    root::{HOME, Root, SHIM},
};
use crate::{
    blocking::aside,
    environment::{MARK, assemble, check},
    program,
    shim::order::{MOST_DESCRIPTORS, Order},
};

/// What all processes of a session have in common.
#[derive(Debug)]
pub(crate) struct Planner {
    pub(crate) parts: Arc<Parts>,
    root: Root,
    env: Vec<EnvVar>,
    pub(crate) limits: Limits,
    session: SessionId,
}

/// A process that is to be.
#[derive(Debug)]
pub(crate) struct Plan {
    /// What failed if it cannot be started, such as `start "codex"`.
    pub(crate) doing: String,
    pub(crate) root: Root,
    pub(crate) order: Order,
    pub(crate) listens: Vec<Listen>,
}

impl Plan {
    /// Has the process listen on these ports, and tells it.
    pub(crate) fn listen_on(&mut self, ports: impl IntoIterator<Item = u16>) {
        self.order.ports = ports.into_iter().take(self.listens.len()).collect();
        for (listen, port) in self.listens.iter().zip(&self.order.ports) {
            for EnvVar { name, value } in listen.variables(([127, 0, 0, 1], *port).into()) {
                self.order.env.retain(|(other, _)| *other != *name);
                self.order.env.push((name.into(), value));
            }
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.listens.iter().map(|listen| listen.name.clone()).collect()
    }
}

impl Planner {
    pub(crate) fn new(parts: Arc<Parts>, root: Root, spec: &SandboxSpec) -> Self {
        Self { parts, root, env: spec.env.clone(), limits: spec.limits, session: spec.fence.session }
    }

    /// Finds the program, and the root in which it is there. On which ports it listens is to be said.
    ///
    /// # Errors
    /// Those of [`spawn`](striatum_core::sandbox::SandboxSession::spawn).
    pub(crate) async fn plan(&self, exec: &Exec) -> Result<Plan, SandboxError> {
        check(&exec.env)?;
        let Some(name) = exec.argv.first().cloned() else {
            return Err(SandboxError::new(SandboxErrorKind::NotFound, "start a program without a name"));
        };
        let (order, parts, root) = (self.order(exec)?, Arc::clone(&self.parts), self.root.clone());
        let listens = exec.listeners.clone();
        aside(move || {
            let doing = format!("start {name:?}");
            // The probe runs the shim, which is there for every process.
            let (root, program) = if name == SHIM {
                (root, name)
            } else {
                let found = program::find(&name, &parts.path, root.tree())?;
                (root.with_program(&found, &parts.guard)?, found.into())
            };
            let order = Order { program, writable: root.writable(), ..order };
            Ok(Plan { doing, root, order, listens })
        })
        .await
    }

    /// The order but for the program's place and the ports.
    fn order(&self, exec: &Exec) -> Result<Order, SandboxError> {
        if exec.listeners.len() >= MOST_DESCRIPTORS {
            let doing = format!("open {} listeners for a process", exec.listeners.len());
            return Err(SandboxError::new(SandboxErrorKind::Unsupported, doing));
        }
        for listen in &exec.listeners {
            check(&listen.variables(([127, 0, 0, 1], 0).into()))?;
        }
        Ok(Order {
            arguments: exec.argv.iter().skip(1).cloned().collect(),
            env: self.environment(self.env.iter().chain(&exec.env)),
            ..self.bare_order(self.root.tree())
        })
    }

    /// An order for nothing in particular.
    pub(crate) fn bare_order(&self, folder: &Path) -> Order {
        Order {
            program: OsString::new(),
            arguments: Vec::new(),
            env: self.environment([]),
            folder: folder.into(),
            writable: Vec::new(),
            ports: Vec::new(),
            processes: self.limits.processes.into(),
        }
    }

    fn environment<'a>(&self, named: impl IntoIterator<Item = &'a EnvVar>) -> Vec<(OsString, OsString)> {
        let fixed = [
            ("PATH", self.parts.path.clone()),
            ("HOME", HOME.into()),
            ("TMPDIR", "/tmp".into()),
            (MARK, self.session.to_string().into()),
        ];
        assemble(fixed, named).into_iter().map(|(name, value)| (name.into(), value)).collect()
    }
}
