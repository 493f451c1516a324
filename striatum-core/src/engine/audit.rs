//! What the events of a verified chain say: whether they can be read, are numbered without gaps, follow from one another, and
//! give what the indexes say.

use std::{collections::VecDeque, fmt};

use crate::{
    chain::{Position, Sealed},
    engine::{
        EngineError,
        fold::{self, Fold},
        index,
    },
    id::{ChainId, RunId, WorkflowId},
    run::{CodecError, CompletionRecord, Event, RunStatus},
    store::{
        BlobErrorKind, Blobs, PageToken, RunHead, RunQuery, RunSummary, Store, StoreError, StoreErrorKind,
    },
};

const EVENTS: usize = 1024;
const RUNS: usize = 256;

/// Audits the runs of a chain one after the other, newest first.
///
/// It comes after [`StoreExt::verify`](crate::store::StoreExt::verify), which says that the bytes are those that were written;
/// the audit says whether they make sense. It reads every event once more, by run, and holds one page of events and the state
/// of one run, whatever the size of the store. Only events up to the verified position count, so engines may go on meanwhile.
///
/// The list of runs is an index, and so not trusted: events that belong to no listed run are [counted](Self::unaccounted).
pub struct Auditor<'a> {
    store: &'a dyn Store,
    blobs: Option<&'a dyn Blobs>,
    chain: ChainId,
    until: u64,
    listed: VecDeque<RunSummary>,
    list: List,
    accounted: u64,
}

enum List {
    Behind(Option<PageToken>),
    Ended,
}

/// What an audit says of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunAudit {
    /// The run.
    pub run: RunId,
    /// The workflow that it executes, by the index.
    pub workflow: WorkflowId,
    /// Where it stands, by the index.
    pub status: RunStatus,
    /// How many of its events are in the verified part of the chain.
    pub events: u64,
    /// How far the audit went.
    pub depth: AuditDepth,
    /// What is not as it should be. Behind an event that cannot be read or does not follow, events are only counted.
    pub findings: Vec<AuditFinding>,
}

/// How far an audit of a run went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AuditDepth {
    /// Its events were read and counted.
    Decoded,
    /// They were also folded into a state, and that was compared with the index.
    Folded,
}

/// Something that an audit found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} in run {run}: {detail}", fault.code())]
pub struct AuditFinding {
    /// Its class.
    pub fault: AuditFault,
    /// The run.
    pub run: RunId,
    /// The event, by its number in the chain, if it is about one.
    pub seq: Option<u64>,
    /// What was found, for a person.
    pub detail: String,
}

/// In which way a run is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum AuditFault {
    /// A newer engine wrote the event, which is no damage: this version cannot tell what the run has come to since.
    Newer,
    /// The run's snapshot was erased, or is kept elsewhere: its events cannot be folded. No damage.
    SnapshotMissing,
    /// The kept snapshot is not the one that the run was prepared with.
    SnapshotDamaged,
    /// The bytes of the event are not an event.
    Unreadable,
    /// The event is not the next one of its run: one is missing, doubled or attributed to another run.
    Misplaced,
    /// The event does not follow from those before it.
    Illegal,
    /// The run's end names another completion record than its events give.
    Record,
    /// The index says something else than the events. The history is sound; the index can be written anew.
    Index,
}

impl AuditFault {
    /// Every class.
    pub const ALL: [Self; 8] = [
        Self::Newer,
        Self::SnapshotMissing,
        Self::SnapshotDamaged,
        Self::Unreadable,
        Self::Misplaced,
        Self::Illegal,
        Self::Record,
        Self::Index,
    ];

