//! How much of the processors this process and a server have used.

use std::{fs, time::Duration};

use striatum_testkit::pg::Cluster;

use crate::Outcome;

/// A tick of `/proc`, on every Linux there is.
const TICK: Duration = Duration::from_millis(10);

/// How much of the processors this process has used.
pub(crate) fn own() -> Outcome<Duration> {
    Ok(TICK * u32::try_from(Stat::of("self")?.own)?)
}

#[derive(Debug)]
pub(crate) struct Cpu(u64);

impl Cpu {
    /// This process, the server's first process, and all that it started: those that have ended are counted with it.
    pub(crate) fn now(cluster: &Cluster) -> Outcome<Self> {
        let server = cluster.pid()?;
        let mut ticks = Stat::of("self")?.own;
        let stat = Stat::of(&server.to_string())?;
        ticks += stat.own + stat.ended;
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            // It may end while it is looked at; then it is in the sum of the first the next time.
            if let Ok(stat) = Stat::of(&name)
                && stat.parent == server
            {
                ticks += stat.own;
            }
        }
        Ok(Self(ticks))
    }

    pub(crate) fn since(&self, before: &Self) -> Duration {
        TICK * u32::try_from(self.0.saturating_sub(before.0)).unwrap_or(u32::MAX)
    }
}

struct Stat {
    parent: u32,
    own: u64,
    ended: u64,
}

impl Stat {
    fn of(process: &str) -> Outcome<Self> {
        let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
        // The name of the program may hold anything but ends with the last parenthesis.
        let (_, rest) = text.rsplit_once(')').ok_or("no name in /proc/*/stat")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number =
            |place: usize| -> Outcome<u64> { Ok(fields.get(place).ok_or("a short /proc/*/stat")?.parse()?) };
        Ok(Self {
            parent: number(1)?.try_into()?,
            own: number(11)? + number(12)?,
            ended: number(13)? + number(14)?,
        })
    }
}
