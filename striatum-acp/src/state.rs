//! What is known of a connection, by those who read it and those who write it.

use std::{
    collections::{HashMap, VecDeque},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use striatum_core::transport::Spend;

use crate::{
    AcpLimits, ToolKind,
    ledger::Ledger,
    translate::{Beginning, Meter},
};

/// No more tool calls of a session are remembered.
const MAX_CALLS: usize = 512;

/// No more of a turn's text is remembered, in bytes.
const MAX_TAIL: usize = 2048;

#[derive(Debug, Clone)]
pub(crate) struct Shared(Arc<Mutex<State>>);

impl Shared {
    pub(crate) fn new(limits: &AcpLimits) -> Self {
        Self(Arc::new(Mutex::new(State {
            ledger: Ledger::new(limits.requests),
            version: None,
            session: None,
            turn: None,
            calls: Calls::default(),
            meter: Meter::default(),
            doubt: None,
        })))
    }

    /// Never held across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) ledger: Ledger,
    /// The version of the protocol that the first answer of the agent named: the SDK keeps it to itself.
    pub(crate) version: Option<serde_json::Value>,
    /// The agent's name for the session, once it is open.
    pub(crate) session: Option<String>,
    /// The turn, from the first one on. What an agent says earlier is not passed on.
    pub(crate) turn: Option<Turn>,
    pub(crate) calls: Calls,
    pub(crate) meter: Meter,
    /// What a session is begun with, until it is sure that the agent goes on with an earlier one.
    pub(crate) doubt: Option<Beginning>,
}

/// What was seen of a turn.
#[derive(Debug, Default, Clone)]
pub(crate) struct Turn {
    pub(crate) calls: usize,
    /// The end of what the agent said.
    pub(crate) tail: String,
    /// What its calls of a model cost, as far as they were told one by one.
    pub(crate) spend: Spend,
}

impl Turn {
    /// Whether nothing was said or done in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.calls == 0 && self.tail.trim().is_empty()
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.tail.push_str(text);
        let excess = self.tail.len().saturating_sub(MAX_TAIL);
        if excess > 0 {
            let from = (excess..=self.tail.len()).find(|at| self.tail.is_char_boundary(*at));
            self.tail.drain(..from.unwrap_or_default());
        }
    }
}

/// The tool calls of a session. Agents announce them before, with, after or without asking for leave.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    known: HashMap<String, Call>,
    order: VecDeque<String>,
}

/// A tool call, as far as it was told.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) kind: Option<ToolKind>,
    pub(crate) title: Option<String>,
    /// What it was called when it was announced, until it ends: later titles say what it is about to do. Ids may come again.
    pub(crate) name: Option<String>,
    pub(crate) status: Option<&'static str>,
    pub(crate) paths: Option<Vec<PathBuf>>,
}

impl Calls {
    /// Adds what is newly known of a call. Answers with all that is known, and whether this changed what a reader sees.
    pub(crate) fn learn(&mut self, id: &str, news: Call) -> (Call, bool) {
        if !self.known.contains_key(id) {
            if self.order.len() >= MAX_CALLS
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
            self.order.push_back(id.to_owned());
        }
        let call = self.known.entry(id.to_owned()).or_default();
        let before = call.clone();
        call.kind = news.kind.or(call.kind);
        call.title = news.title.or(call.title.take());
        call.status = news.status.or(call.status);
        call.paths = news.paths.or(call.paths.take());
        let has_ended = matches!(call.status, Some("done" | "failed"));
        call.name = if has_ended { None } else { news.name.or(call.name.take()) };
        let is_news = call.title != before.title || call.status != before.status;
        (call.clone(), is_news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_put_together_from_what_is_told_of_it() {
        let mut calls = Calls::default();
        let asked = Call { kind: Some(ToolKind::Edit), ..Call::default() };
        calls.learn("1", asked);
        let told = Call { title: Some("Write".to_owned()), status: Some("done"), ..Call::default() };
        let (call, is_news) = calls.learn("1", told.clone());
        assert_eq!(call, Call { kind: Some(ToolKind::Edit), ..told.clone() });
        assert!(is_news);
        assert!(!calls.learn("1", told).1);
    }

    #[test]
    fn only_so_much_is_remembered() {
        let mut calls = Calls::default();
        for id in 0..2 * MAX_CALLS {
            calls.learn(&id.to_string(), Call::default());
        }
        assert_eq!(calls.known.len(), MAX_CALLS);
        let mut turn = Turn::default();
        for _ in 0..MAX_TAIL {
            turn.say("€€");
        }
        assert!(turn.tail.len() <= MAX_TAIL && turn.tail.ends_with('€'));
    }
}
