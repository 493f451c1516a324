//! Whoever listens to agents.
#![expect(clippy::expect_used, reason = "a case fails by panicking")]

use std::time::Duration;

use striatum_core::sandbox::Exit;
use tokio::time::timeout;

use super::{
    Deed::{End, EndTurn},
    TransportFactory,
    stage::{Story, employ, say, soon},
};

pub async fn whoever_stops_listening_loses_nothing(factory: &dyn TransportFactory) {
    let words: Vec<String> = (0..300).map(|number| format!("{number} {}\n", "w".repeat(500))).collect();
    let deeds: Vec<_> = words.iter().map(|word| say(word.clone())).chain([End(Exit::Code(0))]).collect();
    let mut scene = employ(factory, deeds).await;
    let mut story = Story::default();
    loop {
        // Most of these end at once, in the middle of whatever is being done.
        match timeout(Duration::ZERO, scene.session.next()).await {
            Err(_) => tokio::task::yield_now().await,
            Ok(update) => match update.expect("nothing is wrong") {
                Some(update) => story.note(update),
                None => break,
            },
        }
    }
    assert!(story.out == words.concat(), "{} bytes", story.out.len());
    assert_eq!(story.exits, [Exit::Code(0)]);
}

pub async fn whoever_stops_listening_still_learns_of_the_end(factory: &dyn TransportFactory) {
    let mut scene = employ(factory, [End(Exit::Code(5))]).await;
    for _ in 0..3 {
        if let Ok(Ok(Some(update))) = timeout(Duration::ZERO, scene.session.next()).await {
            let mut story = Story::default();
            story.note(update);
            assert_eq!(story.exits, [Exit::Code(5)]);
            return;
        }
    }
    assert_eq!(scene.story().await.exits, [Exit::Code(5)]);
}

pub async fn two_sessions_do_not_mix(factory: &dyn TransportFactory) {
    let mut one = employ(factory, [say("one"), EndTurn]).await;
    let mut two = employ(factory, [say("two"), EndTurn]).await;
    let turns = factory.turns();
    let (one, two) = tokio::join!(one.work(turns), two.work(turns));
    assert_eq!((one.out.as_str(), two.out.as_str()), ("one", "two"));
}

pub async fn a_session_may_be_handed_on(factory: &dyn TransportFactory) {
    let mut scene = employ(factory, [say("x"), End(Exit::Code(0))]).await;
    let told = tokio::spawn(async move {
        let story = scene.story().await;
        (scene, story)
    });
    let (scene, story) = soon(told).await.expect("it ends");
    assert_eq!(story.out, "x");
    soon(scene.session.close()).await.expect("it has ended");
}
