//! Giving commands, and what their answers must be.

use striatum_core::{
    engine::{Applied, EngineError},
    run::{Command, CommandRef, Event, Intent, Packet, Rejection},
    store::StoreErrorKind,
};

use super::{RUN, World, unexpected};
use crate::simulation::property::{Holds, Property};

/// How often a command is given again whose answer was lost.
const REPEATS: usize = 4;

/// A command that is about to be given.
struct Wanted<'c> {
    command: &'c Command,
    reference: CommandRef,
    /// What it has led to before.
    known: Option<Vec<Event>>,
}

impl Wanted<'_> {
    const fn name(&self) -> &'static str {
        self.command.intent.name()
    }
}

impl World<'_> {
    /// Gives commands in one append, again and again until it is known what became of them.
    pub(super) async fn give(&mut self, process: usize, commands: &[Command]) -> Holds {
        let wanted: Vec<_> = commands.iter().map(|command| self.wanted(command)).collect();
        let before = self.log.len();
        for _ in 0..REPEATS {
            let answer = self.processes[process].engine.execute_all(RUN, commands).await;
            self.catch_up().await?;
            match answer {
                Ok(applied) => {
                    self.processes[process].store.recover();
                    for (wanted, applied) in wanted.iter().zip(&applied) {
                        self.expect_answer(wanted, applied, before)?;
                    }
                    let same = applied.last().is_none_or(|applied| *applied.state == *self.state());
                    return Property::Agreement
                        .holds(same, || "an engine has another state than the log gives".to_owned());
                }
                Err(error) => {
                    self.expect_refusal(&wanted, &error, before)?;
                    if !is_settled_by_repeating(&error) {
                        self.processes[process].store.recover();
                        return Ok(());
                    }
                }
            }
            // Whoever lost the answer does not know whether the other side lives. It asks again, with nothing in its memory.
            self.reopen(process).await;
        }
        Err(Property::Durability.broken("repeating a command does not settle what became of it"))
    }

    /// Gives two commands through two engines at the same time.
    pub(super) async fn race(&mut self, process: usize, one: &Command, other: &Command) -> Holds {
        let wanted = [self.wanted(one), self.wanted(other)];
        let places = [process, 1 - process];
        let before = self.log.len();
        let [here, there] = places.map(|process| &self.processes[process].engine);
        let (first, second) = tokio::join!(here.execute(RUN, one.clone()), there.execute(RUN, other.clone()));
        self.catch_up().await?;
        places.iter().for_each(|process| self.processes[*process].store.recover());
        let mut lost = Vec::new();
        for ((wanted, answer), process) in wanted.iter().zip([first, second]).zip(places) {
            match answer {
                Ok(applied) => self.expect_answer(wanted, &applied, before)?,
                Err(error) => {
                    if one.id == other.id {
                        self.expect_settled(one, other, &error)?;
                    } else {
                        self.expect_refusal(std::slice::from_ref(wanted), &error, before)?;
                    }
                    if is_settled_by_repeating(&error) {
                        lost.push((process, wanted.command.clone()));
                    }
                }
            }
        }
        for (process, command) in lost {
            self.reopen(process).await;
            Box::pin(self.give(process, &[command])).await?;
        }
        Ok(())
    }

    /// Writes down that a command is given, and what it has led to before.
    fn wanted<'c>(&mut self, command: &'c Command) -> Wanted<'c> {
        let reference = CommandRef::of(command);
        self.commands.insert((reference.id, reference.digest), command.clone());
        self.given.push(command.clone());
        let known = self.oracle.applied(reference.id).filter(|(first, _)| *first == reference);
        Wanted { command, reference, known: known.map(|(_, events)| events.clone()) }
    }

    /// The events of a command in the log behind a place.
    fn appended(&self, reference: CommandRef, after: usize) -> Vec<&Event> {
        let own = self.log[after..].iter().filter(|(record, _)| record.command == reference);
        own.map(|(record, _)| &record.event).collect()
    }

    /// A command was accepted.
    fn expect_answer(&mut self, wanted: &Wanted<'_>, applied: &Applied, before: usize) -> Holds {
        let appended = self.appended(wanted.reference, before);
        let name = wanted.name();
        if let Some(known) = &wanted.known {
            Property::Repetition.holds(appended.is_empty(), || format!("a repeated {name} appended"))?;
            return Property::Repetition.holds(applied.events == *known, || {
                format!("a repeated {name} got another answer than at first")
            });
        }
        Property::Durability.holds(applied.events.iter().eq(appended.iter().copied()), || {
            let said: Vec<_> = applied.events.iter().map(Event::kind).collect();
            let there: Vec<_> = appended.iter().map(|event| event.kind()).collect();
            format!("{name} was acknowledged with {said:?}, and in the log there is {there:?}")
        })?;
        if let Intent::Claim(claim) = &wanted.command.intent {
            // Behind a claim in the same append the grant may be over.
            let packet = applied.state.fence(&claim.job).and_then(|fence| {
                let packet = Packet::of(&applied.state, &fence)?;
                Some((fence, packet.digest()))
            });
            self.packets.extend(packet);
        }
        Ok(())
    }

    /// Commands of one append were refused, or their answer was lost.
    fn expect_refusal(&mut self, wanted: &[Wanted<'_>], error: &EngineError, before: usize) -> Holds {
        let code = error.code();
        *self.refusals.entry(code).or_default() += 1;
        match error {
            EngineError::Rejected(Rejection::Defect { detail }) => {
                return Err(Property::Agreement.broken(format!("the machine contradicts itself: {detail}")));
            }
            EngineError::Store(lost) if lost.kind() == StoreErrorKind::Unknown => return Ok(()),
            EngineError::Rejected(_)
            | EngineError::GuardFailed
            | EngineError::Busy { .. }
            | EngineError::Contended
            | EngineError::Uncombinable => {}
            EngineError::Store(refused) if refused.kind() == StoreErrorKind::Unavailable => {}
            other => return Err(unexpected(other)),
        }
        for wanted in wanted {
            let appended = self.appended(wanted.reference, before);
            Property::Durability.holds(appended.is_empty(), || {
                format!("{} was refused ({code}), and is in the log", wanted.name())
            })?;
        }
        // Which of several was refused is not said.
        let [alone] = wanted else { return Ok(()) };
        let Some((first, _)) = self.oracle.applied(alone.reference.id) else { return Ok(()) };
        let is_other = *first != alone.reference && code == "command_reused";
        Property::Repetition.holds(is_other || is_settled_by_repeating(error), || {
            format!("{}, which was given before, was refused: {code}", alone.name())
        })
    }

    /// One of two commands of the same id was refused. If they are the same, and applied, it must not be.
    fn expect_settled(&self, one: &Command, other: &Command, error: &EngineError) -> Holds {
        let first = self.oracle.applied(one.id).map(|(reference, _)| *reference);
        let applied = one == other && first == Some(CommandRef::of(one));
        Property::Repetition.holds(!applied || is_settled_by_repeating(error), || {
            let (name, code) = (one.intent.name(), error.code());
            format!("{name}, twice at the same time, was applied and refused: {code}")
        })
    }
}

/// Whether it is not known what became of a command, or it may be given again.
fn is_settled_by_repeating(error: &EngineError) -> bool {
    match error {
        EngineError::Store(error) => error.is_retryable(),
        EngineError::Contended => true,
        _ => false,
    }
}
