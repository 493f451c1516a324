//! What is left of a session, and what is on record of it.
#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a case fails by panicking")]

use striatum_core::sandbox::{Exit, Reaped};

use super::{
    SandboxFactory,
    place::{HOLD, Held, LONG, Place, exit, holder, shell, soon, spawn},
};

/// See the name.
pub async fn an_end_of_its_own_is_on_record(factory: &dyn SandboxFactory) {
    for (script, expected) in
        [("exit 0", Exit::Code(0)), ("exit 9", Exit::Code(9)), ("kill -9 $$", Exit::Signal(9))]
    {
        let Some(place) = Place::new(factory).await else { return };
        let mut session = place.open().await;
        let mut process = spawn(session.as_mut(), &shell(script)).await;
        exit(&mut process).await;
        // What runs beside it is not its main process.
        let mut other = spawn(session.as_mut(), &shell("exit 1")).await;
        exit(&mut other).await;
        soon(session.close()).await.expect("nothing is left");
        for _ in 0..2 {
            assert_eq!(place.reap().await, Reaped { killed: 0, outcome: Some(expected) }, "{script}");
        }
    }
}

/// See the name.
pub async fn a_killed_process_has_no_outcome(factory: &dyn SandboxFactory) {
    let Some(mut place) = Place::new(factory).await else { return };
    place.spec.limits.grace = LONG;
    let mut session = place.open().await;
    let mut process = spawn(session.as_mut(), &shell("exec sleep 1000")).await;
    soon(process.child.kill()).await.expect("it ends");
    soon(session.close()).await.expect("nothing is left");
    assert_eq!(place.reap().await, Reaped { killed: 0, outcome: None });
}

/// See the name.
pub async fn reaping_ends_what_runs_and_changes_nothing_the_second_time(factory: &dyn SandboxFactory) {
    let Some(place) = Place::new(factory).await else { return };
    let mut session = place.open().await;
    let mut process = spawn(session.as_mut(), &holder(&format!("{HOLD}; exec sleep 1000"))).await;
    let held = Held::by(&mut process).await;
    let reaped = place.reap().await;
    assert!(reaped.killed > 0 && reaped.outcome.is_none(), "{reaped:?}");
    held.let_go().await;
    assert_eq!(place.reap().await, Reaped { killed: 0, outcome: None });
}

/// See the name.
pub async fn a_folder_that_is_not_there_leaves_nothing_to_reap(factory: &dyn SandboxFactory) {
    let Some(mut place) = Place::new(factory).await else { return };
    place.spec.folder = place.beside("gone");
    assert_eq!(place.reap().await, Reaped { killed: 0, outcome: None });
}

/// See the name.
pub async fn nothing_starts_in_a_session_that_was_reaped(factory: &dyn SandboxFactory) {
    let Some(place) = Place::new(factory).await else { return };
    let mut session = place.open().await;
    place.reap().await;
    soon(session.spawn(&shell("touch started"))).await.expect_err("it is closed");
    assert!(!place.in_tree("started").exists());
}
