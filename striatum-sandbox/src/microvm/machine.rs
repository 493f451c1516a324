//! A machine that runs, and what is asked of it.

use std::{
    collections::{BTreeMap, VecDeque},
    ffi::OsString,
    io,
    net::TcpListener as StdListener,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use striatum_core::sandbox::{Exit, Listen, Output, Process, SandboxError, SandboxErrorKind};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream, tcp},
    sync::{mpsc, watch},
};
use tokio_util::compat::FuturesAsyncReadCompatExt;

use super::{
    hypervisor::KVM,
    wire::{Ask, LIVE_TAG, MOST_SAID, Refused, Start, Tell, receive, send},
};
use crate::{
    accelerator::Accelerator,
    failure::failed,
    namespaces::{plan::Plan, root::EXPORT, root::Root, session::Session as Walls, start::FIRST_PORT},
    shim::order::Order,
};

/// How long it may take to start a process.
const START: Duration = Duration::from_secs(60);

/// How many listeners the processes of one machine may have together.
pub(super) const LISTENERS: u16 = 32;

/// How much of what a machine complains of is told.
const COMPLAINT_BYTES: usize = 2048;

/// What a kernel needs beside what is the agents' own.
const OWN_MEMORY: u64 = 256 << 20;
/// What the hypervisor needs beside the memory of its machine.
pub(super) const HYPERVISOR_MEMORY: u64 = 1 << 30;

/// What a machine is made of.
#[derive(Debug, Clone)]
pub(super) struct Blueprint {
    pub(super) hypervisor: PathBuf,
    pub(super) kernel: PathBuf,
    pub(super) accelerator: Accelerator,
    pub(super) processors: u16,
    /// How fast the counter of the processor counts, for who cannot find out.
    pub(super) counter_khz: u64,
    /// How long a machine may take until it calls.
    pub(super) patience: Duration,
}

/// A machine that runs. Dropping it ends it with all that runs in it.
#[derive(Debug)]
pub(super) struct Machine {
    /// What those who work in it find.
    root: Root,
    /// Its end is that of the machine.
    _hypervisor: Process,
    asks: mpsc::UnboundedSender<Ask>,
    news: watch::Receiver<News>,
    calls: TcpListener,
    /// Listeners that nobody has yet.
    spare: VecDeque<(u16, StdListener)>,
    /// Set while a process is being started: if whoever did so has gone away, nobody knows who calls next.
    unsure: bool,
}

/// What a machine has told so far.
#[derive(Debug, Default)]
pub(super) struct News {
    answers: BTreeMap<u32, Result<u32, Refused>>,
    ended: BTreeMap<u32, Exit>,
    gone: bool,
}

impl News {
    /// How a process ended, if it has: with its machine, at the latest.
    pub(super) fn end(&self, process: u32) -> Option<Exit> {
        let with_machine = self.gone.then_some(Exit::Signal(libc::SIGKILL));
        self.ended.get(&process).copied().or(with_machine)
    }
}

/// A process that was started in a machine.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) input: tcp::OwnedWriteHalf,
    pub(super) output: TcpStream,
    pub(super) errors: TcpStream,
    pub(super) landlock: u32,
}

