//! A folder with everything that a test needs, and the program in it.

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Nothing here takes this long. It only keeps a test from hanging for ever.
const HANG: Duration = Duration::from_secs(150);

pub(crate) struct Place {
    folder: TempDir,
}

/// What a program said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The program at work.
pub(crate) struct Running {
    pub(crate) pid: Pid,
    said: PathBuf,
    ended: mpsc::Receiver<ExitStatus>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        // The host may hand out a link; what is compared with paths of processes must be the real one.
        fs::canonicalize(self.folder.path()).unwrap().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    pub(crate) fn demo(&self) -> PathBuf {
        self.path("data/demo")
    }

    /// The program with its data folder.
    pub(crate) fn quickstart(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quickstart"));
        command.args(arguments).arg("--data").arg(self.data()).current_dir(self.folder.path());
        command.env_remove("STRIATUM_CRASH_AT").env_remove("STRIATUM_LOG").env("USER", "ada");
        // Agents of tests leave marks outside their trees; those that stay inside are tested behind walls.
        command.env("STRIATUM_SANDBOX", "none");
        command
    }

    /// The main job in the demonstration, with agents that leave a mark each time they are run.
    pub(crate) fn marked(&self, author: &str, reviewer: &str) -> Command {
        let mut command = self.quickstart(&[]);
        command.arg("--author-command").arg(self.agent(author));
        command.arg("--reviewer-command").arg(self.agent(reviewer));
        command
    }

    /// The document of the demonstration, in which no job has a second attempt.
    pub(crate) fn one_attempt(&self) -> PathBuf {
        self.document("\"max_attempts\": 2", "\"max_attempts\": 1")
    }

    /// The document of the demonstration, with one piece of it put otherwise.
    pub(crate) fn document(&self, from: &str, to: &str) -> PathBuf {
        let document = self.path("document/workflow.json");
        let own = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/demo/workflow"));
        copy_folder(own, document.parent().unwrap());
        let text = fs::read_to_string(&document).unwrap();
        assert!(text.contains(from), "{from} is not in the document");
        fs::write(&document, text.replace(from, to)).unwrap();
        document
    }

    /// A scripted agent that leaves marks.
    pub(crate) fn agent(&self, script: &str) -> String {
        let mark = self.path("marks");
        format!("{} agent scripted --mark {} {script}", env!("CARGO_BIN_EXE_quickstart"), mark.display())
    }

    /// What the agents were run for: job and attempt, in order of their beginnings.
    pub(crate) fn marks(&self) -> Vec<String> {
        let marks = fs::read_to_string(self.path("marks")).unwrap_or_default();
        marks.lines().map(str::to_owned).collect()
    }

    /// A git repository of the person's, with these files in its first commit.
    pub(crate) fn repository(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let folder = self.path(name);
        for (path, text) in files {
            write(&folder.join(path), text);
        }
        commit_all(&folder);
        folder
    }

    /// Waits until a mark for this job and attempt is there.
    pub(crate) fn until_marked(&self, mark: &str) {
        until(mark, || self.marks().iter().any(|line| line == mark));
    }

    /// Our agents that still run: those that the environment names as sessions of this data folder.
    pub(crate) fn agents(&self) -> Vec<u32> {
        let data = self.data().into_os_string().into_string().unwrap();
        let is_ours = |pid: &u32| {
            let Ok(environ) = fs::read(format!("/proc/{pid}/environ")) else { return false };
            let environ = String::from_utf8_lossy(&environ);
            environ.contains("STRIATUM_SESSION=") && environ.contains(&data)
        };
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(is_ours).collect()
    }

