//! Endpoints of the host that a process can reach.
#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a case fails by panicking")]

use striatum_core::sandbox::{Exec, Listen, Process};
use tokio::{io::AsyncWriteExt as _, net::TcpListener};

use super::{
    SandboxFactory,
    place::{Place, said, shell, soon, spawn},
};

/// Reads what comes from the address in `TOOLS`, which is `tcp:HOST:PORT`.
const READS: &str = "IFS=: read -r _ host port <<<\"$TOOLS\"; exec 3<>/dev/tcp/$host/$port; cat <&3";

fn tools() -> Exec {
    Exec::new(["bash", "-c", READS]).listening(Listen::new("tools").announced("TOOLS", "tcp:{}"))
}

/// Answers one connection with these words.
async fn answer(process: &mut Process, words: &str) {
    let listener = process.take_listener("tools").expect("it was asked for");
    let listener = TcpListener::from_std(listener).expect("it does not block");
    let (mut stream, _) = soon(listener.accept()).await.expect("the process connects");
    soon(stream.write_all(words.as_bytes())).await.expect("it listens");
}

/// See the name.
pub async fn a_process_reaches_the_host_through_its_listener(factory: &dyn SandboxFactory) {
    let Some(place) = Place::new(factory).await else { return };
    let mut session = place.open().await;
    let mut process = spawn(session.as_mut(), &tools()).await;
    answer(&mut process, "hello").await;
    assert_eq!(said(&mut process).await, "hello");
}

/// See the name.
pub async fn a_listener_has_the_address_that_is_announced(factory: &dyn SandboxFactory) {
    let Some(place) = Place::new(factory).await else { return };
    let mut session = place.open().await;
    for _ in 0..2 {
        let exec = shell("echo $TOOLS $MODEL").listening(Listen::new("tools").announced("TOOLS", "{}"));
        let exec = exec.listening(Listen::new("model").announced("MODEL", "{}"));
        let mut process = spawn(session.as_mut(), &exec).await;
        let addresses: Vec<String> = process
            .listeners
            .iter()
            .map(|(_, listener)| listener.local_addr().expect("an address").to_string())
            .collect();
        assert_eq!(said(&mut process).await, format!("{}\n", addresses.join(" ")));
    }
}

/// See the name.
pub async fn listeners_come_by_name_and_do_not_block(factory: &dyn SandboxFactory) {
    let Some(place) = Place::new(factory).await else { return };
    let mut session = place.open().await;
    let exec = Exec::new(["cat"]).listening(Listen::new("tools")).listening(Listen::new("model"));
    let mut process = spawn(session.as_mut(), &exec).await;
    let names: Vec<&str> = process.listeners.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["tools", "model"]);
    let model = process.take_listener("model").expect("it was asked for");
    assert!(process.take_listener("model").is_none());
    let none_yet = model.accept().expect_err("nobody connects");
    assert_eq!(none_yet.kind(), std::io::ErrorKind::WouldBlock);
    let tools = process.take_listener("tools").expect("it was asked for");
    assert_ne!(tools.local_addr().expect("an address"), model.local_addr().expect("an address"));
}

/// See the name.
pub async fn processes_with_the_same_listener_do_not_meet(factory: &dyn SandboxFactory) {
    let Some(place) = Place::new(factory).await else { return };
    let mut session = place.open().await;
    let mut first = spawn(session.as_mut(), &tools()).await;
    let mut second = spawn(session.as_mut(), &tools()).await;
    answer(&mut second, "second").await;
    answer(&mut first, "first").await;
    assert_eq!(said(&mut first).await, "first");
    assert_eq!(said(&mut second).await, "second");
}
