//! What the writer's thread is asked for, as it arrives.

use std::{
    sync::mpsc::Receiver,
    thread,
    time::{Duration, Instant},
};

use crate::{
    crowd::{Gathering, Vigil},
    writer::{MAX_GROUP, Message, Stop, Work},
};

/// The messages, and how they are waited for.
pub(crate) struct Arrivals<'a> {
    messages: &'a Receiver<Message>,
    /// The request to stop, behind which nothing is looked at.
    pub(crate) stop: Option<Stop>,
    vigil: Vigil,
}

impl<'a> Arrivals<'a> {
    pub(crate) fn new(messages: &'a Receiver<Message>) -> Self {
        Self { messages, stop: None, vigil: Vigil::default() }
    }

    /// Waits for the first of a group; for so long it is expected.
    pub(crate) fn first(&mut self, pause: Duration) -> Option<Message> {
        let awake = self.vigil.awake(pause);
        self.look_out(awake).or_else(|| self.messages.recv().ok())
    }

    /// Adds the work that has arrived to a group, as far as it has room.
    pub(crate) fn join(&mut self, group: &mut Vec<Box<dyn Work>>) {
        while group.len() < MAX_GROUP && self.stop.is_none() {
            match self.messages.try_recv() {
                Ok(message) => self.take(message, group),
                Err(_) => return,
            }
        }
    }

    /// Waits for the next of those who are still missing, if they are worth it.
    pub(crate) fn wait(&mut self, group: &mut Vec<Box<dyn Work>>, gathering: &mut Gathering) {
        if self.stop.is_some() || group.len() >= MAX_GROUP {
            return;
        }
        let Some(patience) = gathering.patience(group.len()) else { return };
        let begun = Instant::now();
        let awake = self.vigil.awake(patience);
        let asleep = patience.saturating_sub(awake);
        if let Some(message) = self.look_out(awake).or_else(|| self.messages.recv_timeout(asleep).ok()) {
            self.take(message, group);
        }
        gathering.waited(begun.elapsed());
        self.join(group);
    }

    /// Looks for a message for so long without falling asleep. Those who are to send it may need this processor.
    fn look_out(&mut self, time: Duration) -> Option<Message> {
        let begun = Instant::now();
        let mut found = None;
        while found.is_none() && begun.elapsed() < time {
            found = self.messages.try_recv().ok();
            if found.is_none() {
                thread::yield_now();
            }
        }
        self.vigil.ended(begun.elapsed());
        found
    }

    fn take(&mut self, message: Message, group: &mut Vec<Box<dyn Work>>) {
        match message {
            Message::Work(work) => group.push(work),
            Message::Stop(reply) => self.stop = Some(reply),
        }
    }
}
