//! What makes a machine run.

use std::fmt;

/// What carries out a machine's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Accelerator {
    /// The processor, through the host's kernel.
    Kvm,
    /// A translator: slow, and possible everywhere.
    Emulation,
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kvm => "kvm",
            Self::Emulation => "emulated",
        })
    }
}