impl Machine {
    /// Starts a machine behind walls, and waits until it calls.
    pub(super) async fn boot(
        walls: &mut Walls,
        blueprint: &Blueprint,
        initramfs: PathBuf,
        root: Root,
        memory_bytes: u64,
        on_end: impl Fn(u32, Exit) + Send + Sync + 'static,
    ) -> Result<Self, SandboxError> {
        let plan = blueprint.plan(walls, initramfs, &root, memory_bytes);
        let mut hypervisor = walls.start(plan).await?;
        drop(hypervisor.stdin.take());
        let complaint = Complaint::default();
        for stream in [hypervisor.stdout.take(), hypervisor.stderr.take()].into_iter().flatten() {
            tokio::spawn(complaint.clone().listen(stream));
        }
        let mut spare: VecDeque<_> = (FIRST_PORT..)
            .zip(std::mem::take(&mut hypervisor.listeners))
            .map(|(port, (_, it))| (port, it))
            .collect();
        let first = spare.pop_front().map(|(_, listener)| TcpListener::from_std(listener));
        let calls = first.unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()));
        let calls = calls.map_err(failed("wait for a machine"))?;

        let called = tokio::select! {
            called = tokio::time::timeout(blueprint.patience, calls.accept()) => called.ok(),
            _ended = hypervisor.child.wait() => None,
        };
        let Some(Ok((conversation, _))) = called else {
            return Err(SandboxError::new(SandboxErrorKind::Unavailable, "boot a machine")
                .with_remedy("see the cause; another kernel may do, or the machine needs more memory")
                .because(complaint.text(blueprint.patience)));
        };
        let (asks, asked) = mpsc::unbounded_channel();
        let (tell, news) = watch::channel(News::default());
        tokio::spawn(converse(conversation, asked, tell, on_end));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let _gone = asks.send(Ask::Clock { seconds, nanoseconds: now.subsec_nanos().into() });
        Ok(Self { root, _hypervisor: hypervisor, asks, news, calls, spare, unsure: false })
    }

    /// Whether a process with so many listeners, which is to find this root, can be started here.
    pub(super) fn can_take(&self, root: &Root, listeners: usize) -> bool {
        !self.unsure && !self.news.borrow().gone && self.root == *root && self.spare.len() >= listeners
    }

    pub(super) fn asks(&self) -> mpsc::UnboundedSender<Ask> {
        self.asks.clone()
    }

    pub(super) fn news(&self) -> watch::Receiver<News> {
        self.news.clone()
    }

    /// Takes so many listeners for a process, with their ports.
    pub(super) fn take(&mut self, listeners: usize) -> impl Iterator<Item = (u16, StdListener)> {
        let rest = self.spare.split_off(listeners.min(self.spare.len()));
        std::mem::replace(&mut self.spare, rest).into_iter()
    }

    /// Starts a process.
    pub(super) async fn start(&mut self, start: Start) -> Result<Started, SandboxError> {
        let (process, doing) = (start.process, format!("start {:?}", start.order.program));
        self.unsure = true;
        let _gone = self.asks.send(Ask::Start(Box::new(start)));
        let mut news = self.news.clone();
        let streams = async {
            let call = async || Ok::<_, io::Error>(self.calls.accept().await?.0);
            Ok::<_, io::Error>((call().await?, call().await?, call().await?))
        };
        let late = || failed(format!("{doing} within {} s", START.as_secs()))(io::ErrorKind::TimedOut.into());
        let (input, output, errors) = tokio::select! {
            streams = tokio::time::timeout(START, streams) => streams.map_err(|_| late())?.map_err(failed(doing.clone()))?,
            _ = news.wait_for(|news| news.gone) => return Err(gone(&doing)),
        };
        let mut news = self.news.clone();
        let answered = news.wait_for(|news| news.gone || news.answers.contains_key(&process));
        let answered = tokio::time::timeout(START, answered).await.map_err(|_| late())?;
        let answer = answered.ok().and_then(|news| news.answers.get(&process).cloned());
        self.unsure = false;
        let landlock = answer.ok_or_else(|| gone(&doing))?.map_err(refused)?;
        Ok(Started { input: input.into_split().1, output, errors, landlock })
    }
}

impl Blueprint {
    /// The hypervisor as a process behind walls, which finds there what is for its machine.
    fn plan(&self, walls: &Walls, initramfs: PathBuf, root: &Root, memory_bytes: u64) -> Plan {
        const KERNEL: &str = "/run/striatum/kernel";
        const INITRAMFS: &str = "/run/striatum/initramfs";
        let files = vec![(self.kernel.clone(), KERNEL.into()), (initramfs, INITRAMFS.into())];
        let kvm = self.accelerator == Accelerator::Kvm;
        let devices = if kvm { vec![PathBuf::from(KVM)] } else { Vec::new() };
        let root = root.of_machine(files, devices);
        let memory = memory_bytes.saturating_add(OWN_MEMORY).min(most_memory()) >> 20;
        let (accelerator, processor) = if kvm { ("kvm", "host") } else { ("tcg,tb-size=256", "max") };
        let counter =
            if kvm { String::new() } else { format!(" tsc=reliable tsc_early_khz={}", self.counter_khz) };
        // Nothing on the way tells the time, tests its ciphers or brings a wall of its own but Landlock.
        let command_line =
            format!("console=ttyS0 quiet reboot=t panic=-1 cryptomgr.notests lsm=landlock,yama{counter}");
        let shared = |name: &str, access: &str| {
            format!("local,id={name},path={EXPORT},security_model=none,multidevs=remap{access}")
        };
        let (system, live) = (shared("system", ",readonly=on"), shared(LIVE_TAG, ""));
        let (memory, processors) = (memory.to_string(), self.processors.to_string());
        let live_device = format!("virtio-9p-device,fsdev={LIVE_TAG},mount_tag={LIVE_TAG}");
        let arguments = [
            &["-nodefaults", "-no-user-config", "-nographic", "-no-reboot", "-serial", "stdio"][..],
            &["-machine", "microvm", "-accel", accelerator, "-cpu", processor],
            &["-smp", &processors, "-m", &memory],
            &["-kernel", KERNEL, "-initrd", INITRAMFS, "-append", &command_line],
            &["-fsdev", &system, "-device", "virtio-9p-device,fsdev=system,mount_tag=system"],
            &["-fsdev", &live, "-device", &live_device],
            &["-netdev", "user,id=net,ipv6=off", "-device", "virtio-net-device,netdev=net"],
        ];
        let order = Order {
            program: self.hypervisor.clone().into(),
            arguments: arguments.concat().into_iter().map(OsString::from).collect(),
            writable: root.writable(),
            ..walls.planner().bare_order(Path::new("/"))
        };
        let listens = (0..=LISTENERS).map(|place| Listen::new(place.to_string())).collect();
        let mut plan = Plan { doing: "start a machine".to_owned(), root, order, listens };
        plan.listen_on(FIRST_PORT..);
        plan
    }
}

