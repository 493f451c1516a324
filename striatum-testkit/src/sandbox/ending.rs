//! How processes end.
#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a case fails by panicking")]

use std::time::Duration;

use futures_util::FutureExt as _;
use striatum_core::sandbox::{Exec, Exit};

use super::{
    SandboxFactory,
    place::{HOLD, Held, LONG, Place, exit, holder, line, rest, shell, soon, spawn},
};

/// Holds a connection, has a child that does too, and goes on until it is ended.
fn family() -> Exec {
    holder(&format!("{HOLD}; sleep 1000 & echo begun; wait"))
}

/// See the name.
pub async fn an_end_of_its_own_is_told_as_often_as_it_is_asked_for(factory: &dyn SandboxFactory) {
    let Some(place) = Place::new(factory).await else { return };
    let mut session = place.open().await;
    for (script, expected) in [
        ("exit 0", Exit::Code(0)),
        ("exit 7", Exit::Code(7)),
        ("exit 255", Exit::Code(255)),
        ("kill -TERM $$", Exit::Signal(15)),
        ("kill -KILL $$", Exit::Signal(9)),
        ("kill -SEGV $$", Exit::Signal(11)),
    ] {
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
    let mut session = place.open().await;
    let mut process = spawn(session.as_mut(), &family()).await;
    let held = Held::by(&mut process).await;
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
    let mut session = place.open().await;
    let stubborn = holder(&format!("trap '' TERM; {HOLD}; echo begun; while :; do sleep 1000; done"));
    let mut process = spawn(session.as_mut(), &stubborn).await;
    let held = Held::by(&mut process).await;
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
    let mut session = place.open().await;
    let mut process = spawn(session.as_mut(), &family()).await;
    let held = Held::by(&mut process).await;
    drop(process);
    held.let_go().await;
}

/// See the name.
pub async fn dropping_the_session_ends_all_that_is_in_it(factory: &dyn SandboxFactory) {
    let Some(mut place) = Place::new(factory).await else { return };
    place.spec.limits.grace = LONG;
    let mut session = place.open().await;
    let mut first = spawn(session.as_mut(), &family()).await;
    let mut second = spawn(session.as_mut(), &holder(&format!("{HOLD}; exec sleep 1000"))).await;
    let (one, other) = (Held::by(&mut first).await, Held::by(&mut second).await);
    drop(session);
    one.let_go().await;
    other.let_go().await;
}

/// See the name.
pub async fn closing_the_session_ends_a_daemon(factory: &dyn SandboxFactory) {
    let Some(mut place) = Place::new(factory).await else { return };
    place.spec.limits.grace = LONG;
    let mut session = place.open().await;
    // That the connection is there says that the daemon has begun: nobody else makes it.
    let daemon = format!("setsid bash -c '{HOLD}; exec sleep 1000' </dev/null >/dev/null 2>&1 & read line");
    let mut process = spawn(session.as_mut(), &holder(&daemon)).await;
    let held = Held::by(&mut process).await;
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
