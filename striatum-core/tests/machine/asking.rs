//! What jobs ask those before them, and the leave that agents ask for.

use serde_json::json;
use striatum_core::{
    run::{
        Actor, EscalationTopic, Intent, JobStatus, LeaseReport, Outcome, Packet, Pending, Ruling, RunStatus,
        Supersede, Usage, Verdict,
    },
    workflow::{Analysis, QUESTIONS},
};

use crate::{
    document::{Document, pair},
    drive::{Drive, ada, blob, bot, job, session},
};

/// `a`, which may be asked, before `b`, which may not, before `c`.
fn line() -> Document {
    let jobs =
        Document::new().job("a", "draft").with("interrogable", true).job("b", "build").job("c", "test");
    jobs.edge("a", "b").edge("b", "c")
}

fn ask(run: &mut Drive, id: &str, of: &str) -> Intent {
    let report = LeaseReport::new(run.claim(id));
    Intent::Ask { report, question: blob("why so?"), resume: None, of: Some(job(of)) }
}

fn reply(question: u32, by: u64) -> Intent {
    let usage = Some(Usage { wall_ms: 5, turns: Some(1), ..Usage::default() });
    Intent::Reply { question, session: session(by), answer: blob("because"), usage }
}

fn refer(question: u32) -> Intent {
    Intent::Refer { question, reason: Some(blob("it is gone")), usage: None }
}

/// What is owed about questions.
fn owed(run: &Drive) -> Vec<String> {
    let owed = run.state.pending().filter_map(|owed| match owed {
        Pending::Interrogate { question, .. } => Some(format!("answer {question}")),
        Pending::Tell { question, .. } => Some(format!("tell {question}")),
        _ => None,
    });
    owed.collect()
}

