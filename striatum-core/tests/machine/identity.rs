//! Who may judge, by what their agents are.

use serde_json::json;
use striatum_core::{
    id::Fence,
    run::{
        Checkpoint, DeliveryMode, IdentityBasis, IdentityDoubt, Intent, JobStatus, LeaseCause, Leave,
        Outcome, Resolution, Ruling, RunStatus, SameModel, Submit, Verdict,
    },
    transport::AgentIdentity,
    workflow::Snapshot,
};

use crate::{
    document::Document,
    drive::{Drive, bot, go_on, job},
};

/// `a` before the review `r`, on lanes that declare these models, in a document that compares them so.
fn compared(mode: &str, author: &str, reviewer: &str) -> Document {
    let lane = |model: &str| json!({"adapter": "process", "command": ["true"], "display_model": model});
    let jobs = Document::new().job("a", "draft").job("r", "review").with("lane_id", "other").edge("a", "r");
    jobs.top("schema_version", "striatum.workflow.v2")
        .top("lanes", json!({"local": lane(author), "other": lane(reviewer)}))
        .top("independence", json!({"model": mode, "families": {"house-": "ours"}}))
}

fn says(model: &str) -> AgentIdentity {
    AgentIdentity { model: Some(model.to_owned()), ..AgentIdentity::default() }
}

fn identify(fence: &Fence, model: &str) -> Intent {
    Intent::Identify { fence: fence.clone(), agent: says(model) }
}

/// The author has reported this, and is done.
fn written(jobs: &Document, model: Option<&str>) -> Drive {
    let mut run = Drive::started(jobs);
    let fence = run.claim("a");
    if let Some(model) = model {
        run.must(identify(&fence, model));
    }
    run.done(&fence);
    run
}

fn accept(run: &Drive, fence: &Fence) -> Intent {
    let outcome = Outcome::Verdict { verdict: Verdict::Accept, findings: None };
    Intent::Submit(run.submit(fence, outcome))
}

fn expect_doubt(run: &Drive, doubt: &IdentityDoubt) {
    assert_eq!(run.job("r").status, JobStatus::Blocked, "{}", run.show());
    assert_eq!(
        (run.job("r").checkpoint, run.job("r").doubt.as_ref()),
        (Some(Checkpoint::Identity), Some(doubt))
    );
}

#[test]
fn a_reviewer_of_the_authors_family_is_blocked_as_soon_as_it_says_so() {
    let jobs = compared("declared", "claude-opus", "gpt-5");
    let doubt = IdentityDoubt::SameFamily {
        job: job("a"),
        author: "claude-opus".to_owned(),
        reviewer: "anthropic/Claude Haiku".to_owned(),
        family: "anthropic".to_owned(),
    };
    let mut run = written(&jobs, None);
    let fence = run.claim("r");
    assert_eq!(run.must(identify(&fence, "anthropic/Claude Haiku")), ["session.identified", "job.blocked"]);
    expect_doubt(&run, &doubt);

    let mut run = written(&jobs, None);
    let by = run.fresh();
    let fence = run.claim_by("r", by, DeliveryMode::Pull).unwrap();
    run.must(Intent::Acknowledge { fence, agent: says("anthropic/Claude Haiku") });
    expect_doubt(&run, &doubt);

    let mut run = written(&jobs, None);
    let fence = run.claim("r");
    let Intent::Submit(submit) = accept(&run, &fence) else { unreachable!() };
    run.must(Intent::Submit(Submit { agent: Some(says("anthropic/Claude Haiku")), ..submit }));
    expect_doubt(&run, &doubt);
    assert_eq!(run.job("r").verdicts, []);
    assert!(run.job("r").set_aside.is_some());
}

#[test]
fn what_the_author_reported_counts_more_than_its_label() {
    let mut run = written(&compared("declared", "gpt-5", "claude-opus"), Some("claude-haiku"));
    let fence = run.claim("r");
    run.must(accept(&run, &fence));
    expect_doubt(
        &run,
        &IdentityDoubt::SameFamily {
            job: job("a"),
            author: "claude-haiku".to_owned(),
            reviewer: "claude-opus".to_owned(),
            family: "anthropic".to_owned(),
        },
    );
}

