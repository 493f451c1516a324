//! Whole runs.

use std::sync::Arc;

use async_trait::async_trait;
use striatum::{
    Document, ErrorKind, Progress,
    adapter::{AdapterError, Assignment, End, Finished, LaneAdapter},
    core::{
        run::{Event, Intent, JobStatus, RunStatus},
        sandbox::{Isolation, Level},
        workflow::{Constraint, JobBuilder, LaneBuilder, Offers, OnReject, SchemaVersion, WorkflowBuilder},
    },
};
use tokio::sync::Semaphore;

use crate::fixture::{
    Agent, Scene, ada, begin, draft, job, job_status, leave, notices, review, soon, start, state, status,
    until, workflow, write,
};

#[tokio::test]
async fn a_change_is_sent_back_revised_accepted_and_delivered() {
    let scene = Scene::new();
    let agent = Agent::new(|assignment| {
        leave(assignment, if assignment.packet.attempt == 1 { "needs_revision" } else { "accept" });
        Some(End::Ended)
    });
    let orchestrator = scene.orchestrator(&agent).await;
    let before = scene.git(&["status", "--porcelain=v2", "--branch"]);
    let change = workflow([draft("write"), review("judge", "write"), draft("apply").after("judge")])
        .cycle("judge", "write", 2);
    let run = begin(&orchestrator, &change).await.run;
    scene.work(&orchestrator).await;

    let state = state(&orchestrator, run).await;
    assert_eq!(state.status(), Some(RunStatus::Completed));
    assert_eq!(state.pending().count(), 0);
    let worked = [("apply", 1), ("judge", 1), ("judge", 2), ("write", 1), ("write", 2)];
    assert_eq!(agent.jobs(), worked.map(|(job, attempt)| (job.to_owned(), attempt)));
    let revised = agent.told().into_iter().find(|told| told.job == "write" && told.attempt == 2);
    assert!(revised.expect("it was revised").prompt.contains("> said so"));
    assert_eq!(scene.git(&["show", "result:out/write.md"]), "write at attempt 2");
    assert_eq!(scene.git(&["status", "--porcelain=v2", "--branch"]), before);
}

#[tokio::test]
async fn a_reviewer_of_documents_finds_what_it_judges_and_nothing_else() {
    let scene = Scene::new();
    let agent = Agent::new(|assignment| {
        if assignment.fence.job.as_str() == "write" {
            write(assignment, "out/more.md", "beside the artifact\n");
        } else {
            let mut seen: Vec<_> = std::fs::read_dir(assignment.tree.join("out"))
                .expect("a folder")
                .map(|entry| entry.expect("an entry").file_name())
                .collect();
            seen.sort();
            assert_eq!(seen, ["more.md", "write.md"]);
            assert!(!assignment.tree.join("README.md").exists());
            write(assignment, "elsewhere.md", "mine\n");
        }
        leave(assignment, "accept");
        Some(End::Ended)
    });
    let orchestrator = scene.orchestrator(&agent).await;
    let judge = review("judge", "write").key("reviewer_access_scope", "document_only");
    let run = begin(&orchestrator, &workflow([draft("write"), judge])).await.run;
    scene.work(&orchestrator).await;
    assert_eq!(status(&orchestrator, run).await, Some(RunStatus::Completed));
    let files = scene.git(&["ls-tree", "-r", "--name-only", "result"]);
    assert_eq!(files, "README.md\nout/judge.md\nout/more.md\nout/write.md");
    assert!(agent.told()[1].prompt.contains("nothing else of the repository"));
}

#[tokio::test]
async fn an_unknown_adapter_is_refused_before_anything_is_written() {
    let scene = Scene::new();
    let orchestrator = scene.builder().await.build().await.expect("it builds");
    let document = serde_json::to_vec(&workflow([draft("write")]).document()).expect("a document");
    let refused = orchestrator.prepare(&Document::new(document, scene.data()), ada()).await;
    let error = refused.expect_err("there is no adapter `test`");
    assert_eq!(error.code(), ErrorKind::AdapterUnknown.code());
    let head = scene.store.head(orchestrator.repository().chain()).await.expect("a head");
    assert_eq!(head.seq, 0);
}

