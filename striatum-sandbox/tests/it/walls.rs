//! What stands around an agent in namespaces.

use striatum_core::sandbox::{Exit, Isolation, Level, Listen, Sandbox};

use crate::support::{Place, exit, rest, shell, stdout, walls};

#[tokio::test]
async fn the_probe_finds_every_wall_that_is_promised() {
    let Some(sandbox) = walls("the_probe_finds_every_wall_that_is_promised").await else { return };
    let measured = sandbox.measured();
    assert_eq!(measured.breaches, [""; 0], "{measured}");
    let held = Isolation { resources: sandbox.offers().resources, ..Isolation::uniform(Level::Enforced) };
    assert_eq!(sandbox.offers(), held);
}

#[tokio::test]
async fn an_agent_works_in_its_tree_and_talks_to_the_host_through_its_listener() {
    let name = "an_agent_works_in_its_tree_and_talks_to_the_host_through_its_listener";
    let Some(sandbox) = walls(name).await else { return };
    let place = Place::new();
    let mut session = sandbox.open(&place.spec).await.expect("a session");
    let script = "pwd; id -un; echo made >file; ls $HOME /tmp; echo $ADDRESS; exec 3<>/dev/tcp/127.0.0.1/8931; cat <&3; exit 7";
    let mut exec = shell(script);
    exec.argv[0] = "bash".into();
    let exec = exec.listening(Listen::new("tools").announced("ADDRESS", "http://{}"));
    let mut process = session.spawn(&exec).await.expect("it starts");
    let listener = process.take_listener("tools").expect("a listener");
    let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
    let (stream, _) = listener.accept().await.expect("the agent connects");
    tokio::io::AsyncWriteExt::write_all(&mut { stream }, b"hello\n").await.expect("it listens");
    let said = rest(stdout(&mut process)).await;
    let tree = place.spec.tree.display();
    assert_eq!(said, format!("{tree}\nagent\n/home/agent:\n\n/tmp:\nhttp://127.0.0.1:8931\nhello\n"));
    assert_eq!(exit(&mut process).await, Exit::Code(7));
    assert_eq!(std::fs::read_to_string(place.spec.tree.join("file")).expect("a file"), "made\n");
    assert_eq!(place.outcome(), Some(Exit::Code(7)));
    session.close().await.expect("nothing is left");
}
