//! Agents that are told to stop.
#![expect(clippy::expect_used, reason = "a case fails by panicking")]

use striatum_core::{sandbox::Exit, transport::Outcome};

use super::{
    Deed::{End, HeedCancel, Linger},
    TransportFactory, Turns,
    stage::{employ, meet, say, soon},
};

pub async fn an_agent_that_is_cancelled_stops(factory: &dyn TransportFactory) {
    let mut scene = employ(factory, [say("x"), HeedCancel, Linger]).await;
    soon(scene.session.cancel()).await.expect("it is told");
    let story = scene.work(factory.turns()).await;
    match factory.turns() {
        Turns::One => assert_eq!(story.exits.len(), 1),
        Turns::Many => assert_eq!(story.outcomes, [Outcome::Cancelled]),
    }
}

pub async fn cancelling_twice_is_cancelling_once(factory: &dyn TransportFactory) {
    let mut scene = employ(factory, [HeedCancel, End(Exit::Code(0))]).await;
    for _ in 0..3 {
        soon(scene.session.cancel()).await.expect("it is told");
    }
    let story = scene.story().await;
    assert!(story.outcomes.len() <= 1 && story.exits.len() == 1, "{story:?}");
}

pub async fn cancelling_before_a_task_does_no_harm(factory: &dyn TransportFactory) {
    let mut scene = meet(factory, [End(Exit::Code(0))]).await;
    soon(scene.session.cancel()).await.expect("there is nothing to cancel");
    assert_eq!(scene.story().await.exits.len(), 1);
}

pub async fn cancelling_after_the_end_does_no_harm(factory: &dyn TransportFactory) {
    let mut scene = employ(factory, [End(Exit::Code(3))]).await;
    assert_eq!(scene.story().await.exits, [Exit::Code(3)]);
    soon(scene.session.cancel()).await.expect("there is nothing to cancel");
    assert_eq!(soon(scene.session.next()).await.expect("nothing is wrong"), None);
}

pub async fn an_agent_may_die_while_it_is_cancelled(factory: &dyn TransportFactory) {
    let mut scene = employ(factory, [say("x"), End(Exit::Code(3))]).await;
    // It may be gone before it hears of it.
    let _ = soon(scene.session.cancel()).await;
    assert_eq!(scene.story().await.exits.len(), 1);
}

pub async fn an_agent_that_ignores_a_cancel_is_ended(factory: &dyn TransportFactory) {
    let mut scene = employ(factory, [Linger]).await;
    soon(scene.session.cancel()).await.expect("it is told");
    assert_eq!(scene.story().await.exits, [Exit::Signal(9)]);
    soon(scene.witness.gone()).await;
}
