//! A command is applied once, alone or together with others.

use striatum_core::{
    engine::EngineError,
    run::{Actor, Command, DeliveryMode, Event, Intent, JobStatus, LeaseReport},
};

use super::table::{Table, now};
use crate::{
    document::{diamond, pair, single},
    drive::{RUN, ada, bot, chain, claim, command_id, job, session},
};

fn kinds(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(Event::kind).collect()
}

#[test]
fn a_repeated_command_is_one_write_and_gets_the_first_answer() {
    let table = Table::new();
    table.started(&pair());
    let command = table.command(Intent::Claim(claim("a", session(1), DeliveryMode::Push)));
    let first = now(table.engine.execute(RUN, command.clone())).unwrap();
    assert!(!first.repeated);
    let events = table.events();
    // What came later does not change the answer, and another process gives it too.
    table.must(Intent::Pause);
    for engine in [&table.engine, &table.another()] {
        let again = now(engine.execute(RUN, command.clone())).unwrap();
        assert_eq!((again.events, again.repeated), (first.events.clone(), true));
        assert!(again.state.is_paused());
    }
    assert_eq!(table.events(), events + 1);
}

#[test]
fn another_content_under_a_used_id_is_refused() {
    let table = Table::new();
    table.started(&pair());
    let command = table.command(Intent::Pause);
    now(table.engine.execute(RUN, command.clone())).unwrap();
    let others = [
        Command { intent: Intent::Resume, ..command.clone() },
        Command { actor: Actor::Human("eve".to_owned()), ..command },
    ];
    for (engine, other) in [&table.engine, &table.another()].into_iter().zip(others) {
        let refused = now(engine.execute(RUN, other)).unwrap_err();
        assert_eq!(refused.code(), "command_reused");
    }
}

#[test]
fn a_command_that_changed_nothing_is_not_remembered() {
    let table = Table::new();
    table.started(&pair());
    let command = table.command(Intent::Start);
    let nothing = now(table.engine.execute(RUN, command.clone())).unwrap();
    assert!(nothing.events.is_empty() && !nothing.repeated);
    let other = Command { intent: Intent::Pause, ..command };
    assert_eq!(kinds(&now(table.engine.execute(RUN, other)).unwrap().events), ["run.paused"]);
}

#[test]
fn a_run_is_prepared_once_and_only_with_its_own_snapshot() {
    let table = Table::new();
    let prepare = |id: u64, document: &crate::document::Document| {
        now(table.engine.prepare(&chain(), RUN, document.snapshot(), command_id(id), ada()))
    };
    assert!(!prepare(1, &pair()).unwrap().repeated);
    assert!(prepare(1, &pair()).unwrap().repeated);
    assert_eq!(prepare(2, &pair()).unwrap_err().code(), "run_already_prepared");
    assert_eq!(prepare(2, &single()).unwrap_err().code(), "run_already_prepared");
    assert_eq!(prepare(1, &single()).unwrap_err().code(), "command_reused", "the snapshot is its content");
    let other = table.another();
    let again = now(other.prepare(&chain(), RUN, single().snapshot(), command_id(1), ada()));
    assert_eq!(again.unwrap_err().code(), "command_reused");
    assert_eq!(table.events(), 1);
}

#[test]
fn several_commands_are_one_append_or_none() {
    let table = Table::new();
    table.started(&diamond());
    table.complete("a");
    let b = table.claim("b");
    let together = |second: Intent| {
        let commands = [table.command(table.submission(&b)), table.command(second)];
        now(table.engine.execute_all(RUN, &commands))
    };
    let events = table.events();
    let refused = together(Intent::Claim(claim("d", session(50), DeliveryMode::Push))).unwrap_err();
    assert_eq!((refused.code(), table.events()), ("job_status", events));

    let applied = together(Intent::Claim(claim("c", session(50), DeliveryMode::Push))).unwrap();
    assert_eq!(kinds(&applied[0].events), ["artifact.published", "job.completed"]);
    assert_eq!(kinds(&applied[1].events), ["job.claimed"]);
    assert!(applied[0].state.fence(&job("c")).is_some(), "the state is the one behind the last command");
}

#[test]
fn a_command_that_is_sent_twice_in_one_call_is_applied_once() {
    let table = Table::new();
    table.started(&pair());
    let command = table.command(Intent::Pause);
    let events = table.events();
    let applied = now(table.engine.execute_all(RUN, &[command.clone(), command.clone()])).unwrap();
    assert_eq!(applied[0].events, applied[1].events);
    assert_eq!([applied[0].repeated, applied[1].repeated], [false, true]);
    assert_eq!(table.events(), events + 1);

    let command = table.command(Intent::Resume);
    let other = Command { intent: Intent::Pause, ..command.clone() };
    let refused = now(table.engine.execute_all(RUN, &[command, other])).unwrap_err();
    assert_eq!((refused.code(), table.events()), ("command_reused", events + 1));
}

#[test]
fn a_repeated_command_may_stand_beside_a_new_one() {
    let table = Table::new();
    table.started(&pair());
    let (first, second) = (table.command(Intent::Pause), table.command(Intent::Resume));
    now(table.engine.execute(RUN, first.clone())).unwrap();
    let applied = now(table.engine.execute_all(RUN, &[first, second])).unwrap();
    assert_eq!([applied[0].repeated, applied[1].repeated], [true, false]);
    assert_eq!(kinds(&applied[0].events), ["run.paused"]);
    assert!(now(table.engine.execute_all(RUN, &[])).unwrap().is_empty());
}

#[test]
fn an_unknown_run_is_no_run() {
    let table = Table::new();
    let error = table.try_to(Intent::Start).unwrap_err();
    assert!(matches!(error, EngineError::NoSuchRun(RUN)), "{error}");
    assert_eq!(error.code(), "run_unknown");
    assert!(!error.remedy().is_empty());
    assert_eq!(table.try_to(Intent::Start).unwrap_err().code(), "run_unknown");
}

#[test]
fn a_crash_that_two_processes_report_is_one_loss() {
    let table = Table::new();
    table.started(&single());
    let fence = table.claim("a");
    let report = |n| Command {
        id: command_id(n),
        actor: bot(),
        intent: Intent::Crash(LeaseReport::new(fence.clone())),
    };
    now(table.engine.execute(RUN, report(1))).unwrap();
    let refused = now(table.another().execute(RUN, report(2))).unwrap_err();
    assert_eq!(refused.code(), "stale_fence");
    assert_eq!(table.state().job(&job("a")).unwrap().status, JobStatus::Ready);
}
