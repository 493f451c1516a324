//! A write transaction, as the pieces of work see it that share it.

use std::{ops::Deref, ptr};

use rusqlite::{Connection, Statement};

use crate::{heads::Heads, stretch::Draft};

/// The connection, what is known of its heads, and what is kept from one transaction to the next.
pub(crate) struct Tx<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) heads: Heads,
    pub(crate) statements: Statements<'a>,
    /// Room for a row that is put together, empty in between.
    pub(crate) draft: Draft,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(connection: &'a Connection) -> Self {
        let statements = Statements { connection, prepared: Vec::new() };
        Self { connection, heads: Heads::default(), statements, draft: Draft::default() }
    }

    /// As [`Statements::get`].
    pub(crate) fn statement(&mut self, sql: &'static str) -> rusqlite::Result<&mut Statement<'a>> {
        self.statements.get(sql)
    }
}

impl Deref for Tx<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

/// The statements that nearly every transaction runs. They stay prepared and are found by where their texts lie: to look a text up in
/// rusqlite's cache is a good part of what a short statement costs.
pub(crate) struct Statements<'a> {
    connection: &'a Connection,
    prepared: Vec<(&'static str, Statement<'a>)>,
}

impl<'a> Statements<'a> {
    pub(crate) fn get(&mut self, sql: &'static str) -> rusqlite::Result<&mut Statement<'a>> {
        let known = self.prepared.iter().position(|(known, _)| ptr::eq(*known, sql));
        let index = match known {
            Some(index) => index,
            None => {
                self.prepared.push((sql, self.connection.prepare(sql)?));
                self.prepared.len() - 1
            }
        };
        Ok(&mut self.prepared[index].1)
    }
}
