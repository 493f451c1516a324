//! How much of the processors this process and a server have used.

use std::{fs, time::Duration};

use striatum_testkit::pg::Cluster;

use crate::Outcome;

/// A tick of `/proc`, on every Linux there is.
const TICK: Duration = Duration::from_millis(10);

/// How much of the processors this process has used.
#[cfg(feature = "pulling")]
pub(crate) fn own() -> Outcome<Duration> {
    Ok(TICK * u32::try_from(Stat::of("self")?.own)?)
}

#[derive(Debug)]
pub(crate) struct Cpu {
    client: u64,
    server: u64,
}

/// What was used between two looks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Burnt {
    pub(crate) client: Duration,
    pub(crate) server: Duration,
}

impl Burnt {
    pub(crate) fn both(self) -> Duration {
        self.client + self.server
    }

    /// The share of one of so many.
    pub(crate) fn each(self, of: u32) -> Self {
        Self { client: self.client / of, server: self.server / of }
    }
}

impl std::ops::AddAssign for Burnt {
    fn add_assign(&mut self, other: Self) {
        self.client += other.client;
        self.server += other.server;
    }
}

impl Cpu {
    /// Begins to count. To look takes time of its own, which is kept out of what this process has used.
    pub(crate) fn start(cluster: &Cluster) -> Outcome<Self> {
        let server = Self::server(cluster)?;
        Ok(Self { client: Self::client()?, server })
    }

    /// What has been used since.
    pub(crate) fn used(&self, cluster: &Cluster) -> Outcome<Burnt> {
        let client = Self::client()?;
        let time =
            |now: u64, before: u64| TICK * u32::try_from(now.saturating_sub(before)).unwrap_or(u32::MAX);
        let server = time(Self::server(cluster)?, self.server);
        Ok(Burnt { client: time(client, self.client), server })
    }

    fn client() -> Outcome<u64> {
        Ok(Stat::of("self")?.own)
    }

    /// The server's first process, and all that it started: those that have ended are counted with it.
    fn server(cluster: &Cluster) -> Outcome<u64> {
        let server = cluster.pid()?;
        let stat = Stat::of(&server.to_string())?;
        let mut ticks = stat.own + stat.ended;
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            // It may end while it is looked at; then it is in the sum of the first the next time.
            if let Ok(stat) = Stat::of(&name)
                && stat.parent == server
            {
                ticks += stat.own;
            }
        }
        Ok(ticks)
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
