use std::time::Duration;

use futures_util::FutureExt;
use striatum_core::sandbox::Exit;
use striatum_sandbox::process::is_alive;

use crate::support::{LONG, Place, exec, exit, line, note, rest, shell, soon, stdin, stdout, until};

/// Says its number and that of a child, and goes on until it is ended.
const FAMILY: &str = "sleep 1000 & echo $$; echo $!; wait";

#[tokio::test]
async fn an_end_of_its_own_is_told_and_recorded_alike() {
    for (script, expected) in [
        ("exit 0", Exit::Code(0)),
        ("exit 7", Exit::Code(7)),
        ("exit 128", Exit::Code(128)),
        ("exit 255", Exit::Code(255)),
        ("kill -TERM $$", Exit::Signal(15)),
        ("kill -KILL $$", Exit::Signal(9)),
        ("kill -SEGV $$", Exit::Signal(11)),
    ] {
        let place = Place::new();
        let mut session = place.open().await;
        let mut process = session.spawn(&shell(script)).await.expect("it starts");
        assert_eq!(exit(&mut process).await, expected, "{script}");
        assert_eq!(exit(&mut process).await, expected, "{script}, asked again");
        assert_eq!(place.outcome(), Some(expected), "{script}");
        process.child.kill().await.expect("there is nothing to kill");
        drop(process);
        session.close().await.expect("nothing is left");
        assert_eq!(place.outcome(), Some(expected), "{script}, after the close");
    }
}

#[tokio::test]
async fn a_process_is_on_record_before_its_agent_starts() {
    let place = Place::new();
    let mut session = place.open().await;
    let script = format!("cat \"{}\"", "$HOME/../process");
    let mut process = session.spawn(&shell(&script)).await.expect("it starts");
    let record = place.leader();
    let read = rest(stdout(&mut process)).await;
    assert_eq!(
        serde_json::from_str::<striatum_sandbox::process::ProcessRecord>(&read).expect("a record"),
        record
    );
}

#[tokio::test]
async fn waiting_may_be_given_up_and_taken_up() {
    let place = Place::new();
    let mut session = place.open().await;
    let mut process = session.spawn(&shell("read line; exit 6")).await.expect("it starts");
    for _ in 0..3 {
        assert!(process.child.wait().now_or_never().is_none());
    }
    drop(stdin(&mut process));
    assert_eq!(exit(&mut process).await, Exit::Code(6));
}

#[tokio::test]
async fn a_kill_takes_the_whole_group_and_leaves_no_outcome() {
    let mut place = Place::new();
    place.spec.limits.grace = LONG;
    let mut session = place.open().await;
    let mut process = session.spawn(&shell(FAMILY)).await.expect("it starts");
    let mut output = stdout(&mut process);
    let (agent, grandchild) = (note(&line(&mut output).await), note(&line(&mut output).await));
    let leader = place.leader();
    assert!([&leader, &agent, &grandchild].into_iter().all(is_alive));
    soon(process.child.kill()).await.expect("it ends");
    assert!(![&leader, &agent, &grandchild].into_iter().any(is_alive));
    assert_eq!(exit(&mut process).await, Exit::Signal(15));
    session.close().await.expect("nothing is left");
    assert_eq!(place.outcome(), None);
}

#[tokio::test]
async fn an_agent_that_will_not_end_is_killed_after_the_grace() {
    let mut place = Place::new();
    place.spec.limits.grace = Duration::from_millis(20);
    let mut session = place.open().await;
    let stubborn = "trap '' TERM; echo $$; while :; do sleep 1000; done";
    let mut process = session.spawn(&shell(stubborn)).await.expect("it starts");
    let agent = note(&line(&mut stdout(&mut process)).await);
    soon(process.child.kill()).await.expect("it ends");
    assert!(!is_alive(&agent));
    assert_eq!(place.outcome(), None);
}

#[tokio::test]
async fn an_agent_that_ends_well_when_it_is_told_to_has_still_no_outcome() {
    let mut place = Place::new();
    place.spec.limits.grace = LONG;
    let mut session = place.open().await;
    let polite = "trap 'echo bye; exit 0' TERM; echo $$; while :; do read line; done";
    let mut process = session.spawn(&shell(polite)).await.expect("it starts");
    let mut output = stdout(&mut process);
    let agent = note(&line(&mut output).await);
    let _input = stdin(&mut process);
    soon(process.child.kill()).await.expect("it ends");
    assert!(!is_alive(&agent));
    assert_eq!(rest(output).await, "bye\n");
    assert_eq!(place.outcome(), None);
}

#[tokio::test]
async fn dropping_the_process_kills_its_group() {
    let mut place = Place::new();
    place.spec.limits.grace = LONG;
    let mut session = place.open().await;
    let mut process = session.spawn(&shell(FAMILY)).await.expect("it starts");
    let mut output = stdout(&mut process);
    let family = [line(&mut output).await, line(&mut output).await].map(|pid| note(&pid));
    drop(process);
    until("the group ends", || !family.iter().any(is_alive));
    assert_eq!(place.outcome(), None);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_daemon_that_left_its_group_is_found_by_the_close() {
    let mut place = Place::new();
    place.spec.limits.grace = LONG;
    let mut session = place.open().await;
    let mut process = session
        .spawn(&exec(["setsid", "--fork", "sh", "-c", "echo $$; exec sleep 1000"]))
        .await
        .expect("it starts");
    let daemon = note(&line(&mut stdout(&mut process)).await);
    assert_eq!(exit(&mut process).await, Exit::Code(0));
    process.child.kill().await.expect("its group is empty");
    assert!(is_alive(&daemon), "it is not in the group");
    soon(session.close()).await.expect("it ends");
    assert!(!is_alive(&daemon));
    assert_eq!(place.outcome(), Some(Exit::Code(0)));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn dropping_the_session_kills_all_that_is_in_it() {
    let place = Place::new();
    let mut session = place.open().await;
    let mut first = session.spawn(&shell(FAMILY)).await.expect("it starts");
    let mut second =
        session.spawn(&exec(["setsid", "sh", "-c", "echo $$; exec sleep 1000"])).await.expect("it starts");
    assert!(place.record("process.2").exists());
    let (mut family, mut daemon) = (stdout(&mut first), stdout(&mut second));
    let all = [line(&mut family).await, line(&mut daemon).await].map(|pid| note(&pid));
    drop(session);
    until("all end", || !all.iter().any(is_alive));
    assert_eq!(soon(first.child.wait()).await.expect("its end"), Exit::Signal(9));
}

#[tokio::test]
async fn a_later_process_has_records_of_its_own() {
    let place = Place::new();
    let mut session = place.open().await;
    for (number, suffix) in [(1, ""), (2, ".2"), (3, ".3")] {
        let mut process = session.spawn(&shell(&format!("exit {number}"))).await.expect("it starts");
        assert_eq!(exit(&mut process).await, Exit::Code(number));
        let outcome = std::fs::read_to_string(place.record(&format!("outcome{suffix}"))).expect("an outcome");
        assert_eq!(outcome, format!("{{\"code\":{number}}}\n"));
    }
    assert_eq!(place.outcome(), Some(Exit::Code(1)));
}
