//! What a run has come to.

use std::process::ExitCode;

use striatum::{
    core::{
        chain::Position,
        digest::BlobRef,
        id::RunId,
        run::{EscalationTopic, JobState, JobStatus, LeaseCause, Ruling, RunStatus, State, Withheld},
        store::{Store, StoreExt},
    },
    sqlite::SqliteStore,
};

use crate::{
    failure::Failure,
    help,
    live::short,
    scene::Scene,
    story::{Chapter, Story},
    work::say,
};

/// The exit code of a run that waits for a person.
const WAITS: u8 = 3;

/// Prints the run as a tree, verifies its chain from the bytes on disk, and says what to do next.
pub(crate) async fn tell(scene: &Scene, run: RunId) -> Result<ExitCode, Failure> {
    let state = scene.orchestrator.load(run).await?.state;
    print_run(scene, &state).await?;
    let head = verify(scene).await?;
    print_places(scene, &state, head);
    match state.status() {
        Some(RunStatus::Completed) if state.delivered().is_some() => Ok(ExitCode::SUCCESS),
        Some(RunStatus::Running) if waits_for_a_person(&state) => Ok(ExitCode::from(WAITS)),
        // The delivery was held back: nobody has ruled yet, or not for it.
        Some(RunStatus::Completed) if state.withheld().is_some_and(|withheld| withheld.ruling.is_none()) => {
            Ok(ExitCode::from(WAITS))
        }
        Some(RunStatus::Completed) if state.withheld().is_some_and(is_refused) => Ok(ExitCode::FAILURE),
        Some(RunStatus::Running | RunStatus::Completed) => Err(Failure::new(
            "run_unfinished",
            "the run was left before its end, nothing of it is lost",
            "mend what was complained of, if anything was, and give the same command again: it goes on",
        )),
        _ => Ok(ExitCode::FAILURE),
    }
}

fn is_refused(withheld: &Withheld) -> bool {
    withheld.ruling == Some(Ruling::Reject)
}

fn waits_for_a_person(state: &State) -> bool {
    let waits = |job: &JobState| {
        matches!(
            job.status,
            JobStatus::WaitingHuman | JobStatus::Blocked | JobStatus::Parked | JobStatus::AwaitingInput
        )
    };
    state.is_paused() || state.jobs().any(|(_, job)| waits(job))
}

/// Prints the run as a tree of jobs and grants.
pub(crate) async fn print_run(scene: &Scene, state: &State) -> Result<(), Failure> {
    let story = Story::read(scene.orchestrator.engine().store().as_ref(), state.run()).await?;
    let status = state.status().map_or("not prepared", RunStatus::as_str);
    let paused = if state.is_paused() { ", paused" } else { "" };
    say!(
        "\nrun {} of {}: {status}{paused}, {} events, {:.1?}",
        state.run().short(),
        state.workflow().workflow_id,
        story.events,
        story.took
    );
    if let Some(used) = help::used(state) {
        say!("used: {used}");
    }
    let last = state.jobs().len().saturating_sub(1);
    for (place, (spec, job)) in state.jobs().enumerate() {
        let (branch, stem) = if place == last { ("└─", "  ") } else { ("├─", "│ ") };
        say!("{branch} {}: {}", spec.id, job.status);
        let chapters = story.grants.get(&spec.id).map_or(&[][..], Vec::as_slice);
        for chapter in chapters {
            say!("{stem}   attempt {}, grant {}: {}", chapter.attempt, chapter.epoch, outcome(chapter));
            if let Some(reason) = &chapter.reason {
                print_text(scene, reason, &format!("{stem}     ")).await?;
            }
        }
        for verdict in &job.verdicts {
            if let Some(findings) = &verdict.findings {
                print_text(scene, findings, &format!("{stem}   attempt {} found: ", verdict.attempt)).await?;
            }
        }
        if let Some(question) = job.open_question() {
            print_text(scene, &question.text, &format!("{stem}   question {}: ", question.number)).await?;
        }
        if let Some(doubt) = &job.doubt {
            say!("{stem}   doubted: {}", help::doubted(doubt));
        }
        if let Some(help) = help::with_job(&scene.again, state, spec, job) {
            say!("{stem}   {help}");
        }
    }
    for escalation in state.escalations().iter().filter(|escalation| escalation.ruling.is_none()) {
        say!("escalation {}: {}", escalation.raised.escalation, help::raised(escalation));
        if let Some(reason) = &escalation.raised.reason {
            print_text(scene, reason, "  ").await?;
        }
        if escalation.raised.topic == EscalationTopic::UnjudgedDelivery {
            story.deviations.iter().for_each(|deviation| say!("  {}", help::differs(deviation)));
        }
        say!("  {}", help::with_escalation(&scene.again, state, escalation));
    }
    Ok(())
}