    /// The stable code of this class.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Newer => "audit_newer",
            Self::SnapshotMissing => "audit_snapshot_missing",
            Self::SnapshotDamaged => "audit_snapshot_damaged",
            Self::Unreadable => "audit_unreadable",
            Self::Misplaced => "audit_misplaced",
            Self::Illegal => "audit_illegal",
            Self::Record => "audit_record",
            Self::Index => "audit_index",
        }
    }

    /// What this class says and what to do about it, for whoever meets it for the first time.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Newer => "a newer engine wrote this run; audit it with that version of striatum",
            Self::SnapshotMissing => {
                "the workflow of this run was erased or is kept elsewhere; name the folder of its blobs to have the run folded"
            }
            Self::SnapshotDamaged => {
                "the kept workflow is not the one that this run executes; restore the blob from a backup"
            }
            Self::Unreadable | Self::Misplaced | Self::Illegal => {
                "no engine of this version writes such an event; find out what did, and do not continue this run"
            }
            Self::Record => {
                "the run's end does not agree with its events; find out what wrote it, and do not trust its outcome"
            }
            Self::Index => {
                "the history is sound and the index beside it is not; let an engine index this run again before anything else is done with it"
            }
        }
    }

    /// Whether something is wrong with the store, and not only out of this reader's reach.
    pub const fn is_damage(self) -> bool {
        !matches!(self, Self::Newer | Self::SnapshotMissing)
    }
}

impl<'a> Auditor<'a> {
    /// Audits the events of a chain up to a position that was verified: reads and counts them.
    pub fn new(store: &'a dyn Store, chain: &ChainId, until: Position) -> Self {
        Self {
            store,
            blobs: None,
            chain: chain.clone(),
            until: until.seq,
            listed: VecDeque::new(),
            list: List::Behind(None),
            accounted: 0,
        }
    }

    /// Also folds them, for which the snapshots are needed.
    #[must_use]
    pub fn folding(mut self, blobs: &'a dyn Blobs) -> Self {
        self.blobs = Some(blobs);
        self
    }

    /// Audits the next run; `None` after the last.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub async fn next(&mut self) -> Result<Option<RunAudit>, StoreError> {
        loop {
            let Some(summary) = self.listed.pop_front() else {
                let List::Behind(after) = self.list else { return Ok(None) };
                let chain = Some(self.chain.clone());
                let query = RunQuery { chain, after, limit: RUNS, ..RunQuery::default() };
                let page = self.store.runs(&query).await?;
                self.list = page.next.map_or(List::Ended, |after| List::Behind(Some(after)));
                self.listed = page.items.into();
                continue;
            };
            let audit = self.run(&summary).await?;
            self.accounted += audit.events;
            // A run that began after the verification has no event in its part of the chain.
            if audit.events > 0 {
                return Ok(Some(audit));
            }
        }
    }

    /// How many events of the verified part belong to no run that was audited so far. After the last run it is zero, unless the
    /// list of runs is not complete.
    pub fn unaccounted(&self) -> u64 {
        self.until.saturating_sub(self.accounted)
    }

    async fn run(&self, summary: &RunSummary) -> Result<RunAudit, StoreError> {
        let mut reading = Reading::new(summary, self.blobs);
        loop {
            let page = match self.store.read_run(&summary.run, reading.head, EVENTS).await {
                Ok(page) => page,
                Err(error) if error.kind() == StoreErrorKind::HistoryChanged => {
                    reading.find(AuditFault::Index, None, "the store counts the run's events in another way");
                    break;
                }
                Err(error) => return Err(error),
            };
            let verified = page.iter().take_while(|event| event.seq <= self.until).count();
            for event in &page[..verified] {
                reading.read(&self.chain, event).await?;
            }
            if verified < page.len() {
                // The run has moved on since the verification.
                break;
            }
            if page.is_empty() {
                reading.compare();
                break;
            }
        }
        Ok(reading.audit)
    }
}

impl fmt::Debug for Auditor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auditor")
            .field("chain", &self.chain)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

/// One run, as far as it was read.
struct Reading<'a> {
    summary: &'a RunSummary,
    blobs: Option<&'a dyn Blobs>,
    head: RunHead,
    fold: Option<Fold>,
    audit: RunAudit,
}

