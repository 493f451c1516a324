//! What the writer knows of chains and runs without asking, as long as it alone writes.

use std::collections::{HashMap, hash_map::Entry};

use rusqlite::{Connection, OptionalExtension};
use striatum_core::{
    chain::Position,
    id::{ChainId, RunId},
    store::{RunHead, RunRow},
    time::Timestamp,
};

use crate::{error::Fault, events, row, tx::Statements};

/// Where a chain stands, and under which number its events are filed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChainHead {
    pub(crate) id: i64,
    pub(crate) head: Position,
    pub(crate) at: Timestamp,
}

/// A run as its events tell it; no index is asked for what an append compares.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) key: i64,
    pub(crate) chain: i64,
    pub(crate) head: RunHead,
    /// Where it stands in the index, if this connection wrote that last.
    pub(crate) standing: Option<Standing>,
}

/// A run's row in the index, and how many leases it has.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) row: RunRow,
    pub(crate) leases: i64,
}

impl Standing {
    /// How many leases the run may have at once. A grant takes from the room what it adds to the leases, so this rests.
    pub(crate) fn parallel(&self) -> i64 {
        self.leases + i64::from(self.row.room)
    }

    /// Whether the table of runs tells the two apart.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        let told = |of: &Self| (of.row.status, of.row.paused, of.row.active, of.parallel());
        told(self) != told(other) || self.row.workflow != other.row.workflow
    }
}

/// The heads that the last transactions of this connection read or wrote. Those of chains are written once for a whole group.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    version: Option<i64>,
    chains: HashMap<ChainId, (ChainHead, Place)>,
    runs: HashMap<RunId, Known>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Stored,
    Ahead,
}

/// How many runs are kept in mind.
const RUNS: usize = 1024;

impl Heads {
    /// Forgets everything if another connection has written since the last transaction. To be called inside of the next.
    pub(crate) fn begin(&mut self, statements: &mut Statements<'_>) -> rusqlite::Result<()> {
        let version = statements.get("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if self.version != Some(version) || self.runs.len() > RUNS {
            self.forget();
        }
        self.version = Some(version);
        Ok(())
    }

    /// What was learnt in a transaction that is rolled back is not so.
    pub(crate) fn forget(&mut self) {
        self.chains.clear();
        self.runs.clear();
    }

    /// Writes the heads of the chains that have grown.
    pub(crate) fn store(&mut self, statements: &mut Statements<'_>) -> rusqlite::Result<()> {
        for (ChainHead { id, head, at }, place) in self.chains.values_mut() {
            if *place == Place::Ahead {
                statements
                    .get("UPDATE chains SET head_seq = ?2, head_digest = ?3, head_at = ?4 WHERE id = ?1")?
                    .execute((*id, row::int(head.seq), head.digest.as_bytes(), row::micros(*at)))?;
                *place = Place::Stored;
            }
        }
        Ok(())
    }

    /// The head of a chain, if there is such a chain.
    pub(crate) fn chain(
        &mut self,
        connection: &Connection,
        chain: &ChainId,
    ) -> Result<Option<ChainHead>, Fault> {
        if let Some((head, _)) = self.chains.get(chain) {
            return Ok(Some(*head));
        }
        let head = connection
            .prepare_cached("SELECT id, head_seq, head_digest, head_at FROM chains WHERE name = ?1")?
            .query_row([chain.as_str()], |row| {
                let head = Position { seq: row::uint(row, 1)?, digest: row::digest(row, 2)? };
                Ok(ChainHead { id: row.get(0)?, head, at: row::time(row, 3)? })
            })
            .optional()?;
        if let Some(head) = head {
            // Rows would lie over one another, where each event was a row of its own and its key refused that.
            let end = events::end(connection, head.id)?.unwrap_or(Position { seq: 0, ..head.head });
            if end != head.head {
                return Err(Fault::corrupt(format!(
                    "the stored head of chain {chain} does not name its last event"
                )));
            }
            self.chains.insert(chain.clone(), (head, Place::Stored));
        }
        Ok(head)
    }

    /// The head of a run, if it has events. An index that was dropped, or is wrong, cannot fork it.
    pub(crate) fn run(&mut self, connection: &Connection, run: RunId) -> Result<Option<Known>, Fault> {
        let entry = match self.runs.entry(run) {
            Entry::Occupied(known) => return Ok(Some(known.get().clone())),
            Entry::Vacant(entry) => entry,
        };
        let known = events::last(connection, run)?;
        Ok(known.map(|known| entry.insert(known).clone()))
    }

    /// Notes where an append has brought its chain and its run.
    pub(crate) fn advance(&mut self, chain: &ChainId, head: ChainHead, run: RunId, known: Known) {
        let ahead = (head, Place::Ahead);
        match self.chains.get_mut(chain) {
            Some(known) => *known = ahead,
            None => drop(self.chains.insert(chain.clone(), ahead)),
        }
        self.settle(run, known);
    }

    /// Forgets where runs stand in the index. Heads that are yet to be written are kept.
    pub(crate) fn unsettle(&mut self) {
        self.runs.values_mut().for_each(|known| known.standing = None);
    }

    /// Notes where a run stands now.
    pub(crate) fn settle(&mut self, run: RunId, known: Known) {
        self.runs.insert(run, known);
    }
}
