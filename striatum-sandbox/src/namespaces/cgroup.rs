//! Bounds on all that a process starts together, where the host lets us set them.

use std::{
    fs,
    io::{self, Write},
    num::NonZeroU32,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use striatum_core::{id::SessionId, sandbox::Limits};

use crate::process::is_left;

/// Folders of control groups in which we may make others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cgroups {
    /// The one hierarchy of the present version.
    Unified(PathBuf),
    /// The hierarchies of memory, of processes and of processor time of the version before.
    Separate { memory: PathBuf, processes: PathBuf, processors: Option<PathBuf> },
}

/// Over how long processor time is counted, in microseconds.
const PERIOD: u32 = 100_000;

/// The least that can be had of a processor, in thousandths: a millisecond in a period.
const LEAST_PROCESSOR: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);

/// How long a process that has all the time it wants may take to be held back.
const UNHINDERED: Duration = Duration::from_secs(5);

/// Begins when it is told to, and is busy for as long as there is a process of this number: it shall not outlive a host program that is
/// killed meanwhile.
const BUSY: &str =
    r#"read go || exit; while [ -d "/proc/$1" ]; do i=0; while [ $i -lt 1000 ]; do i=$((i+1)); done; done"#;

/// What the names of groups begin with in which nothing runs for a session: those that show whether groups can be made, and
/// whether they hold a busy process back.
const TRY: &str = "striatum-try-";
const BUSY_TRY: &str = "striatum-busy-";

/// The groups of one process. Dropping it removes them, if all that was in them has ended.
#[derive(Debug)]
pub(crate) struct Group {
    folders: Vec<PathBuf>,
}

