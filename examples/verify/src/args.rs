//! What the caller wants.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use striatum_core::{chain::Position, id::ChainId};

use crate::report::Report;

/// Verifies a Striatum store offline and explains what it found.
///
/// Every event must give its digest, follow the one before it and agree with the head; then what the events say is audited.
/// Nothing is written. Exit status: 0 sound, 1 not sound, 2 could not be read.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    /// The store: an SQLite file, or a copy of one.
    pub(crate) path: PathBuf,
    /// Only this chain.
    #[arg(long, value_name = "ID")]
    pub(crate) chain: Option<ChainId>,
    /// A head that was noted down earlier: the chain must contain it.
    #[arg(long, value_name = "SEQ:DIGEST")]
    pub(crate) expect: Option<Position>,
    /// The folder of the blobs, needed to fold runs [default: `blobs` beside the store, if it is there].
    #[arg(long, value_name = "DIR")]
    pub(crate) blobs: Option<PathBuf>,
    /// Check the digests only, not what the events say.
    #[arg(long)]
    pub(crate) no_audit: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Args {
    /// Reads the command line; what is wrong with it, or was asked about it, is printed.
    pub(crate) fn read() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| {
            let shown = error.print();
            if error.use_stderr() {
                eprintln!("\ncode: usage\nwhat to do: correct the command line as shown above");
            }
            let is_help = !error.use_stderr() && shown.is_ok();
            ExitCode::from(if is_help { 0 } else { Report::UNREADABLE })
        })
    }

    /// Where the blobs lie, if they are anywhere.
    pub(crate) fn blobs_folder(&self) -> Option<PathBuf> {
        let beside = || Some(self.path.parent()?.join("blobs")).filter(|folder| folder.is_dir());
        self.blobs.clone().or_else(beside)
    }
}
