//! What is said to an agent, turn by turn, until there is an outcome.

use std::{
    pin::Pin,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use striatum_core::{
    run::Ruling,
    transport::{
        Advice, AgentSession, AgentUpdate, Answer, Outcome, Prompt, RequestId, Reset, Spend, Stream,
        TransportError, TurnEnd,
    },
};
use tokio::{
    task::JoinSet,
    time::{Instant, Sleep, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    Pace, finished, given_up,
    life::Life,
    prompts::{ANSWER, GO_ON, NUDGE, STALLED},
};
use crate::adapter::{Assignment, End, Finished, OpenTools, gateway::Passages};

mod budget;

/// How often what its tokens come to is looked at while it says nothing.
const AUDIT: Duration = Duration::from_secs(1);

/// Leads an agent to an outcome, or to the end of what it may use.
pub(super) struct Conversation<'a> {
    session: &'a mut dyn AgentSession,
    assignment: &'a Assignment,
    tools: &'a OpenTools,
    passages: &'a Passages,
    pace: Pace,
    begun: Instant,
    life: Life,
    turns: u64,
    nudges: u32,
    waits: u32,
    spent: Spend,
    /// The most that the model had before it in this turn: no less was read.
    context: u64,
    /// The requests for leave that a person thinks about, until the turn is over.
    asked: JoinSet<(RequestId, Ruling)>,
    turn_over: CancellationToken,
}

/// What came of a turn.
enum Turn {
    Ended(TurnEnd),
    /// It gave no sign of life, and was cancelled.
    Stalled(TurnEnd),
    /// There is nothing more to say.
    Over(Finished),
}

/// What is done after a turn.
enum Then {
    Say { text: &'static str, after: Duration },
    End(Finished),
}

impl<'a> Conversation<'a> {
    pub(super) fn new(
        session: &'a mut dyn AgentSession,
        assignment: &'a Assignment,
        tools: &'a OpenTools,
        passages: &'a Passages,
        pace: Pace,
    ) -> Self {
        let life = Life::new(&assignment.tree, assignment.patience.silence);
        let begun = Instant::now();
        let (turns, nudges, waits, spent, context) = (0, 0, 0, Spend::default(), 0);
        let (asked, turn_over) = (JoinSet::new(), CancellationToken::new());
        Self {
            session,
            assignment,
            tools,
            passages,
            pace,
            begun,
            life,
            turns,
            nudges,
            waits,
            spent,
            context,
            asked,
            turn_over,
        }
    }

    pub(super) async fn lead(mut self) -> Finished {
        let wall = sleep(self.assignment.patience.wall);
        tokio::pin!(wall);
        let mut say = self.assignment.toolbox.prompt().to_owned();
        loop {
            if let Err(error) = self.session.prompt(&Prompt { text: say }).await {
                return given_up(&error);
            }
            self.turns += 1;
            let turn = self.turn(wall.as_mut()).await;
            self.wait_no_longer();
            let then = match turn {
                Turn::Over(finished) => Then::End(finished),
                Turn::Stalled(end) => self.after_a_stall(&end),
                Turn::Ended(end) => self.after(end),
            };
            say = match then {
                Then::End(finished) => return finished,
                Then::Say { text, after } => {
                    if let Some(finished) = self.rest(after, wall.as_mut()).await {
                        return finished;
                    }
                    text.to_owned()
                }
            };
        }
    }

    /// Listens until the turn has ended or must.
    async fn turn(&mut self, mut wall: Pin<&mut Sleep>) -> Turn {
        self.life.seen();
        self.context = 0;
        loop {
            let update = tokio::select! {
                // An outcome that was recorded goes before everything else.
                biased;
                () = self.tools.concluded() => return Turn::Over(finished(End::Ended)),
                () = self.assignment.stop.cancelled() => return Turn::Over(finished(End::Stopped)),
                () = wall.as_mut() => return Turn::Over(finished(End::TimedOut)),
                update = self.session.next() => update,
                Some(Ok((request, ruling))) = self.asked.join_next() => {
                    self.answer(request, ruling).await;
                    self.life.seen();
                    continue;
                }
                // What a broker sees it spend is told by nobody.
                () = sleep(AUDIT), if self.bound().is_some() => {
                    if let Some(turn) = self.spent_in_mid_turn() {
                        return turn;
                    }
                    continue;
                }
                // One that waits for a person is not silent.
                () = sleep_until(self.life.look_at()), if self.asked.is_empty() => {
                    if self.life.look(self.tools.calls(), &self.assignment.fence) {
                        continue;
                    }
                    if self.life.is_over() {
                        return self.stalled().await;
                    }
                    let seconds = self.life.silence().as_secs();
                    self.note(&format!("the agent has given no sign of life for {seconds} s"));
                    continue;
                }
            };
            if let Some(turn) = self.heard(update) {
                return turn;
            }
        }
    }

    /// Waits before the next turn, and goes on listening meanwhile: whoever has ended is not prompted.
    async fn rest(&mut self, time: Duration, mut wall: Pin<&mut Sleep>) -> Option<Finished> {
        let rested = sleep(time);
        tokio::pin!(rested);
        loop {
            let update = tokio::select! {
                biased;
                () = self.tools.concluded() => return Some(finished(End::Ended)),
                () = self.assignment.stop.cancelled() => return Some(finished(End::Stopped)),
                () = wall.as_mut() => return Some(finished(End::TimedOut)),
                () = &mut rested => return None,
                Some(Ok((request, ruling))) = self.asked.join_next() => {
                    self.answer(request, ruling).await;
                    continue;
                }
                update = self.session.next() => update,
            };
            if let Some(Turn::Over(finished)) = self.heard(update) {
                return Some(finished);
            }
        }
    }

    /// Takes note of what the agent does, and says what comes of its turn if that ends it.
    fn heard(&mut self, update: Result<Option<AgentUpdate>, TransportError>) -> Option<Turn> {
        self.life.seen();
        self.assignment.account.identify(self.session.agent());
        // It may be another than the one that was to be gone on with.
        self.assignment.account.converse(self.session.conversation());
        let update = match update {
            Err(error) => return Some(Turn::Over(given_up(&error))),
            Ok(None) => return Some(Turn::Over(gone(None))),
            Ok(Some(update)) => update,
        };
        self.assignment.updates.tell(&update);
        match update {
            AgentUpdate::TurnEnded(end) => return Some(Turn::Ended(end)),
            AgentUpdate::Ended(exit) => return Some(Turn::Over(gone(Some(exit)))),
            AgentUpdate::Permission { request, title } => self.ask(request, title),
            AgentUpdate::Context(tokens) => {
                self.context = self.context.max(tokens);
                self.account();
            }
            _ => {}
        }
        self.spent_in_mid_turn()
    }

    /// Cancels a turn that stands still; an agent that does not even end it then is past help.
    async fn stalled(&mut self) -> Turn {
        if self.life.was_nudged() || self.session.cancel().await.is_err() {
            return Turn::Over(finished(End::Silent));
        }
        loop {
            match self.session.next().await {
                Ok(Some(AgentUpdate::TurnEnded(end))) => return Turn::Stalled(end),
                Ok(Some(AgentUpdate::Ended(exit))) => return Turn::Over(gone(Some(exit))),
                Ok(Some(update)) => self.assignment.updates.tell(&update),
                Ok(None) | Err(_) => return Turn::Over(finished(End::Silent)),
            }
        }
    }

    fn after_a_stall(&mut self, end: &TurnEnd) -> Then {
        self.charge(end);
        self.life.nudged();
        match self.no_more_turns() {
            Some(spent) => Then::End(spent),
            None => Then::Say { text: STALLED, after: self.pace.nudge_wait },
        }
    }

    fn after(&mut self, end: TurnEnd) -> Then {
        self.charge(&end);
        let why = end.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let unfinished =
            |advice, what: &str| Then::End(finished(End::Unfinished(advice)).because(format!("{what}{why}")));
        if let Some(spent) = self.no_more_turns() {
            return Then::End(spent);
        }
        let outcome = self.outcome(end.outcome);
        match outcome {
            Outcome::RateLimited(reset) => self.wait(reset, &unfinished),
            Outcome::Overloaded => self.wait(None, &unfinished),
            _ if outcome.advice() == Advice::Checkpoint => {
                unfinished(Advice::Checkpoint, &format!("the agent cannot work ({})", outcome.code()))
            }
            Outcome::Failed | Outcome::Protocol | Outcome::Process | Outcome::ContextOverflow => {
                unfinished(Advice::Retry, &format!("the agent's turn failed ({})", outcome.code()))
            }
            _ if !self.tools.is_connected() => unfinished(
                Advice::Checkpoint,
                "the agent never asked for the tools of its grant: it does not reach them, or does not know them",
            ),
            _ if self.nudges >= self.pace.nudges => {
                let times = self.nudges;
                let what = format!("the agent recorded no outcome after {times} nudges ({})", outcome.code());
                unfinished(Advice::Retry, &what)
            }
            _ => {
                self.nudges += 1;
                let is_asked = self.assignment.packet.question.is_some();
                Then::Say { text: if is_asked { ANSWER } else { NUDGE }, after: self.pace.nudge_wait }
            }
        }
    }

    /// Waits for a limit that is lifted soon enough; what is not is for a person.
    fn wait(&mut self, reset: Option<Reset>, unfinished: &dyn Fn(Advice, &str) -> Then) -> Then {
        let time = match reset {
            Some(Reset::In(time)) => time,
            Some(Reset::At(at)) => until(at.as_micros()),
            None => self.pace.first_wait.saturating_mul(2_u32.saturating_pow(self.waits.min(16))),
        };
        let left = self.assignment.patience.wall.saturating_sub(self.begun.elapsed());
        if self.waits >= self.pace.waits || time > self.pace.wait || time > left {
            let what = format!("a limit of the model's host is not lifted for {} s", time.as_secs());
            return unfinished(Advice::Checkpoint, &what);
        }
        self.waits += 1;
        self.note(&format!("the model's host is not to be had: waiting for {} s", time.as_secs()));
        Then::Say { text: GO_ON, after: time }
    }

    /// How a turn ended, as the model's host has it or else the agent.
    fn outcome(&self, said: Outcome) -> Outcome {
        match (self.passages.seen().trouble, said) {
            (Some(Outcome::RateLimited(None)), said @ Outcome::RateLimited(_)) | (None, said) => said,
            (Some(trouble), _) => trouble,
        }
    }

    /// Asks a person, and goes on listening.
    fn ask(&mut self, request: RequestId, title: String) {
        self.note(&format!("it asks for leave: {title}"));
        let (leave, within, over) = (self.assignment.leave.clone(), self.pace.leave, self.turn_over.clone());
        self.asked.spawn(async move { (request, leave.ask(title, within, over).await) });
    }

    async fn answer(&mut self, request: RequestId, ruling: Ruling) {
        let (answer, said) = match ruling {
            Ruling::Accept => (Answer::Allow, "leave is given"),
            Ruling::Reject => (Answer::Reject, "leave is not given"),
        };
        self.note(said);
        // It may not wait any more.
        let _ = self.session.answer(request, answer).await;
    }

    /// Whoever was asked need not answer any more.
    fn wait_no_longer(&mut self) {
        std::mem::take(&mut self.turn_over).cancel();
        self.asked.detach_all();
    }

    /// Says something to those who watch.
    fn note(&self, text: &str) {
        tracing::info!(fence = %self.assignment.fence, "{text}");
        let text = format!("\n[striatum] {text}\n");
        self.assignment.updates.tell(&AgentUpdate::Output { stream: Stream::Err, text });
    }
}

fn gone(exit: Option<striatum_core::sandbox::Exit>) -> Finished {
    let how = exit.map_or_else(|| "closed its connection".to_owned(), |exit| format!("ended with {exit}"));
    let mut finished = finished(End::Unfinished(Advice::Retry))
        .because(format!("the agent {how} before it recorded an outcome"));
    finished.exit = exit;
    finished
}

fn until(micros: u64) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_micros(micros).saturating_sub(now)
}
