//! What was found of walls.

use std::fmt;

use striatum_core::sandbox::Isolation;

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Measured {
    /// What is enforced, by dimension.
    pub isolation: Isolation,
    /// The kind of sandbox: `namespaces`, `container` or `microvm`.
    pub kind: &'static str,
    /// What of the host it is made with, by name and version, such as `bubblewrap 0.8.0`.
    pub made_with: String,
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
        write!(f, "{} ({}, Landlock {}", self.kind, self.made_with, self.landlock)?;
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
