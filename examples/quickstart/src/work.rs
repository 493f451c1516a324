//! The main job.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use striatum::{
    Document,
    core::{
        id::RunId,
        run::{Intent, RunStatus},
        workflow::{Rules, Validated, Workflow},
    },
};

use crate::{args::Args, cast, demo, failure::Failure, live::Live, report, scene::Scene};

/// Says something to the person, beside the report.
macro_rules! say {
    ($($text:tt)*) => { println!($($text)*) };
}
pub(crate) use say;

/// Prints a text that is all that the program has to say. Whoever has read enough may stop reading.
pub(crate) fn print(text: &str) -> Result<ExitCode, Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::io("write to", Path::new("standard output"), &error))
        }
        Ok(()) | Err(_) => Ok(ExitCode::SUCCESS),
    }
}

/// Goes on with an unfinished run, or begins a new one, and works until it has ended or waits for a person.
pub(crate) async fn main_job(scene: &Scene, args: &Args) -> Result<ExitCode, Failure> {
    // Of two programs that start at once one begins a run, and the other one goes on with it.
    let beginning = scene.begin_alone()?;
    let run = match scene.unfinished().await? {
        Some(unfinished) => {
            say!("going on with run {} of {}", unfinished.run.short(), unfinished.row.workflow);
            unfinished.run
        }
        None => begin(scene, args).await?,
    };
    set_going(scene, run).await?;
    drop(beginning);
    go_on(scene, run).await
}

/// Starts what is not started, works, and tells what came of it.
pub(crate) async fn go_on(scene: &Scene, run: RunId) -> Result<ExitCode, Failure> {
    set_going(scene, run).await?;
    let live = Live::watch(&scene.orchestrator, run).await?;
    let interrupts = tokio::spawn(heed_interrupts(scene.orchestrator.clone()));
    let worked = scene.orchestrator.run_until_idle().await;
    interrupts.abort();
    live.end().await;
    worked.map_err(|error| Failure::from(error).resumable())?;
    report::tell(scene, run).await
}

async fn begin(scene: &Scene, args: &Args) -> Result<RunId, Failure> {
    let document = document(scene, args).await?;
    let prepared = scene.orchestrator.prepare(&document, scene.me.clone()).await?;
    for warning in &prepared.warnings {
        say!("warning[{}] {}: {}", warning.code.as_str(), warning.pointer, warning.message);
    }
    say!("prepared run {} in {}", prepared.run.short(), scene.repository.display());
    Ok(prepared.run)
}

/// Confirms the suggested branch and starts the run, whichever of the two is left to do.
async fn set_going(scene: &Scene, run: RunId) -> Result<(), Failure> {
    let state = scene.orchestrator.load(run).await?.state;
    #[cfg(feature = "acp")]
    crate::outside::lanes_are_known(scene.egress.as_ref(), state.workflow())
        .map_err(|error| Failure::from(error).resumable())?;
    if state.status() == Some(RunStatus::NeedsBranchConfirmation) {
        let suggested = &state.workflow().branch.suggested_name;
        let branch = scene.orchestrator.free_branch(suggested).await?;
        scene.orchestrator.confirm_branch(run, scene.me.clone(), &branch).await?;
        say!("confirmed branch {branch} for the result, in your name");
    }
    if matches!(state.status(), Some(RunStatus::NeedsBranchConfirmation | RunStatus::Ready)) {
        scene.orchestrator.command(run, scene.me.clone(), Intent::Start).await?;
    }
    Ok(())
}

/// The document to run, with the agents that the command line puts in place of its own.
pub(crate) async fn document(scene: &Scene, args: &Args) -> Result<Document, Failure> {
    let path = args.workflow.clone().unwrap_or_else(|| scene.repository.join(demo::WORKFLOW));
    if args.workflow.is_none() && args.repo.is_some() && !path.exists() {
        return Err(Failure::new(
            "workflow_missing",
            format!("{} has no {}", scene.repository.display(), demo::WORKFLOW),
            "name a document with --workflow; examples/workflows has some to start from",
        ));
    }
    let document = Document::read(&path)?;
    let is_demo = args.workflow.is_none() && args.repo.is_none();
    if !cast::is_wanted(args, is_demo) {
        return Ok(document);
    }
    // The agents are replaced before anybody asks whether the document's own could run here. What is wrong with it is told
    // when it is prepared.
    let bytes = fs::read(&path).map_err(|error| Failure::io("read", &path, &error))?;
    let Ok(Validated { mut workflow, .. }) = Workflow::parse(&bytes, &Rules::default()) else {
        return Ok(document);
    };
    cast::recast(&mut workflow, args, is_demo).await?;
    let bytes = serde_json::to_vec(&workflow)
        .map_err(|error| Failure::new("document_invalid", error.to_string(), "report this"))?;
    let folder = path.parent().unwrap_or(Path::new(".")).canonicalize();
    let folder = folder.map_err(|error| Failure::io("find the folder of", &path, &error))?;
    Ok(Document::new(bytes, folder))
}

/// The first Ctrl-C lets running agents end, the second stops them.
async fn heed_interrupts(orchestrator: striatum::Orchestrator) {
    if tokio::signal::ctrl_c().await.is_ok() {
        say!("letting running agents end; Ctrl-C again stops them");
        orchestrator.drain();
    }
    if tokio::signal::ctrl_c().await.is_ok() {
        say!("stopping; what the agents have done so far is set aside");
        orchestrator.stop();
    }
}
