//! What happens, while it happens: a tree that moves on a terminal, plain lines elsewhere.

use std::{collections::BTreeMap, io::IsTerminal as _, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use striatum::{
    Orchestrator, Progress,
    core::{
        id::{JobId, RunId},
        run::{CancelCause, Event, State},
        transport::AgentUpdate,
        workflow::Workflow,
    },
};
use tokio::{sync::broadcast, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{failure::Failure, help, work::say};

/// Shows the progress of a run until it is told to end.
pub(crate) struct Live {
    task: JoinHandle<()>,
    end: CancellationToken,
}

impl Live {
    pub(crate) async fn watch(orchestrator: &Orchestrator, run: RunId) -> Result<Self, Failure> {
        let updates = orchestrator.progress();
        let state = orchestrator.load(run).await?.state;
        let end = CancellationToken::new();
        let screen = if std::io::stdout().is_terminal() { Screen::tree(&state) } else { Screen::Lines };
        let task = tokio::spawn(follow(screen, run, updates, end.clone()));
        Ok(Self { task, end })
    }

    pub(crate) async fn end(self) {
        self.end.cancel();
        // What was shown is a convenience; the report follows.
        let _ = self.task.await;
    }
}

async fn follow(
    mut screen: Screen,
    run: RunId,
    mut updates: broadcast::Receiver<Progress>,
    end: CancellationToken,
) {
    loop {
        let update = tokio::select! {
            biased;
            update = updates.recv() => update,
            () = end.cancelled() => break,
        };
        match update {
            Ok(Progress::Event { run: of, event }) if of == run => screen.event(&event),
            Ok(Progress::Agent { fence, update: AgentUpdate::Output { text, .. } }) if fence.run == run => {
                screen.output(&fence.job, &text);
            }
            Ok(Progress::Notice { code, message, remedy, .. }) => {
                screen.line(&format!("notice[{code}]: {message}\n  what to do: {remedy}"));
            }
            Ok(_) => {}
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                screen.line(&format!("({missed} updates were missed)"))
            }
            Err(broadcast::error::RecvError::Closed) => break,
        }
    }
    screen.close();
}

enum Screen {
    Lines,
    Tree { all: MultiProgress, jobs: BTreeMap<JobId, ProgressBar> },
}

impl Screen {
    fn tree(state: &State) -> Self {
        let all = MultiProgress::new();
        let style = ProgressStyle::with_template("  {spinner} {prefix} {wide_msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner()).tick_chars("◐◓◑◒●");
        let width = width(state.workflow());
        let bar = |(spec, job): (&striatum::core::workflow::Job, &striatum::core::run::JobState)| {
            let bar = all.add(ProgressBar::new_spinner().with_style(style.clone()));
            bar.set_prefix(format!("{:width$}", spec.id.as_str()));
            bar.set_message(job.status.as_str());
            bar.tick();
            (spec.id.clone(), bar)
        };
        let jobs = state.jobs().map(bar).collect();
        Self::Tree { all, jobs }
    }

    fn event(&mut self, event: &Event) {
        let Some((job, text)) = told(event) else { return };
        match (self, job) {
            (Self::Lines, Some(job)) => say!("{:<16} {text}", job.as_str()),
            (Self::Lines, None) => say!("{text}"),
            (Self::Tree { jobs, .. }, Some(job)) => {
                if let Some(bar) = jobs.get(job) {
                    bar.set_message(text);
                    match event {
                        Event::JobClaimed(_) => bar.enable_steady_tick(Duration::from_millis(120)),
                        _ => bar.disable_steady_tick(),
                    }
                }
            }
            (tree @ Self::Tree { .. }, None) => tree.line(&text),
        }
    }

    fn output(&mut self, job: &JobId, text: &str) {
        if let Self::Tree { jobs, .. } = self
            && let (Some(bar), Some(line)) =
                (jobs.get(job), text.lines().rfind(|line| !line.trim().is_empty()))
        {
            bar.set_message(line.trim().chars().filter(|c| !c.is_control()).collect::<String>());
        }
    }

    fn line(&self, text: &str) {
        match self {
            Self::Lines => say!("{text}"),
            // A terminal that went away has nobody to read it.
            Self::Tree { all, .. } => drop(all.println(text)),
        }
    }

    fn close(&self) {
        if let Self::Tree { all, jobs } = self {
            jobs.values().for_each(ProgressBar::finish_and_clear);
            let _ = all.clear();
        }
    }
}

fn width(workflow: &Workflow) -> usize {
    workflow.jobs.iter().map(|job| job.id.as_str().len()).max().unwrap_or(0)
}

/// An event in a few words, and the job that it is about.
fn told(event: &Event) -> Option<(Option<&JobId>, String)> {
    Some(match event {
        Event::JobClaimed(e) => (Some(&e.job), format!("attempt {}, grant {}: at work", e.attempt, e.epoch)),
        Event::VerdictRecorded(e) => (Some(&e.job), format!("verdict: {}", e.verdict)),
        Event::JobCompleted(e) => (Some(&e.job), "completed".to_owned()),
        Event::JobWaits(e) => (Some(&e.job), "waits for a person".to_owned()),
        Event::QuestionAsked(e) => {
            let whom = e.of.as_ref().map_or("a person".to_owned(), |of| format!("who did {}", of.job));
            (Some(&e.job), format!("asks {whom} (question {})", e.question))
        }
        Event::QuestionReferred(e) => (Some(&e.job), format!("question {} is for a person now", e.question)),
        Event::QuestionAnswered(e) => (Some(&e.job), format!("question {} is answered", e.question)),
        Event::JobReadied(e) => {
            let again = e.ended.as_ref().map(|end| format!(", after it was {:?}", end.cause).to_lowercase());
            let wait = e.wait.map(|wait| format!(", in {} s", wait.wait_ms / 1000));
            (Some(&e.job), format!("ready{}{}", again.unwrap_or_default(), wait.unwrap_or_default()))
        }
        Event::JobsReopened(e) => (Some(&e.target), "sent back".to_owned()),
        Event::JobFailed(e) => (Some(&e.job), "failed".to_owned()),
        Event::JobBlocked(e) => match &e.doubt {
            Some(doubt) => (Some(&e.job), format!("blocked: {}", help::doubted(doubt))),
            None => (Some(&e.job), "blocked".to_owned()),
        },
        Event::JobParked(e) => (Some(&e.job), "parked".to_owned()),
        Event::JobQuarantined(e) => (Some(&e.job), "quarantined".to_owned()),
        Event::JobSkipped(e) => (Some(&e.job), "skipped".to_owned()),
        Event::JobCanceled(e) if e.by == CancelCause::Quorum => {
            (Some(&e.job), "no longer needed: enough others have accepted".to_owned())
        }
        Event::JobCanceled(e) => (Some(&e.job), "canceled".to_owned()),
        Event::RunPaused(_) => (None, "the run is paused".to_owned()),
        Event::RunResumed(_) => (None, "the run is resumed".to_owned()),
        Event::DeliveryWithheld(e) => {
            (None, format!("not delivered: {} files differ from what was judged", e.deviations.len()))
        }
        Event::RunEnded(e) => (None, format!("the run is {}", e.status)),
        Event::RunDelivered(e) => {
            (None, format!("delivered on {} at {}", e.branch, short(e.commit.as_str())))
        }
        _ => return None,
    })
}

pub(crate) fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}
