//! Runs a command with a throw-away Postgres cluster, whose address it finds in `STRIATUM_PG_URL`. Where there are no
//! Postgres binaries the command runs without one, and the tests that need one say so.
//!
//!     with-postgres cargo nextest run

use std::{
    io::Write,
    process::{Command, ExitCode},
};

use striatum_testkit::pg::{Cluster, ClusterError, URL};

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let Some(program) = words.next() else {
        return say("usage: with-postgres <command> [<argument>…]");
    };
    let mut command = Command::new(program);
    command.args(words);
    let cluster = match Cluster::start_with(&[("fsync", "off")]) {
        Ok(cluster) => Some(cluster),
        Err(ClusterError::NoBinaries) => None,
        Err(error) => return say(&error.to_string()),
    };
    if let Some(cluster) = &cluster {
        command.env(URL, cluster.url());
    }
    match command.status() {
        Ok(status) => {
            status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
        }
        Err(error) => say(&error.to_string()),
    }
}

fn say(what: &str) -> ExitCode {
    // There is nobody else to tell.
    drop(writeln!(std::io::stderr(), "with-postgres: {what}"));
    ExitCode::from(2)
}
