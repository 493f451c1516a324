//! Attempts that fail, and what the next one is told.

use std::{fs, sync::Arc, time::Duration};

use striatum::{
    Progress,
    adapter::{Assignment, End},
    core::{
        run::{Event, JobStatus, LeaseCause, LeaseEnd, RunStatus},
        workflow::{BranchMode, LaneBuilder, Workflow, WorkflowBuilder},
    },
    sandbox::process::{ProcessRecord, boot_id, is_alive, start_time},
};

use crate::fixture::{
    Agent, Scene, begin, draft, job, leave, limits, review, state, status, workflow, write,
};

/// Runs one job, or one and its review, whose first attempt goes wrong; the reason that the second attempt was told.
async fn reason(workflow: &WorkflowBuilder, of: &str, first: fn(&Assignment)) -> String {
    let scene = Scene::new();
    let wrong = of.to_owned();
    let agent = Agent::new(move |assignment| {
        if assignment.fence.job.as_str() == wrong && assignment.packet.attempt == 1 {
            first(assignment);
        } else {
            leave(assignment, "accept");
        }
        Some(End::Ended)
    });
    let orchestrator = scene.orchestrator(&agent).await;
    let run = begin(&orchestrator, workflow).await.run;
    scene.work(&orchestrator).await;
    assert_eq!(status(&orchestrator, run).await, Some(RunStatus::Completed));
    let told = agent.told();
    let second = told.iter().find(|told| told.job == of && told.attempt == 2).expect("a second attempt");
    assert!(second.prompt.contains("Attempt 1 at this task failed"), "{}", second.prompt);
    second.prompt.lines().find_map(|line| line.strip_prefix("> ")).expect("a reason").to_owned()
}

#[tokio::test]
async fn the_next_attempt_is_told_what_to_do_about_the_last_one() {
    let alone = workflow([draft("a")]);
    let judged = workflow([draft("a"), review("r", "a")]);
    type Case<'a> = (&'a str, &'a WorkflowBuilder, &'a str, fn(&Assignment), &'a [&'a str]);
    let cases: [Case<'_>; 7] = [
        ("nothing left", &alone, "a", |_| {}, &["artifacts_missing", "out/a.md", "write each artifact"]),
        (
            "changes outside the scope",
            &alone,
            "a",
            |assignment| {
                leave(assignment, "");
                write(assignment, "README.md", "mine\n");
                write(assignment, "src/x.rs", "");
            },
            &["scope_violation", "README.md", "src/x.rs", "undo the changes"],
        ),
        (
            "the agent says that it failed",
            &alone,
            "a",
            |assignment| fs::write(&assignment.report, r#"{"failure": "no compiler"}"#).expect("a file"),
            &["agent_failed", "no compiler"],
        ),
        (
            "a report that is none",
            &alone,
            "a",
            |assignment| fs::write(&assignment.report, "[]").expect("a file"),
            &["report_invalid", "as the task says"],
        ),
        (
            "a report that nobody may open",
            &alone,
            "a",
            |assignment| {
                leave(assignment, "");
                std::os::unix::fs::symlink("/dev/zero", &assignment.report).expect("a link");
            },
            &["report_invalid", "not a plain file"],
        ),
        (
            "no verdict",
            &judged,
            "r",
            |assignment| write(assignment, "out/r.md", "It is good.\n"),
            &["report_invalid", "verdict"],
        ),
        (
            "another word for one",
            &judged,
            "r",
            |assignment| leave(assignment, "lgtm"),
            &["report_invalid", "lgtm", "accept_with_findings"],
        ),
    ];
    for (name, workflow, of, first, expected) in cases {
        let reason = reason(workflow, of, first).await;
        for part in expected {
            assert!(reason.contains(part), "{name}: {reason}");
        }
    }
}

fn process(script: &str) -> WorkflowBuilder {
    Workflow::builder("w")
        .branch(BranchMode::Auto, "result")
        .lane("main", LaneBuilder::process(["/bin/sh", "-c", script]))
        .role("author", "Works.")
        .job(draft("a").max_attempts(1))
}

