//! What the tools of a grant do in a work tree, and what they say that they would do.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use striatum::{
    Orchestrator,
    core::{
        chain::Position,
        run::{Intent, JobStatus},
    },
};

use crate::{
    fixture::{Scene, ada, begin, draft, job, put, review, soon, state},
    pulling::{Puller, call, folder, orchestrator, pulled},
};

/// A call of every tool of a grant, each of which the author of a draft could make; and whether it can be accepted.
fn calls() -> [(&'static str, Value, bool); 14] {
    let (question, title) = (json!({"question": "Which?"}), json!({"title": "t", "description": "d"}));
    let reason = json!({"reason": "no"});
    [
        ("get_packet", json!({}), true),
        ("read_document", json!({"digest": "00".repeat(32)}), false),
        ("publish_artifact", json!({"name": "a", "text": "Welcome."}), true),
        ("submit_review", json!({"verdict": "accept"}), false),
        ("complete_work", json!({}), true),
        ("report_failure", reason.clone(), true),
        ("release_work", reason.clone(), true),
        ("block_work", reason, true),
        ("ask_human", question.clone(), true),
        ("request_human_steering", question, true),
        ("ask_upstream", json!({"job": "a", "question": "Why?"}), false),
        ("answer", json!({"answer": "So."}), false),
        ("propose_follow_up", title.clone(), true),
        ("propose_issue", title, true),
    ]
}

/// Everything that a dry run leaves as it is: events, refs, and the files in trees and at desks.
#[derive(Debug, PartialEq, Eq)]
struct World {
    head: Position,
    refs: String,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl World {
    async fn of(scene: &Scene, orchestrator: &Orchestrator) -> Self {
        let head = scene.store.head(orchestrator.repository().chain()).await.expect("a head");
        let refs = scene.git(&["for-each-ref", "--format=%(refname) %(objectname)"]);
        let mut files = BTreeMap::new();
        for part in ["trees", "sessions"] {
            collect(&scene.data().join(part), &mut files);
        }
        Self { head, refs, files }
    }
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.expect("an entry");
        match entry.file_type().expect("a type") {
            kind if kind.is_dir() => collect(&entry.path(), files),
            kind if kind.is_file() => {
                drop(files.insert(entry.path(), fs::read(entry.path()).expect("it is there")))
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_dry_run_of_any_tool_says_what_the_call_then_says_and_leaves_a_tree_as_it_is() {
    for (tool, arguments, can_be) in calls() {
        let scene = Scene::new();
        let orchestrator = orchestrator(&scene).await;
        let puller = Puller::of(&scene, &orchestrator).await;
        begin(&orchestrator, &pulled([draft("a").by("author", "away")])).await;
        let (task, tools) = puller.work().await;
        if tool == "complete_work" {
            put(&folder(&task).join("out/a.md"), "done\n");
        }
        if !matches!(tool, "get_packet" | "read_document") {
            let before = World::of(&scene, &orchestrator).await;
            let mut dry = arguments.clone();
            dry["dry_run"] = json!(true);
            let would = call(&tools, tool, dry).await;
            assert_eq!(World::of(&scene, &orchestrator).await, before, "{tool}: {would}");
            let said = call(&tools, tool, arguments).await;
            if can_be {
                assert!(would.starts_with("would be accepted"), "{tool}: {would}");
                assert!(said.starts_with("accepted"), "{tool}: {said}");
                assert_ne!(World::of(&scene, &orchestrator).await.head, before.head, "{tool}");
            } else {
                assert!(would.starts_with("refused ("), "{tool}: {would}");
                assert_eq!(said, would, "{tool}");
            }
            continue;
        }
        let said = call(&tools, tool, arguments).await;
        assert_eq!(!said.starts_with("refused ("), can_be, "{tool}: {said}");
    }
}

#[tokio::test]
async fn a_dry_run_of_a_review_at_a_desk_takes_nothing_from_it() {
    let scene = Scene::new();
    let orchestrator = orchestrator(&scene).await;
    let puller = Puller::playing("reviewer", &scene, &orchestrator).await;
    let judge = review("r", "a").by("reviewer", "away").key("reviewer_access_scope", "document_only");
    let run = begin(&orchestrator, &pulled([draft("a"), judge])).await.run;
    scene.work(&orchestrator).await;
    let (task, tools) = puller.work().await;
    let packet = call(&tools, "get_packet", json!({"format": "json"})).await;
    let packet: Value = serde_json::from_str(&packet).expect("JSON");
    let digest = packet["inputs"][0]["job"]["artifacts"][0]["content"]["digest"].clone();
    assert_eq!(call(&tools, "read_document", json!({"digest": digest})).await, "a at attempt 1\n");
    let written = folder(&task).join("out/r.md");
    let judged = json!({"verdict": "accept"});
    let mut dry = judged.clone();
    dry["dry_run"] = json!(true);

    put(&written, "It is good.\n");
    let before = World::of(&scene, &orchestrator).await;
    let said = call(&tools, "submit_review", dry.clone()).await;
    assert!(said.starts_with("would be accepted"), "{said}");
    assert_eq!(World::of(&scene, &orchestrator).await, before);

    // What lies there no longer is not handed in, whatever was tried before.
    fs::remove_file(&written).expect("a file");
    for arguments in [dry, judged.clone()] {
        let said = call(&tools, "submit_review", arguments).await;
        assert!(said.starts_with("refused (artifacts_missing)"), "{said}");
    }
    put(&written, "It is very good.\n");
    let said = call(&tools, "submit_review", judged).await;
    assert!(said.starts_with("accepted"), "{said}");
    assert_eq!(
        state(&orchestrator, run).await.job(&job("r")).expect("it is there").status,
        JobStatus::Completed
    );
    scene.work(&orchestrator).await;
    assert_eq!(scene.git(&["show", "result:out/r.md"]), "It is very good.");
}

#[tokio::test]
async fn what_a_refused_review_took_from_a_desk_is_taken_back_with_it() {
    let scene = Scene::new();
    let orchestrator = orchestrator(&scene).await;
    let puller = Puller::playing("reviewer", &scene, &orchestrator).await;
    let judge = review("r", "a").by("reviewer", "away").key("reviewer_access_scope", "document_only");
    begin(&orchestrator, &pulled([draft("a"), judge])).await;
    scene.work(&orchestrator).await;
    let (task, tools) = puller.work().await;
    let written = folder(&task).join("out/r.md");
    put(&written, "Too soon.\n");
    // A review is no work that is completed.
    let said = call(&tools, "complete_work", json!({})).await;
    assert!(said.starts_with("refused ("), "{said}");
    fs::remove_file(&written).expect("a file");
    let said = call(&tools, "submit_review", json!({"verdict": "accept"})).await;
    assert!(said.starts_with("refused (artifacts_missing)"), "{said}");
}

#[tokio::test]
async fn who_does_not_renew_loses_its_tree_and_every_tool_of_it() {
    let scene = Scene::new();
    let orchestrator = orchestrator(&scene).await;
    let puller = Puller::of(&scene, &orchestrator).await;
    let draft = draft("a").by("author", "away").lease_seconds(60);
    let run = begin(&orchestrator, &pulled([draft])).await.run;
    let (task, tools) = puller.work().await;
    put(&folder(&task).join("out/a.md"), "late\n");
    scene.clock.advance(Duration::from_secs(61));
    // The store's clock moved by hand; something must happen for anybody to look at it.
    for intent in [Intent::Pause, Intent::Resume] {
        orchestrator.command(run, ada(), intent).await.expect("it applies");
    }
    let lapsed = async {
        while state(&orchestrator, run).await.job(&job("a")).expect("it is there").lease.is_some() {
            tokio::task::yield_now().await;
        }
    };
    soon(lapsed).await;
    // Its session has not asked for anything since.
    for (tool, arguments, _) in calls() {
        let said = call(&tools, tool, arguments).await;
        assert!(said.starts_with("refused (stale_fence)"), "{tool}: {said}");
    }
}
