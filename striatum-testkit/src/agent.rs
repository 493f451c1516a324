//! A scripted agent: a terminal program that does what its arguments say.
//!
//! It is what stands in for a coding agent wherever none is wanted: it reads its packet from `STRIATUM_PACKET`, leaves every
//! expected artifact, and judges by a given list of verdicts. A test harness gives it a binary of three lines:
//!
//! ```no_run
//! use striatum_testkit::agent::Script;
//!
//! fn main() -> std::io::Result<()> {
//!     let arguments: Vec<String> = std::env::args().skip(1).collect();
//!     Script::parse(&arguments)?.play()
//! }
//! ```

use std::{
    env, fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use serde_json::Value;

/// What an agent was told, as its packet says.
#[derive(Debug, Clone)]
pub struct Task(Value);

impl Task {
    /// Reads the packet that `STRIATUM_PACKET` names.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    pub fn read() -> io::Result<Self> {
        let path =
            env::var_os("STRIATUM_PACKET").ok_or_else(|| io::Error::other("STRIATUM_PACKET is not set"))?;
        serde_json::from_slice(&fs::read(path)?).map(Self).map_err(io::Error::other)
    }

    /// The job.
    pub fn job(&self) -> &str {
        self.0["fence"]["job"].as_str().unwrap_or_default()
    }

    /// Its attempt, from 1.
    pub fn attempt(&self) -> usize {
        self.0["attempt"].as_u64().and_then(|attempt| usize::try_from(attempt).ok()).unwrap_or(1)
    }

    /// Whether a verdict is wanted.
    pub fn is_review(&self) -> bool {
        !self.0["review"].is_null()
    }

    /// Whether earlier work was sent back.
    pub fn was_sent_back(&self) -> bool {
        self.0["revision"].as_array().is_some_and(|revision| !revision.is_empty())
    }

    /// Where the expected artifacts belong.
    pub fn artifacts(&self) -> impl Iterator<Item = &str> {
        self.0["expected_artifacts"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|artifact| artifact["path"].as_str())
    }
}

/// What a scripted agent does.
///
/// | argument | what it does |
/// |---|---|
/// | `--verdicts a,b,c` | judges with `a` at the first attempt, `b` at the second, `c` from the third on; `accept` if not given |
/// | `--say TEXT` | prints a line |
/// | `--write PATH` | also writes this file, which may lie outside the write scope |
/// | `--leave-out` | leaves no artifact |
/// | `--mark PATH` | appends `<job> <attempt>` and a line end to this file when it begins, to be counted by a test |
/// | `--until PATH` | works until this file exists, for at most a minute |
/// | `--model NAME` | reports this model in the report file |
/// | `--exit CODE` | ends with this status |
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    verdicts: Vec<String>,
    say: Vec<String>,
    write: Vec<PathBuf>,
    leave_out: bool,
    mark: Option<PathBuf>,
    until: Option<PathBuf>,
    model: Option<String>,
    exit: Option<i32>,
}

impl Script {
    /// Reads a script from arguments.
    ///
    /// # Errors
    /// If an argument is not known, or lacks its value.
    pub fn parse(arguments: &[String]) -> io::Result<Self> {
        let mut script = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value =
                || rest.next().ok_or_else(|| io::Error::other(format!("{argument} lacks its value")));
            match argument.as_str() {
                "--verdicts" => script.verdicts = value()?.split(',').map(str::to_owned).collect(),
                "--say" => script.say.push(value()?.clone()),
                "--write" => script.write.push(value()?.into()),
                "--leave-out" => script.leave_out = true,
                "--mark" => script.mark = Some(value()?.into()),
                "--until" => script.until = Some(value()?.into()),
                "--model" => script.model = Some(value()?.clone()),
                "--exit" => script.exit = Some(value()?.parse().map_err(io::Error::other)?),
                other => return Err(io::Error::other(format!("there is no argument {other}"))),
            }
        }
        Ok(script)
    }

    /// Does it, in the present folder. Ends the process if the script says with which status.
    ///
    /// # Errors
    /// If a file cannot be read or written.
    pub fn play(&self) -> io::Result<()> {
        let task = Task::read()?;
        io::stdin().read_to_end(&mut Vec::new())?;
        if let Some(mark) = &self.mark {
            let mut file = fs::OpenOptions::new().create(true).append(true).open(mark)?;
            writeln!(file, "{} {}", task.job(), task.attempt())?;
        }
        for line in &self.say {
            writeln!(io::stdout(), "{line}")?;
        }
        if let Some(file) = &self.until {
            wait_for(file)?;
        }
        if !self.leave_out {
            for path in task.artifacts() {
                write(Path::new(path), &self.text(&task))?;
            }
        }
        for path in &self.write {
            write(path, "written by a scripted agent\n")?;
        }
        if let (Some(model), Some(report)) = (&self.model, env::var_os("STRIATUM_REPORT")) {
            let report_text = serde_json::json!({"agent": {"name": "scripted"}, "model": model}).to_string();
            fs::write(report, report_text)?;
        }
        match self.exit {
            Some(code) => std::process::exit(code),
            None => Ok(()),
        }
    }

    fn text(&self, task: &Task) -> String {
        let line = format!("{} at attempt {}, by a scripted agent\n", task.job(), task.attempt());
        if !task.is_review() {
            return line;
        }
        let verdict = self.verdicts.get(task.attempt() - 1).or(self.verdicts.last());
        let verdict = verdict.map_or("accept", String::as_str);
        format!("---\nverdict: {verdict}\nfindings:\n  - said at attempt {}\n---\n{line}", task.attempt())
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}

fn wait_for(file: &Path) -> io::Result<()> {
    for _ in 0..6_000 {
        if file.exists() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Err(io::Error::other("what the script waits for did not come"))
}