impl Cgroups {
    /// Where this process may make groups that bound memory and processes; nothing where it may not.
    pub(crate) fn find() -> Option<Self> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let (mounts, own) = (read("/proc/self/mounts"), read("/proc/self/cgroup"));
        let unified = unified(&mounts, &own);
        // Processes in a group keep it from having bounded groups below, so the one above may be the place.
        let candidates = unified.iter().flat_map(|own| [Some(own.as_path()), own.parent()]).flatten();
        let unified = candidates.map(|path| Self::Unified(path.to_owned()));
        let found = unified.chain(separate(&mounts, &own)).find(Self::works);
        found.inspect(Self::sweep_trials)
    }

    fn works(&self) -> bool {
        self.make(&unused(TRY), &Limits::default()).is_ok()
    }

    /// Whether a process in a group that is given little processor time is held back. Takes about a tenth of a second.
    pub(crate) fn bounds_processors(&self) -> bool {
        let mut limits = Limits::default();
        limits.processor_thousandths = Some(LEAST_PROCESSOR);
        let Ok(group) = self.make(&unused(BUSY_TRY), &limits) else { return false };
        let begun = Command::new("/bin/sh")
            .args(["-c", BUSY, "sh", &std::process::id().to_string()])
            .env_clear()
            .stdin(Stdio::piped())
            .spawn();
        let Ok(mut busy) = begun else { return false };
        let held = || -> io::Result<bool> {
            for entrance in group.entrances() {
                fs::write(entrance, busy.id().to_string())?;
            }
            writeln!(busy.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?)?;
            let begun = Instant::now();
            while begun.elapsed() < UNHINDERED {
                if group.was_held_back() {
                    return Ok(true);
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            Ok(false)
        }();
        let _ended = busy.kill().and_then(|()| busy.wait());
        held.unwrap_or(false)
    }

    /// Makes the groups of one process of a session.
    pub(crate) fn group(&self, session: SessionId, suffix: &str, limits: &Limits) -> io::Result<Group> {
        self.make(&format!("striatum-{session}{suffix}"), limits)
    }

    pub(crate) fn make(&self, name: &str, limits: &Limits) -> io::Result<Group> {
        let mut group = Group { folders: Vec::new() };
        let (memory, processes) = (limits.memory_bytes.to_string(), limits.processes.to_string());
        let wanted = limits.processor_thousandths.map(|wanted| wanted.max(LEAST_PROCESSOR).get());
        let quota = wanted.map(|wanted| u64::from(wanted) * u64::from(PERIOD / 1000));
        match self {
            Self::Unified(parent) => {
                // Whether groups below may be bounded is for whoever manages them; here nothing of theirs is changed.
                let given = fs::read_to_string(parent.join("cgroup.subtree_control"))?;
                if !["memory", "pids"].iter().all(|wanted| given.split_whitespace().any(|it| it == *wanted)) {
                    return Err(io::ErrorKind::Unsupported.into());
                }
                let folder = group.add(parent, name)?;
                fs::write(folder.join("memory.max"), memory)?;
                fs::write(folder.join("pids.max"), processes)?;
                // Not every kernel counts swap.
                let _uncounted = fs::write(folder.join("memory.swap.max"), "0");
                if let (Some(quota), true) = (quota, given.split_whitespace().any(|it| it == "cpu")) {
                    fs::write(folder.join("cpu.max"), format!("{quota} {PERIOD}"))?;
                }
            }
            Self::Separate { memory: of_memory, processes: of_processes, processors } => {
                let folder = group.add(of_memory, name)?;
                fs::write(folder.join("memory.limit_in_bytes"), &memory)?;
                let _uncounted = fs::write(folder.join("memory.memsw.limit_in_bytes"), &memory);
                let folder = group.add(of_processes, name)?;
                fs::write(folder.join("pids.max"), processes)?;
                if let (Some(quota), Some(of_processors)) = (quota, processors) {
                    let folder = group.add(of_processors, name)?;
                    fs::write(folder.join("cpu.cfs_period_us"), PERIOD.to_string())?;
                    fs::write(folder.join("cpu.cfs_quota_us"), quota.to_string())?;
                }
            }
        }
        Ok(group)
    }

    /// Removes the groups that a session of a program left which died; those in which something still runs stay.
    pub(crate) fn sweep(&self, session: SessionId) {
        let mark = format!("striatum-{session}");
        remove(self.groups(|name| name.starts_with(&mark)));
    }

    /// Removes the groups that were made to try them by programs which died.
    fn sweep_trials(&self) {
        for group in self.groups(|name| [TRY, BUSY_TRY].iter().any(|trial| is_left(name, trial))) {
            // Whoever sees this host's processes from elsewhere may be at work in it: then it stays.
            let _busy = fs::remove_dir(group);
        }
    }

    /// The groups of such names.
    fn groups(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
        let parents = match self {
            Self::Unified(parent) => vec![parent],
            Self::Separate { memory, processes, processors } => {
                [memory, processes].into_iter().chain(processors).collect()
            }
        };
        let entries =
            parents.into_iter().flat_map(|parent| fs::read_dir(parent).into_iter().flatten().flatten());
        let wanted = entries.filter(|entry| is_wanted(&entry.file_name().to_string_lossy()));
        wanted.map(|entry| entry.path()).collect()
    }
}

impl Group {
    fn add(&mut self, parent: &Path, name: &str) -> io::Result<PathBuf> {
        let folder = parent.join(name);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        self.folders.push(folder.clone());
        Ok(folder)
    }

    /// Whether something in it had to wait for its next share of processor time.
    fn was_held_back(&self) -> bool {
        let stats = self.folders.iter().filter_map(|folder| fs::read_to_string(folder.join("cpu.stat")).ok());
        let mut counts = stats.filter_map(|text| {
            text.lines().find_map(|line| line.strip_prefix("nr_throttled ")?.trim().parse::<u64>().ok())
        });
        counts.any(|count| count > 0)
    }

    /// The files to which a process writes itself to be bounded.
    pub(crate) fn entrances(&self) -> Vec<PathBuf> {
        self.folders.iter().map(|folder| folder.join("cgroup.procs")).collect()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        remove(std::mem::take(&mut self.folders));
    }
}

/// A name that begins so, for a group that nobody else tries at the same time.
fn unused(beginning: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{beginning}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Removes groups. The last processes behind the walls are on their way out for a moment after the first has ended.
fn remove(mut folders: Vec<PathBuf>) {
    for _ in 0..100 {
        folders.retain(|folder| fs::remove_dir(folder).is_err_and(|error| is_busy(&error)));
        if folders.is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    tracing::debug!(?folders, "control groups are left, since something is in them");
}

fn is_busy(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ResourceBusy
}

fn unified(mounts: &str, own: &str) -> Option<PathBuf> {
    let mount = mounts.lines().map(fields).find(|fields| fields.get(2) == Some(&"cgroup2"))?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    Some(below(mount.get(1)?, path))
}

fn separate(mounts: &str, own: &str) -> Option<Cgroups> {
    let place = |controller: &str| {
        let has = |list: &str| list.split(',').any(|name| name == controller);
        let mount = mounts.lines().map(fields).find(|fields| {
            fields.get(2) == Some(&"cgroup") && fields.get(3).is_some_and(|options| has(options))
        })?;
        let path = own.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            has(parts.next()?).then(|| parts.next()).flatten()
        })?;
        Some(below(mount.get(1)?, path))
    };
    Some(Cgroups::Separate { memory: place("memory")?, processes: place("pids")?, processors: place("cpu") })
}

fn fields(line: &str) -> Vec<&str> {
    line.split_ascii_whitespace().collect()
}

fn below(mount: &str, path: &str) -> PathBuf {
    Path::new(mount).join(path.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
        cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0\n\
        cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n\
        cgroup /sys/fs/cgroup/pids cgroup rw,relatime,pids 0 0\n\
        cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0\n";
    const OWN: &str = "8:pids:/\n4:memory:/app/one\n2:cpu,cpuacct:/\n0::/user.slice/a\n";

    #[test]
    fn the_groups_of_a_process_are_found_in_both_versions() {
        assert_eq!(unified(MOUNTS, OWN), Some("/sys/fs/cgroup/unified/user.slice/a".into()));
        let memory = PathBuf::from("/sys/fs/cgroup/memory/app/one");
        let processes = PathBuf::from("/sys/fs/cgroup/pids/");
        let processors = Some(PathBuf::from("/sys/fs/cgroup/cpu,cpuacct/"));
        assert_eq!(separate(MOUNTS, OWN), Some(Cgroups::Separate { memory, processes, processors }));
        assert_eq!(separate("", OWN), None);
        assert_eq!(unified(MOUNTS, "8:pids:/\n"), None);
    }

    /// A plain folder stands for the file system of groups.
    #[test]
    fn groups_of_the_present_version_get_each_bound_that_is_given_on() {
        let mut limits = Limits::default();
        (limits.memory_bytes, limits.processes) = (64 << 20, 7);
        limits.processor_thousandths = NonZeroU32::new(1_500);
        let bounds = |given: &str| {
            let root = tempfile::TempDir::new().expect("a folder");
            fs::write(root.path().join("cgroup.subtree_control"), given).expect("a file");
            let group = Cgroups::Unified(root.path().to_owned()).make("striatum-x", &limits)?;
            assert_eq!(group.entrances(), [root.path().join("striatum-x/cgroup.procs")]);
            let bound = |name| fs::read_to_string(root.path().join("striatum-x").join(name)).ok();
            io::Result::Ok(["memory.max", "memory.swap.max", "pids.max", "cpu.max"].map(bound))
        };
        let bounded = ["67108864", "0", "7"].map(|text| Some(text.to_owned()));
        let all = bounds("cpu memory pids\n").expect("a group");
        assert_eq!(all[..3], bounded);
        assert_eq!(all[3].as_deref(), Some("150000 100000"));
        let without_processors = bounds("io memory pids").expect("a group");
        assert_eq!((&without_processors[..3], &without_processors[3]), (&bounded[..], &None));
        for lacking in ["", "cpu memory", "pids cpu"] {
            assert_eq!(bounds(lacking).expect_err(lacking).kind(), io::ErrorKind::Unsupported);
        }
    }

    #[test]
    fn a_group_goes_with_its_value() {
        // A plain folder stands for the file system of groups; its files are not removed, so the folder stays.
        let root = tempfile::TempDir::new().expect("a folder");
        let groups = Cgroups::Unified(root.path().join("gone"));
        assert!(!groups.works(), "there is no such folder");
        let mut group = Group { folders: Vec::new() };
        let folder = group.add(root.path(), "striatum-x").expect("a folder");
        assert_eq!(group.entrances(), [folder.join("cgroup.procs")]);
        drop(group);
        assert!(!folder.exists());
    }

    #[test]
    fn groups_that_a_killed_program_tried_are_removed_and_others_stay() {
        let root = tempfile::TempDir::new().expect("a folder");
        let (me, gone) = (std::process::id(), u32::MAX);
        let left = [format!("striatum-try-{gone}-0"), format!("striatum-busy-{gone}-7")];
        let others = [format!("striatum-try-{me}-0"), "striatum-try-x".to_owned(), format!("try-{gone}-0")];
        for name in left.iter().chain(&others) {
            fs::create_dir(root.path().join(name)).expect("a folder");
        }
        Cgroups::Unified(root.path().to_owned()).sweep_trials();
        assert!(left.iter().all(|name| !root.path().join(name).exists()));
        assert!(others.iter().all(|name| root.path().join(name).exists()));
    }

    #[test]
    fn what_is_busy_for_a_probe_ends_when_its_program_is_gone() {
        let begin = |host: u32| {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", BUSY, "sh", &host.to_string()]).stdin(Stdio::piped());
            command.spawn().expect("a shell")
        };
        let mut told = begin(u32::MAX);
        writeln!(told.stdin.take().expect("an input")).expect("it listens");
        assert!(told.wait().expect("its end").success(), "there is no such program");
        let mut untold = begin(std::process::id());
        drop(untold.stdin.take());
        assert!(!untold.wait().expect("its end").success(), "nobody will ever tell it to begin");
    }
}
