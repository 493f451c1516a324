//! Starting one process behind the walls.

use std::{
    ffi::OsString,
    fmt,
    fs::File,
    io::{self, Read},
    net::TcpListener,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{ChildStderr, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use striatum_core::sandbox::{SandboxError, SandboxErrorKind};

use super::{
    cgroup::Group,
    root::{Root, SHIM},
};
use crate::{
    child::{Author, Leader, Started},
    environment::MARK,
    failure::failed,
    folder::Folder,
    process::ProcessRecord,
    shim::{
        CALL,
        order::{Greeting, Order, Refusal, receive, send},
    },
};

/// The first port that listeners get inside; each process has a loopback of its own, so all are free.
pub(crate) const FIRST_PORT: u16 = 8931;

/// How long the first wall and the shim may take: a busy host, not a usual one.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How much of what the first wall complains of is told.
const COMPLAINT_BYTES: u64 = 4096;

/// What makes the first wall, the fresh root and the namespaces, and starts the shim behind it.
pub(crate) trait First: fmt::Debug + Send + Sync {
    /// Starts the shim in this root and puts it on record. Blocks.
    fn launch(&self, footing: Footing, root: &Root, order: Order)
    -> Result<(Leader, Launched), SandboxError>;

    /// Removes what it keeps in the folder of a session of which nothing runs any longer. Blocks.
    fn sweep(&self, folder: &Folder);
}

/// What every start of a process needs.
pub(crate) struct Footing {
    pub(crate) shim: PathBuf,
    pub(crate) folder: Folder,
    pub(crate) suffix: String,
    pub(crate) mark: String,
    /// What bounds it, where the host lets us.
    pub(crate) group: Option<Group>,
}

/// What a process is started from by bubblewrap.
pub(crate) struct Launch {
    pub(crate) footing: Footing,
    pub(crate) bubblewrap: PathBuf,
    /// What bubblewrap makes, and of what.
    pub(crate) walls: Vec<OsString>,
    /// Who bubblewrap runs as, if not as we do.
    pub(crate) user: Option<u32>,
}

/// A process that is on record and waits for its order.
pub(crate) struct Launched {
    order: Order,
    control: UnixStream,
    log: PathBuf,
    /// Entrances of the groups that bound it, if it has not entered them yet.
    entrances: Vec<File>,
}

/// A process that is the agent now.
pub(crate) struct Begun {
    pub(crate) stdin: ChildStdin,
    pub(crate) stdout: ChildStdout,
    pub(crate) stderr: ChildStderr,
    pub(crate) listeners: Vec<TcpListener>,
    pub(crate) landlock: u32,
}

impl Launch {
    /// Starts bubblewrap with the shim behind it and puts both on record. Blocks.
    pub(crate) fn launch(self, order: Order) -> Result<(Leader, Launched), SandboxError> {
        let Self { footing, bubblewrap, walls, user } = self;
        let Footing { shim, folder, suffix, mark, group } = footing;
        let log = folder.path().join(format!("bubblewrap{suffix}.log"));
        let prepared = || failed("prepare the start of a process");
        let (control, theirs) = UnixStream::pair().map_err(prepared())?;
        let entrances = group.as_ref().map(Group::entrances).unwrap_or_default();
        let user = user.map(|user| user.to_string()).unwrap_or_default();
        let mut command = Command::new(&shim);
        command
            .args([CALL, "launch", &std::process::id().to_string(), &user, &entrances.len().to_string()])
            .args(entrances)
            .arg(&bubblewrap)
            .args(walls)
            .args(["--", SHIM, CALL, "enter"])
            // Nothing that is named for the agent acts on bubblewrap; the mark makes it ours.
            .env_clear()
            .env(MARK, mark)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(File::create(&log).map_err(prepared())?);
        let begun = Leader::start(command, folder.clone(), suffix.clone(), Author::Host, group);
        let Started { leader, .. } = begun.map_err(failed(format!("run the shim {}", shim.display())))?;
        let record = ProcessRecord::of(leader.group()).and_then(|it| folder.write_process(&suffix, &it));
        record.map_err(failed("put a process on record"))?;
        let launched = Launched::new(order, control, log, Vec::new()).map_err(prepared())?;
        Ok((leader, launched))
    }
}

impl Launched {
    /// One that takes its order from `control`, and whose complaints are in `log`.
    pub(crate) fn new(
        order: Order,
        control: UnixStream,
        log: PathBuf,
        entrances: Vec<File>,
    ) -> io::Result<Self> {
        for set in [UnixStream::set_read_timeout, UnixStream::set_write_timeout] {
            set(&control, Some(PATIENCE))?;
        }
        Ok(Self { order, control, log, entrances })
    }

    /// Gives the shim its order and waits until it is the agent. Blocks.
    pub(crate) fn begin(self, doing: &str) -> Result<Begun, SandboxError> {
        let failed = || failed(doing);
        let (stdin, input) = io::pipe().map_err(failed())?;
        let (output, stdout) = io::pipe().map_err(failed())?;
        let (errors, stderr) = io::pipe().map_err(failed())?;
        let streams = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()].into_iter();
        let descriptors: Vec<_> = streams.chain(self.entrances.iter().map(AsFd::as_fd)).collect();
        let sent = send(&self.control, &self.order, &descriptors);
        drop((stdin, stdout, stderr));
        let greeting = match sent.and_then(|()| receive::<Greeting>(&self.control)) {
            Ok(greeting) => greeting,
            Err(error) if is_gone(&error) => None,
            Err(error) => return Err(late(doing, error)),
        };
        let Some((Greeting { landlock }, descriptors)) = greeting else {
            return Err(self.no_walls(doing));
        };
        let mut descriptors = descriptors.into_iter();
        let told = descriptors.next().ok_or_else(|| io::Error::other("the shim sent no socket"));
        let told = UnixStream::from(told.map_err(failed())?);
        told.set_read_timeout(Some(PATIENCE)).map_err(failed())?;
        // It ends when the shim becomes the agent.
        match receive::<Refusal>(&told) {
            Ok(None) => {}
            Ok(Some((refusal, _))) => return Err(refused(doing, refusal)),
            Err(error) => return Err(late(doing, error)),
        }
        let listeners: Vec<TcpListener> = descriptors.map(TcpListener::from).collect();
        if listeners.len() != self.order.ports.len() {
            let error = io::Error::other("the shim did not send the listeners that were asked for");
            return Err(failed()(error));
        }
        for listener in &listeners {
            listener.set_nonblocking(true).map_err(failed())?;
        }
        let (input, output, errors) = (OwnedFd::from(input), OwnedFd::from(output), OwnedFd::from(errors));
        Ok(Begun { stdin: input.into(), stdout: output.into(), stderr: errors.into(), listeners, landlock })
    }

    /// What the first wall or the shim said before either could tell it in another way.
    fn no_walls(&self, doing: &str) -> SandboxError {
        let complaint = complaint(&self.log);
        SandboxError::new(SandboxErrorKind::Unavailable, format!("{doing} behind walls"))
            .with_remedy(remedy_for(&complaint))
            .because(complaint)
    }
}

/// What stands in a log.
pub(crate) fn complaint(log: &Path) -> String {
    let mut complaint = Vec::new();
    let read = File::open(log).and_then(|log| log.take(COMPLAINT_BYTES).read_to_end(&mut complaint));
    match (read, String::from_utf8_lossy(&complaint).trim()) {
        (Err(error), _) => error.to_string(),
        (Ok(_), "") => "it ended without a word; is the shim one?".to_owned(),
        (Ok(_), complaint) => complaint.to_owned(),
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

fn late(doing: &str, error: io::Error) -> SandboxError {
    failed(format!("{doing} within {} s", PATIENCE.as_secs()))(error).with_remedy(NO_SHIM)
}

fn refused(doing: &str, refusal: Refusal) -> SandboxError {
    let error = match refusal.errno.map(io::Error::from_raw_os_error) {
        Some(error) => error,
        None => {
            return SandboxError::new(SandboxErrorKind::Unavailable, doing).because(refusal.doing);
        }
    };
    let kind = match error.kind() {
        io::ErrorKind::NotFound => SandboxErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => SandboxErrorKind::Denied,
        _ => return failed(format!("{doing}: {}", refusal.doing))(error),
    };
    SandboxError::new(kind, format!("{doing} ({})", refusal.doing))
        .with_remedy("mount what the program needs: its interpreter, its libraries")
        .because(error)
}

/// What to do where nobody behaves as a shim does.
const NO_SHIM: &str = "check that the shim calls `main_if_shim` first, that its libraries lie in /usr, and that what is mounted is there";

/// What to do about a complaint of bubblewrap, or of whatever was run in the shim's place.
fn remedy_for(complaint: &str) -> &'static str {
    let names = |words: &[&str]| words.iter().any(|word| complaint.contains(word));
    if names(&["uid map", "Creating new namespace failed", "No permissions to create", "user namespace"]) {
        "allow user namespaces: sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces above 0, and on Ubuntu \
         kernel.apparmor_restrict_unprivileged_userns=0 or a profile for bwrap; in a container, allow its runtime to nest them"
    } else if names(&["Landlock"]) {
        "run a kernel with Landlock: 5.13 or later, built with CONFIG_SECURITY_LANDLOCK and booted with `landlock` in `lsm=`"
    } else if names(&["Unknown option"]) {
        "install bubblewrap 0.8 or later"
    } else if names(&["execvp", "Can't find", "Can't open", "shim"]) || !names(&["bwrap: "]) {
        NO_SHIM
    } else {
        "see the cause"
    }
}
