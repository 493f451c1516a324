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
    /// What a process behind the walls could do and should not have: empty on a sound host.
    pub breaches: Vec<String>,
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
        for breach in &self.breaches {
            write!(f, "; a process could {breach}")?;
        }
        f.write_str(")")
    }
}
