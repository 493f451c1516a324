//! A write transaction, as the pieces of work see it that share it.

use std::{ops::Deref, ptr};

use rusqlite::{CachedStatement, Connection};

use crate::{heads::Heads, stretch::Draft};

/// The connection, what is known of its heads, and the statements that this transaction has run.
pub(crate) struct Tx<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) heads: &'a mut Heads,
    /// Room for a row that is put together, empty in between.
    pub(crate) draft: Draft,
    statements: Vec<(&'static str, CachedStatement<'a>)>,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(connection: &'a Connection, heads: &'a mut Heads) -> Self {
        Self { connection, heads, draft: Draft::default(), statements: Vec::new() }
    }

    /// As `prepare_cached`, but a statement stays out of the cache until the transaction ends: looking its text up is a
    /// good part of what a short statement costs. For those that nearly every append runs.
    pub(crate) fn statement(&mut self, sql: &'static str) -> rusqlite::Result<&mut CachedStatement<'a>> {
        let known = self.statements.iter().position(|(known, _)| ptr::eq(*known, sql));
        let index = match known {
            Some(index) => index,
            None => {
                self.statements.push((sql, self.connection.prepare_cached(sql)?));
                self.statements.len() - 1
            }
        };
        Ok(&mut self.statements[index].1)
    }
}

impl Deref for Tx<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}
