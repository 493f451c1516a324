//! An open session.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use async_trait::async_trait;
use striatum_core::sandbox::{
    EnvVar, Exec, Limits, Listen, Process, SandboxError, SandboxErrorKind, SandboxSession, SandboxSpec,
};
use tokio::{
    io::AsyncReadExt,
    process::{ChildStderr, ChildStdin, ChildStdout},
};
use tokio_util::compat::TokioAsyncWriteCompatExt;

use crate::{
    child::{Author, Handle, Leader, Started},
    crew::Crew,
    environment::{MARK, assemble, check},
    failure::failed,
    folder::Folder,
    output::bounded,
    program,
};

/// Writes who it is, runs the agent, writes how it ended.
const WRAPPER: &str = include_str!("wrapper.sh");

/// An open session of plain processes.
#[derive(Debug)]
pub(super) struct Session {
    path: Arc<OsString>,
    tree: PathBuf,
    env: Vec<EnvVar>,
    limits: Limits,
    crew: Crew,
}

impl Session {
    pub(super) fn new(path: Arc<OsString>, folder: Folder, spec: &SandboxSpec) -> Self {
        Self {
            path,
            tree: spec.tree.clone(),
            env: spec.env.clone(),
            limits: spec.limits,
            crew: Crew::new(folder, spec),
        }
    }

    fn environment<'a>(&'a self, exec: impl Iterator<Item = &'a EnvVar>) -> BTreeMap<String, OsString> {
        let fixed = [
            ("PATH", self.path.as_os_str().to_owned()),
            ("HOME", self.crew.folder().home().into()),
            ("TMPDIR", self.crew.folder().tmp().into()),
            (MARK, self.crew.session().to_string().into()),
        ];
        assemble(fixed, self.env.iter().chain(exec))
    }

    fn command(
        &self,
        program: &Path,
        exec: &Exec,
        announced: &[EnvVar],
        suffix: &str,
    ) -> Result<Command, SandboxError> {
        let boot = crate::process::boot_id().map_err(failed("tell the present boot"))?;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", WRAPPER, "striatum-agent"])
            .args([
                self.crew.folder().path().as_os_str(),
                OsStr::new(suffix),
                OsStr::new(&boot),
                program.as_os_str(),
            ])
            .args(exec.argv.iter().skip(1))
            .env_clear()
            .envs(self.environment(exec.env.iter().chain(announced)))
            .current_dir(&self.tree)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Ok(command)
    }
}

#[async_trait]
impl SandboxSession for Session {
    async fn spawn(&mut self, exec: &Exec) -> Result<Process, SandboxError> {
        check(&exec.env)?;
        let Some(name) = exec.argv.first() else {
            return Err(SandboxError::new(SandboxErrorKind::NotFound, "start a program without a name"));
        };
        if !self.tree.is_dir() {
            let doing = format!("work in {}, which is no folder", self.tree.display());
            return Err(SandboxError::new(SandboxErrorKind::Denied, doing));
        }
        let program = program::find(name, &self.path, &self.tree)?;
        let Bound { listeners, announced } = bind(&exec.listeners)?;
        check(&announced)?;
        let suffix = self.crew.next_suffix();
        let doing = format!("start {name:?}");
        let failed = || failed(doing.clone());
        let command = self.command(&program, exec, &announced, &suffix)?;
        let started = Leader::start(command, self.crew.folder().clone(), suffix, Author::Wrapper, ());
        let Started { leader, stdin, stdout, stderr } = started.map_err(failed())?;
        let leader = self.crew.join(leader);
        // From here on whatever goes wrong, and whoever stops waiting, drops the handle and so ends the group.
        let handle = Handle::new(Arc::clone(&leader), self.limits.grace);

        let stdin = stdin.map(ChildStdin::from_std).transpose().map_err(failed())?;
        let stdout = stdout.map(ChildStdout::from_std).transpose().map_err(failed())?;
        let mut stderr = stderr.map(ChildStderr::from_std).transpose().map_err(failed())?;
        if let Some(stderr) = &mut stderr {
            agent_is_on_record(stderr, &doing).await?;
        }
        Ok(Process {
            stdin: stdin.map(|stdin| Box::pin(stdin.compat_write()) as _),
            stdout: stdout.map(|stdout| bounded(stdout, leader.ended(), &self.limits)),
            stderr: stderr.map(|stderr| bounded(stderr, leader.ended(), &self.limits)),
            child: Box::new(handle),
            listeners,
        })
    }

    async fn close(self: Box<Self>) -> Result<(), SandboxError> {
        self.crew.close().await
    }
}

/// Sockets, and the variables that tell of them.
#[derive(Debug, Default)]
struct Bound {
    listeners: Vec<(String, TcpListener)>,
    announced: Vec<EnvVar>,
}

fn bind(wanted: &[Listen]) -> Result<Bound, SandboxError> {
    let mut bound = Bound::default();
    for listen in wanted {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
            .map_err(failed(format!("listen as {:?}", listen.name)))?;
        let address = socket.local_addr().map_err(failed("tell where a socket listens"))?;
        bound.announced.extend(listen.variables(address));
        bound.listeners.push((listen.name.clone(), socket));
    }
    Ok(bound)
}

/// Waits until the wrapper has written who it is: what it says on standard error before the agent has it.
async fn agent_is_on_record(stderr: &mut ChildStderr, doing: &str) -> Result<(), SandboxError> {
    let mut first = [0];
    let length = stderr.read(&mut first).await.map_err(failed(doing))?;
    if length == 1 && first == *b"+" {
        return Ok(());
    }
    let mut complaint = first.get(..length).unwrap_or_default().to_vec();
    stderr.take(4096).read_to_end(&mut complaint).await.map_err(failed(doing))?;
    let complaint = String::from_utf8_lossy(&complaint).trim().to_owned();
    Err(SandboxError::new(SandboxErrorKind::Other, doing).because(complaint))
}
