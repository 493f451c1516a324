//! A sandbox that breaks one rule, made of one that breaks none.

use std::{
    ffi::OsString,
    io,
    net::TcpListener,
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use async_trait::async_trait;
use futures_util::AsyncWrite;
use striatum_core::sandbox::{
    Child, EnvVar, Exec, Exit, Input, Isolation, Level, Process, Reaped, Sandbox, SandboxError,
    SandboxErrorKind, SandboxSession, SandboxSpec,
};
use striatum_sandbox::NoSandbox;

use crate::support::{LONG, sandbox};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// None: what breaks no rule is caught by no case.
    None,
    /// Processes begin in another folder than the tree.
    StartsElsewhere,
    /// A program is looked up in the tree too.
    LooksInTheTree,
    /// Arguments are parted at their spaces.
    SplitsArguments,
    /// Every failure is of the same kind.
    TellsNoKinds,
    /// Something is started if nothing was named.
    StartsSomething,
    /// Whatever is demanded is granted.
    IgnoresDemands,
    /// What an earlier session left in its folder is cleared away.
    ServesAFolderTwice,
    /// Nothing is mounted.
    RefusesMounts,
    /// Processes have a variable that nobody named.
    AddsVariables,
    /// Variables that may not be set are left out without a word.
    DropsVariables,
    /// There is no home.
    HasNoHome,
    /// Values are trimmed.
    TidiesValues,
    /// Input does not reach the process.
    IsDeaf,
    /// The process does not learn that its input has ended.
    KeepsTheInputOpen,
    /// What was written to one stream comes out of the other.
    MixesOutputs,
    /// Output is not bounded.
    PassesEverythingOn,
    /// There is no output.
    LosesOutput,
    /// Every process has succeeded.
    TellsOfSuccess,
    /// A process that had ended has been killed if somebody tried.
    TellsOfItsKill,
    /// A process that is waited for a second time has ended.
    WaitsOnce,
    /// To kill a process does nothing.
    KillsNothing,
    /// A process is asked to end, and no more.
    OnlyAsks,
    /// A process is killed without being asked.
    NeverAsks,
    /// A process goes on when its handle is dropped.
    ForgetsProcesses,
    /// A session goes on when it is dropped.
    ForgetsSessions,
    /// A session goes on when it is closed.
    ClosesWithoutALook,
    /// What ended one process of a session ended all.
    HasOneEnd,
    /// How a process ended is not on record.
    ForgetsOutcomes,
    /// A process of which nothing is known ended well.
    InventsOutcomes,
    /// Nothing is ever found to be reaped.
    ReapsNothing,
    /// A folder that is gone is an error.
    WantsAFolder,
    /// A session that was reaped starts processes, and says that it did not.
    StartsAfterReaping,
    /// No listener is handed out.
    BindsNothing,
    /// Listeners bear each other's names.
    ListensBackwards,
    /// Each process gets the listeners of the first.
    SharesListeners,
    /// Listeners are not where the process is told.
    ListensElsewhere,
}

/// What was forgotten, until the end of the test.
static FORGOTTEN: Mutex<Vec<Box<dyn Send>>> = Mutex::new(Vec::new());

fn forget(what: impl Send + 'static) {
    FORGOTTEN.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(what));
}