#[test]
fn whoever_did_an_earlier_job_is_asked_and_the_answer_is_in_the_next_packet() {
    let mut run = Drive::started(&line());
    let fence = run.claim("a");
    run.done(&fence);
    run.complete(&["b"]);
    let asking = ask(&mut run, "c", "a");
    assert_eq!(run.must(asking), ["question.asked"]);
    assert_eq!(
        (run.show().as_str(), owed(&run)),
        ("a completed, b completed, c awaiting_input", vec!["answer 1".into()])
    );

    let other = run.fresh();
    let wrong = Intent::Reply { question: 1, session: other, answer: blob("hm"), usage: None };
    assert_eq!(run.refused(bot(), wrong), "question_unknown");
    let author = fence.session;
    let right = Intent::Reply { question: 1, session: author, answer: blob("because"), usage: None };
    assert_eq!(run.refused(Actor::Session(other), right.clone()), "principal_required");
    run.give(Actor::Session(author), right).unwrap();

    let fence = run.claim("c");
    let packet = Packet::of(&run.state, &fence).unwrap();
    let answers: Vec<_> = packet.answers.iter().map(|it| (it.answer, it.of.clone(), it.by)).collect();
    assert_eq!(answers, [(blob("because"), Some(job("a")), Some(author))]);
    assert!(packet.names(&blob("because").digest));
    assert_eq!(packet.may_ask, [job("a")]);
    run.done(&fence);
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn only_a_job_that_lets_itself_be_asked_and_is_before_is_asked() {
    let mut run = Drive::started(&line());
    run.complete(&["a", "b"]);
    for (of, code) in [("b", "not_interrogable"), ("c", "not_interrogable"), ("x", "job_unknown")] {
        let report = LeaseReport::new(run.claim("c"));
        let asking =
            Intent::Ask { report: report.clone(), question: blob("?"), resume: None, of: Some(job(of)) };
        assert_eq!(run.refused(ada(), asking), code, "{of}");
        run.must(Intent::Release(report));
    }
    let named =
        line().job("d", "test").with("interrogable", true).edge("c", "d").job("e", "ledger").edge("d", "e");
    let mut run = Drive::started(&named.with("interrogation_targets", json!(["d"])));
    run.complete(&["a", "b", "c", "d"]);
    let fence = run.claim("e");
    assert_eq!(Packet::of(&run.state, &fence).unwrap().may_ask, [job("d")]);
}

#[test]
fn an_attempt_asks_so_often_and_no_more_and_the_bound_of_grants_knows_it() {
    let document = line().tolerate(0, 1);
    let mut run = Drive::started(&document);
    run.complete(&["a", "b"]);
    for question in 1..=QUESTIONS {
        let asking = ask(&mut run, "c", "a");
        run.must(asking);
        run.must(reply(question, 1));
    }
    let fence = run.claim("c");
    assert_eq!(Packet::of(&run.state, &fence).unwrap().may_ask, []);
    let report = LeaseReport::new(fence.clone());
    let more = Intent::Ask { report: report.clone(), question: blob("?"), resume: None, of: Some(job("a")) };
    assert_eq!(run.refused(ada(), more), "too_many_questions");
    let person = Intent::Ask { report, question: blob("?"), resume: None, of: None };
    run.must(person);
    let workflow = document.workflow();
    let analysis = Analysis::of(&workflow).unwrap();
    assert_eq!(
        [0, 1, 2].map(|job| analysis.grants(job)),
        [1, 1 + u64::from(QUESTIONS), 1 + u64::from(QUESTIONS)]
    );
}

#[test]
fn what_a_session_cannot_answer_is_for_a_person_who_is_told_once() {
    let mut run = Drive::started(&line());
    run.complete(&["a", "b"]);
    let asking = ask(&mut run, "c", "a");
    run.must(asking);
    assert_eq!(run.refused(bot(), Intent::Told { question: 1 }), "nothing_owed");
    assert_eq!(run.must(refer(1)), ["question.referred"]);
    assert_eq!(run.must(refer(1)), [""; 0]);
    assert_eq!(run.refused(bot(), reply(1, 1)), "question_unknown");
    assert_eq!(owed(&run), ["tell 1"]);
    assert_eq!(run.must(Intent::Told { question: 1 }), ["question.notified"]);
    assert_eq!(run.must(Intent::Told { question: 1 }), [""; 0]);
    assert_eq!(owed(&run), [""; 0]);
    run.must(Intent::Answer { question: 1, answer: blob("like this") });
    let fence = run.claim("c");
    let packet = Packet::of(&run.state, &fence).unwrap();
    assert_eq!(packet.answers.last().map(|it| (it.of.clone(), it.by)), Some((Some(job("a")), None)));
}

#[test]
fn work_that_a_person_did_is_for_a_person_to_explain() {
    let mut run = Drive::started(&line());
    run.complete(&["a"]);
    let mut better = run.artifact("a", "better");
    (better.name, better.path) = ("a_cycle_2".parse().unwrap(), "out/a/cycle_2.md".to_owned());
    let (artifacts, rationale) = (vec![better], blob("better so"));
    let supersede = Supersede { job: job("a"), attempt: 1, artifacts, submission: None, rationale };
    run.must(Intent::Supersede(supersede));
    let asking = ask(&mut run, "b", "a");
    run.must(asking);
    assert_eq!(owed(&run), ["tell 1"]);
}

#[test]
fn an_answer_of_a_session_renews_no_budget_and_counts_for_the_run() {
    let budget = json!({"turns": 2});
    let jobs =
        Document::v2().job("a", "draft").with("interrogable", true).job("b", "build").with("budget", budget);
    let mut run = Drive::started(&jobs.edge("a", "b"));
    run.complete(&["a"]);
    let usage = Some(Usage { wall_ms: 1, turns: Some(1), ..Usage::default() });
    let report = LeaseReport { usage, ..LeaseReport::new(run.claim("b")) };
    run.must(Intent::Ask { report, question: blob("?"), resume: None, of: Some(job("a")) });
    run.must(reply(1, 1));
    assert_eq!((run.job("b").used.turns, run.state.used().turns), (Some(2), Some(2)));
    run.lose("b");
    run.expect("b", JobStatus::WaitingHuman, 1);
}

#[test]
fn the_window_closes_when_the_job_that_is_asked_begins_anew() {
    let jobs =
        Document::new().job("a", "draft").with("interrogable", true).job("r", "review").job("b", "build");
    let mut run = Drive::started(&jobs.edge("a", "r").edge("a", "b").cycle("r", "a", 1));
    run.complete(&["a"]);
    let asking = ask(&mut run, "b", "a");
    run.must(asking);
    run.review("r", Verdict::NeedsRevision);
    run.expect("b", JobStatus::Pending, 2);
    assert_eq!(run.refused(bot(), reply(1, 1)), "question_unknown");
    assert_eq!((owed(&run), run.job("a").author), (Vec::new(), None));
}

#[test]
fn nobody_is_asked_while_the_run_is_paused() {
    let mut run = Drive::started(&line());
    run.complete(&["a", "b"]);
    let asking = ask(&mut run, "c", "a");
    run.must(asking);
    run.must(Intent::Pause);
    assert_eq!(owed(&run), [""; 0]);
    run.must(Intent::Resume);
    assert_eq!(owed(&run), ["answer 1"]);
}

#[test]
fn leave_is_asked_for_at_work_and_a_person_alone_gives_it() {
    let mut run = Drive::started(&pair());
    let fence = run.claim("a");
    let request = || Intent::RequestLeave { fence: fence.clone(), request: blob("fetch x") };
    assert_eq!(run.must(request()), ["escalation.raised"]);
    let raised = run.state.escalations()[0].raised.clone();
    assert_eq!((raised.topic, raised.epoch), (EscalationTopic::Leave, Some(1)));
    let accept = |escalation| Intent::Settle { escalation, ruling: Ruling::Accept, rationale: None };
    for actor in [bot(), Actor::AiOperator("op".to_owned()), Actor::Session(fence.session)] {
        assert_eq!(run.refused(actor, accept(1)), "principal_required");
    }
    run.must(accept(1));
    assert_eq!(run.state.escalations()[0].ruling, Some(Ruling::Accept));
    // Too late to take it back.
    assert_eq!(run.must(Intent::WithdrawLeave { escalation: 1 }), [""; 0]);
    run.must(request());
    assert_eq!(run.must(Intent::WithdrawLeave { escalation: 2 }), ["escalation.resolved"]);
    assert_eq!(run.refused(ada(), accept(2)), "escalation_unknown");
    let owed = run.state.pending().filter(|owed| matches!(owed, Pending::Notify { escalation: 2, .. }));
    assert_eq!(owed.count(), 0, "nobody is called for what is over");
}

#[test]
fn leave_that_is_asked_for_ends_with_its_grant() {
    let mut run = Drive::started(&pair());
    let fence = run.claim("a");
    run.must(Intent::RequestLeave { fence: fence.clone(), request: blob("fetch x") });
    let submit = Intent::Submit(run.submit(&fence, Outcome::Done));
    let said: Vec<_> =
        run.give(Actor::Session(fence.session), submit).unwrap().iter().map(|it| it.kind()).collect();
    assert_eq!(said.last(), Some(&"escalation.resolved"));
    assert_eq!(run.state.escalations()[0].ruling, Some(Ruling::Reject));
    assert_eq!(run.refused(bot(), Intent::RequestLeave { fence, request: blob("more") }), "stale_fence");
}

#[test]
fn one_grant_asks_for_leave_so_often_and_no_more() {
    let mut run = Drive::started(&pair());
    let fence = run.claim("a");
    let request =
        |n: u32| Intent::RequestLeave { fence: fence.clone(), request: blob(&format!("fetch {n}")) };
    for n in 1..=64 {
        run.must(request(n));
    }
    assert_eq!(run.refused(bot(), request(65)), "too_many_requests");
}
