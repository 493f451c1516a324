//! The terminals of an agent: commands that we run for it, where it runs itself.

use std::{
    collections::HashMap,
    ffi::OsString,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use striatum_core::sandbox::{EnvVar, Exec, Exit, Process, SandboxError};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use self::kept::{Kept, read};
use crate::{
    AcpLimits, Decision, PermissionPolicy, Reach, ToolKind,
    files::{FileError, TreeFiles},
};

mod kept;

/// Whether an agent may have commands run by us. It needs none of that to run commands by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TerminalAccess {
    /// The agent is told that we offer no terminals.
    Off,
    /// It is offered terminals where [something](Spawner) runs them and the policy lets it run commands without asking: in a
    /// terminal nobody is asked.
    #[default]
    On,
}

impl TerminalAccess {
    pub(crate) fn offers(self, policy: &PermissionPolicy) -> bool {
        let may_run = match policy.decide(ToolKind::Execute, Reach::Tree) {
            Decision::AllowOnce | Decision::AllowAlways => true,
            Decision::Ask | Decision::Reject => false,
        };
        self == Self::On && may_run
    }
}

/// Starts the commands of an agent's terminals: behind the walls that hold the agent, and with the variables of its session.
#[async_trait]
pub trait Spawner: fmt::Debug + Send + Sync + 'static {
    /// Starts a program in the work tree. Dropping the process ends its whole group.
    ///
    /// # Errors
    /// [`SandboxError`]
    async fn spawn(&self, exec: &Exec) -> Result<Process, SandboxError>;
}

/// What an agent wants to have run.
#[derive(Debug, Default)]
pub(crate) struct Command {
    pub(crate) program: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<EnvVar>,
    pub(crate) folder: Option<PathBuf>,
    pub(crate) output_bytes: Option<u64>,
}

/// Why something cannot be done with a terminal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TerminalError {
    #[error("there is no terminal {0:?}")]
    Unknown(String),
    #[error("no more than {0} terminals can be open at once: release one")]
    TooMany(usize),
    #[error("a command names a program")]
    Empty,
    #[error("no command can be run in {}: {error}", folder.display())]
    Folder { folder: PathBuf, error: FileError },
    #[error("{}", in_full(.0))]
    Start(SandboxError),
}

fn in_full(error: &SandboxError) -> String {
    match &error.source {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// How long it may take to end a command, beyond the grace that its sandbox gives.
const SOON: Duration = Duration::from_secs(60);

/// The terminals of one session. When the last of these is dropped, whatever runs in one is ended.
#[derive(Debug, Clone)]
pub(crate) struct Terminals {
    spawner: Arc<dyn Spawner>,
    files: TreeFiles,
    limits: AcpLimits,
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    open: HashMap<String, Terminal>,
    /// Those that are being opened. They count.
    opening: usize,
    last: u64,
}

#[derive(Debug)]
struct Terminal {
    kept: Arc<Mutex<Kept>>,
    end: watch::Receiver<End>,
    stop: CancellationToken,
    /// Holds the process, and ends it when it is dropped.
    keeper: JoinSet<()>,
}

/// How far a command has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Running,
    /// With how it ended, as far as that can be learned.
    Over(Option<Exit>),
}

/// What is to be seen of a terminal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) output: String,
    /// Whether there was more before that.
    pub(crate) is_truncated: bool,
    /// Nothing while the command runs.
    pub(crate) end: Option<Option<Exit>>,
}

impl Terminals {
    pub(crate) fn new(spawner: Arc<dyn Spawner>, files: TreeFiles, limits: AcpLimits) -> Self {
        Self { spawner, files, limits, table: Arc::default() }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, id: &str, look: impl FnOnce(&Terminal) -> T) -> Result<T, TerminalError> {
        let table = self.table();
        table.open.get(id).map(look).ok_or_else(|| TerminalError::Unknown(id.to_owned()))
    }

    /// Starts a command, and tells the name of its terminal.
    pub(crate) async fn open(&self, command: Command) -> Result<String, TerminalError> {
        let place = Place::take(self)?;
        let asked = command.output_bytes.and_then(|bytes| usize::try_from(bytes).ok());
        let kept =
            Arc::new(Mutex::new(Kept::new(asked.unwrap_or(usize::MAX).min(self.limits.terminal_bytes))));
        let exec = self.exec(command)?;
        let process = self.spawner.spawn(&exec).await.map_err(TerminalError::Start)?;
        let (tell, end) = watch::channel(End::Running);
        let (stop, mut keeper) = (CancellationToken::new(), JoinSet::new());
        keeper.spawn(keep(process, kept.clone(), tell, stop.clone(), self.limits.command));
        Ok(place.fill(Terminal { kept, end, stop, keeper }))
    }

