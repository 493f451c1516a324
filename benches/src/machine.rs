//! What the figures were taken on.

use std::{fmt, fs, io::Write, path::Path, time::Duration};

use crate::{Outcome, measure, table};

const FLUSHES: usize = 400;

/// The machine, and what a flush of its disk costs at this moment.
#[derive(Debug)]
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    system: String,
    load: String,
    flush: Duration,
}

impl Machine {
    pub(crate) fn describe(folder: &Path) -> Outcome<Self> {
        let line = |path: &str, key: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned);
            line.map_or_else(|| "unknown".to_owned(), |line| line.trim_matches([' ', '\t', ':']).to_owned())
        };
        Ok(Self {
            processor: line("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism()?.get(),
            system: line("/proc/sys/kernel/osrelease", ""),
            load: line("/proc/loadavg", "").split(' ').take(3).collect::<Vec<_>>().join(" "),
            flush: flush(folder)?,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, cores, system, load, flush } = self;
        let flushes = table::per_second(1.0 / flush.as_secs_f64());
        write!(
            f,
            "{processor}, {cores} cores, kernel {system}, load {load}; fdatasync of 4 KiB: {flush:.0?} ({flushes})"
        )
    }
}

/// The median time that the disk takes to make 4 KiB durable.
fn flush(folder: &Path) -> Outcome<Duration> {
    let mut file = tempfile::tempfile_in(folder)?;
    let mut times = Vec::with_capacity(FLUSHES);
    for _ in 0..FLUSHES {
        let (time, written) = measure::time(|| file.write_all(&[0; 4096]).and_then(|()| file.sync_data()));
        written?;
        times.push(time);
    }
    times.sort_unstable();
    Ok(times[FLUSHES / 2])
}
