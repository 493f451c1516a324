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
    sandbox::{Exec, Exit, Input, Listen, Output, Process, Sandbox, SandboxSession, SandboxSpec},
};
use striatum_sandbox::{NoSandbox, process::ProcessRecord};
use tempfile::TempDir;

/// Only ever reached by a test that hangs.
const HANG: Duration = Duration::from_secs(60);

/// Enough that no test waits for it.
pub(crate) const LONG: Duration = Duration::from_secs(600);

/// Where machines keep their kernel, for those who may not write where it usually is.
#[cfg(target_os = "linux")]
const CACHE: &str = "STRIATUM_TEST_CACHE";

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
    had(test, build(machine_builder()).probe().await)
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn machine_builder() -> striatum_sandbox::MicroVmBuilder {
    let shim = striatum_sandbox::shim::Shim::at(shim_program());
    let cache = std::env::var_os(CACHE).unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
    striatum_sandbox::MicroVm::builder().shim(shim).cache(cache)
}

/// Whether a test of machines is skipped, since where no guest boots with KVM it takes minutes, and another like it is run every
/// day: `./check full` asks for all of them.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(crate) async fn is_for_another_day(test: &str) -> bool {
    if std::env::var_os("STRIATUM_EMULATED").is_some() {
        return false;
    }
    let builder = machine_builder().accelerator(striatum_sandbox::Accelerator::Kvm);
    let is_slow = builder.probe().await.is_err();
    if is_slow {
        let reason = "no guest boots with KVM here, and emulated it takes minutes: `./check full` runs it (STRIATUM_EMULATED=1)";
        striatum_testkit::skip(test, reason);
    }
    is_slow
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

/// Runs so many other tests as somebody who may do nothing: a test binary that runs as the administrator runs itself once more. They are
/// those whose names begin so.
#[cfg(target_os = "linux")]
pub(crate) fn as_an_ordinary_user(name: &str, count: usize, tests: &str) {
    as_nobody(name, count, tests, std::process::Command::new("setpriv"));
}

/// The same with a test of containers: for these an ordinary user needs further numbers, and crun refuses a host with two versions of
/// control groups. Both are arranged where nobody else sees it.
#[cfg(target_os = "linux")]
pub(crate) fn in_containers_of_an_ordinary_user(name: &str, test: &str) {
    let script = "numbers=$(mktemp) && echo 65534:200000:65536 >$numbers && chmod 644 $numbers || exit
        for list in /etc/subuid /etc/subgid; do mount --bind $numbers $list || exit; done
        rm $numbers
        if [ -d /sys/fs/cgroup/unified ]; then mount -t tmpfs none /sys/fs/cgroup || exit; fi
        exec setpriv \"$@\"";
    let mut apart = std::process::Command::new("unshare");
    apart.args(["--mount", "--propagation", "private", "sh", "-c", script, "setpriv"]);
    as_nobody(name, 1, test, apart);
}

#[cfg(target_os = "linux")]
fn as_nobody(name: &str, count: usize, tests: &str, mut setpriv: std::process::Command) {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().expect("a folder");
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("of-an-ordinary-user");
    std::fs::create_dir_all(&cache).expect("a folder");
    for open in [folder.path(), &cache] {
        std::fs::set_permissions(open, std::fs::Permissions::from_mode(0o777)).expect("it is ours");
    }
    let ran = setpriv
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(std::env::current_exe().expect("this program"))
        .args([tests, "--nocapture"])
        .args((count == 1).then_some("--exact"))
        .env("TMPDIR", folder.path())
        .env(CACHE, cache)
        .env("HOME", "/nonexistent")
        .env_remove("STRIATUM_SKIPS")
        .output();
    let ran = match ran {
        Ok(ran) => ran,
        Err(error) => return striatum_testkit::skip(name, &format!("setpriv cannot be run: {error}")),
    };
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    if !ran.status.success() && !said.contains("running ") {
        let why = said.lines().last().unwrap_or("no word");
        return striatum_testkit::skip(name, &format!("an ordinary user may not run this here: {why}"));
    }
    if let Some(reason) = said.lines().find(|line| line.starts_with("skipped: ")) {
        return striatum_testkit::skip(name, reason);
    }
    assert!(ran.status.success() && said.contains(&format!("ok. {count} passed")), "{said}");
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

    /// A program in the place of bubblewrap, which finds the real one by its name.
    #[cfg(target_os = "linux")]
    pub(crate) fn bubblewrap(&self, script: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let program = self.path().join("bwrap");
        let path = std::env::var("PATH").expect("a PATH");
        std::fs::write(&program, format!("#!/bin/sh\nPATH='{path}'\n{script}")).expect("a file");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("its mode");
        program
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

/// Has an agent do a piece of work: it looks around, changes its tree, talks to the host through its listener, and ends in its own way.
#[cfg(target_os = "linux")]
pub(crate) async fn works(sandbox: &dyn Sandbox, place: &Place) {
    let mut session = sandbox.open(&place.spec).await.expect("a session");
    let script = "pwd; id -un; echo made >file; ls $HOME /tmp; ls /sys; echo $ADDRESS; exec 3<>/dev/tcp/127.0.0.1/${ADDRESS##*:}; cat <&3; exit 7";
    let mut exec = shell(script);
    exec.argv[0] = "bash".into();
    let exec = exec.listening(Listen::new("tools").announced("ADDRESS", "http://{}"));
    let mut process = session.spawn(&exec).await.expect("it starts");
    let listener = process.take_listener("tools").expect("a listener");
    let address = listener.local_addr().expect("an address");
    let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
    let (stream, _) = listener.accept().await.expect("the agent connects");
    tokio::io::AsyncWriteExt::write_all(&mut { stream }, b"hello\n").await.expect("it listens");
    let said = rest(stdout(&mut process)).await;
    let tree = place.spec.tree.display();
    assert_eq!(said, format!("{tree}\nagent\n/home/agent:\n\n/tmp:\nhttp://{address}\nhello\n"));
    assert_eq!(exit(&mut process).await, Exit::Code(7));
    assert_eq!(std::fs::read_to_string(place.spec.tree.join("file")).expect("a file"), "made\n");
    assert_eq!(place.outcome(), Some(Exit::Code(7)));
    session.close().await.expect("nothing is left");
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
