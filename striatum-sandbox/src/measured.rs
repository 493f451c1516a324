//! What was found of walls.

use std::fmt;

use striatum_core::sandbox::Isolation;

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Measured {
    /// What is enforced, by dimension.
    pub isolation: Isolation,
    /// The machine, its kernel and what carries it out, where there is one.
    pub machine: Option<String>,
    /// The version of bubblewrap.
    pub bubblewrap: String,
    /// The version of Landlock's interface that is enforced in full.
    pub landlock: u32,
    /// What is bounded for all that a process starts together.
    pub bounds: Bounds,
    /// What a process behind the walls could do and should not have: empty on a sound host.
    pub breaches: Vec<String>,
}

/// What control groups bound on this host. `resources` is enforced if memory and processes are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// Memory.
    pub memory: bool,
    /// The number of processes and threads.
    pub processes: bool,
    /// Processor time.
    pub processors: bool,
}

impl Bounds {
    fn names(self) -> String {
        let all = [(self.memory, "memory"), (self.processes, "processes"), (self.processors, "processors")];
        let held: Vec<&str> = all.into_iter().filter_map(|(held, name)| held.then_some(name)).collect();
        if held.is_empty() { "nothing".to_owned() } else { held.join(", ") }
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.machine {
            Some(machine) => write!(f, "microvm ({machine}, ")?,
            None => f.write_str("namespaces (")?,
        }
        write!(f, "bubblewrap {}, Landlock {}", self.bubblewrap, self.landlock)?;
        for (dimension, level) in self.isolation.dimensions() {
            write!(f, ", {dimension} {level}")?;
        }
        write!(f, ", bounded: {}", self.bounds.names())?;
        for breach in &self.breaches {
            write!(f, "; a process could {breach}")?;
        }
        f.write_str(")")
    }
}