/// Three quarters of what the host has.
fn most_memory() -> u64 {
    let host = rustix::system::sysinfo();
    host.totalram / 4 * 3 * u64::from(host.mem_unit)
}

/// Passes on what is asked, and notes down what is told of processes that were asked for, until either side is gone.
async fn converse(
    conversation: TcpStream,
    mut asked: mpsc::UnboundedReceiver<Ask>,
    news: watch::Sender<News>,
    on_end: impl Fn(u32, Exit) + Send + Sync,
) {
    let (mut hear, mut say) = conversation.into_split();
    // They are counted, so the highest stands for all.
    let last = AtomicU32::new(0);
    let asking = async {
        while let Some(ask) = asked.recv().await {
            if let Ask::Start(start) = &ask {
                last.fetch_max(start.process, Ordering::Relaxed);
            }
            if send(&mut say, &ask).await.is_err() {
                return;
            }
        }
        // The session is over: the machine will be ended.
        std::future::pending::<()>().await;
    };
    let hearing = async {
        while let Ok(Some(told)) = receive::<Tell>(&mut hear, MOST_SAID).await {
            let (Tell::Started { process, .. } | Tell::Refused { process, .. } | Tell::Ended { process, .. }) =
                &told;
            if *process > last.load(Ordering::Relaxed) {
                continue;
            }
            if let Tell::Ended { process, exit } = told
                && news.borrow().end(process).is_none()
            {
                on_end(process, exit);
            }
            news.send_modify(|news| match told {
                Tell::Started { process, landlock } => drop(news.answers.insert(process, Ok(landlock))),
                Tell::Refused { process, refusal } => drop(news.answers.insert(process, Err(refusal))),
                Tell::Ended { process, exit } => drop(news.ended.entry(process).or_insert(exit)),
            });
        }
    };
    tokio::select! { () = asking => {}, () = hearing => {} }
    news.send_modify(|news| news.gone = true);
}

fn gone(doing: &str) -> SandboxError {
    SandboxError::new(SandboxErrorKind::Other, doing).because("the machine is gone")
}

fn refused(refusal: Refused) -> SandboxError {
    use SandboxErrorKind as Kind;
    let kinds = [Kind::Unavailable, Kind::NotFound, Kind::Denied, Kind::Exhausted];
    let kind = kinds.into_iter().find(|kind| kind.code() == refusal.code).unwrap_or(Kind::Other);
    let mut error = SandboxError::new(kind, refusal.doing);
    error.remedy = refusal.remedy;
    match refusal.cause {
        Some(cause) => error.because(cause),
        None => error,
    }
}

/// The end of what a machine says on its console, and its hypervisor beside it.
#[derive(Debug, Clone, Default)]
struct Complaint(Arc<Mutex<VecDeque<u8>>>);

impl Complaint {
    async fn listen(self, stream: Output) {
        let (mut stream, mut heard) = (stream.compat(), [0; 1024]);
        while let Ok(length @ 1..) = stream.read(&mut heard).await {
            let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            said.extend(heard.iter().take(length));
            let old = said.len().saturating_sub(COMPLAINT_BYTES);
            said.drain(..old);
        }
    }

    fn text(&self, patience: Duration) -> String {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let said: Vec<u8> = said.iter().copied().collect();
        match String::from_utf8_lossy(&said).trim() {
            "" => format!("it said nothing for {} s", patience.as_secs()),
            said => said.to_owned(),
        }
    }
}
