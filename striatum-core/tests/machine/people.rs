//! What people are asked, and what only they can resolve.

use serde_json::json;
use striatum_core::{
    digest::Digest,
    run::{
        Actor, Checkpoint, DeliveryMode, Deviation, EscalationTopic, Intent, JobStatus, LeaseReport, Outcome,
        Packet, Pending, Resolution, Ruling, RunStatus, Severity, Submit, Usage, Verdict,
    },
};

use crate::{
    document::{Document, checkpoint, commit, judged, pair, single},
    drive::{Drive, ada, blob, bot, go_on, job},
};

fn operator() -> Actor {
    Actor::AiOperator("op".to_owned())
}

fn ask(run: &mut Drive, id: &str) -> u32 {
    let fence = run.claim(id);
    let report = LeaseReport { set_aside: Some(commit(9)), ..LeaseReport::new(fence) };
    run.must(Intent::Ask {
        report,
        question: blob("which one?"),
        resume: Some("talk-1".to_owned()),
        of: None,
    });
    run.state.open_questions().last().unwrap().1.number
}

fn answer(question: u32) -> Intent {
    Intent::Answer { question, answer: blob("the second") }
}

#[test]
fn a_question_frees_the_slot_and_its_answer_is_in_the_next_packet() {
    let mut run = Drive::started(&pair().job("c", "test").at_once(1));
    let question = ask(&mut run, "a");
    assert_eq!(run.show(), "a awaiting_input, b pending, c ready");
    assert_eq!(run.job("a").lease, None);
    run.complete(&["c"]);
    assert_eq!(run.must(answer(question)), ["question.answered"]);
    let fence = run.claim("a");
    let packet = Packet::of(&run.state, &fence).unwrap();
    let answers: Vec<_> =
        packet.answers.iter().map(|it| (it.question, it.text, it.answer, it.resume.as_deref())).collect();
    assert_eq!(answers, [(1, blob("which one?"), blob("the second"), Some("talk-1"))]);
    assert_eq!((packet.attempt, packet.set_aside), (1, Some(commit(9))));
    run.done(&fence);
    run.complete(&["b"]);
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn grants_that_ended_in_a_question_do_not_count_as_lost() {
    let mut run = Drive::started(&single().tolerate(0, 1));
    for _ in 0..3 {
        let question = ask(&mut run, "a");
        run.must(answer(question));
    }
    assert_eq!(run.job("a").deliveries, 3);
    run.lose("a");
    assert_eq!(run.job("a").status, JobStatus::Quarantined);
}

#[test]
fn only_an_open_question_is_answered_and_only_by_those_who_may() {
    let mut run = Drive::started(&single());
    let question = ask(&mut run, "a");
    assert_eq!(run.refused(ada(), answer(7)), "question_unknown");
    for actor in [bot(), operator()] {
        assert_eq!(run.refused(actor, answer(question)), "principal_required");
    }
    let resolve = |resolution| Intent::Resolve { job: job("a"), resolution };
    assert_eq!(run.refused(ada(), resolve(go_on())), "resolution_impossible");
    run.must(answer(question));
    assert_eq!(run.refused(ada(), answer(question)), "question_unknown");
    let left = Document::v2().job("a", "draft").top("ai_operator_may", json!(["question"]));
    let mut run = Drive::started(&left);
    let question = ask(&mut run, "a");
    run.give(operator(), answer(question)).unwrap();
    assert_eq!(run.job("a").status, JobStatus::Ready);
}

#[test]
fn an_open_question_closes_with_its_job() {
    let mut run = Drive::started(&pair());
    let question = ask(&mut run, "a");
    run.resolve("a", Resolution::Cancel);
    assert_eq!(run.refused(ada(), answer(question)), "run_status");

    let jobs = Document::new().job("a", "draft").job("r", "review").job("b", "build");
    let mut run = Drive::started(&jobs.edge("a", "r").edge("a", "b").cycle("r", "a", 1));
    run.complete(&["a"]);
    let question = ask(&mut run, "b");
    run.review("r", Verdict::NeedsRevision);
    run.expect("b", JobStatus::Pending, 2);
    assert_eq!(run.refused(ada(), answer(question)), "question_unknown");
}

#[test]
fn an_agent_that_does_not_work_asks_nothing() {
    let mut run = Drive::started(&single());
    let by = run.fresh();
    let fence = run.claim_by("a", by, DeliveryMode::Pull).unwrap();
    let report = LeaseReport::new(fence);
    let ask = Intent::Ask { report, question: blob("?"), resume: None, of: None };
    assert_eq!(run.refused(Actor::Session(by), ask), "job_status");
}

#[test]
fn an_ai_operator_answers_what_the_workflow_leaves_to_it_and_nothing_else() {
    let jobs = || {
        let jobs = Document::v2().job("a", "draft").job("h", "human_checkpoint").job("b", "build");
        jobs.edge("a", "h").top("ai_operator_may", json!(["blocked"]))
    };
    let mut run = Drive::started(&jobs());
    run.complete(&["a"]);
    let report = LeaseReport::new(run.claim("b"));
    run.must(Intent::Block { report, severity: Severity::HumanCheckpoint });
    let resolve = |id, resolution| Intent::Resolve { job: job(id), resolution };
    assert_eq!(run.refused(operator(), resolve("h", Resolution::Cancel)), "principal_required");
    let rule = |id| Intent::Decide { job: job(id), ruling: Ruling::Accept, rationale: blob("because") };
    assert_eq!(run.refused(operator(), rule("h")), "principal_required");
    run.give(operator(), rule("b")).unwrap();
    run.give(operator(), resolve("b", go_on())).unwrap();
    run.expect("b", JobStatus::Ready, 2);
    assert_eq!(run.refused(bot(), resolve("h", Resolution::Cancel)), "principal_required");
}

fn usage(turns: u64) -> Option<Usage> {
    Some(Usage { wall_ms: 1_000, turns: Some(turns), ..Usage::default() })
}

#[test]
fn an_attempt_that_has_used_up_its_budget_asks_before_it_goes_on() {
    let jobs = Document::v2().job("a", "draft").with("budget", json!({"turns": 5})).tolerate(9, 1);
    let mut run = Drive::started(&jobs);
    let lose = |run: &mut Drive, turns| {
        let report = LeaseReport { usage: usage(turns), ..LeaseReport::new(run.claim("a")) };
        run.must(Intent::Crash(report));
    };
    lose(&mut run, 3);
    let fence = run.claim("a");
    assert_eq!(Packet::of(&run.state, &fence).unwrap().budget.unwrap().turns, Some(2));
    run.must(Intent::Crash(LeaseReport { usage: usage(2), ..LeaseReport::new(fence) }));
    assert_eq!(run.job("a").checkpoint, Some(Checkpoint::BudgetSpent));
    run.resolve("a", go_on());
    run.expect("a", JobStatus::Ready, 2);
    let fence = run.claim("a");
    assert_eq!(Packet::of(&run.state, &fence).unwrap().budget.unwrap().turns, Some(5));
}

#[test]
fn a_run_that_has_used_up_its_budget_pauses_and_asks_for_as_much_again() {
    let jobs = || {
        let jobs = Document::v2().job("a", "draft").job("b", "build").job("c", "test").edge("a", "b");
        let mut run = Drive::started(&jobs.edge("b", "c").top("budget", json!({"wall_seconds": 1})));
        let fence = run.claim("a");
        let submit = Submit { usage: usage(1), ..run.submit(&fence, Outcome::Done) };
        let kinds = run.must(Intent::Submit(submit));
        assert_eq!(kinds[kinds.len() - 2..], ["run.paused", "escalation.raised"]);
        run
    };
    let raised = |run: &Drive| {
        run.state.escalations().iter().map(|it| (it.raised.topic, it.ruling)).collect::<Vec<_>>()
    };
    let mut run = jobs();
    assert_eq!(raised(&run), [(EscalationTopic::BudgetSpent, None)]);
    assert_eq!(run.refused(bot(), Intent::Resume), "principal_required");
    assert_eq!(run.must(Intent::Resume), ["escalation.resolved", "run.resumed"]);
    run.complete(&["b"]);
    assert!(!run.state.is_paused());

    let mut run = jobs();
    let settle = |ruling| Intent::Settle { escalation: 1, ruling, rationale: None };
    run.must(settle(Ruling::Accept));
    assert_eq!(
        (run.state.is_paused(), raised(&run)),
        (false, vec![(EscalationTopic::BudgetSpent, Some(Ruling::Accept))])
    );
    assert_eq!(run.refused(ada(), settle(Ruling::Accept)), "escalation_unknown");
    let fence = run.claim("b");
    let submit = Submit { usage: usage(1), ..run.submit(&fence, Outcome::Done) };
    run.must(Intent::Submit(submit));
    assert_eq!((run.state.is_paused(), raised(&run).len()), (true, 2));
}

#[test]
fn anybody_outside_raises_what_only_a_principal_resolves() {
    let mut run = Drive::started(&single());
    let escalate = |at: Option<&str>| Intent::Escalate { job: at.map(job), reason: blob("stuck") };
    let by = run.claim("a").session;
    assert_eq!(run.refused(Actor::Session(by), escalate(None)), "principal_required");
    assert_eq!(run.refused(bot(), escalate(Some("zz"))), "job_unknown");
    run.give(bot(), escalate(Some("a"))).unwrap();
    assert!(run.state.pending().any(|owed| matches!(owed, Pending::Notify { escalation: 1, .. })));
    let settle = Intent::Settle { escalation: 1, ruling: Ruling::Reject, rationale: Some(blob("no")) };
    assert_eq!(run.refused(operator(), settle.clone()), "principal_required");
    run.must(settle);
    assert_eq!(run.state.escalations()[0].ruling, Some(Ruling::Reject));
}

#[test]
fn a_session_proposes_what_only_a_person_decides_on() {
    let mut run = Drive::started(&single());
    let fence = run.claim("a");
    let propose = |text: &str| Intent::Propose { fence: fence.clone(), proposal: blob(text) };
    let session = Actor::Session(fence.session);
    run.give(session.clone(), propose("split the module")).unwrap();
    let again = run.give(session.clone(), propose("split the module")).unwrap();
    assert_eq!(again, [], "it waits already");
    assert_eq!(run.job("a").status, JobStatus::Running);
    let waits = &run.state.escalations()[0];
    assert_eq!((waits.raised.topic, waits.ruling), (EscalationTopic::FollowUp, None));
    let settle = Intent::Settle { escalation: 1, ruling: Ruling::Accept, rationale: None };
    for nobody in [session.clone(), bot(), operator()] {
        assert_eq!(run.refused(nobody, settle.clone()), "principal_required");
    }
    run.must(settle);
    run.give(session.clone(), propose("split the module")).unwrap();
    for n in 1..16 {
        run.give(session.clone(), propose(&format!("proposal {n}"))).unwrap();
    }
    assert_eq!(run.refused(session.clone(), propose("one more")), "too_many_proposals");
    run.must(Intent::Release(LeaseReport::new(fence.clone())));
    assert_eq!(run.refused(session, propose("late")), "stale_fence");
}

#[test]
fn a_retry_settles_the_escalation_of_the_end_that_it_undoes() {
    let mut run = Drive::started(&single().tolerate(0, 0));
    run.lose("a");
    assert_eq!(run.status(), RunStatus::NeedsOperator);
    run.must(Intent::Retry { job: job("a") });
    assert_eq!(run.state.escalations()[0].ruling, Some(Ruling::Accept));
}

fn deviations() -> Vec<Deviation> {
    let judged = Digest::of(b"judged");
    vec![Deviation { job: job("a"), path: "out/a.md".to_owned(), judged, delivered: None }]
}

fn withhold() -> Intent {
    Intent::Withhold { commit: commit(5), deviations: deviations() }
}

fn deliver(deviations: Vec<Deviation>) -> Intent {
    Intent::Delivered { commit: commit(5), deviations }
}

fn is_delivery_owed(run: &Drive) -> bool {
    run.state.pending().any(|owed| matches!(owed, Pending::Deliver { .. }))
}

/// A run that is completed and delivers only what was judged.
fn strict() -> Drive {
    let mut run = Drive::started(&Document::v2().job("a", "draft").top("require_judged_delivery", true));
    run.complete(&["a"]);
    run
}

#[test]
fn what_was_not_judged_is_delivered_by_leave_alone() {
    for (ruling, delivered) in [(Ruling::Accept, true), (Ruling::Reject, false)] {
        let mut run = strict();
        assert_eq!(run.refused(bot(), deliver(deviations())), "delivery_not_judged");
        assert_eq!(run.must(withhold()), ["run.delivery_withheld", "escalation.raised"]);
        assert_eq!(run.must(withhold()), [""; 0]);
        assert!(!is_delivery_owed(&run));
        assert_eq!(run.refused(bot(), deliver(deviations())), "delivery_not_judged");
        run.must(Intent::Settle { escalation: 1, ruling, rationale: None });
        assert_eq!(is_delivery_owed(&run), delivered);
        if delivered {
            assert_eq!(run.must(deliver(deviations())), ["run.delivered"]);
        } else {
            assert_eq!(run.refused(bot(), deliver(deviations())), "delivery_not_judged");
        }
    }
}

#[test]
fn what_was_judged_is_delivered_as_ever_and_nothing_is_withheld_that_need_not_be() {
    let mut run = strict();
    let nothing = Intent::Withhold { commit: commit(5), deviations: Vec::new() };
    assert_eq!(run.refused(bot(), nothing), "nothing_owed");
    assert_eq!(run.must(deliver(Vec::new())), ["run.delivered"]);
    assert_eq!(run.refused(bot(), withhold()), "nothing_owed");

    let mut run = Drive::started(&single());
    run.complete(&["a"]);
    assert_eq!(run.refused(bot(), withhold()), "nothing_owed");
    assert_eq!(run.must(deliver(deviations())), ["run.delivered"]);
}

#[test]
fn only_a_person_declares_a_completed_run_unsound() {
    let mut run = Drive::started(&single());
    let compromise = || Intent::Compromise { rationale: blob("wrong") };
    assert_eq!(run.refused(ada(), compromise()), "run_status");
    run.complete(&["a"]);
    for actor in [bot(), operator()] {
        assert_eq!(run.refused(actor, compromise()), "principal_required");
    }
    assert_eq!(run.must(compromise()), ["run.compromised"]);
    assert_eq!(run.status(), RunStatus::Compromised);
    assert!(!is_delivery_owed(&run));
}

#[test]
fn jobs_of_a_group_that_may_write_to_one_place_take_turns() {
    let scope = |path: &str| json!({"mode": "repo_write", "allowed_paths": [path, "out"]});
    let mut jobs = Document::new();
    for (id, path) in [("a", "src/x"), ("b", "src"), ("c", "docs")] {
        jobs = jobs.job(id, "draft").with("parallel_group", "g").with("write_scope", scope(path));
    }
    let jobs = jobs.top("parallelism", json!({"max_active_jobs": 3, "require_disjoint_write_scopes": false}));
    let mut run = Drive::started(&jobs);
    let fence = run.claim("a");
    let by = run.fresh();
    assert_eq!(run.claim_by("b", by, DeliveryMode::Push).unwrap_err().code(), "scope_taken");
    run.done(&fence);
    run.claim("b");
}

#[test]
fn a_person_who_may_be_asked_is_asked_as_before() {
    let mut run = Drive::started(&checkpoint());
    run.complete(&["a"]);
    assert_eq!(run.job("h").checkpoint, Some(Checkpoint::Planned));
    let mut run = Drive::started(&judged());
    run.complete(&["a"]);
    run.review("r", Verdict::NeedsRevision);
    assert_eq!(run.job("r").checkpoint, Some(Checkpoint::NoWayBack));
}