/// Ends what was forgotten.
pub(crate) fn end_all() {
    FORGOTTEN.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

#[derive(Debug)]
pub(crate) struct Broken {
    inner: NoSandbox,
    fault: Fault,
}

impl Broken {
    pub(crate) fn new(fault: Fault) -> Self {
        Self { inner: sandbox(), fault }
    }
}

#[async_trait]
impl Sandbox for Broken {
    fn offers(&self) -> Isolation {
        self.inner.offers()
    }

    async fn open(&self, spec: &SandboxSpec) -> Result<Box<dyn SandboxSession>, SandboxError> {
        let mut spec = spec.clone();
        match self.fault {
            Fault::IgnoresDemands => spec.demands = Isolation::uniform(Level::Unsupported),
            Fault::ServesAFolderTwice => {
                std::fs::remove_dir_all(&spec.folder).expect("a folder");
                std::fs::create_dir(&spec.folder).expect("a folder");
            }
            Fault::RefusesMounts if !spec.mounts.is_empty() => {
                return Err(SandboxError::new(SandboxErrorKind::MountRefused, "mount anything"));
            }
            Fault::PassesEverythingOn => spec.limits.output_bytes = u64::MAX,
            Fault::OnlyAsks => spec.limits.grace = LONG,
            _ => {}
        }
        let inner = self.inner.open(&spec).await?;
        let (fault, first) = (self.fault, Arc::default());
        Ok(Box::new(BrokenSession { inner: Some(inner), fault, spec, first, listeners: Vec::new() }))
    }

    async fn reap(&self, folder: &Path) -> Result<Reaped, SandboxError> {
        if self.fault == Fault::ReapsNothing {
            return Ok(Reaped { killed: 0, outcome: None });
        }
        if self.fault == Fault::WantsAFolder && !folder.exists() {
            return Err(SandboxError::new(SandboxErrorKind::Other, "find the folder"));
        }
        let reaped = self.inner.reap(folder).await?;
        Ok(match self.fault {
            Fault::ForgetsOutcomes => Reaped { outcome: None, ..reaped },
            Fault::InventsOutcomes => Reaped { outcome: reaped.outcome.or(Some(Exit::Code(0))), ..reaped },
            _ => reaped,
        })
    }
}

#[derive(Debug)]
struct BrokenSession {
    inner: Option<Box<dyn SandboxSession>>,
    fault: Fault,
    spec: SandboxSpec,
    /// How the first process ended that did.
    first: Arc<Mutex<Option<Exit>>>,
    /// Those of the first process.
    listeners: Vec<(String, TcpListener)>,
}

impl BrokenSession {
    /// What is asked for, as this sandbox understands it.
    fn exec(&self, exec: &Exec) -> Exec {
        let mut exec = exec.clone();
        let shell = |script: &str| ["/bin/sh".into(), "-c".into(), script.into(), "sh".into()];
        match self.fault {
            Fault::StartsElsewhere => {
                exec.argv.splice(0..0, shell("cd /; exec \"$@\""));
            }
            Fault::SplitsArguments => {
                exec.argv.splice(0..0, shell("exec $*"));
            }
            Fault::HasNoHome => {
                exec.argv.splice(0..0, shell("HOME=/nowhere; exec \"$@\""));
            }
            Fault::LooksInTheTree => {
                if let Some(name) = exec.argv.first_mut()
                    && self.spec.tree.join(&*name).is_file()
                {
                    *name = [OsString::from("./"), name.clone()].into_iter().collect();
                }
            }
            Fault::StartsSomething if exec.argv.iter().all(|argument| argument.is_empty()) => {
                exec.argv = vec!["true".into()];
            }
            Fault::AddsVariables => exec.env.push(EnvVar::new("UNNAMED", "1")),
            Fault::DropsVariables => exec.env.clear(),
            Fault::TidiesValues => {
                for variable in &mut exec.env {
                    variable.value = variable.value.to_string_lossy().trim().into();
                }
            }
            _ => {}
        }
        exec
    }

    /// What was started, as this sandbox hands it out.
    fn handed_out(&mut self, mut process: Process) -> Process {
        match self.fault {
            Fault::IsDeaf => drop(process.stdin.replace(Box::pin(futures_util::io::sink()))),
            Fault::KeepsTheInputOpen => {
                process.stdin = process.stdin.map(|input| Box::pin(Kept(Some(input))) as Input);
            }
            Fault::MixesOutputs => std::mem::swap(&mut process.stdout, &mut process.stderr),
            Fault::LosesOutput => process.stdout = Some(Box::pin(futures_util::io::empty())),
            Fault::BindsNothing => process.listeners.clear(),
            Fault::ListensBackwards => process.listeners.reverse(),
            Fault::SharesListeners if self.listeners.is_empty() => {
                let copy = |(name, listener): &(String, TcpListener)| {
                    (name.clone(), listener.try_clone().expect("a descriptor"))
                };
                self.listeners = process.listeners.iter().map(copy).collect();
            }
            Fault::SharesListeners => std::mem::swap(&mut process.listeners, &mut self.listeners),
            Fault::ListensElsewhere => {
                for (_, listener) in &mut process.listeners {
                    *listener = TcpListener::bind("127.0.0.1:0").expect("a port");
                }
            }
            _ => {}
        }
        let (fault, first) = (self.fault, self.first.clone());
        let child =
            BrokenChild { inner: Some(process.child), fault, first, is_waited: false, is_killed: false };
        Process { child: Box::new(child), ..process }
    }
}

#[async_trait]
impl SandboxSession for BrokenSession {
    async fn spawn(&mut self, exec: &Exec) -> Result<Process, SandboxError> {
        let exec = self.exec(exec);
        let inner = self.inner.as_mut().expect("it is open");
        match inner.spawn(&exec).await {
            Ok(process) => Ok(self.handed_out(process)),
            Err(error) if self.fault == Fault::TellsNoKinds => {
                Err(SandboxError { kind: SandboxErrorKind::Other, ..error })
            }
            Err(error) if self.fault == Fault::StartsAfterReaping => {
                let mut command = std::process::Command::new(&exec.argv[0]);
                let ran = command.args(&exec.argv[1..]).current_dir(&self.spec.tree).status();
                assert!(ran.expect("it runs").success());
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    async fn close(mut self: Box<Self>) -> Result<(), SandboxError> {
        let inner = self.inner.take().expect("it is open");
        if self.fault == Fault::ClosesWithoutALook {
            forget(inner);
            return Ok(());
        }
        inner.close().await
    }
}

impl Drop for BrokenSession {
    fn drop(&mut self) {
        if self.fault == Fault::ForgetsSessions {
            forget(self.inner.take());
        }
    }
}

#[derive(Debug)]
struct BrokenChild {
    inner: Option<Box<dyn Child>>,
    fault: Fault,
    first: Arc<Mutex<Option<Exit>>>,
    is_waited: bool,
    is_killed: bool,
}

#[async_trait]
impl Child for BrokenChild {
    async fn wait(&mut self) -> Result<Exit, SandboxError> {
        let first = || self.first.lock().unwrap_or_else(PoisonError::into_inner);
        match self.fault {
            Fault::TellsOfItsKill if self.is_killed => return Ok(Exit::Signal(9)),
            Fault::WaitsOnce if self.is_waited => return Ok(Exit::Code(0)),
            Fault::HasOneEnd => {
                if let Some(exit) = *first() {
                    return Ok(exit);
                }
            }
            _ => {}
        }
        self.is_waited = true;
        let Some(inner) = &mut self.inner else { return Ok(Exit::Signal(9)) };
        let exit = inner.wait().await?;
        *self.first.lock().unwrap_or_else(PoisonError::into_inner) = Some(exit);
        Ok(if self.fault == Fault::TellsOfSuccess { Exit::Code(0) } else { exit })
    }

    async fn kill(&mut self) -> Result<(), SandboxError> {
        self.is_killed = true;
        match (self.fault, &mut self.inner) {
            (Fault::KillsNothing, _) | (_, None) => Ok(()),
            (Fault::NeverAsks, inner) => {
                drop(inner.take());
                Ok(())
            }
            (_, Some(inner)) => inner.kill().await,
        }
    }
}

impl Drop for BrokenChild {
    fn drop(&mut self) {
        if self.fault == Fault::ForgetsProcesses {
            forget(self.inner.take());
        }
    }
}

/// An input that stays open when it is dropped.
struct Kept(Option<Input>);

impl Kept {
    fn inner(&mut self) -> Pin<&mut (dyn AsyncWrite + Send)> {
        self.0.as_mut().expect("it is open").as_mut()
    }
}

impl AsyncWrite for Kept {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.inner().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_flush(context)
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        forget(self.0.take());
    }
}