    /// What must hold whenever the program has ended and nothing is left to be done.
    pub(crate) fn assert_tidy(&self, repository: &Path, context: &str) {
        assert_eq!(self.agents(), Vec::<u32>::new(), "{context}: agents are left");
        let runs = fs::read_dir(self.data().join("trees")).into_iter().flatten().flatten();
        let trees: Vec<PathBuf> = runs
            .flat_map(|run| fs::read_dir(run.path()).into_iter().flatten().flatten())
            .flat_map(|job| fs::read_dir(job.path()).into_iter().flatten().flatten())
            .map(|tree| tree.path())
            .collect();
        assert_eq!(trees, Vec::<PathBuf>::new(), "{context}: trees are left");
        let listed = git(repository, &["worktree", "list", "--porcelain"]);
        assert_eq!(listed.matches("worktree ").count(), 1, "{context}: {listed}");
    }
}

/// All that lies below a folder and is none.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(_) => files.push(entry.path()),
                Err(_) => {}
            }
        }
    }
    files
}

/// Runs a program to its end.
pub(crate) fn run(mut command: Command) -> Said {
    start(&mut command).end()
}

/// Starts a program. Its output goes to files, so that an agent which outlives it keeps no pipe of ours open.
pub(crate) fn start(command: &mut Command) -> Running {
    let said = tempfile::tempdir().unwrap().keep();
    let file = |name: &str| fs::File::create(said.join(name)).unwrap();
    command.stdin(Stdio::null()).stdout(file("out")).stderr(file("err"));
    let child: Child = command.spawn().unwrap();
    let pid = Pid::from_child(&child);
    let (tell, ended) = mpsc::channel();
    let mut child = child;
    thread::spawn(move || tell.send(child.wait().unwrap()));
    Running { pid, said, ended }
}

impl Running {
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }

    /// Whether it has ended: what becomes of it is still to be asked.
    pub(crate) fn has_ended(&self) -> bool {
        fs::read_to_string(format!("/proc/{}/stat", self.pid.as_raw_nonzero()))
            .map_or(true, |stat| stat.contains(") Z "))
    }

    /// What it has said so far.
    pub(crate) fn out(&self) -> String {
        fs::read_to_string(self.said.join("out")).unwrap()
    }

    pub(crate) fn end(self) -> Said {
        let ended = self.ended.recv_timeout(HANG);
        let read = |name: &str| fs::read_to_string(self.said.join(name)).unwrap();
        let (out, err) = (read("out"), read("err"));
        let Ok(status) = ended else {
            self.signal(Signal::KILL);
            panic!("the program hangs; it said\n{out}{err}");
        };
        fs::remove_dir_all(&self.said).unwrap();
        Said { code: status.code(), signal: status.signal(), out, err }
    }
}

impl Said {
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "signal {:?}\n{}{}", self.signal, self.out, self.err);
        self
    }

    /// It was refused: with this code, a sentence that has these words, and a remedy.
    #[track_caller]
    pub(crate) fn expect_error(self, code: &str, words: &[&str]) -> Self {
        let said = self.expect_code(1);
        assert!(said.err.starts_with(&format!("error[{code}]: ")), "{}{}", said.out, said.err);
        assert!(said.err.contains("\n  what to do: "), "{}", said.err);
        for word in words {
            assert!(said.err.contains(word), "{word:?} is missing in {}", said.err);
        }
        said
    }

    /// The run that it prepared or went on with.
    pub(crate) fn run(&self) -> String {
        let line =
            self.out.lines().find(|line| line.starts_with("run ")).unwrap_or_else(|| panic!("{self:?}"));
        line.split(' ').nth(1).unwrap().to_owned()
    }
}

/// Looks again and again until something is so.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..9_000 {
        if holds() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("{what} did not come");
}

pub(crate) fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

pub(crate) fn commit_all(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    git(folder, &["init", "--quiet", "--initial-branch=main"]);
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "--allow-empty", "--message", "Begin"]);
}

/// Runs git for the person, whose settings are nobody's.
#[track_caller]
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    String::from_utf8_lossy(&git_bytes(folder, arguments)).into_owned()
}

#[track_caller]
pub(crate) fn git_bytes(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let mut call = striatum_testkit::git::call(folder, "Ada");
    let ended = call.args(arguments).env("GIT_OPTIONAL_LOCKS", "0").output().unwrap();
    assert!(ended.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
    ended.stdout
}
