//! Starting one process behind the walls.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read},
    net::TcpListener,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    path::PathBuf,
    process::{ChildStderr, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use striatum_core::sandbox::{SandboxError, SandboxErrorKind};

use super::{cgroup::Group, root::SHIM};
use crate::{
    child::{Author, Leader, Started},
    environment::MARK,
    failure::failed,
    folder::Folder,
    process::{ProcessRecord, boot_id, start_time},
    shim::{
        CALL,
        order::{Greeting, Order, Refusal, receive, send},
    },
};

/// The first port that listeners get inside; each process has a loopback of its own, so all are free.
pub(crate) const FIRST_PORT: u16 = 8931;

/// How long bubblewrap and the shim may take: a busy host, not a usual one.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much of what bubblewrap complains of is told.
const COMPLAINT_BYTES: u64 = 4096;

/// What a process is started from.
pub(crate) struct Launch {
    pub(crate) shim: PathBuf,
    pub(crate) bubblewrap: PathBuf,
    /// What bubblewrap makes, and of what.
    pub(crate) walls: Vec<OsString>,
    pub(crate) folder: Folder,
    pub(crate) suffix: String,
    pub(crate) mark: String,
    /// What bounds it, where the host lets us.
    pub(crate) group: Option<Group>,
    /// Who bubblewrap runs as, if not as we do.
    pub(crate) user: Option<u32>,
}

/// A process that is on record and waits for its order.
pub(crate) struct Launched {
    order: Order,
    control: UnixStream,
    log: PathBuf,
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
        let log = self.folder.path().join(format!("bubblewrap{}.log", self.suffix));
        let prepared = || failed("prepare the start of a process");
        let (control, theirs) = UnixStream::pair().map_err(prepared())?;
        for set in [UnixStream::set_read_timeout, UnixStream::set_write_timeout] {
            set(&control, Some(PATIENCE)).map_err(prepared())?;
        }
        let entrances = self.group.as_ref().map(Group::entrances).unwrap_or_default();
        let user = self.user.map(|user| user.to_string()).unwrap_or_default();
        let mut command = Command::new(&self.shim);
        command
            .args([CALL, "launch", &std::process::id().to_string(), &user, &entrances.len().to_string()])
            .args(entrances)
            .arg(&self.bubblewrap)
            .args(self.walls)
            .args(["--", SHIM, CALL, "enter"])
            // Nothing that is named for the agent acts on bubblewrap; the mark makes it ours.
            .env_clear()
            .env(MARK, &self.mark)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(File::create(&log).map_err(prepared())?);
        let (folder, suffix) = (self.folder.clone(), self.suffix.clone());
        let begun = Leader::start(command, folder, suffix, Author::Host, self.group);
        let Started { leader, .. } =
            begun.map_err(failed(format!("run the shim {}", self.shim.display())))?;
        let pid = leader.group();
        let gone = || io::Error::other("it ended at once");
        let record = || -> io::Result<()> {
            let record = ProcessRecord { pid, start: start_time(pid).ok_or_else(gone)?, boot: boot_id()? };
            self.folder.write_process(&self.suffix, &record)
        };
        record().map_err(failed("put a process on record"))?;
        Ok((leader, Launched { order, control, log }))
    }
}

impl Launched {
    /// Gives the shim its order and waits until it is the agent. Blocks.
    pub(crate) fn begin(self, doing: &str) -> Result<Begun, SandboxError> {
        let failed = || failed(doing);
        let (stdin, input) = io::pipe().map_err(failed())?;
        let (output, stdout) = io::pipe().map_err(failed())?;
        let (errors, stderr) = io::pipe().map_err(failed())?;
        let sent = send(&self.control, &self.order, &[stdin.as_fd(), stdout.as_fd(), stderr.as_fd()]);
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

    /// What bubblewrap or the shim said before either could tell it in another way.
    fn no_walls(&self, doing: &str) -> SandboxError {
        let mut complaint = Vec::new();
        let read =
            File::open(&self.log).and_then(|log| log.take(COMPLAINT_BYTES).read_to_end(&mut complaint));
        let complaint = match (read, String::from_utf8_lossy(&complaint).trim()) {
            (Err(error), _) => error.to_string(),
            (Ok(_), "") => "bubblewrap ended without a word; is the shim one?".to_owned(),
            (Ok(_), complaint) => complaint.to_owned(),
        };
        SandboxError::new(SandboxErrorKind::Unavailable, format!("{doing} behind walls"))
            .with_remedy(remedy_for(&complaint))
            .because(complaint)
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

fn late(doing: &str, error: io::Error) -> SandboxError {
    failed(format!("{doing} within {} s", PATIENCE.as_secs()))(error)
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

/// What to do about a complaint of bubblewrap.
fn remedy_for(complaint: &str) -> &'static str {
    let names = |words: &[&str]| words.iter().any(|word| complaint.contains(word));
    if names(&["uid map", "Creating new namespace failed", "No permissions to create", "user namespace"]) {
        "allow user namespaces: sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces above 0, and on Ubuntu \
         kernel.apparmor_restrict_unprivileged_userns=0 or a profile for bwrap; in a container, allow its runtime to nest them"
    } else if names(&["execvp", "Can't find", "Can't open", "shim"]) {
        "check that the shim calls `main_if_shim` first, that its libraries lie in /usr, and that what is mounted is there"
    } else if names(&["Unknown option"]) {
        "install bubblewrap 0.8 or later"
    } else {
        "see the cause"
    }
}
