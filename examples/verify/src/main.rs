//! Verifies a store offline and explains what it found.
//!
//! It never writes, works on a copy, and works while engines have the store open. It exits with 0 if the store is sound, with 1
//! if it is not, and with 2 if it could not be read.
mod args;
mod blobs;
mod check;
mod problem;
mod progress;
mod report;
mod text;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use args::Args;
use report::Report;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = match Args::read() {
        Ok(args) => args,
        Err(code) => return code,
    };
    let report = check::store(&args).await;
    let written = if args.json {
        write(&mut io::stdout(), &format!("{}\n", report.json()))
    } else {
        let findings = write(&mut io::stdout(), &text::findings(&report, &args));
        findings.and(write(&mut io::stderr(), &text::problem(&report)))
    };
    match written {
        Ok(()) => report.exit(),
        // Nobody reads any longer; what was found is still the answer.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => report.exit(),
        Err(_) => ExitCode::from(Report::UNREADABLE),
    }
}

fn write(to: &mut impl Write, text: &str) -> io::Result<()> {
    to.write_all(text.as_bytes())?;
    to.flush()
}
