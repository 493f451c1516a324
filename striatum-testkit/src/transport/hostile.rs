//! Agents that are up to no good, or broken.
#![expect(clippy::expect_used, reason = "a case fails by panicking")]

use striatum_core::{sandbox::Exit, transport::AgentSession};

use super::{
    Deed::{self, End, Linger, Raw},
    TransportFactory, puppet,
    stage::{Scene, employ, soon, spec, try_meet},
};

/// Whatever is made of it: it is told at most once that something is wrong, the end is told once, and no process is left.
async fn survived(mut scene: Scene) {
    let story = scene.story().await;
    assert_eq!(story.exits.len(), 1, "{:?}", story.errors);
    let Scene { session, mut witness } = scene;
    soon(session.close()).await.expect("it has ended");
    soon(witness.gone()).await;
}

pub async fn bytes_that_are_no_text_break_nothing(factory: &dyn TransportFactory) {
    let bytes: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    survived(employ(factory, [Raw(bytes), Raw(b"\n".to_vec()), End(Exit::Code(0))]).await).await;
}

pub async fn garbage_breaks_nothing(factory: &dyn TransportFactory) {
    for line in ["garbage\n", "{}\n", "[1, 2]\n", "null\n", "{\"jsonrpc\": \"2.0\"}\n", "\n"] {
        let garbage = Raw(line.repeat(2_000).into_bytes());
        survived(employ(factory, [garbage, End(Exit::Code(0))]).await).await;
    }
}

pub async fn a_line_without_end_breaks_nothing(factory: &dyn TransportFactory) {
    let endless = Raw(vec![b'x'; 20 << 20]);
    survived(employ(factory, [endless, End(Exit::Code(0))]).await).await;
}

pub async fn an_agent_that_says_nothing_sensible_is_bounded(factory: &dyn TransportFactory) {
    for script in [
        vec![End(Exit::Code(1))],
        vec![Raw(b"hello\n".repeat(1_000)), End(Exit::Code(0))],
        vec![Raw(vec![0xff; 100]), Raw(b"\n".to_vec()), End(Exit::Code(0))],
        vec![Deed::CloseOutputs, Linger],
    ] {
        let (session, mut witness) = try_meet(factory, script, &spec()).await;
        // There is an error or a session, and either leaves no process.
        if let Ok(session) = session {
            soon(session.close()).await.expect("it is ended");
        }
        soon(witness.gone()).await;
    }
}

pub async fn a_process_without_streams_is_no_session(factory: &dyn TransportFactory) {
    let (mut process, mut witness) = puppet::start(|puppet| factory.play(puppet, vec![Linger]));
    (process.stdin, process.stdout, process.stderr) = (None, None, None);
    let refused = match soon(factory.transport().connect(process, &spec())).await {
        Err(_) => true,
        Ok(mut session) => given_nothing(session.as_mut()).await,
    };
    assert!(refused, "there is nobody to be given a task");
    soon(witness.gone()).await;
}

async fn given_nothing(session: &mut dyn AgentSession) -> bool {
    let task = striatum_core::transport::Prompt { text: "Work.".to_owned() };
    soon(session.prompt(&task)).await.is_err()
}
