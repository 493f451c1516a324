//! What is kept of each request.

use std::{
    fmt, io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use hyper::{Method, StatusCode};

use super::{
    host::Authority,
    refusal::Refusal,
    rule::{Rule, Scheme},
};

/// A request, a tunnel, or an attempt at one. It contains no path beyond the rule's, no header and no body, and so no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EgressRecord {
    /// How the host was spoken to.
    pub scheme: Scheme,
    /// The host and the port, as `host:port`; nothing if the request named none in plain form.
    pub destination: Option<String>,
    /// The method, if one was read. It is `CONNECT` where nothing within the connection was looked at.
    pub method: Option<Method>,
    /// The rule that allowed it, in short form.
    pub rule: Option<String>,
    /// What became of it.
    pub fate: Fate,
    /// Bytes of body that went up; all bytes of a tunnel.
    pub up_bytes: u64,
    /// Bytes of body that came down; all bytes of a tunnel.
    pub down_bytes: u64,
    /// When it came.
    pub begun_at: SystemTime,
    /// How long it took.
    pub time: Duration,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// The host answered with this status.
    Answered(u16),
    /// Bytes went to and fro that were not looked at.
    Tunnelled,
    /// It was not passed on, or broken off.
    Refused(Refusal),
    /// The client went away before there was an answer.
    Abandoned,
}

impl fmt::Display for EgressRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = self.method.as_ref().map_or("-", Method::as_str);
        let destination = self.destination.as_deref().unwrap_or("-");
        write!(f, "{method} {}://{destination}: ", self.scheme)?;
        match self.fate {
            Fate::Answered(status) => write!(f, "{status}"),
            Fate::Tunnelled => f.write_str("tunnelled"),
            Fate::Refused(refusal) => write!(f, "refused, {}", refusal.code()),
            Fate::Abandoned => f.write_str("abandoned"),
        }
    }
}

/// Takes the records of a session. It is called where requests are served, and must not wait.
pub trait EgressAudit: fmt::Debug + Send + Sync + 'static {
    /// Takes one.
    ///
    /// # Errors
    /// An [`io::Error`] if it cannot be kept. The proxy then refuses what is asked next ([`Refusal::Unrecorded`]), until a record is
    /// taken again: that of such a refusal, say.
    fn record(&self, record: EgressRecord) -> io::Result<()>;
}

/// Tells `tracing` of each request: those that were refused as warnings, the others as events to debug with.
#[derive(Debug, Clone, Copy, Default)]
pub struct Traced;

impl EgressAudit for Traced {
    fn record(&self, record: EgressRecord) -> io::Result<()> {
        let rule = record.rule.as_deref().unwrap_or_default();
        let EgressRecord { up_bytes, down_bytes, time, .. } = record;
        match record.fate {
            Fate::Refused(_) => tracing::warn!(rule, up_bytes, down_bytes, ?time, "egress: {record}"),
            _ => tracing::debug!(rule, up_bytes, down_bytes, ?time, "egress: {record}"),
        }
        Ok(())
    }
}

/// Gives records to those who take them, and knows whether they do.
#[derive(Debug)]
pub(super) struct Records {
    audit: Arc<dyn EgressAudit>,
    is_failing: AtomicBool,
}

impl Records {
    pub(super) fn new(audit: Arc<dyn EgressAudit>) -> Self {
        Self { audit, is_failing: AtomicBool::new(false) }
    }

    /// Refuses what nobody would ever learn of.
    pub(super) fn admit(&self) -> Result<(), Refusal> {
        if self.is_failing.load(Ordering::Relaxed) { Err(Refusal::Unrecorded) } else { Ok(()) }
    }

    fn keep(&self, record: EgressRecord) {
        let kept = self.audit.record(record);
        if let Err(error) = &kept {
            tracing::error!(%error, "the record of a request of an agent cannot be kept: the next is refused");
        }
        self.is_failing.store(kept.is_err(), Ordering::Relaxed);
    }
}

/// A request that is under way. Its record is given when the last who knows of it lets go.
#[derive(Clone)]
pub(super) struct Account(Arc<Entry>);

struct Entry {
    records: Arc<Records>,
    begun: Instant,
    up: AtomicU64,
    down: AtomicU64,
    record: Mutex<EgressRecord>,
}

impl Account {
    pub(super) fn open(records: Arc<Records>, scheme: Scheme, method: Option<Method>) -> Self {
        let record = EgressRecord {
            scheme,
            destination: None,
            method,
            rule: None,
            fate: Fate::Abandoned,
            up_bytes: 0,
            down_bytes: 0,
            begun_at: SystemTime::now(),
            time: Duration::ZERO,
        };
        let (up, down) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Entry { records, begun: Instant::now(), up, down, record: Mutex::new(record) }))
    }

    pub(super) fn goes_to(&self, authority: &Authority) {
        self.change(|record| record.destination = Some(format!("{}:{}", authority.host, authority.port)));
    }

    pub(super) fn allowed_by(&self, rule: &Rule) {
        self.change(|record| record.rule = Some(rule.to_string()));
    }

    pub(super) fn answered(&self, status: StatusCode) {
        self.change(|record| record.fate = Fate::Answered(status.as_u16()));
    }

    pub(super) fn tunnelled(&self) {
        self.change(|record| record.fate = Fate::Tunnelled);
    }

    /// The first reason counts.
    pub(super) fn refused(&self, refusal: Refusal) {
        self.change(|record| {
            if !matches!(record.fate, Fate::Refused(_)) {
                record.fate = Fate::Refused(refusal);
            }
        });
    }

    /// Why it was refused, if it was.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        match self.0.record.lock().unwrap_or_else(PoisonError::into_inner).fate {
            Fate::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Counts bytes, and tells how many there are in this direction.
    pub(super) fn count(&self, way: Way, bytes: usize) -> u64 {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.0.counter(way).fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes)
    }

    fn change(&self, change: impl FnOnce(&mut EgressRecord)) {
        change(&mut self.0.record.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From the agent.
    Up,
    /// To it.
    Down,
}

impl Entry {
    fn counter(&self, way: Way) -> &AtomicU64 {
        match way {
            Way::Up => &self.up,
            Way::Down => &self.down,
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut record = self.record.get_mut().unwrap_or_else(PoisonError::into_inner).clone();
        record.up_bytes = *self.up.get_mut();
        record.down_bytes = *self.down.get_mut();
        record.time = self.begun.elapsed();
        self.records.keep(record);
    }
}
