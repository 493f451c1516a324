//! Agents as plain processes of the host.

use std::{ffi::OsString, path::Path, sync::Arc};

use async_trait::async_trait;
use striatum_core::sandbox::{Isolation, Level, Reaped, Sandbox, SandboxError, SandboxSession, SandboxSpec};

use self::session::Session;
use crate::{blocking::aside, crew, environment::check, folder::Folder};

mod session;

/// Runs agents as plain processes of the host, with the rights of the user who runs the host program.
///
/// # What is separated
/// - **Environment**: a process gets `PATH` (the one given to [`NoSandbox::new`]), `HOME` and `TMPDIR` (folders of the session),
///   `STRIATUM_SESSION` (the session's id) and what the spec and the exec name; nothing of the host program's.
/// - **Process group**: one for each process that is spawned.
///
/// Listeners are bound on the loopback of the host, at a port that the kernel picks: any process of the host can connect.
///
/// Nothing else is. An agent can read and write what its user can, reach any network, signal any process of its user and read
/// their environments, and forge the records in its session's folder. [`offers`](Sandbox::offers) says so: the file system and
/// the network are [`AdvisoryStrict`](Level::AdvisoryStrict), because the agent is asked and what it changed is compared
/// afterwards, and everything else is [`Advisory`](Level::Advisory).
///
/// # How a session ends
/// Each agent runs under a small shell script that leads its group. The script writes who it is into the session's folder
/// before the agent starts, and how the agent ended after it has ended by itself. An agent that was killed by us, or by a
/// signal to the whole group, leaves no outcome; one whose own process got a signal from elsewhere (the kernel's, when memory
/// runs out, say) leaves that signal. A script learns of a signal only as a status of 128 + n, so a program that exits with
/// such a status by itself is told as ended by the signal.
///
/// Closing a session ends the groups of all its processes. On Linux it also finds processes that left their group (daemons),
/// by `STRIATUM_SESSION` in the environment with which they were started, and ends them too; one that clears its environment
/// and leaves its group escapes. Elsewhere the group is all that is found.
///
/// [`reap`](Sandbox::reap) does the same for a session of a program that died. It signals only processes that carry the
/// session's id or whose number, start time and boot are those on record, so a number that the kernel gave away again is safe.
///
/// # Needs
/// A tokio runtime with IO and time enabled, and `/bin/sh`. Variables that the shell keeps for itself (`PWD`, `SHLVL`, …), and
/// those with names that a shell does not pass on, are refused. Where `/bin/sh` is bash it adds `_` to the environment.
///
/// ```
/// use striatum_core::sandbox::{Level, Sandbox};
/// use striatum_sandbox::NoSandbox;
///
/// let sandbox = NoSandbox::new("/usr/local/bin:/usr/bin:/bin".into());
/// assert_eq!(sandbox.offers().network, Level::AdvisoryStrict);
/// assert_eq!(sandbox.offers().processes, Level::Advisory);
/// ```
#[derive(Debug, Clone)]
pub struct NoSandbox {
    path: Arc<OsString>,
}

impl NoSandbox {
    /// A sandbox whose processes get this `PATH`. Programs are looked up in its absolute folders.
    pub fn new(path: OsString) -> Self {
        Self { path: Arc::new(path) }
    }
}

/// What to do where a plain process is too little.
const REMEDY: &str = "use a sandbox with walls, such as `Namespaces`, or lower the demand";

#[async_trait]
impl Sandbox for NoSandbox {
    fn offers(&self) -> Isolation {
        Isolation {
            file_system: Level::AdvisoryStrict,
            network: Level::AdvisoryStrict,
            ..Isolation::uniform(Level::Advisory)
        }
    }

    async fn open(&self, spec: &SandboxSpec) -> Result<Box<dyn SandboxSession>, SandboxError> {
        if let Some(short) = self.offers().shortfall(&spec.demands) {
            return Err(SandboxError::unmet("a plain process", short).with_remedy(REMEDY));
        }
        check(&spec.env)?;
        let (session, grace) = (spec.fence.session, spec.limits.grace);
        let folder = Folder::new(&spec.folder)?;
        let prepared = folder.clone();
        aside(move || prepared.prepare(session, grace)).await?;
        Ok(Box::new(Session::new(Arc::clone(&self.path), folder, spec)))
    }

    async fn reap(&self, folder: &Path) -> Result<Reaped, SandboxError> {
        crew::reap(folder).await
    }
}
