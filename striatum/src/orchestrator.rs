//! The orchestrator: claims jobs, opens trees, runs agents, collects what they leave, delivers what was accepted.
//!
//! It keeps no state of its own that matters. What is to be done is asked of the store ([`ready`](striatum_core::store::Store::ready)) and of the
//! machine ([`State::pending`](striatum_core::run::State::pending)), so it goes on after any crash as if it had only paused.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use striatum_core::{
    engine::{Applied, Engine, View},
    id::{CommandId, RunId},
    run::{Actor, Command, Intent},
    sandbox::Sandbox,
};
use striatum_workspace::Repository;
use tokio::sync::{Mutex, broadcast};
use tokio_util::sync::CancellationToken;

use crate::{adapter::Patience, fault, instance::Instance, mint, notify::Notifier, progress::Progress};

mod assignment;
mod base;
#[cfg(feature = "acp")]
mod bench;
mod builder;
mod calling;
mod collect;
mod desk;
mod error;
mod grant;
mod interrogation;
mod leases;
#[cfg(feature = "acp")]
mod leave;
mod limits;
mod looping;
mod owed;
mod place;
mod prepare;
#[cfg(all(feature = "acp", feature = "server"))]
mod pulling;
mod registry;
#[cfg(feature = "pg")]
mod requests;
mod supersede;
mod used;
mod words;
mod work;

pub use builder::Builder;
pub use error::{Error, ErrorKind};
pub use limits::Limits;
pub use prepare::{Document, Prepared};

use leases::Leases;
#[cfg(feature = "acp")]
pub(crate) use leave::Office;
use registry::Registry;

/// Runs workflows on one repository.
///
/// Cloning is cheap and gives another handle on the same orchestrator. Dropping every handle stops it.
#[derive(Debug, Clone)]
pub struct Orchestrator {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    engine: Arc<Engine>,
    repository: Repository,
    sandbox: Arc<dyn Sandbox>,
    adapters: Registry,
    /// Serves the tools of the agents that are at work.
    #[cfg(feature = "acp")]
    agents: striatum_server::agents::Agents,
    limits: Limits,
    instance: Instance,
    leases: Leases,
    notifier: Option<Arc<dyn Notifier>>,
    data: PathBuf,
    /// Where programs are looked up, if that is known.
    path: Option<OsString>,
    working: Mutex<()>,
    /// Whether the work goes on whatever happens, rather than until there is no more to do.
    is_service: AtomicBool,
    progress: broadcast::Sender<Progress>,
    draining: CancellationToken,
    stopping: CancellationToken,
}

impl Orchestrator {
    /// Begins to put an orchestrator together.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The engine, for commands that have no shorthand here, for reading, and to share with whoever else gives commands.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.shared.engine
    }

    /// The repository.
    pub fn repository(&self) -> &Repository {
        &self.shared.repository
    }

    /// Where everything lies that is not in the repository.
    pub fn data(&self) -> &Path {
        &self.shared.data
    }

    /// What happens from now on, in this process. A receiver that falls behind by more than a thousand updates is told how many
    /// it missed; the chain has them all.
    pub fn progress(&self) -> broadcast::Receiver<Progress> {
        self.shared.progress.subscribe()
    }

    /// Gives a command under a new id.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn command(&self, run: RunId, actor: Actor, intent: Intent) -> Result<Applied, Error> {
        self.shared.command(run, mint::command_id()?, actor, intent).await
    }

    /// Gives several commands in one append, all or none, each under a new id.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn commands(
        &self,
        run: RunId,
        actor: &Actor,
        intents: Vec<Intent>,
    ) -> Result<Vec<Applied>, Error> {
        let commands = intents
            .into_iter()
            .map(|intent| Ok(Command { id: mint::command_id()?, actor: actor.clone(), intent }))
            .collect::<Result<Vec<_>, Error>>()?;
        let applied = self.shared.engine.execute_all(run, &commands).await?;
        applied.iter().for_each(|applied| self.shared.tell(run, applied));
        Ok(applied)
    }

    /// Loads a run.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn load(&self, run: RunId) -> Result<View, Error> {
        Ok(self.shared.engine.load(run).await?)
    }

    /// Works until [`drain`](Self::drain) or [`stop`](Self::stop) is called. If this orchestrator is working already, it waits
    /// until that call has returned.
    ///
    /// # Errors
    /// [`Error`] if the store cannot be used at all. What goes wrong with one run is a [`Progress::Notice`].
    pub async fn run(&self) -> Result<(), Error> {
        looping::work(&self.shared, looping::Until::Drained).await
    }

    /// Works until nothing is left that can go on by itself: every run has ended, waits for a person, or is paused. What cannot
    /// be done until somebody has done something about it (a delivery to a branch that is checked out, say) is told as a
    /// [`Progress::Notice`] and tried again at the next start.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_until_idle(&self) -> Result<(), Error> {
        looping::work(&self.shared, looping::Until::Idle).await
    }

    /// Claims nothing more; what runs goes on to its end, then the work loop returns.
    pub fn drain(&self) {
        self.shared.draining.cancel();
    }

    /// Claims nothing more and ends every agent; their work is set aside and their jobs are given back.
    pub fn stop(&self) {
        self.shared.draining.cancel();
        self.shared.stopping.cancel();
    }
}

impl Shared {
    /// Gives a command, with a point for drills before and after it, and tells what it caused.
    async fn command(
        &self,
        run: RunId,
        id: CommandId,
        actor: Actor,
        intent: Intent,
    ) -> Result<Applied, Error> {
        let name = intent.name();
        fault::around(name, "before");
        let applied = self.engine.execute(run, Command { id, actor, intent }).await?;
        fault::around(name, "after");
        self.tell(run, &applied);
        Ok(applied)
    }

    /// The same in the orchestrator's own name.
    async fn act(&self, run: RunId, id: CommandId, intent: Intent) -> Result<Applied, Error> {
        self.command(run, id, service(), intent).await
    }

    fn tell(&self, run: RunId, applied: &Applied) {
        if applied.repeated {
            return;
        }
        for event in &applied.events {
            tracing::debug!(run = %run.short(), kind = event.kind(), "appended");
            let _ = self.progress.send(Progress::Event { run, event: event.clone() });
        }
    }

    fn notice(&self, run: Option<RunId>, error: &Error) {
        let message = error.chain();
        tracing::warn!(run = run.map(|run| run.short()), code = error.code(), "{message}");
        let _ =
            self.progress.send(Progress::Notice { run, code: error.code(), message, remedy: error.remedy() });
    }

    fn patience(&self, lane_seconds: Option<u32>) -> Patience {
        let wall = lane_seconds.map_or(self.limits.wall, |seconds| Duration::from_secs(seconds.into()));
        Patience { wall, silence: self.limits.silence }
    }
}

fn service() -> Actor {
    Actor::Service("orchestrator".to_owned())
}
