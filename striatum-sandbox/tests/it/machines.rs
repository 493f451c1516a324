//! What stands around an agent in a machine.

use striatum_core::sandbox::{Exit, Isolation, Level, Listen, Sandbox};

use crate::support::{Place, exit, machines_with, rest, shell, stdout};

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_works_in_a_machine_as_it_does_behind_walls() {
    let name = "an_agent_works_in_a_machine_as_it_does_behind_walls";
    let Some(sandbox) = machines_with(name, |builder| builder).await else { return };
    assert_eq!(sandbox.measured().breaches, [""; 0]);
    assert_eq!(sandbox.offers(), Isolation::uniform(Level::Enforced));
    let place = Place::new();
    let mut session = sandbox.open(&place.spec).await.expect("a session");
    let script = "pwd; id -un; echo made >file; ls $HOME /tmp; echo $ADDRESS; exec 3<>/dev/tcp/127.0.0.1/${ADDRESS##*:}; cat <&3; exit 7";
    let mut exec = shell(script);
    exec.argv[0] = "bash".into();
    let exec = exec.listening(Listen::new("tools").announced("ADDRESS", "http://{}"));
    let mut process = session.spawn(&exec).await.expect("it starts");
    let listener = process.take_listener("tools").expect("a listener");
    let address = listener.local_addr().expect("an address");
    let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
    let (stream, _) = listener.accept().await.expect("the agent connects");
    tokio::io::AsyncWriteExt::write_all(&mut { stream }, b"hello\n").await.expect("it listens");
    let said = rest(stdout(&mut process)).await;
    let tree = place.spec.tree.display();
    assert_eq!(said, format!("{tree}\nagent\n/home/agent:\n\n/tmp:\nhttp://{address}\nhello\n"));
    assert_eq!(exit(&mut process).await, Exit::Code(7));
    assert_eq!(std::fs::read_to_string(place.spec.tree.join("file")).expect("a file"), "made\n");
    assert_eq!(place.outcome(), Some(Exit::Code(7)));
    session.close().await.expect("nothing is left");
}
