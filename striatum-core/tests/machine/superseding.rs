//! A person puts something else in the place of what a job published.

use serde_json::json;
use striatum_core::{
    id::ArtifactName,
    run::{
        Actor, Event, Ground, Intent, JobStatus, Packet, PacketInput, Publication, RunStatus, Submission,
        Supersede, Verdict,
    },
};

use crate::{
    document::{Document, commit, judged, revised},
    drive::{Drive, ada, blob, bot, job},
};

fn supersede(id: &str, attempt: u32, artifacts: Vec<Publication>) -> Supersede {
    Supersede { job: job(id), attempt, artifacts, submission: None, rationale: blob("because") }
}

/// What a job publishes at an attempt, in a person's words.
fn better(id: &str, attempt: u32) -> Publication {
    Publication {
        name: ArtifactName::new(format!("{id}_cycle_{attempt}")).unwrap(),
        path: format!("out/{id}/cycle_{attempt}.md"),
        content: blob("better"),
    }
}

/// `a` is accepted by `r`, and `z` is being worked on.
fn accepted() -> Drive {
    let mut run = Drive::started(&judged());
    run.complete(&["a"]);
    run.review("r", Verdict::Accept);
    run
}

#[test]
fn what_a_person_puts_in_place_is_judged_anew_and_everything_behind_it_is_done_again() {
    let mut run = accepted();
    let held = run.claim("z");
    let submission = Submission { base: commit(0), commit: commit(9), manifest: blob("manifest") };
    let wanted =
        Supersede { submission: Some(submission.clone()), ..supersede("a", 1, vec![better("a", 2)]) };
    assert_eq!(
        run.must(Intent::Supersede(wanted)),
        ["jobs.reopened", "artifact.published", "job.completed", "job.ready"]
    );
    assert_eq!(run.show(), "z pending, a completed, r ready");
    assert!(!run.state.is_live(&held));
    assert_eq!((run.job("a").ground, run.job("a").attempt), (Some(Ground::Superseded), 2));
    assert_eq!(run.job("a").submission, Some(submission));
    let fence = run.claim("r");
    let packet = Packet::of(&run.state, &fence).unwrap();
    let outputs = packet.inputs.iter().flat_map(|input| match input {
        PacketInput::Job { artifacts, .. } => artifacts.as_slice(),
        _ => &[],
    });
    let inputs: Vec<_> = outputs.map(|it| (it.path.as_str(), it.content)).collect();
    assert_eq!(inputs, [("out/a/cycle_2.md", blob("better"))]);
    run.judge(&fence, Verdict::Accept);
    let judged = &run.job("r").live_verdict().unwrap().judged;
    assert_eq!((judged[0].attempt, judged[0].artifacts[0].1), (2, blob("better").digest));
    run.complete(&["z"]);
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_person_is_named_as_the_author_of_what_they_put_in_place_and_of_nothing_else() {
    let artifacts = json!([
        { "logical_name": "plan", "kind": "markdown", "path": "out/a/plan.md" },
        { "logical_name": "notes_${cycle}", "kind": "markdown", "path": "out/a/notes_${cycle}.md" },
    ]);
    let document = Document::new().job("a", "draft").with("expected_artifacts", artifacts);
    let mut run = Drive::started(&document.job("b", "build").edge("a", "b"));
    let fence = run.claim("a");
    let publication = |name: &str, words: &str| Publication {
        name: ArtifactName::new(name).unwrap(),
        path: format!("out/a/{name}.md"),
        content: blob(words),
    };
    let mut submit = run.submit(&fence, striatum_core::run::Outcome::Done);
    submit.artifacts = vec![publication("plan", "plan"), publication("notes_cycle_1", "notes")];
    submit.changed_paths.clear();
    run.must(Intent::Submit(submit));
    let events =
        run.try_to(Intent::Supersede(supersede("a", 1, vec![publication("plan", "a better plan")]))).unwrap();
    let published: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::ArtifactPublished(e) => Some((e.path.as_str(), e.content, e.author == "ada")),
            _ => None,
        })
        .collect();
    assert_eq!(
        published,
        [("out/a/plan.md", blob("a better plan"), true), ("out/a/notes_cycle_2.md", blob("notes"), false),]
    );
}

#[test]
fn nobody_but_a_person_supersedes_anything() {
    let mut run = accepted();
    let wanted = || Intent::Supersede(supersede("a", 1, vec![better("a", 2)]));
    for actor in [bot(), Actor::AiOperator("op".to_owned())] {
        assert_eq!(run.refused(actor, wanted()), "principal_required");
    }
    run.must(wanted());
}

#[test]
fn what_is_not_the_finished_work_of_a_present_attempt_is_not_superseded() {
    let mut run = accepted();
    let mut refuse = |wanted: Supersede| run.refused(ada(), Intent::Supersede(wanted));
    assert_eq!(refuse(supersede("a", 2, vec![better("a", 3)])), "not_supersedable", "another attempt");
    assert_eq!(refuse(supersede("a", 1, Vec::new())), "not_supersedable", "nothing changes");
    assert_eq!(refuse(supersede("r", 1, vec![better("r", 2)])), "not_supersedable", "it judges");
    assert_eq!(refuse(supersede("z", 1, vec![better("z", 2)])), "not_supersedable", "it is open");
    assert_eq!(refuse(supersede("a", 1, vec![better("a", 1)])), "artifact_unknown", "it is of attempt 1");
    assert_eq!(refuse(supersede("b", 1, Vec::new())), "job_unknown");
    run.complete(&["z"]);
    let late = Intent::Supersede(supersede("a", 1, vec![better("a", 2)]));
    assert_eq!(run.refused(ada(), late), "run_status");
}

#[test]
fn a_dissent_that_waits_for_its_cohort_falls_with_what_it_was_about() {
    let jobs = revised().job("s", "review").edge("a", "s").edge("s", "z").cycle("s", "a", 2);
    let mut run = Drive::started(&jobs);
    run.complete(&["a"]);
    run.review("r", Verdict::NeedsRevision);
    assert_eq!(run.show(), "z pending, a completed, r completed, s ready");
    run.must(Intent::Supersede(supersede("a", 1, vec![better("a", 2)])));
    assert_eq!(run.show(), "z pending, a completed, r ready, s ready");
    run.expect("s", JobStatus::Ready, 1);
    run.review("r", Verdict::Accept);
    run.review("s", Verdict::Accept);
    run.complete(&["z"]);
    assert_eq!(run.status(), RunStatus::Completed);
}
