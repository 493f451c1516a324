//! How agents and sessions end.
#![expect(clippy::expect_used, reason = "a case fails by panicking")]

use striatum_core::sandbox::Exit;

use super::{
    Deed::{self, CloseOutputs, End, EndTurn, Linger, Raw},
    TransportFactory,
    stage::{Scene, employ, meet, say, soon, spec, try_meet},
};

pub async fn an_end_is_told_once_and_then_nothing(factory: &dyn TransportFactory) {
    let mut scene = employ(factory, [End(Exit::Code(0))]).await;
    assert_eq!(scene.story().await.exits, [Exit::Code(0)]);
    for _ in 0..3 {
        assert_eq!(soon(scene.session.next()).await.expect("nothing is wrong"), None);
    }
}

pub async fn an_end_has_the_status_of_its_process(factory: &dyn TransportFactory) {
    for status in [0, 1, 3, 255] {
        let story = employ(factory, [say("x"), End(Exit::Code(status))]).await.story().await;
        assert_eq!(story.exits, [Exit::Code(status)]);
    }
}

pub async fn a_signal_is_told_as_such(factory: &dyn TransportFactory) {
    let story = employ(factory, [say("x"), End(Exit::Signal(11))]).await.story().await;
    assert_eq!(story.exits, [Exit::Signal(11)]);
}

pub async fn an_agent_may_die_before_it_has_a_task(factory: &dyn TransportFactory) {
    let mut scene = meet(factory, [End(Exit::Code(2))]).await;
    // Whether it is noticed yet is chance.
    let _ = scene.prompt("Work.").await;
    assert_eq!(scene.story().await.exits, [Exit::Code(2)]);
}

pub async fn an_agent_may_die_with_half_of_its_task(factory: &dyn TransportFactory) {
    let mut scene = meet(factory, [say("x"), End(Exit::Code(2))]).await;
    let _ = scene.prompt(&"x".repeat(4 << 20)).await;
    assert_eq!(scene.story().await.exits, [Exit::Code(2)]);
}

pub async fn an_agent_may_die_with_its_task(factory: &dyn TransportFactory) {
    assert_eq!(employ(factory, [End(Exit::Code(2))]).await.story().await.exits, [Exit::Code(2)]);
}

pub async fn an_agent_may_die_in_the_middle_of_a_word(factory: &dyn TransportFactory) {
    let half = br#"{"jsonrpc": "2.0", "method": "sess"#.to_vec();
    let deeds = [Raw(half), Raw(vec![0xe2, 0x82]), End(Exit::Signal(9))];
    assert_eq!(employ(factory, deeds).await.story().await.exits.len(), 1);
}

pub async fn an_agent_that_dies_wakes_whoever_listens(factory: &dyn TransportFactory) {
    let mut scene = employ(factory, [End(Exit::Code(4))]).await;
    let listening = tokio::spawn(async move { scene.story().await });
    assert_eq!(soon(listening).await.expect("it ends").exits, [Exit::Code(4)]);
}

async fn close(scene: Scene) {
    let Scene { session, mut witness } = scene;
    soon(session.close()).await.expect("it is ended");
    soon(witness.gone()).await;
}

pub async fn closing_ends_the_process(factory: &dyn TransportFactory) {
    close(employ(factory, [say("x"), Linger]).await).await;
}

pub async fn closing_after_the_end_does_no_harm(factory: &dyn TransportFactory) {
    let mut scene = employ(factory, [End(Exit::Code(0))]).await;
    scene.story().await;
    close(scene).await;
}

pub async fn closing_ends_an_agent_that_reads_nothing(factory: &dyn TransportFactory) {
    let mut scene = meet(factory, [Linger]).await;
    scene.prompt(&"x".repeat(1 << 20)).await.expect("it is taken");
    close(scene).await;
}

pub async fn closing_ends_an_agent_that_floods(factory: &dyn TransportFactory) {
    let flood = (0..1_000).map(|_| say("f".repeat(64 << 10)));
    close(employ(factory, flood).await).await;
}

pub async fn closing_ends_an_agent_whose_outputs_are_closed(factory: &dyn TransportFactory) {
    close(employ(factory, [CloseOutputs, Linger]).await).await;
}

pub async fn a_dropped_session_leaves_no_process(factory: &dyn TransportFactory) {
    let Scene { session, mut witness } = employ(factory, [say("x"), Linger]).await;
    drop(session);
    soon(witness.gone()).await;
}

pub async fn a_session_that_was_never_used_leaves_no_process(factory: &dyn TransportFactory) {
    let script = vec![Deed::Meet, EndTurn, Linger];
    let (session, mut witness) = try_meet(factory, script, &spec()).await;
    drop(session);
    soon(witness.gone()).await;
}
