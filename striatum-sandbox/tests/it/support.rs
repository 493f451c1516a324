//! A session in a fresh folder, and what to ask of the processes in it.

use std::{
    ffi::OsString,
    future::Future,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use futures_util::{AsyncReadExt, AsyncWriteExt};
use striatum_core::{
    id::{Fence, JobId, RunId, SessionId},
    sandbox::{Exec, Exit, Input, Output, Process, Sandbox, SandboxSession, SandboxSpec},
};
use striatum_sandbox::{NoSandbox, process::ProcessRecord};
use tempfile::TempDir;

/// Only ever reached by a test that hangs.
const HANG: Duration = Duration::from_secs(60);

/// Enough that no test waits for it.
pub(crate) const LONG: Duration = Duration::from_secs(600);

pub(crate) fn sandbox() -> NoSandbox {
    NoSandbox::new("/usr/local/bin:/usr/bin:/bin".into())
}

/// Namespaces, or nothing where this host has none: the test is skipped then.
#[cfg(target_os = "linux")]
pub(crate) async fn walls(test: &str) -> Option<striatum_sandbox::Namespaces> {
    walls_with(test, |builder| builder).await
}

/// The same, built in some way.
#[cfg(target_os = "linux")]
pub(crate) async fn walls_with(
    test: &str,
    build: impl FnOnce(striatum_sandbox::NamespacesBuilder) -> striatum_sandbox::NamespacesBuilder,
) -> Option<striatum_sandbox::Namespaces> {
    let shim = striatum_sandbox::shim::Shim::at(shim_program());
    had(test, build(striatum_sandbox::Namespaces::builder().shim(shim)).probe().await)
}

/// Containers, or nothing where this host has none: the test is skipped then.
#[cfg(target_os = "linux")]
pub(crate) async fn containers_with(
    test: &str,
    build: impl FnOnce(striatum_sandbox::ContainerBuilder) -> striatum_sandbox::ContainerBuilder,
) -> Option<striatum_sandbox::Container> {
    let shim = striatum_sandbox::shim::Shim::at(shim_program());
    had(test, build(striatum_sandbox::Container::builder().shim(shim)).probe().await)
}

/// Machines, or nothing where this host has none: the test is skipped then.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(crate) async fn machines_with(
    test: &str,
    build: impl FnOnce(striatum_sandbox::MicroVmBuilder) -> striatum_sandbox::MicroVmBuilder,
) -> Option<striatum_sandbox::MicroVm> {
    let shim = striatum_sandbox::shim::Shim::at(shim_program());
    let builder = striatum_sandbox::MicroVm::builder().shim(shim).cache(env!("CARGO_TARGET_TMPDIR"));
    had(test, build(builder).probe().await)
}

#[cfg(target_os = "linux")]
fn had<S>(test: &str, probed: Result<S, striatum_core::sandbox::SandboxError>) -> Option<S> {
    match probed {
        Ok(sandbox) => Some(sandbox),
        Err(error) => {
            let cause =
                std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            let remedy = error.remedy.clone().unwrap_or_default();
            striatum_testkit::skip(test, &format!("{error}{cause} ({remedy})"));
            None
        }
    }
}

#[cfg(target_os = "linux")]
pub(crate) fn shim_program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_striatum-shim"))
}

/// A place for one session, with a name that needs quoting.
pub(crate) struct Place {
    root: TempDir,
    pub(crate) spec: SandboxSpec,
}

impl Place {
    pub(crate) fn new() -> Self {
        let root = TempDir::new().expect("a folder");
        let spec = spec_in(root.path(), fresh_session());
        Self { root, spec }
    }

    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn record(&self, name: &str) -> PathBuf {
        self.spec.folder.join(name)
    }

    pub(crate) fn outcome(&self) -> Option<Exit> {
        let bytes = std::fs::read(self.record("outcome")).ok()?;
        Some(serde_json::from_slice(&bytes).expect("an outcome"))
    }

    pub(crate) fn leader(&self) -> ProcessRecord {
        let bytes = std::fs::read(self.record("process")).expect("a record");
        serde_json::from_slice(&bytes).expect("a record")
    }

    pub(crate) async fn open(&self) -> Box<dyn SandboxSession> {
        sandbox().open(&self.spec).await.expect("a session")
    }
}

pub(crate) fn spec_in(root: &Path, session: SessionId) -> SandboxSpec {
    let (tree, folder) = (root.join("tree"), root.join("it's a \"folder\" $HOME"));
    std::fs::create_dir_all(&tree).expect("a tree");
    std::fs::create_dir_all(&folder).expect("a folder");
    let fence = Fence {
        run: RunId::from_bytes([1; 16]),
        job: JobId::new("draft").expect("a name"),
        epoch: 1,
        session,
    };
    SandboxSpec::new(fence, tree, folder)
}

/// Tests run side by side, also in processes of their own, and a session's id finds its processes: no two may share one.
fn fresh_session() -> SessionId {
    let name = tempfile::Builder::new().rand_bytes(16).prefix("").tempfile().expect("a name");
    let name = name.path().file_name().expect("a name").as_encoded_bytes().to_owned();
    SessionId::from_bytes(name.try_into().expect("sixteen bytes"))
}

pub(crate) fn exec<A: Into<OsString>>(argv: impl IntoIterator<Item = A>) -> Exec {
    Exec::new(argv)
}

pub(crate) fn shell(script: &str) -> Exec {
    exec(["/bin/sh", "-c", script])
}

pub(crate) fn stdin(process: &mut Process) -> Input {
    process.stdin.take().expect("an input")
}

pub(crate) fn stdout(process: &mut Process) -> Output {
    process.stdout.take().expect("an output")
}

pub(crate) async fn say(input: &mut Input, text: &str) {
    soon(input.write_all(text.as_bytes())).await.expect("it listens");
    soon(input.flush()).await.expect("it listens");
}

pub(crate) async fn rest(mut output: impl AsyncReadExt + Unpin) -> String {
    let mut bytes = Vec::new();
    soon(output.read_to_end(&mut bytes)).await.expect("an output");
    String::from_utf8(bytes).expect("text")
}

/// The next line, without reading beyond it.
pub(crate) async fn line(output: &mut Output) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while soon(output.read(&mut byte)).await.expect("an output") == 1 && byte != *b"\n" {
        line.push(byte[0]);
    }
    String::from_utf8(line).expect("text")
}

pub(crate) async fn exit(process: &mut Process) -> Exit {
    soon(process.child.wait()).await.expect("an end")
}

/// What a future answers, unless it hangs.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(HANG, future).await.expect("this hangs")
}

/// Waits for something that another process does and that only a look can tell.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < HANG, "{what}: this hangs");
        std::thread::yield_now();
    }
}

/// Notes down the process with this number, which must live.
pub(crate) fn note(pid: &str) -> ProcessRecord {
    let pid = pid.parse().expect("a number");
    let start = striatum_sandbox::process::start_time(pid).expect("it lives");
    ProcessRecord { pid, start, boot: striatum_sandbox::process::boot_id().expect("a boot") }
}
