//! One line that shows how far it is, for whoever watches a terminal.

use std::io::{self, IsTerminal, Write};

const STEP: u64 = 8192;

pub(crate) struct Progress {
    shown: bool,
    is_watched: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { shown: false, is_watched: io::stderr().is_terminal() }
    }

    /// Says how far something is, every few thousand.
    pub(crate) fn at(&mut self, what: &str, done: u64, of: u64) {
        if self.is_watched && done.is_multiple_of(STEP) {
            self.shown = true;
            // A terminal that cannot be written to shows nothing; the report is what counts.
            drop(write!(io::stderr(), "\r\x1b[2K{what}: {done} of {of} events"));
        }
    }

    /// Removes the line.
    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            drop(write!(io::stderr(), "\r\x1b[2K"));
        }
    }
}
