//! What is published and judged cannot change in place.

use striatum_core::{
    id::{ArtifactName, Fence},
    run::{Intent, JobStatus, Outcome, Publication, Submit, Verdict},
    transport::AgentIdentity,
    workflow::Posture,
};

use crate::{
    document::{judged, revised, single},
    drive::{Drive, blob, bot, job},
};

fn at_work() -> (Drive, Fence) {
    let mut run = Drive::started(&single());
    let fence = run.claim("a");
    (run, fence)
}

fn publish(fence: &Fence, artifact: Publication) -> Intent {
    Intent::Publish { fence: fence.clone(), artifacts: vec![artifact] }
}

fn verdict(verdict: Verdict) -> Outcome {
    Outcome::Verdict { verdict, findings: None }
}

#[test]
fn the_same_bytes_again_change_nothing_and_other_bytes_are_refused() {
    let (mut run, fence) = at_work();
    let first = run.artifact("a", "first");
    assert_eq!(run.must(publish(&fence, first.clone())), ["artifact.published"]);
    assert!(run.must(publish(&fence, first)).is_empty());
    let other = run.artifact("a", "other");
    assert_eq!(run.refused(bot(), publish(&fence, other)), "artifact_exists");
    let submit = run.submit(&fence, Outcome::Done);
    assert_eq!(run.refused(bot(), Intent::Submit(submit.clone())), "artifact_exists");
    run.must(Intent::Submit(Submit { artifacts: Vec::new(), ..submit }));
    run.expect("a", JobStatus::Completed, 1);
}

#[test]
fn other_bytes_are_refused_to_a_later_grant_of_the_attempt_and_not_at_the_next_attempt() {
    let (mut run, fence) = at_work();
    let first = run.artifact("a", "first");
    run.must(publish(&fence, first.clone()));
    run.must(Intent::Release(striatum_core::run::LeaseReport::new(fence)));
    let fence = run.claim("a");
    let other = run.artifact("a", "other");
    assert_eq!(run.refused(bot(), publish(&fence, other)), "artifact_exists");
    run.must(Intent::Cancel { reason: None });
    run.must(Intent::Retry { job: job("a") });
    let fence = run.claim("a");
    assert_eq!(run.refused(bot(), publish(&fence, first)), "artifact_unknown", "it is of attempt 1");
    let other = run.artifact("a", "other");
    assert_eq!(run.must(publish(&fence, other)), ["artifact.published"]);
    assert_eq!((run.job("a").artifacts.len(), run.job("a").live_artifacts().count()), (2, 1));
}

#[test]
fn only_what_is_declared_is_published_and_only_where_it_belongs() {
    let (mut run, fence) = at_work();
    let artifact = run.artifact("a", "words");
    let unknown = Publication { name: ArtifactName::new("else").unwrap(), ..artifact.clone() };
    assert_eq!(run.refused(bot(), publish(&fence, unknown)), "artifact_unknown");
    let misplaced = Publication { path: "out/a/else.md".to_owned(), ..artifact };
    assert_eq!(run.refused(bot(), publish(&fence, misplaced)), "artifact_misplaced");
}

#[test]
fn a_job_does_not_end_without_what_is_required_nor_with_changes_outside_its_scope() {
    let (mut run, fence) = at_work();
    let submit = run.submit(&fence, Outcome::Done);
    let empty = Submit { artifacts: Vec::new(), ..submit.clone() };
    assert_eq!(run.refused(bot(), Intent::Submit(empty)), "artifacts_missing");

    let changed = ["out/a/fine", "src/lib.rs", "out/ab", "out"].map(str::to_owned).to_vec();
    let refused =
        run.try_to(Intent::Submit(Submit { changed_paths: changed, ..submit.clone() })).unwrap_err();
    assert_eq!(refused.code(), "scope_violation");
    assert_eq!(refused.to_string(), "job a changed paths outside its write scope: src/lib.rs, out/ab, out");
    run.must(Intent::Submit(submit));
}

#[test]
fn a_review_ends_with_a_verdict_and_other_work_does_not() {
    let mut run = Drive::started(&judged());
    let a = run.claim("a");
    let submit = run.submit(&a, verdict(Verdict::Accept));
    assert_eq!(run.refused(bot(), Intent::Submit(submit)), "wrong_outcome");
    run.done(&a);
    let r = run.claim("r");
    let submit = run.submit(&r, Outcome::Done);
    assert_eq!(run.refused(bot(), Intent::Submit(submit)), "wrong_outcome");
}

