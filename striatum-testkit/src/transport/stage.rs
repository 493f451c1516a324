//! What the cases share.
#![expect(clippy::expect_used, clippy::panic, reason = "a case fails by panicking")]

use std::{future::Future, time::Duration};

use striatum_core::{
    id::{Fence, JobId, RunId, SessionId},
    sandbox::Exit,
    transport::{
        AgentSession, AgentUpdate, Outcome, Prompt, SessionSpec, Stream, TransportError, TransportErrorKind,
    },
};
use tokio::time::timeout;

use super::{
    Deed, TransportFactory, Turns,
    puppet::{self, Witness},
};

/// Longer than any limit of a transport. The clock is paused, so it costs nothing.
const HANG: Duration = Duration::from_secs(1_000_000);

pub(super) async fn soon<T>(act: impl Future<Output = T>) -> T {
    timeout(HANG, act).await.expect("it hangs")
}

/// A session with a puppet.
pub(super) struct Scene {
    pub(super) session: Box<dyn AgentSession>,
    pub(super) witness: Witness,
}

pub(super) fn spec() -> SessionSpec {
    let job = JobId::new("draft").expect("a name");
    let fence =
        Fence { run: RunId::from_bytes([1; 16]), job, epoch: 1, session: SessionId::from_bytes([2; 16]) };
    SessionSpec::new(fence, "/tree")
}

/// Opens a session with an agent that may be too bad for one.
pub(super) async fn try_meet(
    factory: &dyn TransportFactory,
    script: Vec<Deed>,
    spec: &SessionSpec,
) -> (Result<Box<dyn AgentSession>, TransportError>, Witness) {
    let (process, witness) = puppet::start(|puppet| factory.play(puppet, script));
    (soon(factory.transport().connect(process, spec)).await, witness)
}

/// Opens a session with an agent that introduces itself and then does this.
pub(super) async fn meet(factory: &dyn TransportFactory, deeds: impl IntoIterator<Item = Deed>) -> Scene {
    let script = [Deed::Meet].into_iter().chain(deeds).collect();
    let (session, witness) = try_meet(factory, script, &spec()).await;
    Scene { session: session.expect("a session"), witness }
}

/// The same, and gives it a task, which it hears first.
pub(super) async fn employ(factory: &dyn TransportFactory, deeds: impl IntoIterator<Item = Deed>) -> Scene {
    let mut scene = meet(factory, [Deed::HearTask].into_iter().chain(deeds)).await;
    scene.prompt("Work.").await.expect("it is taken");
    scene
}

pub(super) fn say(text: impl Into<String>) -> Deed {
    Deed::Say(text.into())
}

impl Scene {
    pub(super) async fn prompt(&mut self, text: &str) -> Result<(), TransportError> {
        soon(self.session.prompt(&Prompt { text: text.to_owned() })).await
    }

    /// All that happens until nothing more can.
    pub(super) async fn story(&mut self) -> Story {
        let mut story = Story::default();
        loop {
            match soon(self.session.next()).await {
                Ok(None) => return story,
                Ok(Some(update)) => story.note(update),
                Err(error) => story.errors.push(error.kind),
            }
            assert!(story.errors.len() <= 1, "what is broken is told once: {story:?}");
            assert!(story.exits.len() <= 1, "an end is told once: {story:?}");
        }
    }

    /// All that happens until its task is over: its turn, or its process.
    pub(super) async fn work(&mut self, turns: Turns) -> Story {
        if turns == Turns::One {
            return self.story().await;
        }
        let mut story = Story::default();
        while story.outcomes.is_empty() {
            match soon(self.session.next()).await.expect("nothing is wrong") {
                Some(update) => story.note(update),
                None => panic!("its turn has no end: {story:?}"),
            }
        }
        story
    }
}

/// What a session tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Story {
    pub(super) out: String,
    pub(super) err: String,
    pub(super) pieces: Vec<usize>,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) exits: Vec<Exit>,
    pub(super) errors: Vec<TransportErrorKind>,
}

impl Story {
    pub(super) fn note(&mut self, update: AgentUpdate) {
        match update {
            AgentUpdate::Output { stream, text } => {
                assert!(self.exits.is_empty(), "words after the end: {text:?}");
                self.pieces.push(text.len());
                let to = if stream == Stream::Out { &mut self.out } else { &mut self.err };
                to.push_str(&text);
            }
            AgentUpdate::TurnEnded(end) => self.outcomes.push(end.outcome),
            AgentUpdate::Ended(exit) => self.exits.push(exit),
            _ => {}
        }
    }
}
