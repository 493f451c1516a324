//! What was found. The names of the fields are those of the JSON document, which `docs/formats.md` describes.

use std::{path::PathBuf, process::ExitCode};

use serde::Serialize;
use striatum_core::{
    chain::{ChainError, Position},
    engine::AuditFinding,
    time::Timestamp,
};

use crate::problem::Problem;

/// Everything about one store.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) schema: &'static str,
    pub(crate) store: PathBuf,
    pub(crate) sound: bool,
    pub(crate) chains: Vec<Chain>,
    pub(crate) problem: Option<Problem>,
}

/// One chain.
#[derive(Debug, Serialize)]
pub(crate) struct Chain {
    pub(crate) chain: String,
    pub(crate) label: String,
    /// How many events are sound: all, or those before the fault.
    pub(crate) events: u64,
    pub(crate) first_at: Option<String>,
    pub(crate) last_at: Option<String>,
    pub(crate) expected: Option<String>,
    /// The last position, if all is sound so far.
    pub(crate) head: Option<String>,
    pub(crate) fault: Option<Fault>,
    pub(crate) audit: Option<Audit>,
}

/// Where the digests stop being sound.
#[derive(Debug, Serialize)]
pub(crate) struct Fault {
    pub(crate) code: &'static str,
    pub(crate) seq: u64,
    pub(crate) found: String,
    pub(crate) meaning: &'static str,
    pub(crate) remedy: &'static str,
}

/// What the events say.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Audit {
    pub(crate) runs: u64,
    pub(crate) folded: u64,
    /// Events that belong to no listed run.
    pub(crate) unaccounted: u64,
    pub(crate) findings: Vec<Finding>,
    /// How many findings more there are than are listed.
    pub(crate) omitted: u64,
    /// How many of all findings are damage.
    pub(crate) damage: u64,
}

/// One finding of the audit.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) code: &'static str,
    pub(crate) damage: bool,
    pub(crate) run: String,
    pub(crate) seq: Option<u64>,
    pub(crate) found: String,
    pub(crate) advice: &'static str,
}

impl Report {
    /// The exit status for what could not be read.
    pub(crate) const UNREADABLE: u8 = 2;

    pub(crate) fn new(store: PathBuf) -> Self {
        Self { schema: "striatum.verify.v1", store, sound: false, chains: Vec::new(), problem: None }
    }

    /// Settles the answer, once everything is found.
    pub(crate) fn settled(mut self, problem: Option<Problem>) -> Self {
        self.sound = problem.is_none() && self.chains.iter().all(Chain::is_sound);
        self.problem = problem;
        self
    }

    pub(crate) fn exit(&self) -> ExitCode {
        let is_unsound = self.chains.iter().any(|chain| !chain.is_sound());
        match &self.problem {
            _ if is_unsound => ExitCode::from(1),
            Some(_) => ExitCode::from(Self::UNREADABLE),
            None => ExitCode::SUCCESS,
        }
    }

    pub(crate) fn json(&self) -> String {
        // Texts and numbers always serialise.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

impl Chain {
    pub(crate) fn new(chain: String, label: String, expected: Option<Position>) -> Self {
        Self {
            chain,
            label,
            events: 0,
            first_at: None,
            last_at: None,
            expected: expected.map(|position| position.to_string()),
            head: None,
            fault: None,
            audit: None,
        }
    }

    pub(crate) fn is_sound(&self) -> bool {
        let audit = self.audit.as_ref();
        self.fault.is_none() && audit.is_none_or(|audit| audit.damage == 0 && audit.unaccounted == 0)
    }
}

impl From<ChainError> for Fault {
    fn from(error: ChainError) -> Self {
        let ChainError { fault, seq, detail } = error;
        Self { code: fault.code(), seq, found: detail, meaning: fault.meaning(), remedy: fault.remedy() }
    }
}

impl Audit {
    /// The most findings that are listed.
    const LISTED: usize = 100;

    pub(crate) fn add(&mut self, finding: AuditFinding) {
        let AuditFinding { fault, run, seq, detail, .. } = finding;
        self.damage += u64::from(fault.is_damage());
        if self.findings.len() >= Self::LISTED {
            self.omitted += 1;
            return;
        }
        self.findings.push(Finding {
            code: fault.code(),
            damage: fault.is_damage(),
            run: run.to_string(),
            seq,
            found: detail,
            advice: fault.advice(),
        });
    }
}

/// A moment as people write it; the bare number if it lies beyond the calendar.
pub(crate) fn moment(at: Timestamp) -> String {
    let micros = i64::try_from(at.as_micros()).ok();
    let moment = micros.and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok());
    moment.map_or_else(|| format!("{} µs", at.as_micros()), |moment| moment.to_string())
}
