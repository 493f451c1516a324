//! Attempts to break out, with and without walls.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket},
    os::{
        fd::OwnedFd,
        linux::net::SocketAddrExt,
        unix::{
            fs::PermissionsExt,
            net::{SocketAddr as UnixAddr, UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicI32, Ordering},
    thread,
};

use serde_json::json;
use striatum_core::sandbox::{EnvVar, Exec, Level, Sandbox};

use crate::support::{Place, as_an_ordinary_user, exit, shim_program, stdout, walls_with};

pub(crate) const ESCAPES: &str = env!("CARGO_BIN_EXE_striatum-escapes");
const SECRET: &str = "the-secret-that-nobody-behind-walls-may-have";

/// Which attempts a resource limit holds that only some hosts can give.
const BY_CGROUP: [&str; 2] = ["start hundreds of processes", "use more memory than it may"];

#[tokio::test(flavor = "multi_thread")]
async fn no_attempt_gets_out() {
    behind_walls("no_attempt_gets_out").await;
}

async fn behind_walls(name: &str) {
    let lures = Lures::lay().expect("lures");
    let Some(sandbox) = walls_with(name, |builder| builder.protect(lures.folder.path())).await else {
        return;
    };
    tried(&sandbox, &lures).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_attempt_gets_out_of_containers() {
    let lures = Lures::lay().expect("lures");
    let protect = |builder: striatum_sandbox::ContainerBuilder| builder.protect(lures.folder.path());
    let name = "no_attempt_gets_out_of_containers";
    if let Some(sandbox) = crate::support::containers_with(name, protect).await {
        tried(&sandbox, &lures).await;
    }
}

#[test]
fn no_attempt_gets_out_of_containers_as_an_ordinary_user() {
    if rustix::process::geteuid().is_root() {
        let name = "no_attempt_gets_out_of_containers_as_an_ordinary_user";
        let test = "escapes::no_attempt_gets_out_of_containers";
        crate::support::in_containers_of_an_ordinary_user(name, test);
    }
}

#[cfg(target_arch = "x86_64")]
#[tokio::test(flavor = "multi_thread")]
async fn no_attempt_gets_out_of_machines() {
    let lures = Lures::lay().expect("lures");
    let protect = |builder: striatum_sandbox::MicroVmBuilder| builder.protect(lures.folder.path());
    let Some(sandbox) = crate::support::machines_with("no_attempt_gets_out_of_machines", protect).await
    else {
        return;
    };
    tried(&sandbox, &lures).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_attempt_gets_out_as_an_ordinary_user() {
    let name = "no_attempt_gets_out_as_an_ordinary_user";
    if !rustix::process::geteuid().is_root() {
        return behind_walls(name).await;
    }
    as_an_ordinary_user(name, 1, "escapes::no_attempt_gets_out");
}

#[cfg(target_arch = "x86_64")]
#[tokio::test]
async fn no_attempt_gets_out_of_machines_as_an_ordinary_user() {
    let name = "no_attempt_gets_out_of_machines_as_an_ordinary_user";
    if rustix::process::geteuid().is_root() && !crate::support::is_for_another_day(name).await {
        as_an_ordinary_user(name, 1, "escapes::no_attempt_gets_out_of_machines");
    }
}

async fn tried(sandbox: &impl Sandbox, lures: &Lures) {
    let mut place = Place::new();
    place.spec.limits.scratch_bytes = 16 << 20;
    place.spec.limits.processes = 128;
    place.spec.limits.memory_bytes = 512 << 20;
    let mut session = sandbox.open(&place.spec).await.expect("a session");
    let question = lures.question(&place.spec.folder);

    // Without walls first, in a folder of the same kind.
    let open = tempfile::tempdir().expect("a folder");
    let outside = Command::new(ESCAPES)
        .arg("all")
        .current_dir(open.path())
        .env("ESCAPE_LURES", &question)
        .env("ESCAPE_HOST", "yes")
        .env("HOME", open.path())
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let outside = Outcomes::parse(&String::from_utf8_lossy(&outside.stdout));

    // Each attempt has its time; all together take minutes in a machine that is emulated on a busy host.
    let exec = Exec { env: vec![EnvVar::new("ESCAPE_LURES", question)], ..Exec::new([ESCAPES, "all"]) };
    let mut process = session.spawn(&exec).await.expect("it starts");
    let mut said = String::new();
    let reading = futures_util::AsyncReadExt::read_to_string(&mut stdout(&mut process), &mut said).await;
    reading.expect("an output");
    let ended = exit(&mut process).await;
    session.close().await.expect("nothing is left");
    let inside = Outcomes::parse(&said);
    assert!(ended.is_success(), "{ended}: {said}");

    let is_root = rustix::process::geteuid().is_root();
    let unreal: Vec<String> = outside
        .0
        .iter()
        .filter(|(_, outcome)| outcome.real == "Always" || (outcome.real == "Root" && is_root))
        .filter(|(_, outcome)| !outcome.could)
        .map(|(name, outcome)| format!("{name}: {}", outcome.why))
        .collect();
    assert!(unreal.is_empty(), "these prove nothing, they fail without walls too: {unreal:#?}");
    if is_root && std::env::var_os("STRIATUM_PG_URL").is_some() {
        let database = &outside.0["talk to the database"];
        assert!(database.could, "the gate's database does not answer its administrator: {}", database.why);
    }
    let real = outside.0.values().filter(|outcome| outcome.could).count();
    assert!(real >= 60, "only {real} of {} attempts succeed without walls", outside.0.len());

    assert!(inside.0.keys().eq(outside.0.keys()), "not every attempt was made");
    let promised = |name: &str| !BY_CGROUP.contains(&name) || sandbox.offers().resources == Level::Enforced;
    let out: Vec<&String> = inside
        .0
        .iter()
        .filter(|(name, outcome)| outcome.could && promised(name))
        .map(|(name, _)| name)
        .collect();
    assert!(out.is_empty(), "these got out: {out:#?}");
    let _unheard = io::stderr().write_all(
        format!("{} attempts, {real} of them real here, none got out\n", inside.0.len()).as_bytes(),
    );
}

/// What came of each attempt.
#[derive(Debug)]
struct Outcomes(BTreeMap<String, Outcome>);

#[derive(Debug)]
struct Outcome {
    real: String,
    could: bool,
    why: String,
}

impl Outcomes {
    fn parse(said: &str) -> Self {
        let line = |line: &str| {
            let mut cells = line.split('\t').map(str::to_owned);
            let mut cell = || cells.next().unwrap_or_else(|| panic!("{line:?}"));
            let (name, real, could) = (cell(), cell(), cell());
            (name, Outcome { real, could: could == "could", why: cell() })
        };
        Self(said.lines().map(line).collect())
    }
}

/// What there is to be got at, for as long as this lives.
struct Lures {
    folder: tempfile::TempDir,
    victim: Child,
    address: usize,
    descriptor: i32,
    key: i32,
    abstract_name: String,
    tcp: TcpListener,
    tcp6: Option<TcpListener>,
    udp: UdpSocket,
    /// Left open for whoever is started, as a careless library does.
    _leak: OwnedFd,
}

impl Lures {
    fn lay() -> io::Result<Self> {
        static NEXT: AtomicI32 = AtomicI32::new(0);
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        fs::write(at("secret"), SECRET)?;
        fs::write(at("sacrifice"), "")?;
        fs::write(at("script"), "#!/bin/sh\nexit 0\n")?;
        fs::set_permissions(at("script"), fs::Permissions::from_mode(0o755))?;
        fs::write(at("attributes"), "* from-the-host\n")?;
        repository(&at("repository"))?;
        let socket = UnixListener::bind(at("agent.sock"))?;
        let abstract_name = format!("striatum-{}", folder.path().display());
        let nameless = UnixListener::bind_addr(&UnixAddr::from_abstract_name(&abstract_name)?)?;
        for listener in [socket, nameless] {
            thread::spawn(move || listener.incoming().flatten().for_each(answer));
        }
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let echo = udp.try_clone()?;
        thread::spawn(move || {
            let mut heard = [0; 512];
            while let Ok((length, from)) = echo.recv_from(&mut heard) {
                let _unheard = echo.send_to(&heard[..length], from);
            }
        });
        // A number that others hardly have, and no other lures of this process.
        let another = NEXT.fetch_add(0x40_0000, Ordering::Relaxed);
        let key = i32::try_from(std::process::id()).map_err(io::Error::other)? + 0x5354_0000 + another;
        let mut victim = Command::new(ESCAPES)
            .args(["victim", SECRET])
            .arg(at("secret"))
            .arg(key.to_string())
            .env("ESCAPE_SECRET", SECRET)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let said = victim.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let line = BufReader::new(said).lines().next().ok_or(io::ErrorKind::UnexpectedEof)??;
        let (address, descriptor) = line.split_once(' ').ok_or(io::ErrorKind::InvalidData)?;
        let number = |text: &str| text.parse::<usize>().map_err(io::Error::other);
        let leak = rustix::fs::open(
            folder.path(),
            rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY,
            rustix::fs::Mode::empty(),
        )?;
        Ok(Self {
            address: number(address)?,
            descriptor: i32::try_from(number(descriptor)?).map_err(io::Error::other)?,
            victim,
            key,
            abstract_name,
            tcp: TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?,
            tcp6: TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).ok(),
            udp,
            _leak: leak,
            folder,
        })
    }

    fn question(&self, session: &Path) -> String {
        let hostname = fs::read_to_string("/proc/sys/kernel/hostname").expect("a name");
        json!({
            "folder": self.folder.path(),
            "session": session,
            "secret": SECRET,
            "socket": self.folder.path().join("agent.sock"),
            "abstract_socket": self.abstract_name,
            "tcp": self.tcp.local_addr().expect("an address"),
            "tcp6": self.tcp6.as_ref().map(|listener| listener.local_addr().expect("an address")),
            "udp": self.udp.local_addr().expect("an address"),
            "victim": self.victim.id(),
            "address": self.address,
            "descriptor": self.descriptor,
            "key": self.key,
            "hostname": hostname.trim(),
            "postgres": postgres(),
        })
        .to_string()
    }
}

impl Drop for Lures {
    fn drop(&mut self) {
        // The end of its input lets it clean up and end.
        drop(self.victim.stdin.take());
        let _ended = self.victim.wait();
    }
}

/// A repository of a person's, with the secret in its only commit, a remote, and a hook that refuses.
fn repository(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("secret"), SECRET)?;
    for arguments in [
        &["init", "-q"][..],
        &["remote", "add", "origin", "https://token@example.invalid/"],
        &["add", "-A"],
        &["-c", "user.name=x", "-c", "user.email=x@localhost", "commit", "-q", "-m", "x"],
    ] {
        let ended = Command::new("git").current_dir(folder).args(arguments).status()?;
        assert!(ended.success(), "git {arguments:?}");
    }
    for part in ["hooks", "worktrees"] {
        fs::create_dir_all(folder.join(".git").join(part))?;
    }
    let hook = folder.join(".git/hooks/pre-commit");
    fs::write(&hook, "#!/bin/sh\necho the hook ran >&2\nexit 1\n")?;
    fs::set_permissions(hook, fs::Permissions::from_mode(0o755))
}

fn answer(mut stream: UnixStream) {
    let _unheard = stream.read_exact(&mut [0]).and_then(|()| stream.write_all(b"!"));
}

/// A live socket of Postgres on this host, if there is one.
fn postgres() -> Option<PathBuf> {
    let table = fs::read_to_string("/proc/net/unix").ok()?;
    let paths = table.lines().filter_map(|line| line.split_ascii_whitespace().nth(7));
    paths.map(PathBuf::from).find(|path| path.to_string_lossy().contains(".s.PGSQL."))
}

#[test]
fn the_program_of_attempts_and_the_shim_are_there() {
    for program in [Path::new(ESCAPES), shim_program()] {
        OpenOptions::new().read(true).open(program).expect("it was built");
    }
}