#[test]
fn the_document_may_declare_families_of_its_own() {
    let mut run = written(&compared("declared", "house-a", "gpt-5"), None);
    let fence = run.claim("r");
    run.must(identify(&fence, "house-b"));
    assert_eq!(run.job("r").status, JobStatus::Blocked);
}

#[test]
fn where_models_must_be_reported_none_is_not_independent() {
    let jobs = compared("reported", "claude-opus", "gpt-5");
    let mut run = written(&jobs, Some("claude-opus"));
    let fence = run.claim("r");
    run.must(accept(&run, &fence));
    expect_doubt(&run, &IdentityDoubt::Unreported { job: job("r") });

    let mut run = written(&jobs, None);
    let fence = run.claim("r");
    run.must(identify(&fence, "gpt-5"));
    expect_doubt(&run, &IdentityDoubt::Unreported { job: job("a") });

    let mut run = written(&jobs, Some("claude-opus"));
    let fence = run.claim("r");
    run.must(identify(&fence, "gpt-5"));
    run.must(accept(&run, &fence));
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_doubted_review_is_given_to_another_or_left_to_this_one_by_a_decision() {
    let doubted = || {
        let mut run = written(&compared("declared", "claude-opus", "gpt-5"), None);
        let fence = run.claim("r");
        run.must(identify(&fence, "claude-haiku"));
        run
    };
    let mut run = doubted();
    run.resolve("r", Resolution::Resume);
    run.expect("r", JobStatus::Ready, 1);
    run.complete(&["r"]);
    assert_eq!(run.status(), RunStatus::Completed);

    let mut run = doubted();
    run.resolve("r", go_on());
    run.expect("r", JobStatus::Ready, 2);

    let mut run = doubted();
    let decision = run.rule("r", Ruling::Accept);
    run.resolve("r", Resolution::Override { decision });
    let fence = run.claim("r");
    run.must(identify(&fence, "claude-haiku"));
    run.must(accept(&run, &fence));
    assert_eq!(run.status(), RunStatus::Completed);
    let verdict = run.job("r").live_verdict().unwrap();
    assert_eq!(verdict.same_model, [SameModel { job: job("a"), leave: Leave::Decision(decision) }]);
    let family = (verdict.family.as_deref(), verdict.basis);
    assert_eq!(family, (Some("anthropic"), IdentityBasis::Reported));
}

#[test]
fn leave_in_the_document_is_stamped_on_the_verdict() {
    let stamped = |jobs: &Document| {
        let mut run = Drive::started(jobs);
        run.complete(&["a", "r"]);
        assert_eq!(run.status(), RunStatus::Completed);
        run.job("r").live_verdict().unwrap().same_model.clone()
    };
    let by_workflow = [SameModel { job: job("a"), leave: Leave::Workflow }];
    assert_eq!(stamped(&compared("off", "claude-a", "claude-b")), by_workflow);
    assert_eq!(stamped(&compared("off", "claude-a", "gpt-5")), []);
    let pairing = compared("declared", "claude-a", "claude-b").top("allow_same_model_review_pairing", true);
    assert_eq!(stamped(&pairing), by_workflow);
    let cycle = compared("declared", "claude-a", "claude-b").cycle("r", "a", 1).and("allow_same_model", true);
    assert_eq!(stamped(&cycle), by_workflow);
    let first_version = Document::new().job("a", "draft").job("r", "review").edge("a", "r");
    assert_eq!(stamped(&first_version), by_workflow);
}

#[test]
fn an_author_far_upstream_counts_and_another_reviewer_does_not() {
    let lane = |model: &str| json!({"adapter": "process", "command": ["true"], "display_model": model});
    let lanes = json!({"local": lane("claude-a"), "other": lane("gpt-5"), "third": lane("gemini-3")});
    let jobs = Document::new().job("a", "draft").job("b", "build").with("lane_id", "third");
    let jobs = jobs.job("q", "review").with("lane_id", "other").job("r", "review").with("lane_id", "other");
    let jobs = jobs.edge("a", "q").edge("q", "b").edge("b", "r");
    let jobs = jobs.top("schema_version", "striatum.workflow.v2").top("lanes", lanes);
    let mut run = Drive::started(&jobs);
    run.complete(&["a", "q", "b"]);
    let fence = run.claim("r");
    run.must(identify(&fence, "gpt-5-mini"));
    assert_eq!(run.job("r").status, JobStatus::Running);
    run.must(identify(&fence, "claude-b"));
    assert_eq!(run.job("r").status, JobStatus::Blocked);
}

#[test]
fn an_attested_lane_wants_the_model_of_the_lane_over_the_protocol() {
    let jobs = compared("off", "gpt-5", "claude-opus");
    let jobs =
        jobs.job("v", "review").with("lane_id", "other").with("require_attested_lane", true).edge("a", "v");
    for (over_protocol, in_report, is_attested) in [
        (Some("claude-haiku"), None, true),
        (Some("gpt-5"), None, false),
        (None, None, false),
        (None, Some("claude-opus"), false),
    ] {
        let mut run = Drive::started(&jobs);
        run.complete(&["a", "r"]);
        let fence = run.claim("v");
        if let Some(model) = over_protocol {
            run.must(identify(&fence, model));
        }
        let Intent::Submit(submit) = accept(&run, &fence) else { unreachable!() };
        run.must(Intent::Submit(Submit { agent: in_report.map(says), ..submit }));
        let expected = if is_attested { JobStatus::Completed } else { JobStatus::Blocked };
        assert_eq!(run.job("v").status, expected, "{over_protocol:?} {in_report:?}");
        if !is_attested {
            let reported = over_protocol.or(in_report).map(str::to_owned);
            let declared = Some("claude-opus".to_owned());
            assert_eq!(run.job("v").doubt, Some(IdentityDoubt::Unattested { reported, declared }));
        }
    }
}

#[test]
fn only_people_answer_whether_an_agent_is_independent() {
    let mut run = written(&compared("declared", "claude-opus", "gpt-5"), None);
    let fence = run.claim("r");
    run.must(identify(&fence, "claude-haiku"));
    let resolve = Intent::Resolve { job: job("r"), resolution: Resolution::Resume };
    assert_eq!(run.refused(bot(), resolve), "principal_required");
    let blocked =
        run.log.iter().rev().find_map(|body| match striatum_core::run::Record::decode(body).unwrap().event {
            striatum_core::run::Event::JobBlocked(blocked) => Some(blocked.ended.cause),
            _ => None,
        });
    assert_eq!(blocked, Some(LeaseCause::Blocked));
}

/// The validator refuses such a document; a snapshot of an older one may still say so.
#[test]
fn a_claim_is_refused_by_label_until_a_person_accepts_the_pair() {
    let sound = compared("off", "claude-a", "claude-b").snapshot();
    let text = String::from_utf8(sound.bytes().to_vec()).unwrap();
    let bytes = text.replace(r#""model":"off""#, r#""model":"declared""#).into_bytes();
    let mut run = Drive::of(Snapshot::from_bytes(bytes.into()).unwrap());
    run.must(Intent::Prepare);
    run.must(Intent::ConfirmBranch { branch: "b".to_owned(), at: None });
    run.must(Intent::Start);
    run.complete(&["a"]);
    let by = run.fresh();
    let refused = run.claim_by("r", by, DeliveryMode::Push).unwrap_err();
    assert_eq!((refused.code(), refused.to_string().contains("claude-b")), ("same_model", true), "{refused}");
    let decision = run.rule("r", Ruling::Accept);
    run.complete(&["r"]);
    let verdict = run.job("r").live_verdict().unwrap();
    assert_eq!(verdict.same_model, [SameModel { job: job("a"), leave: Leave::Decision(decision) }]);
}