impl<'a> Reading<'a> {
    fn new(summary: &'a RunSummary, blobs: Option<&'a dyn Blobs>) -> Self {
        let audit = RunAudit {
            run: summary.run,
            workflow: summary.row.workflow.clone(),
            status: summary.row.status,
            events: 0,
            depth: AuditDepth::Decoded,
            findings: Vec::new(),
        };
        Self { summary, blobs, head: RunHead::START, fold: None, audit }
    }

    fn find(&mut self, fault: AuditFault, seq: Option<u64>, detail: impl Into<String>) {
        self.audit.findings.push(AuditFinding { fault, run: self.summary.run, seq, detail: detail.into() });
    }

    /// Whether an event was found that nothing can follow.
    fn has_stopped(&self) -> bool {
        use AuditFault::{Illegal, Misplaced, Newer, Unreadable};
        let stops =
            |finding: &AuditFinding| matches!(finding.fault, Newer | Unreadable | Misplaced | Illegal);
        self.audit.findings.iter().any(stops)
    }

    async fn read(&mut self, chain: &ChainId, event: &Sealed) -> Result<(), StoreError> {
        let version = self.head.version + 1;
        self.head = RunHead { version, digest: event.digest };
        self.audit.events = version;
        if self.has_stopped() {
            return Ok(());
        }
        let read = match self.step(chain, event, version).await {
            Ok(()) => return Ok(()),
            Err(EngineError::Store(error)) => return Err(error),
            Err(error) => error,
        };
        let fault = match &read {
            EngineError::Codec(CodecError::Newer { .. }) => AuditFault::Newer,
            EngineError::Codec(CodecError::Encoding(_)) => AuditFault::Unreadable,
            EngineError::Blob(error) if error.kind != BlobErrorKind::Corrupt => AuditFault::SnapshotMissing,
            EngineError::Blob(_) | EngineError::Snapshot(_) => AuditFault::SnapshotDamaged,
            _ => AuditFault::Illegal,
        };
        self.fold = None;
        self.audit.depth = AuditDepth::Decoded;
        self.find(fault, Some(event.seq), explain(&read));
        Ok(())
    }

    async fn step(&mut self, chain: &ChainId, event: &Sealed, version: u64) -> Result<(), EngineError> {
        let record = match fold::decode(event, self.summary.run, version) {
            Err(EngineError::Illegal(error)) => {
                self.find(AuditFault::Misplaced, Some(event.seq), error.to_string());
                return Ok(());
            }
            decoded => decoded?,
        };
        if let Event::RunPrepared(prepared) = &record.event
            && prepared.chain != *chain
        {
            let detail = format!("it was written for chain {}", prepared.chain);
            self.find(AuditFault::Misplaced, Some(event.seq), detail);
            return Ok(());
        }
        if let (1, Some(blobs)) = (version, self.blobs) {
            self.fold = Some(Fold::begin(self.summary.run, event, blobs).await?);
            self.audit.depth = AuditDepth::Folded;
        }
        let Some(fold) = &mut self.fold else { return Ok(()) };
        fold.apply(&record, event.digest)?;
        if let Event::RunEnded(ended) = &record.event {
            let given = CompletionRecord::new(&fold.state).map(|record| record.digest());
            if given != Some(ended.record) {
                let given = given.map_or_else(|| "nothing".to_owned(), |digest| digest.to_string());
                let detail = format!("the end names record {}, the events give {given}", ended.record);
                self.find(AuditFault::Record, Some(event.seq), detail);
            }
        }
        Ok(())
    }

    /// Compares with the index, once every event of the run was read.
    fn compare(&mut self) {
        if self.head != self.summary.head {
            let detail = format!(
                "the index says that its last event is {}, which is {}",
                self.summary.head.version, self.head.version
            );
            self.find(AuditFault::Index, None, detail);
            return;
        }
        let fold = self.fold.as_ref().filter(|_| !self.has_stopped());
        let row = fold.map(|fold| index::row(&fold.state));
        if let Some(row) = row.filter(|row| *row != self.summary.row) {
            let detail = format!("the index says {:?}, the events give {row:?}", self.summary.row);
            self.find(AuditFault::Index, None, detail);
        }
    }
}

/// An error with its causes, in one line.
fn explain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
