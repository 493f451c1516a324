//! Several engines on one store, and answers that are lost.

use std::sync::{Arc, atomic::Ordering};

use striatum_core::{
    run::{DeliveryMode, Intent, JobStatus},
    store::Blobs,
};

use super::{
    faulty::Faulty,
    table::{Table, now},
};
use crate::{
    document::{diamond, pair, single},
    drive::{Drive, RUN, ada, chain, claim, command_id, job, session},
};

fn faulty() -> (Table, Arc<Faulty>) {
    let mut kept = None;
    let table = Table::with(|memory| {
        let faulty = Arc::new(Faulty::new(memory));
        kept = Some(faulty.clone());
        faulty
    });
    (table, kept.unwrap())
}

fn take(id: &str, by: u64) -> Intent {
    Intent::Claim(claim(id, session(by), DeliveryMode::Push))
}

#[test]
fn a_refusal_is_never_older_than_the_call() {
    let a = Table::new();
    a.started(&pair());
    let b = a.another();
    now(b.load(RUN)).unwrap();
    // What B knows is old now, and by it the claim would be refused.
    a.complete("a");
    let applied = now(b.execute(RUN, a.command(take("b", 50)))).unwrap();
    assert_eq!(applied.state.job(&job("b")).unwrap().status, JobStatus::Running);
    // What A knows is old now, and by it the claim would be accepted.
    assert_eq!(a.try_to(take("b", 51)).unwrap_err().code(), "job_status");
}

#[test]
fn an_answer_that_nothing_changes_is_never_older_than_the_call() {
    let a = Table::new();
    a.started(&pair());
    let b = a.another();
    a.must(Intent::Pause);
    now(b.load(RUN)).unwrap();
    a.must(Intent::Resume);
    let paused = now(b.execute(RUN, a.command(Intent::Pause))).unwrap();
    assert_eq!(paused.events.len(), 1, "it was paused, by what B knew");
}

#[test]
fn what_one_engine_prepares_another_does_not_prepare_again() {
    let a = Table::new();
    let b = a.another();
    // B finds nothing, and keeps nothing.
    assert_eq!(now(b.load(RUN)).unwrap_err().code(), "run_unknown");
    a.prepare(RUN, &pair());
    for document in [pair(), single()] {
        let again = now(b.prepare(&chain(), RUN, document.snapshot(), command_id(5), ada()));
        assert_eq!(again.unwrap_err().code(), "run_already_prepared");
    }
}

/// Both find no run, and then both append its beginning.
#[test]
fn a_run_that_is_prepared_meanwhile_is_not_taken_for_damaged() {
    for (first, second) in [(pair(), pair()), (pair(), single())] {
        let (table, faulty) = faulty();
        now(table.blobs.put(first.snapshot().bytes().clone())).unwrap();
        *faulty.before.lock().unwrap() = Some(Drive::empty(&first).also(Intent::Prepare));
        let again = now(table.engine.prepare(&chain(), RUN, second.snapshot(), command_id(5), ada()));
        assert_eq!(again.unwrap_err().code(), "run_already_prepared");
        assert_eq!(table.state().version(), 1);
    }
}

#[test]
fn a_conflict_is_decided_again_and_a_run_that_never_rests_is_given_up() {
    let (table, faulty) = faulty();
    table.started(&single());
    faulty.contended.store(7, Ordering::SeqCst);
    table.must(Intent::Pause);
    faulty.contended.store(8, Ordering::SeqCst);
    let events = table.events();
    let error = table.try_to(Intent::Resume).unwrap_err();
    assert_eq!((error.code(), table.events()), ("contended", events));
    table.must(Intent::Resume);
}

#[test]
fn a_lost_answer_is_settled_by_sending_the_same_batch_again() {
    let (table, faulty) = faulty();
    table.started(&diamond());
    for (fault, sentence) in [(&faulty.deaf, "it landed"), (&faulty.lost, "it did not land")] {
        let (events, appends) = (table.events(), faulty.appends.load(Ordering::SeqCst));
        fault.store(1, Ordering::SeqCst);
        let applied = table.try_to(if table.state().is_paused() { Intent::Resume } else { Intent::Pause });
        assert!(!applied.unwrap().repeated, "{sentence}");
        assert_eq!(faulty.appends.load(Ordering::SeqCst), appends + 2, "{sentence}");
        assert_eq!(table.events(), events + 1, "{sentence}");
    }
}

#[test]
fn an_answer_that_is_lost_twice_is_settled_by_sending_the_same_command_again() {
    let (table, faulty) = faulty();
    table.started(&single());
    for (fault, landed) in [(&faulty.deaf, true), (&faulty.lost, false)] {
        let pause = if table.state().is_paused() { Intent::Resume } else { Intent::Pause };
        let (command, events) = (table.command(pause), table.events());
        fault.store(2, Ordering::SeqCst);
        let error = now(table.engine.execute(RUN, command.clone())).unwrap_err();
        assert_eq!(error.code(), "store_unknown");
        let applied = now(table.engine.execute(RUN, command)).unwrap();
        assert_eq!((applied.repeated, applied.events.len()), (landed, 1));
        assert_eq!(table.events(), events + 1);
    }
}

#[test]
fn a_store_that_is_gone_when_it_is_asked_again_says_nothing_about_the_first_time() {
    let (table, faulty) = faulty();
    table.started(&single());
    let (command, events) = (table.command(Intent::Pause), table.events());
    faulty.deaf.store(1, Ordering::SeqCst);
    faulty.dies.store(true, Ordering::SeqCst);
    let error = now(table.engine.execute(RUN, command.clone())).unwrap_err();
    assert_eq!((error.code(), table.events()), ("store_unknown", events + 1));
    faulty.dies.store(false, Ordering::SeqCst);
    assert!(now(table.engine.execute(RUN, command)).unwrap().repeated);
}
