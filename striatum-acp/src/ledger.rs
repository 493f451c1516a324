//! Which requests are open, in both directions. Each side numbers its own, so the same id may be open on both.

use std::collections::HashSet;

use crate::AcpError;

#[derive(Debug)]
pub(crate) struct Ledger {
    /// Ours, not yet answered.
    sent: HashSet<String>,
    /// Ours, answered. A session sends few, so these are never forgotten.
    answered: HashSet<String>,
    /// The agent's, not yet answered by us.
    asked: HashSet<String>,
    limit: usize,
}

impl Ledger {
    pub(crate) fn new(limit: usize) -> Self {
        Self { sent: HashSet::new(), answered: HashSet::new(), asked: HashSet::new(), limit }
    }

    /// A request of ours is about to be written.
    pub(crate) fn send(&mut self, id: String) {
        self.sent.insert(id);
    }

    /// The agent answers.
    pub(crate) fn settle(&mut self, id: String) -> Result<(), AcpError> {
        if self.sent.remove(&id) {
            self.answered.insert(id);
            Ok(())
        } else if self.answered.contains(&id) {
            Err(AcpError::AnsweredTwice { id })
        } else {
            Err(AcpError::UnknownId { id })
        }
    }

    pub(crate) fn is_answered(&self, id: &str) -> bool {
        self.answered.contains(id)
    }

    /// The agent asks.
    pub(crate) fn ask(&mut self, id: String) -> Result<(), AcpError> {
        if self.asked.contains(&id) {
            return Err(AcpError::ReusedId { id });
        }
        if self.asked.len() >= self.limit {
            return Err(AcpError::TooManyRequests { limit: self.limit });
        }
        self.asked.insert(id);
        Ok(())
    }

    /// Our answer is about to be written.
    pub(crate) fn reply(&mut self, id: &str) {
        self.asked.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_belongs_to_one_request() {
        let mut ledger = Ledger::new(2);
        let id = || "0".to_owned();
        ledger.ask(id()).expect("the agent's ids are its own");
        assert_eq!(ledger.settle(id()), Err(AcpError::UnknownId { id: id() }));
        ledger.send(id());
        assert!(!ledger.is_answered("0"));
        ledger.settle(id()).expect("it was asked");
        assert!(ledger.is_answered("0"));
        assert_eq!(ledger.settle(id()), Err(AcpError::AnsweredTwice { id: id() }));

        assert_eq!(ledger.ask(id()), Err(AcpError::ReusedId { id: id() }));
        ledger.ask("1".to_owned()).expect("there is room");
        assert_eq!(ledger.ask("2".to_owned()), Err(AcpError::TooManyRequests { limit: 2 }));
        ledger.reply("0");
        ledger.ask(id()).expect("an id may be used again");
    }
}
