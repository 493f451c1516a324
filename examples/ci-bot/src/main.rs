//! Has a branch reviewed by several agents in a CI job.
//!
//! ```text
//! cargo run -p ci-bot -- --against origin/main --quorum 2 --junit review.xml \
//!     --reviewer 'claude -p --permission-mode acceptEdits' --reviewer 'codex exec --sandbox workspace-write -' --reviewer 'gemini -y'
//! ```
//!
//! It exits with 0 if so many accept, with 1 if so many cannot any more, and with 2 if it could not tell: an agent failed, say.
//! What it keeps lies in its data folder. Killed and started again, it goes on; started again for a commit that was judged by the
//! same reviewers already, it says the same at once.
mod change;
mod junit;
mod panel;
mod verdict;

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use clap::Parser;
use striatum::{
    Document, Orchestrator,
    core::{
        engine::View,
        id::RunId,
        run::{Actor, Intent, RunStatus},
        store::RunQuery,
    },
    sandbox::NoSandbox,
    sqlite::SqliteStore,
    workspace::{Git, ObjectBlobs, Repository},
};

use change::Change;
use verdict::{Judgement, Panel};

/// The exit code of a panel that came to no judgement.
const COULD_NOT_TELL: u8 = 2;

/// Has the checked out branch reviewed, and exits with 0 (accepted), 1 (rejected) or 2 (could not tell).
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The repository.
    #[arg(long, default_value = ".", value_name = "PATH")]
    repo: PathBuf,
    /// Where events, blobs, trees and sessions are kept: outside of the repository, or ignored by it.
    #[arg(long, default_value = ".ci-bot", value_name = "DIR")]
    data: PathBuf,
    /// What the branch is compared with.
    #[arg(long, default_value = "main", value_name = "REVISION")]
    against: String,
    /// The command of a reviewer, which gets its task on standard input; may be given several times.
    #[arg(long = "reviewer", required = true, value_name = "COMMAND")]
    reviewers: Vec<String>,
    /// How many have to accept; more than half unless given.
    #[arg(long, value_name = "NUMBER")]
    quorum: Option<u32>,
    /// What to look at.
    #[arg(
        long,
        default_value = "Is this change correct, and does it belong into the branch it is compared with?"
    )]
    question: String,
    /// A variable of this environment that reviewers see; may be given several times.
    #[arg(long = "env", value_name = "NAME")]
    environment: Vec<String>,
    /// Where the report goes, as JUnit XML; to standard output unless given.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

type Failed = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> ExitCode {
    match review(&Args::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ci-bot: {error}");
            ExitCode::from(COULD_NOT_TELL)
        }
    }
}

async fn review(args: &Args) -> Result<ExitCode, Failed> {
    std::fs::create_dir_all(&args.data)?;
    let data = std::fs::canonicalize(&args.data)?;
    std::fs::write(data.join(".gitignore"), "*\n")?;
    let repository = Repository::open(&args.repo, &data, Git::default()).await?;
    let head = repository.head().await?;
    let change = Change::of(repository.root(), &args.against)?;
    let orchestrator = Orchestrator::builder()
        .store(Arc::new(SqliteStore::open(data.join("striatum.db")).await?))
        .blobs(Arc::new(ObjectBlobs::local(&data.join("blobs"))?))
        .repository(repository)
        .sandbox(Arc::new(NoSandbox::new(std::env::var_os("PATH").unwrap_or_default())))
        .adapter(change::ADAPTER, Arc::new(change.clone()))
        .data(&data)
        .build()
        .await?;
    let me = Actor::Service("ci-bot".to_owned());
    let workflow = panel::workflow(args, &change)?;
    let run = match same(&orchestrator, &workflow, head.as_str()).await? {
        Some(run) => run,
        None => {
            let document = Document::new(serde_json::to_vec(&workflow)?, &data);
            orchestrator.prepare(&document, me.clone()).await?.run
        }
    };
    if orchestrator.load(run).await?.state.status() == Some(RunStatus::Ready) {
        orchestrator.command(run, me, Intent::Start).await?;
    }
    orchestrator.run_until_idle().await?;

    let View { state, .. } = orchestrator.load(run).await?;
    let panel = Panel::of(&state, orchestrator.engine().blobs().as_ref()).await?;
    eprint!("{}", panel.summary());
    let report = junit::report(&panel);
    match &args.junit {
        Some(file) => std::fs::write(file, report)?,
        None => print(&report)?,
    }
    Ok(match panel.judgement() {
        Judgement::Accepted => ExitCode::SUCCESS,
        Judgement::Rejected => ExitCode::FAILURE,
        Judgement::Open => ExitCode::from(COULD_NOT_TELL),
    })
}

/// The run in which this panel judges this commit already, unless it came to nothing: then another one is begun.
async fn same(
    orchestrator: &Orchestrator,
    workflow: &striatum::core::workflow::Workflow,
    head: &str,
) -> Result<Option<RunId>, Failed> {
    let chain = Some(orchestrator.repository().chain().clone());
    let mut query = RunQuery { chain, limit: 50, ..RunQuery::default() };
    loop {
        let page = orchestrator.engine().store().runs(&query).await?;
        for summary in page.items {
            let View { state, .. } = orchestrator.load(summary.run).await?;
            let is_same = state.workflow() == workflow && state.snapshot().base().as_str() == head;
            let panel = Panel::of(&state, orchestrator.engine().blobs().as_ref()).await?;
            if is_same && !(panel.has_ended() && panel.judgement() == Judgement::Open) {
                return Ok(Some(summary.run));
            }
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(None),
        }
    }
}

/// Whoever reads the report may stop reading.
fn print(text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