    /// What is run: a command without arguments is a line for the shell, which is how agents mean it.
    fn exec(&self, Command { program, args, env, folder, .. }: Command) -> Result<Exec, TerminalError> {
        const SHELL: [&str; 2] = ["/bin/sh", "-c"];
        const ELSEWHERE: [&str; 2] = ["cd -- \"$1\" && shift && exec \"$@\"", "sh"];
        if program.trim().is_empty() {
            return Err(TerminalError::Empty);
        }
        let mut argv: Vec<OsString> = Vec::new();
        if let Some(folder) = folder {
            match self.files.folder(&folder) {
                Ok(folder) => {
                    argv.extend(SHELL.into_iter().chain(ELSEWHERE).map(OsString::from));
                    argv.push(folder.into());
                }
                Err(error) => return Err(TerminalError::Folder { folder, error }),
            }
        }
        if args.is_empty() {
            argv.extend(SHELL.map(OsString::from));
        }
        argv.extend([program].into_iter().chain(args).map(OsString::from));
        Ok(Exec { env, ..Exec::new(argv) })
    }

    /// What a command has written so far, and how it ended.
    pub(crate) fn view(&self, id: &str) -> Result<View, TerminalError> {
        self.with(id, |terminal| {
            // Before the output: what a command that has ended wrote is all there.
            let end = *terminal.end.borrow();
            let (output, is_truncated) = terminal.kept.lock().unwrap_or_else(PoisonError::into_inner).shown();
            let end = match end {
                End::Running => None,
                End::Over(exit) => Some(exit),
            };
            View { output, is_truncated, end }
        })
    }

    /// Waits for the end of a command. What is returned keeps no terminal open.
    pub(crate) fn wait(
        &self,
        id: &str,
    ) -> impl Future<Output = Result<Option<Exit>, TerminalError>> + Send + use<> {
        let (end, id) = (self.with(id, |terminal| terminal.end.clone()), id.to_owned());
        async move {
            let mut end = end?;
            let known = end.wait_for(|end| *end != End::Running).await.map(|end| *end);
            match known {
                Ok(End::Over(exit)) => Ok(exit),
                // It was released meanwhile.
                Ok(End::Running) | Err(_) => Err(TerminalError::Unknown(id)),
            }
        }
    }

    /// Ends a command with everything that it started. What it wrote can still be seen.
    pub(crate) async fn kill(&self, id: &str) -> Result<(), TerminalError> {
        self.with(id, |terminal| terminal.stop.cancel())?;
        self.wait(id).await.map(drop)
    }

    /// The same, and forgets it.
    pub(crate) async fn release(&self, id: &str) -> Result<(), TerminalError> {
        let released = self.table().open.remove(id);
        let Some(Terminal { stop, mut keeper, .. }) = released else {
            return Err(TerminalError::Unknown(id.to_owned()));
        };
        stop.cancel();
        keeper.join_next().await;
        Ok(())
    }
}

/// A place among the terminals, given back if nothing comes of it.
struct Place<'a> {
    terminals: &'a Terminals,
}

impl<'a> Place<'a> {
    fn take(terminals: &'a Terminals) -> Result<Self, TerminalError> {
        let limit = terminals.limits.terminals;
        let mut table = terminals.table();
        if table.open.len() + table.opening >= limit {
            return Err(TerminalError::TooMany(limit));
        }
        table.opening += 1;
        Ok(Self { terminals })
    }

    fn fill(self, terminal: Terminal) -> String {
        let mut table = self.terminals.table();
        table.last += 1;
        let id = format!("terminal-{}", table.last);
        table.open.insert(id.clone(), terminal);
        id
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.terminals.table().opening -= 1;
    }
}

/// Holds a process until its terminal is released, and ends it when it must.
async fn keep(
    process: Process,
    kept: Arc<Mutex<Kept>>,
    tell: watch::Sender<End>,
    stop: CancellationToken,
    within: Duration,
) {
    let Process { stdin, stdout, stderr, mut child, .. } = process;
    // There is nobody to type anything.
    drop(stdin);
    let late = sleep(within);
    tokio::pin!(late);
    let ending = async {
        let ended = tokio::select! {
            exit = child.wait() => Some(exit),
            () = stop.cancelled() => None,
            () = &mut late => None,
        };
        match ended {
            Some(exit) => exit,
            None => {
                end(child.as_mut()).await;
                timeout(SOON, child.wait()).await.unwrap_or_else(|_| Ok(Exit::Signal(9)))
            }
        }
    };
    let (exit, (), ()) = tokio::join!(ending, read(stdout, &kept), read(stderr, &kept));
    if let Err(error) = &exit {
        tracing::warn!(%error, "how a command ended cannot be learned");
    }
    tell.send_replace(End::Over(exit.ok()));
    // What it left running is ended with the terminal.
    tokio::select! {
        () = stop.cancelled() => {}
        () = &mut late => {}
    }
    end(child.as_mut()).await;
}

async fn end(child: &mut dyn striatum_core::sandbox::Child) {
    match timeout(SOON, child.kill()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "a command could not be ended"),
        Err(_) => tracing::warn!("a command does not end"),
    }
}
