//! How processes end.
#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a case fails by panicking")]

use std::time::Duration;

use futures_util::FutureExt as _;
use striatum_core::sandbox::Exit;

use super::{
    SandboxFactory,
    place::{LONG, Place, exit, line, rest, shell, soon, spawn},
};

/// Holds a pipe, has a child that does too, and goes on until it is ended.
const FAMILY: &str = "exec 9>held; sleep 1000 & echo begun; wait";

/// See the name.
pub async fn an_end_of_its_own_is_told_as_often_as_it_is_asked_for(factory: &dyn SandboxFactory) {
    for (script, expected) in [
        ("exit 0", Exit::Code(0)),
        ("exit 7", Exit::Code(7)),
        ("exit 255", Exit::Code(255)),
        ("kill -TERM $$", Exit::Signal(15)),
        ("kill -KILL $$", Exit::Signal(9)),
        ("kill -SEGV $$", Exit::Signal(11)),
    ] {
        let Some(place) = Place::new(factory).await else { return };
        let mut session = place.open().await;
        let mut process = spawn(session.as_mut(), &shell(script)).await;
        assert_eq!(exit(&mut process).await, expected, "{script}");
        assert_eq!(exit(&mut process).await, expected, "{script}, asked again");
        soon(process.child.kill()).await.expect("there is nothing to kill");
        assert_eq!(exit(&mut process).await, expected, "{script}, after a kill");
    }
}

/// See the name.
pub async fn waiting_may_be_given_up_and_taken_up(factory: &dyn SandboxFactory) {
    let Some(place) = Place::new(factory).await else { return };
    let mut session = place.open().await;
    let mut process = spawn(session.as_mut(), &shell("read line; exit 6")).await;
    for _ in 0..3 {
        assert!(process.child.wait().now_or_never().is_none());
    }
    drop(process.stdin.take());
    assert_eq!(exit(&mut process).await, Exit::Code(6));
}

/// See the name.
pub async fn a_kill_ends_all_that_the_process_started(factory: &dyn SandboxFactory) {
    let Some(mut place) = Place::new(factory).await else { return };
    place.spec.limits.grace = LONG;
    place.pipe("held");
    let mut session = place.open().await;
    let mut process = spawn(session.as_mut(), &shell(FAMILY)).await;
    let held = place.held("held").await;
    let mut output = process.stdout.take().expect("an output");
    assert_eq!(line(&mut output).await, "begun");
    soon(process.child.kill()).await.expect("it ends");
    held.let_go().await;
    assert!(matches!(exit(&mut process).await, Exit::Signal(_)));
    soon(session.close()).await.expect("nothing is left");
}

/// See the name.
pub async fn a_process_that_will_not_end_is_killed_after_the_grace(factory: &dyn SandboxFactory) {
    let Some(mut place) = Place::new(factory).await else { return };
    place.spec.limits.grace = Duration::from_millis(30);
    place.pipe("held");
    let mut session = place.open().await;
    let stubborn = "trap '' TERM; exec 9>held; echo begun; while :; do sleep 1000; done";
    let mut process = spawn(session.as_mut(), &shell(stubborn)).await;
    let held = place.held("held").await;
    assert_eq!(line(process.stdout.as_mut().expect("an output")).await, "begun");
    soon(process.child.kill()).await.expect("it ends");
    held.let_go().await;
    assert!(matches!(exit(&mut process).await, Exit::Signal(_)));
}

/// See the name.
pub async fn a_process_that_is_asked_to_end_may_say_goodbye(factory: &dyn SandboxFactory) {
    let Some(mut place) = Place::new(factory).await else { return };
    place.spec.limits.grace = LONG;
    let mut session = place.open().await;
    let polite = "trap 'echo bye; exit 0' TERM; echo begun; while :; do read line; done";
    let mut process = spawn(session.as_mut(), &shell(polite)).await;
    let mut output = process.stdout.take().expect("an output");
    assert_eq!(line(&mut output).await, "begun");
    soon(process.child.kill()).await.expect("it ends");
    assert_eq!(rest(output).await, "bye\n");
}

/// See the name.
pub async fn dropping_the_process_ends_it(factory: &dyn SandboxFactory) {
    let Some(mut place) = Place::new(factory).await else { return };
    place.spec.limits.grace = LONG;
    place.pipe("held");
    let mut session = place.open().await;
    let process = spawn(session.as_mut(), &shell(FAMILY)).await;
    let held = place.held("held").await;
    drop(process);
    held.let_go().await;
}

/// See the name.
pub async fn dropping_the_session_ends_all_that_is_in_it(factory: &dyn SandboxFactory) {
    let Some(mut place) = Place::new(factory).await else { return };
    place.spec.limits.grace = LONG;
    for name in ["held", "other"] {
        place.pipe(name);
    }
    let mut session = place.open().await;
    let _first = spawn(session.as_mut(), &shell(FAMILY)).await;
    let _second = spawn(session.as_mut(), &shell("exec 9>other; exec sleep 1000")).await;
    let (first, second) = (place.held("held").await, place.held("other").await);
    drop(session);
    first.let_go().await;
    second.let_go().await;
}

/// See the name.
pub async fn closing_the_session_ends_a_daemon(factory: &dyn SandboxFactory) {
    let Some(mut place) = Place::new(factory).await else { return };
    place.spec.limits.grace = LONG;
    place.pipe("held");
    let mut session = place.open().await;
    // That the pipe is open says that the daemon has begun: nobody else opens it.
    let daemon = "setsid sh -c 'exec 9>held; exec sleep 1000' </dev/null >/dev/null 2>&1 & read line";
    let mut process = spawn(session.as_mut(), &shell(daemon)).await;
    let held = place.held("held").await;
    drop(process.stdin.take());
    exit(&mut process).await;
    soon(session.close()).await.expect("it ends");
    held.let_go().await;
}

/// See the name.
pub async fn processes_of_one_session_end_by_themselves(factory: &dyn SandboxFactory) {
    let Some(place) = Place::new(factory).await else { return };
    let mut session = place.open().await;
    let mut lasting = spawn(session.as_mut(), &shell("read line; exit 1")).await;
    for number in 2..4 {
        let mut process = spawn(session.as_mut(), &shell(&format!("exit {number}"))).await;
        assert_eq!(exit(&mut process).await, Exit::Code(number));
        drop(process);
        assert!(lasting.child.wait().now_or_never().is_none(), "the first one goes on");
    }
    drop(lasting.stdin.take());
    assert_eq!(exit(&mut lasting).await, Exit::Code(1));
}