#[tokio::test]
async fn a_repository_that_wants_filters_is_worked_on_where_every_lane_that_is_used_allows_them() {
    let scene = Scene::new();
    write_to(&scene, ".gitattributes", "*.bin filter=lfs -text\n");
    write_to(&scene, "big.bin", "version https://git-lfs.github.com/spec/v1\n");
    scene.git(&["add", "-A"]);
    scene.git(&["commit", "-q", "-m", "with pointers"]);
    let agent = Agent::diligent();
    let orchestrator = scene.orchestrator(&agent).await;
    let allowing = |names: &[&str]| LaneBuilder::adapter("test").allow_filters(names.iter().copied());
    let other = |lane| {
        let second = draft("second").by("author", "other").after("first");
        second_version([draft("first"), second]).lane("main", allowing(&["lfs"])).lane("other", lane)
    };
    for refused in [
        workflow([draft("first")]),
        second_version([draft("first")]).lane("main", allowing(&["crypt"])),
        other(allowing(&["crypt"])),
    ] {
        let bytes = serde_json::to_vec(&refused.document()).expect("a document");
        let refused = orchestrator.prepare(&Document::new(bytes, scene.data()), ada()).await;
        let error = refused.expect_err("lfs is not allowed everywhere");
        assert!(error.code() == "filters_needed" && error.to_string().contains("lfs"), "{error}");
        assert!(error.remedy().contains("allowed_filters"), "{}", error.remedy());
    }
    let run = begin(&orchestrator, &other(allowing(&["crypt", "lfs"]))).await.run;
    scene.work(&orchestrator).await;
    assert_eq!(status(&orchestrator, run).await, Some(RunStatus::Completed));
    assert_eq!(scene.git(&["show", "result:big.bin"]), "version https://git-lfs.github.com/spec/v1");
    assert_eq!(scene.git(&["show", "result:out/second.md"]), "second at attempt 1");
}

fn second_version(jobs: impl IntoIterator<Item = JobBuilder>) -> WorkflowBuilder {
    workflow(jobs).schema(SchemaVersion::V2)
}

fn write_to(scene: &Scene, name: &str, text: &str) {
    std::fs::write(scene.root().join(name), text).expect("a file");
}

#[tokio::test]
async fn every_file_that_a_document_refers_to_and_that_is_not_there_is_told() {
    let scene = Scene::new();
    let orchestrator = scene.orchestrator(&Agent::diligent()).await;
    let mut document = workflow([draft("write"), draft("more")]).document();
    document["jobs"][0]["task_prompt"] = serde_json::json!({"path": "prompts/write.md"});
    document["roles"]["author"]["definition_path"] = "roles/author.md".into();
    document["context_docs"] =
        serde_json::json!([{"path": "may.md", "required": false}, {"path": "must.md"}]);
    let bytes = serde_json::to_vec(&document).expect("a document");
    for folder in [scene.root(), scene.beside("elsewhere")] {
        let refused = orchestrator.prepare(&Document::new(bytes.clone(), folder), ada()).await;
        let error = refused.expect_err("files are missing");
        assert_eq!(error.kind(), Some(ErrorKind::FileMissing), "{error}");
        assert_eq!(
            error.to_string(),
            "cannot find what the document refers to: roles/author.md (/roles/author/definition_path), \
             prompts/write.md (/jobs/0/task_prompt/path), must.md (/context_docs/1/path)"
        );
    }
    let head = scene.store.head(orchestrator.repository().chain()).await.expect("a head");
    assert_eq!(head.seq, 0);
}

#[tokio::test]
async fn a_lane_gets_what_it_demands_or_its_jobs_are_left_to_others() {
    let scene = Scene::new();
    let walled = workflow([draft("write")]).lane(
        "main",
        LaneBuilder::adapter("test").require(Constraint::Network, "forbidden", Level::Enforced),
    );
    let agent = Agent::diligent();
    let orchestrator = scene.orchestrator(&agent).await;
    let document = serde_json::to_vec(&walled.document()).expect("a document");
    let refused = orchestrator.prepare(&Document::new(document.clone(), scene.data()), ada()).await;
    assert_eq!(refused.expect_err("no walls").code(), ErrorKind::DocumentInvalid.code());

    // Where there are walls it is prepared; where there are none its job is not claimed.
    let strong = scene.builder().await.adapter("test", Arc::new(Walled)).build().await.expect("it builds");
    let run = begin(&strong, &walled).await.run;
    let mut progress = orchestrator.progress();
    scene.work(&orchestrator).await;
    assert_eq!(notices(&mut progress)[0].0, ErrorKind::EnforcementUnavailable.code());
    assert_eq!(job_status(&orchestrator, run, "write").await, JobStatus::Ready);
}

#[derive(Debug)]
struct Walled;

#[async_trait]
impl LaneAdapter for Walled {
    fn offers(&self, _: &Isolation) -> Offers {
        Offers::process().raise(Constraint::Network, "forbidden", Level::Enforced)
    }

    async fn work(&self, _: Assignment) -> Result<Finished, AdapterError> {
        Err(AdapterError::new("work"))
    }
}

#[tokio::test]
async fn a_run_that_waits_for_a_person_or_is_paused_is_idle() {
    let scene = Scene::new();
    let agent = Agent::new(|assignment| {
        leave(assignment, "reject");
        Some(End::Ended)
    });
    let orchestrator = scene.orchestrator(&agent).await;
    let asks = workflow([draft("write"), review("judge", "write").on_reject(OnReject::Checkpoint)]);
    let waiting = begin(&orchestrator, &asks).await.run;
    let paused = begin(&orchestrator, &workflow([draft("later")])).await.run;
    orchestrator.command(paused, ada(), Intent::Pause).await.expect("it pauses");
    scene.work(&orchestrator).await;
    assert_eq!(job_status(&orchestrator, waiting, "judge").await, JobStatus::WaitingHuman);
    assert_eq!(job_status(&orchestrator, paused, "later").await, JobStatus::Ready);
    assert!(!agent.jobs().iter().any(|(job, _)| job == "later"));
}

