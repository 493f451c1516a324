//! What is left of a session, and how it is ended.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use striatum_core::{
    id::SessionId,
    sandbox::{SandboxError, SandboxErrorKind},
};

use crate::process::{self, ProcessRecord, Seen, is_alive};
use crate::{child::Leader, failure::failed};

/// How long a process that was killed may take to be gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pause between two looks at the process table, which are not free: it doubles from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(32));

/// The processes of a session, as far as they can be told from others.
///
/// A process belongs here if it carries the session's mark, is in a group whose leader is ours or is on record and was seen
/// alive, or was started by one that belongs here. A group keeps its number while it has a member, so it stays ours while one of those that we knew is in it.
pub(crate) struct Remains {
    mark: Option<String>,
    leaders: Vec<Arc<Leader>>,
    records: Vec<ProcessRecord>,
    /// The groups whose leader on record was seen alive.
    held: BTreeSet<u32>,
    known: BTreeMap<u32, Seen>,
}

impl Remains {
    /// Of processes of this program.
    pub(crate) fn pinned(session: Option<SessionId>, leaders: Vec<Arc<Leader>>) -> Self {
        let (adopted, leaders): (Vec<_>, Vec<_>) =
            leaders.into_iter().partition(|leader| leader.adopted().is_some());
        let records = adopted.iter().filter_map(|leader| leader.adopted().cloned()).collect();
        Self { leaders, ..Self::recorded(session, records) }
    }

    /// Of processes of a program that may be gone.
    pub(crate) fn recorded(session: Option<SessionId>, records: Vec<ProcessRecord>) -> Self {
        let (leaders, held, known) = (Vec::new(), BTreeSet::new(), BTreeMap::new());
        Self { mark: session.map(process::mark), leaders, records, held, known }
    }

    /// Asks every process to end, kills those that are left after the grace period, and returns how many there were once none
    /// is left. Blocks.
    pub(crate) fn end(mut self, grace: Duration) -> Result<usize, SandboxError> {
        let asked = Instant::now();
        let mut told = BTreeSet::new();
        let mut quiet_looks = 0;
        let mut refusal = None;
        let (mut pause, longest) = PAUSES;
        // A process that is about to become another program shows no environment for a moment: two looks must agree.
        while quiet_looks < 2 {
            let living = self.living().map_err(failed("read the process table"))?;
            let waited = asked.elapsed();
            if living.is_empty() {
                quiet_looks += 1;
            } else if waited >= grace + PATIENCE {
                let doing = format!("end {} processes of a session", living.len());
                let error = SandboxError::new(SandboxErrorKind::Other, doing);
                return Err(match refusal {
                    Some(refusal) => error.because(refusal),
                    None => error,
                });
            } else {
                quiet_looks = 0;
                let sent = if waited < grace {
                    let untold: Vec<_> =
                        living.into_iter().filter(|seen| !told.contains(&seen.pid)).collect();
                    let first = told.is_empty();
                    told.extend(untold.iter().map(|seen| seen.pid));
                    self.signal(&untold, Signal::TERM, first)
                } else {
                    self.signal(&living, Signal::KILL, true)
                };
                // One that may not be signalled shall not save the others; it counts if it is still there at the last.
                refusal = sent.err().or(refusal);
            }
            sleep(pause);
            pause = longest.min(pause * 2);
        }
        Ok(self.known.len())
    }

    /// Kills what can be seen and does not wait for the end.
    pub(crate) fn kill_at_once(mut self) {
        // The second look finds what was forked during the first.
        for _ in 0..2 {
            let killed = self.living().and_then(|living| self.signal(&living, Signal::KILL, true));
            if let Err(error) = killed {
                tracing::warn!(%error, "a process of a session could not be killed");
            }
        }
    }

    fn signal(&self, targets: &[Seen], signal: Signal, whole_groups: bool) -> io::Result<()> {
        // To a group at once, so that no member sees another end and acts on it.
        let groups = self.leaders.iter().filter(|_| whole_groups);
        let mut answer = groups.map(|leader| leader.signal_group(signal)).fold(Ok(()), Result::and);
        for target in targets {
            let has_it = whole_groups && self.leaders.iter().any(|leader| leader.group() == target.group);
            if !has_it {
                // All are told, even if one cannot be.
                answer = answer.and(process::signal(target, signal));
            }
        }
        answer
    }

    fn living(&mut self) -> io::Result<Vec<Seen>> {
        let me = std::process::id();
        let seen: Vec<_> = process::all()?
            .into_iter()
            .filter(|seen| !seen.ended && seen.pid != me && seen.pid > 1)
            .collect();
        // After the look: a leader that is alive now was so then, and the group was its own.
        let led: BTreeSet<_> =
            self.records.iter().filter(|record| is_alive(record)).map(|record| record.pid).collect();
        self.held.retain(|group| seen.iter().any(|seen| seen.group == *group && is_known(&self.known, seen)));
        self.held.extend(led);
        let belongs = |seen: &Seen| {
            is_known(&self.known, seen)
                || self.held.contains(&seen.group)
                || self.leaders.iter().any(|leader| leader.group() == seen.group)
                || self.mark.as_ref().is_some_and(|mark| process::carries(seen.pid, mark))
        };
        let (mut living, mut others): (Vec<_>, Vec<_>) = seen.into_iter().partition(belongs);
        // What a process of ours has started is ours, whatever group and environment it has.
        loop {
            let ours: BTreeSet<_> = living.iter().map(|seen| seen.pid).collect();
            let (children, rest) = others.into_iter().partition(|seen: &Seen| ours.contains(&seen.parent));
            others = rest;
            let more: Vec<_> = children;
            if more.is_empty() {
                break;
            }
            living.extend(more);
        }
        self.known.extend(living.iter().map(|seen| (seen.pid, seen.clone())));
        Ok(living)
    }
}

fn is_known(known: &BTreeMap<u32, Seen>, seen: &Seen) -> bool {
    known.get(&seen.pid).is_some_and(|known| known.start == seen.start)
}
