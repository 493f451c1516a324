//! What agents say.
#![expect(clippy::expect_used, reason = "a case fails by panicking")]

use std::time::Duration;

use tokio::time::sleep;

use super::{
    Deed::{Complain, EndTurn, Linger},
    TransportFactory, Turns,
    stage::{employ, say},
};

/// No piece of an update is longer, in bytes: "a few kilobytes".
const PIECE: usize = 16 << 10;

pub async fn what_an_agent_says_arrives_in_order(factory: &dyn TransportFactory) {
    let words: Vec<String> = (0..100).map(|number| format!("word {number}\n")).collect();
    let deeds: Vec<_> = words.iter().map(|word| say(word.clone())).chain([EndTurn]).collect();
    let story = employ(factory, deeds).await.work(factory.turns()).await;
    assert_eq!(story.out, words.concat());
}

pub async fn what_it_complains_of_is_told_apart(factory: &dyn TransportFactory) {
    let deeds = [Complain("oh no\n".to_owned()), say("fine\n"), EndTurn];
    let mut scene = employ(factory, deeds).await;
    let mut story = scene.work(factory.turns()).await;
    while factory.turns() == Turns::Many && story.err.is_empty() {
        story.note(super::stage::soon(scene.session.next()).await.expect("well").expect("more"));
    }
    assert_eq!((story.out.as_str(), story.err.as_str()), ("fine\n", "oh no\n"));
}

pub async fn a_long_text_comes_in_pieces(factory: &dyn TransportFactory) {
    let text = "abcdefgh".repeat(64 << 10);
    let story = employ(factory, [say(text.clone()), EndTurn]).await.work(factory.turns()).await;
    assert!(story.out == text, "it arrives whole");
    assert!(story.pieces.iter().all(|piece| *piece <= PIECE), "{:?}", story.pieces.iter().max());
}

pub async fn no_piece_ends_within_a_character(factory: &dyn TransportFactory) {
    // Of three bytes each, so that no power of two ends between two of them.
    let text = "€".repeat(50_000);
    let story = employ(factory, [say(text.clone()), EndTurn]).await.work(factory.turns()).await;
    assert!(story.out == text, "nothing is cut or replaced");
}

pub async fn many_small_words_arrive(factory: &dyn TransportFactory) {
    let deeds = (0..5_000).map(|_| say("x")).chain([EndTurn]);
    let story = employ(factory, deeds).await.work(factory.turns()).await;
    assert_eq!(story.out, "x".repeat(5_000));
}

pub async fn control_characters_arrive_as_they_are(factory: &dyn TransportFactory) {
    let text = "a\r\nb\tc\u{1b}[31mred\u{1b}[0m\u{7}\u{0}\"\\{}\n";
    let story = employ(factory, [say(text), EndTurn]).await.work(factory.turns()).await;
    assert_eq!(story.out, text);
}

pub async fn the_last_words_before_the_end_arrive(factory: &dyn TransportFactory) {
    let last = "l".repeat(10_000);
    let deeds = [say(last.clone()), super::Deed::End(striatum_core::sandbox::Exit::Code(1))];
    let story = employ(factory, deeds).await.story().await;
    assert_eq!((story.out, story.exits.len()), (last, 1));
}

pub async fn complaints_alone_do_not_end_a_session(factory: &dyn TransportFactory) {
    let deeds = [Complain("warning: old\n".repeat(100)), say("done"), EndTurn];
    let story = employ(factory, deeds).await.work(factory.turns()).await;
    assert_eq!((story.out.as_str(), story.errors.len()), ("done", 0));
}

pub async fn complaints_without_end_do_not_hold_an_agent_up(factory: &dyn TransportFactory) {
    let deeds = [Complain("c".repeat(4 << 20)), say("done"), EndTurn];
    let story = employ(factory, deeds).await.work(factory.turns()).await;
    assert_eq!(story.out, "done");
}

pub async fn an_agent_that_says_nothing_says_nothing(factory: &dyn TransportFactory) {
    let story = employ(factory, [EndTurn]).await.work(factory.turns()).await;
    assert_eq!((story.out.as_str(), story.err.as_str()), ("", ""));
}

pub async fn a_flood_waits_for_its_reader(factory: &dyn TransportFactory) {
    const PIECES: usize = 256;
    let text = "f".repeat(64 << 10);
    let deeds: Vec<_> = (0..PIECES).map(|_| say(text.clone())).chain([EndTurn, Linger]).collect();
    let mut scene = employ(factory, deeds).await;
    sleep(Duration::from_secs(60)).await;
    let unread = scene.witness.written();
    assert!(unread < 8 << 20, "{unread} bytes were taken that nobody has asked for");
    let story = scene.work(factory.turns()).await;
    assert_eq!(story.out.len(), PIECES * text.len());
}
