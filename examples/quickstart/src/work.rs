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
        workflow::{JobType, Rules, Validated, Workflow},
    },
};

use crate::{args::Args, demo, failure::Failure, live::Live, report, scene::Scene};

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
    let document = document(scene, args)?;
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
pub(crate) fn document(scene: &Scene, args: &Args) -> Result<Document, Failure> {
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
    if !is_demo && !args.scripted && args.author_command.is_none() && args.reviewer_command.is_none() {
        return Ok(document);
    }
    // The agents are replaced before anybody asks whether the document's own could run here. What is wrong with it is told
    // when it is prepared.
    let bytes = fs::read(&path).map_err(|error| Failure::io("read", &path, &error))?;
    let Ok(Validated { mut workflow, .. }) = Workflow::parse(&bytes, &Rules::default()) else {
        return Ok(document);
    };
    let mine =
        std::env::current_exe().map_err(|error| Failure::io("find", Path::new("this program"), &error))?;
    let own = |part: &str| vec![mine.to_string_lossy().into_owned(), "agent".to_owned(), part.to_owned()];
    for (id, command) in commands(&workflow, args, is_demo, &own) {
        if let Some(lane) = workflow.lanes.get_mut(&id) {
            look_for(&command)?;
            if command.first().is_some_and(|program| Path::new(program) == mine) {
                // Keys that the document's own agent needs are no business of the stand-in.
                lane.env.clear();
            }
            lane.command = command;
        }
    }
    let bytes = serde_json::to_vec(&workflow)
        .map_err(|error| Failure::new("document_invalid", error.to_string(), "report this"))?;
    let folder = path.parent().unwrap_or(Path::new(".")).canonicalize();
    let folder = folder.map_err(|error| Failure::io("find the folder of", &path, &error))?;
    Ok(Document::new(bytes, folder))
}

/// Refuses a command whose program is not there, before a run is begun that could only fail.
fn look_for(command: &[String]) -> Result<(), Failure> {
    let remedy = "install it, correct its name, or give its absolute path";
    let Some(program) = command.first() else {
        return Err(Failure::new("command_missing", "the command for an agent is empty", remedy));
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = match Path::new(program) {
        // It is looked up in the work tree, which is not there yet.
        relative if program.contains('/') && relative.is_relative() => true,
        absolute if program.contains('/') => absolute.is_file(),
        name => std::env::split_paths(&path).any(|folder| folder.join(name).is_file()),
    };
    match is_there {
        true => Ok(()),
        false => Err(Failure::new("command_missing", format!("there is no program {program}"), remedy)),
    }
}

/// The command for each lane whose own is replaced. A lane reviews if every job in it does.
fn commands(
    workflow: &Workflow,
    args: &Args,
    is_demo: bool,
    own: &dyn Fn(&str) -> Vec<String>,
) -> Vec<(striatum::core::id::LaneId, Vec<String>)> {
    let words = |text: &String| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let reviews = |lane: &_| {
        workflow.jobs.iter().filter(|job| job.lane_id == *lane).all(|job| job.kind == JobType::Review)
    };
    let replaced = |lane: &striatum::core::id::LaneId| {
        let given = if reviews(lane) { &args.reviewer_command } else { &args.author_command };
        match given {
            Some(command) => Some(words(command)),
            None if args.scripted => Some(own("scripted")),
            None if is_demo => Some(own(lane.as_str())),
            None => None,
        }
    };
    workflow.lanes.keys().filter_map(|lane| Some((lane.clone(), replaced(lane)?))).collect()
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