/// Prints what is kept in words, each line behind the same beginning. What an agent wrote must not steer the terminal.
async fn print_text(scene: &Scene, text: &BlobRef, beginning: &str) -> Result<(), Failure> {
    let bytes = scene.orchestrator.engine().blobs().get(&text.digest).await?;
    for line in String::from_utf8_lossy(&bytes).lines() {
        say!("{beginning}{}", line.chars().filter(|c| !c.is_control()).collect::<String>());
    }
    Ok(())
}

fn outcome(chapter: &Chapter) -> String {
    let took = chapter.took.map(|took| format!(" after {took:.1?}")).unwrap_or_default();
    let ended = match (chapter.verdict, chapter.ended) {
        (Some(verdict), _) => verdict.to_string(),
        (None, Some(LeaseCause::Submitted)) => "done".to_owned(),
        (None, Some(cause)) => format!("{cause:?}").to_lowercase(),
        (None, None) => "at work".to_owned(),
    };
    format!("{ended}{took}")
}

/// Opens the file anew and recomputes every digest from its bytes.
async fn verify(scene: &Scene) -> Result<Position, Failure> {
    let disk = SqliteStore::open_read_only(&scene.store).await?;
    let chain = scene.orchestrator.repository().chain();
    let verified = disk.verify(chain, None, |_| {}).await;
    disk.close().await?;
    match verified {
        Ok(head) => {
            say!("\nchain: {} events verified from {}", head.seq, scene.store.display());
            Ok(head)
        }
        Err(error) => Err(Failure::new(
            "chain_unsound",
            error.to_string(),
            "run `cargo run -p verify` on the store for an explanation, and restore it from a backup",
        )),
    }
}

fn print_places(scene: &Scene, state: &State, head: Position) {
    let repository = scene.repository.display();
    say!(
        "  head {}:{} (note it down: `verify --expect` proves later that nothing was cut off)",
        head.seq,
        head.digest
    );
    say!("\nwhere everything lies");
    say!("  repository  {repository}");
    say!("  data        {} (events, blobs, sessions, trees)", scene.data.display());
    if let (Some(commit), Some(branch)) = (state.delivered(), state.branch()) {
        say!("  result      branch {} at {}", branch.branch, short(commit.as_str()));
        say!("\nwhat to try next");
        say!("  git -C {repository} log --oneline --graph {}", branch.branch);
        say!("  git -C {repository} diff {} {}", short(state.snapshot().base().as_str()), branch.branch);
    } else {
        say!("\nwhat to try next");
    }
    say!("  cargo run -p verify -- {}", scene.store.display());
    say!("  {} show", scene.again);
    say!("  cargo run -p quickstart -- --help");
}

/// The head of a chain, to show that a store is there at all.
pub(crate) async fn print_runs(scene: &Scene, store: &dyn Store) -> Result<(), Failure> {
    let head = store.head(scene.orchestrator.repository().chain()).await?;
    let runs = scene.runs().await?;
    say!("{} runs in {}, {} events", runs.len(), scene.repository.display(), head.seq);
    for run in runs {
        let paused = if run.row.paused { " (paused)" } else { "" };
        say!("  {}  {:<26} {}{paused}", run.run.short(), run.row.status.as_str(), run.row.workflow);
    }
    Ok(())
}
