//! What a whole job costs, beside what its agent and git cost alone.
//!
//! The agent is this program again: over its protocol for Striatum, as a plain program by hand.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use striatum::{
    Document, Orchestrator, Progress,
    core::{
        id::RunId,
        run::{Actor, Event, Intent},
        workflow::{BranchMode, JobBuilder, LaneBuilder, Workflow, WorkflowBuilder},
    },
};
use striatum_testkit::agent::Script;
use tokio::{sync::broadcast, time::timeout};

use crate::{
    Outcome,
    measure::Turns,
    site::{Site, expect_success, git},
    table::Table,
};

/// The jobs of a run: a draft, and the review that accepts it.
const JOBS: u32 = 2;
/// How many files the repository has.
const FILES: usize = 100;
/// Only ever reached if a run does not come to its end.
const HANG: Duration = Duration::from_secs(60);
/// By what argument this program is the agent.
const AGENT: &str = "agent";

/// Plays the agent, if that is what this process is for.
pub(crate) fn main_if_agent() -> Option<Outcome> {
    let mut arguments = std::env::args().skip(1);
    let is_agent = arguments.next().is_some_and(|first| first == AGENT);
    let script: Vec<String> = arguments.collect();
    is_agent.then(|| Ok(Script::parse(&script)?.play()?))
}

pub(crate) async fn run(folder: &Path, quick: bool) -> Outcome {
    let rounds = if quick { 5 } else { 60 };
    let folder = tempfile::tempdir_in(folder)?;
    let scene = Scene::open(folder.path()).await?;
    let working = scene.orchestrator.clone();
    let work = tokio::spawn(async move { working.run().await });
    let mut turns = Turns::<2>::default();
    for round in 0..=rounds {
        let times = [scene.striatum().await?, scene.by_hand(round)?];
        // The first one fills the caches.
        if round > 0 {
            turns.take(times.map(|time| time / JOBS));
        }
    }
    scene.orchestrator.drain();
    work.await??;
    let milliseconds = |rate: f64| format!("{:.1} ms", 1e3 / rate);
    let [ours, by_hand] = turns.rates(1).map(milliseconds);
    let [_, ratio] = turns.ratios();
    let mut table = Table::new("A whole job, SQLite");
    table.base("git worktree add, the agent, git commit, by hand", by_hand);
    let what = "claim, tree, agent over ACP, packet, tools, verdict, commit";
    table.row(what, ours, ratio, "≤ 3");
    table.print();
    Ok(())
}

struct Scene {
    orchestrator: Orchestrator,
    root: PathBuf,
    folder: PathBuf,
    mine: String,
}

impl Scene {
    async fn open(folder: &Path) -> Outcome<Self> {
        let site = Site::plant(folder, FILES)?;
        let orchestrator = site.orchestrator().await?.build().await?;
        let mine = std::env::current_exe()?.to_str().ok_or("this program's path is no text")?.to_owned();
        let packet =
            r#"{"fence":{"job":"draft"},"attempt":1,"expected_artifacts":[{"path":"out/draft.md"}]}"#;
        fs::write(folder.join("packet.json"), packet)?;
        Ok(Self { orchestrator, root: site.root, folder: folder.to_owned(), mine })
    }

    /// From the start of a run, which was prepared before, to its end. What is owed then, trees to close and the delivery, is done
    /// before this returns, and is not in the time.
    async fn striatum(&self) -> Outcome<Duration> {
        let ada = Actor::Human("ada".to_owned());
        let document = serde_json::to_vec(&workflow(&self.mine).document())?;
        let document = Document::new(document, self.orchestrator.data());
        let run = self.orchestrator.prepare(&document, ada.clone()).await?.run;
        let mut progress = self.orchestrator.progress();
        let begun = Instant::now();
        self.orchestrator.command(run, ada, Intent::Start).await?;
        timeout(HANG, ended(&mut progress, run)).await??;
        let time = begun.elapsed();
        timeout(HANG, self.settled(&mut progress, run)).await??;
        Ok(time)
    }

    async fn settled(&self, progress: &mut broadcast::Receiver<Progress>, run: RunId) -> Outcome {
        while self.orchestrator.load(run).await?.state.pending().next().is_some() {
            progress.recv().await?;
        }
        Ok(())
    }

    /// The same by hand: as many trees, agents and commits.
    fn by_hand(&self, round: usize) -> Outcome<Duration> {
        let trees: Vec<String> = (0..JOBS).map(|job| format!("hand-{round}-{job}")).collect();
        let begun = Instant::now();
        for name in &trees {
            let tree = self.folder.join(name);
            let path = tree.to_str().ok_or("a path that is no text")?;
            git(&self.root, &["worktree", "add", "-q", "-b", name, path, "main"])?;
            let mut agent = Command::new(&self.mine);
            agent.arg(AGENT).current_dir(&tree).env("STRIATUM_PACKET", self.folder.join("packet.json"));
            expect_success(agent.stdin(std::process::Stdio::null()))?;
            git(&tree, &["add", "-A"])?;
            git(&tree, &["commit", "-q", "-m", "draft"])?;
        }
        let time = begun.elapsed();
        for name in &trees {
            fs::remove_dir_all(self.folder.join(name))?;
        }
        git(&self.root, &["worktree", "prune"])?;
        Ok(time)
    }
}

async fn ended(progress: &mut broadcast::Receiver<Progress>, run: RunId) -> Outcome {
    loop {
        match progress.recv().await? {
            Progress::Event { run: of, event: Event::RunEnded(end) } if of == run => {
                let is_completed = end.status == striatum::core::run::RunStatus::Completed;
                return if is_completed { Ok(()) } else { Err(format!("the run ended as {end:?}").into()) };
            }
            Progress::Notice { message, .. } => return Err(message.into()),
            _ => {}
        }
    }
}

/// A draft that is accepted at once.
fn workflow(agent: &str) -> WorkflowBuilder {
    let draft = JobBuilder::draft("draft")
        .by("author", "main")
        .objective("Write it.")
        .writes(["out/"])
        .artifact("draft", "out/draft.md");
    let review = JobBuilder::review("review").by("reviewer", "main").objective("Is it good?").after("draft");
    Workflow::builder("job")
        .branch(BranchMode::Auto, "result")
        .lane("main", LaneBuilder::adapter("acp").command([agent, AGENT, "--acp"]))
        .role("author", "Writes.")
        .role("reviewer", "Judges.")
        .job(draft)
        .job(review)
}
