//! Tasks on their way to agents.
#![expect(clippy::expect_used, reason = "a case fails by panicking")]

use striatum_core::{
    sandbox::Exit,
    transport::{Outcome, TransportErrorKind},
};

use super::{
    Deed::{Echo, EndTurn, HearTask, Linger},
    TransportFactory, Turns,
    stage::{employ, meet, say},
};

async fn echoed(factory: &dyn TransportFactory, task: &str) {
    let mut scene = meet(factory, [HearTask, Echo, EndTurn]).await;
    scene.prompt(task).await.expect("it is taken");
    let story = scene.work(factory.turns()).await;
    assert!(story.out == task, "{} bytes of {}", story.out.len(), task.len());
}

pub async fn a_task_arrives_word_for_word(factory: &dyn TransportFactory) {
    echoed(factory, "# Do it\n\n> \"quoted\" \\n €𝄞\r\n\tand more {\"json\": [1]}\n\u{0}").await;
}

pub async fn a_task_of_a_megabyte_arrives(factory: &dyn TransportFactory) {
    echoed(factory, &"Bitte schön. €\n".repeat(64 << 10)).await;
}

pub async fn an_empty_task_is_a_task(factory: &dyn TransportFactory) {
    echoed(factory, "").await;
}

pub async fn a_task_is_taken_before_it_is_read(factory: &dyn TransportFactory) {
    let mut scene = meet(factory, [Linger]).await;
    scene.prompt(&"x".repeat(2 << 20)).await.expect("it is taken");
}

pub async fn a_second_task_at_once_is_refused(factory: &dyn TransportFactory) {
    let mut scene = employ(factory, [Linger]).await;
    let refused = scene.prompt("And this.").await.expect_err("one at a time");
    assert_eq!(refused.kind, TransportErrorKind::Unsupported);
}

pub async fn a_task_after_the_end_is_refused(factory: &dyn TransportFactory) {
    let mut scene = employ(factory, [super::Deed::End(Exit::Code(0))]).await;
    scene.story().await;
    scene.prompt("And this.").await.expect_err("nobody is there");
}

pub async fn a_task_follows_another_or_is_refused(factory: &dyn TransportFactory) {
    let deeds = [say("one"), EndTurn, HearTask, say("two"), EndTurn, Linger];
    let mut scene = employ(factory, deeds).await;
    assert_eq!(scene.work(factory.turns()).await.out, "one");
    let second = scene.prompt("And this.").await;
    match factory.turns() {
        Turns::One => assert!(second.is_err(), "its end was its answer"),
        Turns::Many => {
            second.expect("it is taken");
            assert_eq!(scene.work(Turns::Many).await.out, "two");
        }
    }
}

pub async fn a_finished_task_is_told_of(factory: &dyn TransportFactory) {
    let story = employ(factory, [say("done"), EndTurn]).await.work(factory.turns()).await;
    match factory.turns() {
        Turns::One => assert_eq!(story.exits, [Exit::Code(0)]),
        Turns::Many => assert_eq!(story.outcomes, [Outcome::Finished]),
    }
}