#[tokio::test]
async fn two_orchestrators_share_a_repository_and_do_every_job_once() {
    let scene = Scene::new();
    let agents = [Agent::diligent(), Agent::diligent()];
    let one = scene.orchestrator(&agents[0]).await;
    let other = scene.orchestrator(&agents[1]).await;
    let mut runs = Vec::new();
    for _ in 0..4 {
        runs.push(begin(&one, &workflow([draft("a"), draft("b").after("a"), draft("c")])).await);
    }
    let (mut here, mut there) = (one.progress(), other.progress());
    let working = [start(&one), start(&other)];
    for prepared in &runs {
        let is_delivered = |progress: &Progress| match progress {
            Progress::Event { run, event: Event::RunDelivered(_) } if *run == prepared.run => Some(()),
            _ => None,
        };
        let (mut here, mut there) = (here.resubscribe(), there.resubscribe());
        if state(&one, prepared.run).await.delivered().is_none() {
            soon(async {
                tokio::select! {
                    () = until(&mut here, is_delivered) => {}
                    () = until(&mut there, is_delivered) => {}
                }
            })
            .await;
        }
    }
    one.drain();
    other.drain();
    for work in working {
        soon(work).await.expect("it ends");
    }
    let (done, also) = (agents[0].told().len(), agents[1].told().len());
    assert_eq!(done + also, 12, "{done} and {also}");
    assert!(done > 0 && also > 0, "{done} and {also}");
    let codes: Vec<_> = notices(&mut here).into_iter().chain(notices(&mut there)).collect();
    assert_eq!(codes, []);
    for prepared in runs {
        assert_eq!(status(&one, prepared.run).await, Some(RunStatus::Completed));
        assert_eq!(scene.git(&["show", &format!("{}:out/b.md", prepared.branch)]), "b at attempt 1");
    }
}

#[tokio::test]
async fn stopping_gives_unfinished_work_back_and_keeps_it() {
    let scene = Scene::new();
    let agent = Agent::new(|assignment| {
        write(assignment, "out/endless.md", "half of it\n");
        None
    });
    let orchestrator = scene.orchestrator(&agent).await;
    let run = begin(&orchestrator, &workflow([draft("endless")])).await.run;
    let work = start(&orchestrator);
    agent.has_begun().await;
    orchestrator.stop();
    soon(work).await.expect("it ends");
    let seen = state(&orchestrator, run).await;
    let endless = seen.job(&job("endless")).expect("a job");
    assert_eq!((endless.status, endless.attempt), (JobStatus::Ready, 1));
    let kept = endless.set_aside.as_ref().expect("its work is kept");
    assert_eq!(scene.git(&["show", &format!("{kept}:out/endless.md")]), "half of it");
    assert_eq!(seen.pending().count(), 0, "its tree is closed");
}

#[tokio::test]
async fn draining_lets_agents_end_and_claims_nothing_more() {
    let scene = Scene::new();
    let gate = Arc::new(Semaphore::new(0));
    let agent = Agent::diligent().behind(&gate);
    let orchestrator = scene.orchestrator(&agent).await;
    let run = begin(&orchestrator, &workflow([draft("first"), draft("next").after("first")])).await.run;
    let work = start(&orchestrator);
    agent.has_begun().await;
    orchestrator.drain();
    gate.add_permits(1);
    soon(work).await.expect("it ends");
    assert_eq!(job_status(&orchestrator, run, "first").await, JobStatus::Completed);
    assert_eq!(job_status(&orchestrator, run, "next").await, JobStatus::Ready);
}

#[tokio::test]
async fn a_second_call_waits_for_the_first_and_takes_nothing_from_it() {
    let scene = Scene::new();
    let gate = Arc::new(Semaphore::new(0));
    let agent = Agent::diligent().behind(&gate);
    let orchestrator = scene.orchestrator(&agent).await;
    let run = begin(&orchestrator, &workflow([draft("only")])).await.run;
    let work = start(&orchestrator);
    agent.has_begun().await;
    let mut second = start(&orchestrator);
    assert!(futures_util::poll!(&mut second).is_pending());
    gate.add_permits(1);
    let mut progress = orchestrator.progress();
    until(&mut progress, |update| {
        matches!(update, Progress::Event { event: Event::RunDelivered(_), .. }).then_some(())
    })
    .await;
    orchestrator.drain();
    for work in [work, second] {
        soon(work).await.expect("it ends");
    }
    assert_eq!(status(&orchestrator, run).await, Some(RunStatus::Completed));
    assert_eq!(agent.jobs().len(), 1);
}
