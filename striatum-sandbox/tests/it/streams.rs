use std::time::Duration;

use striatum_core::sandbox::{Exit, Limits, Listen};

use crate::support::{Place, exec, exit, line, note, rest, say, shell, stdin, stdout};

#[tokio::test]
async fn input_reaches_the_agent_and_its_end_too() {
    let place = Place::new();
    let mut session = place.open().await;
    let mut process = session.spawn(&exec(["cat"])).await.expect("it starts");
    let mut input = stdin(&mut process);
    let mut output = stdout(&mut process);
    say(&mut input, "hello\n").await;
    assert_eq!(line(&mut output).await, "hello");
    drop(input);
    assert_eq!(rest(output).await, "");
}

#[tokio::test]
async fn the_two_outputs_are_apart_and_hold_nothing_of_ours() {
    let place = Place::new();
    let mut session = place.open().await;
    // A shell would say "Killed" of its child.
    let mut process = session.spawn(&shell("echo out; echo err >&2; kill -9 $$")).await.expect("it starts");
    assert_eq!(rest(stdout(&mut process)).await, "out\n");
    assert_eq!(rest(process.stderr.take().expect("an output")).await, "err\n");
    assert_eq!(exit(&mut process).await, Exit::Signal(9));
}

#[tokio::test]
async fn a_flood_is_cut_and_the_process_still_ends() {
    let mut place = Place::new();
    place.spec.limits.output_bytes = 100_003;
    let mut session = place.open().await;
    let flood = "head -c 104857600 /dev/zero | tr '\\0' x; echo done >&2; exit 3";
    let mut process = session.spawn(&shell(flood)).await.expect("it starts");
    let output = rest(stdout(&mut process)).await;
    assert_eq!(output.len(), 100_003);
    assert_eq!(rest(process.stderr.take().expect("an output")).await, "done\n");
    assert_eq!(exit(&mut process).await, Exit::Code(3));
}

#[tokio::test]
async fn a_child_that_holds_the_output_open_does_not_hang_the_reader() {
    let mut place = Place::new();
    place.spec.limits.grace = Duration::from_millis(1);
    let mut session = place.open().await;
    let mut process = session.spawn(&shell("sleep 1000 & echo $!; exit 4")).await.expect("it starts");
    let mut output = stdout(&mut process);
    let holder = note(&line(&mut output).await);
    assert_eq!(exit(&mut process).await, Exit::Code(4));
    assert_eq!(rest(output).await, "");
    assert!(striatum_sandbox::process::is_alive(&holder), "it was not the holder's end");
    session.close().await.expect("it ends");
    assert!(!striatum_sandbox::process::is_alive(&holder));
}

#[tokio::test]
async fn what_was_written_before_the_end_is_read_after_it() {
    let mut place = Place::new();
    place.spec.limits = Limits::default();
    place.spec.limits.grace = Duration::ZERO;
    let mut session = place.open().await;
    let late = "sleep 1000 & head -c 60000 /dev/zero | tr '\\0' x";
    let mut process = session.spawn(&shell(late)).await.expect("it starts");
    assert_eq!(exit(&mut process).await, Exit::Code(0));
    assert_eq!(rest(stdout(&mut process)).await.len(), 60_000);
}

#[tokio::test]
async fn a_process_reaches_the_host_through_a_listener_that_is_announced_to_it() {
    let place = Place::new();
    let mut session = place.open().await;
    let tools = Listen::new("tools").announced("TOOLS", "tcp://{}/");
    let exec = shell("echo $TOOLS").listening(tools).listening(Listen::new("model"));
    let mut process = session.spawn(&exec).await.expect("it starts");
    let listener = process.take_listener("tools").expect("it was asked for");
    assert!(process.take_listener("model").is_some());
    assert!(process.take_listener("model").is_none());
    let address = listener.local_addr().expect("an address");
    assert_eq!(rest(stdout(&mut process)).await, format!("tcp://{address}/\n"));
    let none_yet = listener.accept().expect_err("it does not block");
    assert_eq!(none_yet.kind(), std::io::ErrorKind::WouldBlock);
}
