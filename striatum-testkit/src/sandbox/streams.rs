//! What flows in and out.
#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a case fails by panicking")]

use striatum_core::sandbox::Exit;

use super::{
    SandboxFactory,
    place::{Place, exit, line, rest, said, say, shell, spawn},
};

/// See the name.
pub async fn input_reaches_the_process_and_so_does_its_end(factory: &dyn SandboxFactory) {
    let Some(place) = Place::new(factory).await else { return };
    let mut session = place.open().await;
    let script = "while read -r line; do echo \"got $line\"; done; exit 5";
    let mut process = spawn(session.as_mut(), &shell(script)).await;
    let mut output = process.stdout.take().expect("an output");
    for word in ["one", "two"] {
        say(&mut process, &format!("{word}\n")).await;
        assert_eq!(line(&mut output).await, format!("got {word}"));
    }
    drop(process.stdin.take());
    assert_eq!(rest(output).await, "");
    assert_eq!(exit(&mut process).await, Exit::Code(5));
}

/// See the name.
pub async fn both_outputs_arrive_apart(factory: &dyn SandboxFactory) {
    let Some(place) = Place::new(factory).await else { return };
    let mut session = place.open().await;
    let mut process = spawn(session.as_mut(), &shell("echo out; echo err >&2")).await;
    assert_eq!(said(&mut process).await, "out\n");
    assert_eq!(rest(process.stderr.take().expect("an output")).await, "err\n");
}

/// See the name.
pub async fn output_beyond_the_limit_is_thrown_away_and_blocks_nobody(factory: &dyn SandboxFactory) {
    let Some(mut place) = Place::new(factory).await else { return };
    place.spec.limits.output_bytes = 1000;
    let mut session = place.open().await;
    let mut process =
        spawn(session.as_mut(), &shell("head -c 3000000 /dev/zero; echo end >&2; exit 3")).await;
    assert_eq!(said(&mut process).await.len(), 1000);
    assert_eq!(rest(process.stderr.take().expect("an output")).await, "end\n");
    assert_eq!(exit(&mut process).await, Exit::Code(3));
}

/// See the name.
pub async fn a_daemon_does_not_keep_the_output_open(factory: &dyn SandboxFactory) {
    let Some(mut place) = Place::new(factory).await else { return };
    place.spec.limits.grace = std::time::Duration::from_millis(50);
    let mut session = place.open().await;
    let mut process = spawn(session.as_mut(), &shell("sleep 1000 & echo said")).await;
    assert_eq!(said(&mut process).await, "said\n");
    assert_eq!(exit(&mut process).await, Exit::Code(0));
}