#[test]
fn a_verdict_is_bound_to_the_bytes_that_it_judged() {
    let mut run = Drive::started(&revised());
    run.complete(&["a"]);
    let manifest = run.job("a").submission.as_ref().unwrap().manifest.digest;
    let artifact = run.artifacts("a").remove(0);
    let r = run.claim("r");
    run.judge(&r, Verdict::AcceptWithFindings);
    let said = run.job("r").live_verdict().unwrap();
    let [judged] = said.judged.as_slice() else { panic!("{:?}", said.judged) };
    assert_eq!((judged.job.as_str(), judged.attempt, judged.manifest), ("a", 1, Some(manifest)));
    let bytes = blob("a at 1.1").digest;
    assert_eq!(judged.artifacts, [(artifact.name, bytes)]);
    assert_eq!((said.epoch, said.session, said.findings), (r.epoch, r.session, Some(blob("findings"))));
    assert_eq!(said.posture, None::<Posture>);
}

#[test]
fn a_verdict_of_an_earlier_attempt_does_not_count() {
    let mut run = Drive::started(&revised());
    run.complete(&["a"]);
    run.review("r", Verdict::NeedsRevision);
    assert_eq!((run.job("r").verdicts.len(), run.job("r").live_verdict()), (1, None));
    run.complete(&["a"]);
    run.expect("r", JobStatus::Ready, 2);
    run.expect("z", JobStatus::Pending, 1);
    run.complete(&["r"]);
    assert_eq!(run.job("r").live_verdict().map(|it| (it.attempt, it.verdict)), Some((2, Verdict::Accept)));
    assert_eq!(run.job("r").live_verdict().unwrap().judged[0].attempt, 2);
}

#[test]
fn a_review_that_repeats_itself_about_other_work_was_not_made() {
    let mut run = Drive::started(&revised());
    run.complete(&["a"]);
    let said = |run: &mut Drive, words: &str| {
        let fence = run.claim("r");
        let artifacts = vec![run.artifact("r", words)];
        Submit { artifacts, ..run.submit(&fence, verdict(Verdict::NeedsRevision)) }
    };
    let first = said(&mut run, "not good");
    run.must(Intent::Submit(first));
    run.complete(&["a"]);
    let again = said(&mut run, "not good");
    assert_eq!(run.refused(bot(), Intent::Submit(again.clone())), "review_byte_identical");
    let artifacts = vec![run.artifact("r", "still not good")];
    run.must(Intent::Submit(Submit { artifacts, ..again }));
}

#[test]
fn a_review_may_repeat_itself_about_the_same_work() {
    let mut run = Drive::started(&judged());
    run.complete(&["a"]);
    for _ in 0..2 {
        let fence = run.claim("r");
        let artifacts = vec![run.artifact("r", "not good")];
        let submit = Submit { artifacts, ..run.submit(&fence, verdict(Verdict::NeedsRevision)) };
        run.must(Intent::Submit(submit));
        run.resolve("r", crate::drive::go_on());
    }
    run.expect("r", JobStatus::Ready, 3);
}

#[test]
fn a_verdict_says_who_judged_and_on_whose_word() {
    let named = |model: &str| AgentIdentity { model: Some(model.to_owned()), ..AgentIdentity::default() };
    let cases: [(Option<AgentIdentity>, Option<AgentIdentity>, &str, &str); 5] = [
        (None, None, "model-1", "declared"),
        (Some(named("said")), None, "said", "reported"),
        (None, Some(named("wrote")), "wrote", "self_reported"),
        (Some(named("said")), Some(named("wrote")), "wrote", "self_reported"),
        (Some(named("said")), Some(AgentIdentity::default()), "said", "reported"),
    ];
    for (reported, written, model, basis) in cases {
        let mut run = Drive::started(&judged());
        run.complete(&["a"]);
        let fence = run.claim("r");
        if let Some(agent) = reported {
            run.must(Intent::Identify { fence: fence.clone(), agent });
        }
        let submit = Submit { agent: written, ..run.submit(&fence, verdict(Verdict::Accept)) };
        run.must(Intent::Submit(submit));
        let said = run.job("r").live_verdict().unwrap();
        let said = (said.agent.model.as_deref(), serde_json::to_value(said.basis).unwrap());
        assert_eq!(said, (Some(model), basis.into()));
    }
}