/// Runs a script as the agent of a job that may not fail; how its lease ended, and the reason in words.
async fn end(scene: &Scene, script: &str, limits: striatum::Limits) -> (LeaseEnd, String) {
    let orchestrator = scene.builder().await.limits(limits).build().await.expect("it builds");
    let mut progress = orchestrator.progress();
    let run = begin(&orchestrator, &process(script)).await.run;
    scene.work(&orchestrator).await;
    assert_eq!(status(&orchestrator, run).await, Some(RunStatus::Failed));
    assert_eq!(state(&orchestrator, run).await.job(&job("a")).expect("a job").status, JobStatus::Failed);
    let ended = std::iter::from_fn(|| progress.try_recv().ok()).find_map(|update| match update {
        Progress::Event { event: Event::JobFailed(failed), .. } => Some(failed.ended),
        _ => None,
    });
    let ended = ended.expect("it failed");
    assert_eq!(ended.cause, LeaseCause::Failed);
    let reason = scene.blobs.get(&ended.reason.expect("a reason").digest).await.expect("it is kept");
    (ended, String::from_utf8(reason.to_vec()).expect("text"))
}

#[tokio::test]
async fn an_agent_that_fails_is_quoted() {
    let scene = Scene::new();
    let (ended, reason) = end(&scene, "echo one; echo two >&2; exit 3", limits()).await;
    assert_eq!(ended.exit, Some(striatum::core::sandbox::Exit::Code(3)));
    assert!(reason.contains("exit status 3") && reason.contains("two"), "{reason}");
}

#[tokio::test]
async fn an_agent_that_is_silent_or_takes_too_long_is_ended_with_what_it_started() {
    let quick = Duration::from_secs(1);
    for (limits, expected) in
        [(limits().silence(quick), "no sign of life"), (limits().wall(quick), "was stopped after")]
    {
        let scene = Scene::new();
        let (pipe, note) = (scene.beside("pipe"), scene.beside("pid"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
        let script = format!("echo $$ > {}; read line < {}", note.display(), pipe.display());
        let (_, reason) = end(&scene, &script, limits).await;
        assert!(reason.contains(expected), "{reason}");
        let pid: u32 = fs::read_to_string(&note).expect("it began").trim().parse().expect("a number");
        let record =
            start_time(pid).map(|start| ProcessRecord { pid, start, boot: boot_id().expect("a boot") });
        assert!(!record.is_some_and(|record| is_alive(&record)), "nothing is left of it");
    }
}

#[tokio::test]
async fn an_adapter_that_does_not_end_is_left_alone() {
    let scene = Scene::new();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let agent = Agent::diligent().behind(&gate);
    let quick = Duration::from_millis(50);
    let builder = scene.builder().await.limits(limits().wall(quick).grace(quick));
    let orchestrator = builder.adapter("test", Arc::new(agent)).build().await.expect("it builds");
    let run = begin(&orchestrator, &workflow([draft("a").max_attempts(1)])).await.run;
    scene.work(&orchestrator).await;
    assert_eq!(status(&orchestrator, run).await, Some(RunStatus::Failed));
}

#[tokio::test]
async fn an_adapter_that_panics_costs_a_delivery_and_nothing_else() {
    let scene = Scene::new();
    let agent = Agent::new(|assignment| {
        assert!(assignment.fence.job.as_str() != "a" || assignment.fence.epoch > 1, "as the test wants");
        leave(assignment, "");
        Some(End::Ended)
    });
    let orchestrator = scene.orchestrator(&agent).await;
    let run = begin(&orchestrator, &workflow([draft("a"), draft("b")])).await.run;
    scene.work(&orchestrator).await;
    let seen = state(&orchestrator, run).await;
    assert_eq!(seen.status(), Some(RunStatus::Completed));
    assert_eq!(seen.job(&job("a")).map(|job| (job.attempt, job.epoch)), Some((1, 2)));
    assert_eq!(seen.job(&job("b")).map(|job| (job.attempt, job.epoch)), Some((1, 1)));
}
