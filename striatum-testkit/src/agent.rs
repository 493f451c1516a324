//! A scripted agent: a program that does what its arguments say.
//!
//! It is what stands in for a coding agent wherever none is wanted: it leaves every expected artifact, and judges by a given list of
//! verdicts. As a terminal program it reads its packet from `STRIATUM_PACKET`, and its end is its answer; with `--acp` it speaks the
//! Agent Client Protocol and calls the tools of its grant, as coding agents do. A test harness gives it a binary of three lines:
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

use serde_json::{Value, json};

mod acp;
mod tools;

pub use acp::{Guise, Hands, Reach, serve};
pub use tools::{Reached, Said, Tools};

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

    /// Whether somebody answered a question about it.
    pub fn was_answered(&self) -> bool {
        self.0["answers"].as_array().is_some_and(|answers| !answers.is_empty())
    }

    /// Whether all that is wanted is an answer to a later job.
    pub fn is_question(&self) -> bool {
        !self.0["question"].is_null()
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

/// What a scripted agent does. Asked about its work by a later job, it answers with the name of its own.
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
/// | `--acp` | speaks the Agent Client Protocol; what follows is for agents that do |
/// | `--by-programs` | reaches tools only as programs that it starts |
/// | `--run LINE` | has this run by the shell in a terminal, and says what it wrote and how it ended |
/// | `--leave LINE` | asks for leave to run this, and gives up if it is not given |
/// | `--idle N` | does nothing in its first N turns |
/// | `--cancels N` | says that its first N turns were cancelled |
/// | `--late TEXT` | says that its turn has failed so, and does its work all the same |
/// | `--remembers PATH` | keeps its sessions in this file, and can go on with them |
/// | `--stray PATH` | leaves this file as well, hands in, and takes it away when that is refused |
/// | `--ask TEXT` | asks a person, unless there is an answer already |
/// | `--of JOB` | asks whoever did that job instead |
/// | `--give-up TEXT` | reports this as the reason why it has failed |
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
    acp: bool,
    by_programs: bool,
    run: Vec<String>,
    leave: Option<String>,
    idle: u32,
    cancels: u32,
    late: Option<String>,
    remembers: Option<PathBuf>,
    stray: Option<PathBuf>,
    ask: Option<String>,
    of: Option<String>,
    give_up: Option<String>,
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
                "--acp" => script.acp = true,
                "--by-programs" => script.by_programs = true,
                "--run" => script.run.push(value()?.clone()),
                "--leave" => script.leave = Some(value()?.clone()),
                "--idle" => script.idle = value()?.parse().map_err(io::Error::other)?,
                "--cancels" => script.cancels = value()?.parse().map_err(io::Error::other)?,
                "--late" => script.late = Some(value()?.clone()),
                "--remembers" => script.remembers = Some(value()?.into()),
                "--stray" => script.stray = Some(value()?.into()),
                "--ask" => script.ask = Some(value()?.clone()),
                "--of" => script.of = Some(value()?.clone()),
                "--give-up" => script.give_up = Some(value()?.clone()),
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
        if self.acp {
            let reach = if self.by_programs { Reach::Programs } else { Reach::Http };
            let (model, remembers) = (self.model.clone(), self.remembers.clone());
            let guise = Guise { model, reach, remembers, ..Guise::default() };
            let mut turns = 0;
            return serve(&guise, |hands| {
                turns += 1;
                match turns {
                    idle if idle <= self.idle => hands.say("I am done."),
                    cancelled if cancelled <= self.cancels => hands.end("cancelled"),
                    _ => self.take_turn(hands),
                }
            });
        }
        let task = Task::read()?;
        io::stdin().read_to_end(&mut Vec::new())?;
        self.begin(&task)?;
        if let (true, Some(report)) = (task.is_question(), env::var_os("STRIATUM_REPORT")) {
            return fs::write(report, json!({"answer": answer(&task)}).to_string());
        }
        for line in &self.say {
            writeln!(io::stdout(), "{line}")?;
        }
        if let Some(file) = &self.until {
            wait_for(file, || false)?;
        }
        self.edit(&task)?;
        if let (Some(model), Some(report)) = (&self.model, env::var_os("STRIATUM_REPORT")) {
            let report_text = json!({"agent": {"name": "scripted"}, "model": model}).to_string();
            fs::write(report, report_text)?;
        }
        match self.exit {
            Some(code) => std::process::exit(code),
            None => Ok(()),
        }
    }

    /// One turn of an agent that has tools.
    fn take_turn(&self, hands: &mut Hands<'_>) -> io::Result<()> {
        let task = hands.task()?;
        self.begin(&task)?;
        if let Some(message) = &self.late {
            hands.fail(message)?;
        }
        for line in &self.say {
            hands.say(line)?;
        }
        if let Some(line) = &self.leave
            && !hands.may_run(line)?
        {
            return hands.call("report_failure", &json!({ "reason": "I may not." })).map(drop);
        }
        for line in &self.run {
            let (wrote, status) = hands.run(line)?;
            hands.say(&format!("{line} ended with {status:?}: {}", wrote.trim()))?;
        }
        if let Some(file) = &self.until {
            wait_for(file, || hands.is_cancelled())?;
        }
        if hands.is_cancelled() {
            return Ok(());
        }
        if task.is_question() {
            return hands.call("answer", &json!({"answer": answer(&task)})).map(drop);
        }
        for path in self.edit(&task)? {
            hands.edited(&path.to_string_lossy())?;
        }
        if let Some(code) = self.exit {
            std::process::exit(code);
        }
        if let Some(reason) = &self.give_up {
            return hands.call("report_failure", &json!({ "reason": reason })).map(drop);
        }
        if let Some(question) = self.ask.as_ref().filter(|_| !task.was_answered()) {
            return match &self.of {
                None => hands.call("ask_human", &json!({ "question": question })).map(drop),
                Some(job) => hands.call("ask_upstream", &json!({"job": job, "question": question})).map(drop),
            };
        }
        let finding = format!("said at attempt {}", task.attempt());
        let (tool, arguments) = match task.is_review() {
            true => ("submit_review", json!({"verdict": self.verdict(&task), "findings": [finding]})),
            false => ("complete_work", json!({})),
        };
        let Some(stray) = &self.stray else { return hands.call(tool, &arguments).map(drop) };
        write(stray, "written by a scripted agent\n")?;
        if hands.call(tool, &arguments)?.refused {
            fs::remove_file(stray)?;
            hands.call(tool, &arguments)?;
        }
        Ok(())
    }

    fn begin(&self, task: &Task) -> io::Result<()> {
        if let Some(mark) = &self.mark {
            let mut file = fs::OpenOptions::new().create(true).append(true).open(mark)?;
            // In one piece, since others begin at the same time.
            file.write_all(format!("{} {}\n", task.job(), task.attempt()).as_bytes())?;
        }
        Ok(())
    }

    /// Leaves its files, and tells which.
    fn edit(&self, task: &Task) -> io::Result<Vec<PathBuf>> {
        let mut written = Vec::new();
        if !self.leave_out {
            for path in task.artifacts() {
                write(Path::new(path), &self.text(task))?;
                written.push(path.into());
            }
        }
        for path in &self.write {
            write(path, "written by a scripted agent\n")?;
            written.push(path.clone());
        }
        Ok(written)
    }

    fn verdict(&self, task: &Task) -> &str {
        let verdict = self.verdicts.get(task.attempt() - 1).or(self.verdicts.last());
        verdict.map_or("accept", String::as_str)
    }

    fn text(&self, task: &Task) -> String {
        let line = format!("{} at attempt {}, by a scripted agent\n", task.job(), task.attempt());
        if !task.is_review() {
            return line;
        }
        let verdict = self.verdict(task);
        format!("---\nverdict: {verdict}\nfindings:\n  - said at attempt {}\n---\n{line}", task.attempt())
    }
}

fn answer(task: &Task) -> String {
    format!("so says who did {}", task.job())
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}

fn wait_for(file: &Path, is_cancelled: impl Fn() -> bool) -> io::Result<()> {
    for _ in 0..6_000 {
        if file.exists() || is_cancelled() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Err(io::Error::other("what the script waits for did not come"))
}
