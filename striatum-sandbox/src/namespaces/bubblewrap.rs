//! The program that makes namespaces without privileges.

use std::{fmt, path::PathBuf};

use striatum_core::sandbox::SandboxError;

use super::{
    root::Root,
    start::{First, Footing, Launch, Launched},
};
use crate::{child::Leader, folder::Folder, installed::Wanted, shim::order::Order};

/// The oldest version with `--disable-userns`.
const OLDEST: (u32, u32) = (0, 8);

const BUBBLEWRAP: Wanted = Wanted {
    called: "bubblewrap",
    file: "bwrap",
    remedy: "install it with: apt-get install bubblewrap (dnf, apk, zypper and pacman have a package of that name too)",
};

/// The program, as it was found.
#[derive(Debug, Clone)]
pub(crate) struct Bubblewrap {
    pub(crate) program: PathBuf,
    version: String,
}

impl Bubblewrap {
    /// Where bubblewrap is, and its version.
    ///
    /// # Errors
    /// [`SandboxErrorKind::Unavailable`](striatum_core::sandbox::SandboxErrorKind::Unavailable).
    pub(super) fn find(given: Option<PathBuf>) -> Result<Self, SandboxError> {
        let (program, version) = BUBBLEWRAP.find_at_least(OLDEST, given, "bubblewrap ")?;
        Ok(Self { program, version })
    }
}

impl fmt::Display for Bubblewrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bubblewrap {}", self.version)
    }
}

impl First for Bubblewrap {
    fn launch(
        &self,
        footing: Footing,
        root: &Root,
        order: Order,
    ) -> Result<(Leader, Launched), SandboxError> {
        let (bubblewrap, walls) = (self.program.clone(), root.arguments());
        Launch { footing, bubblewrap, walls, user: None }.launch(order)
    }

    fn sweep(&self, _folder: &Folder) {
        // It keeps nothing.
    }
}

#[cfg(test)]
mod tests {
    use striatum_core::sandbox::SandboxErrorKind;

    use super::*;

    #[test]
    fn what_is_no_bubblewrap_is_refused_with_the_command_that_installs_it() {
        for wrong in ["/nowhere/bwrap", "/etc/passwd", "/bin/true"] {
            let error = Bubblewrap::find(Some(wrong.into())).expect_err(wrong);
            assert_eq!(error.kind, SandboxErrorKind::Unavailable, "{wrong}");
            assert!(error.remedy.expect("a remedy").contains("apt-get install bubblewrap"), "{wrong}");
        }
    }
}
