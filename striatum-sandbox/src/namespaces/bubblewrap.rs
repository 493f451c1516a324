//! The program that makes namespaces without privileges.

use std::path::PathBuf;

use striatum_core::sandbox::SandboxError;

use crate::installed::Wanted;

/// The oldest version with `--disable-userns`.
const OLDEST: (u32, u32) = (0, 8);

const BUBBLEWRAP: Wanted = Wanted {
    called: "bubblewrap",
    file: "bwrap",
    remedy: "install it with: apt-get install bubblewrap (dnf, apk, zypper and pacman have a package of that name too)",
};

/// Where bubblewrap is, and its version.
///
/// # Errors
/// [`SandboxErrorKind::Unavailable`](striatum_core::sandbox::SandboxErrorKind::Unavailable).
pub(super) fn find(given: Option<PathBuf>) -> Result<(PathBuf, String), SandboxError> {
    let (program, answer) = BUBBLEWRAP.find(given)?;
    let version = answer.trim().strip_prefix("bubblewrap ").unwrap_or_default();
    match parse(version) {
        Some(found) if found >= OLDEST => Ok((program, version.to_owned())),
        _ => {
            let (major, minor) = OLDEST;
            Err(BUBBLEWRAP.missing(format!("use bubblewrap {version:?}: {major}.{minor} or later is needed")))
        }
    }
}

fn parse(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use striatum_core::sandbox::SandboxErrorKind;

    use super::*;

    #[test]
    fn what_is_no_bubblewrap_is_refused_with_the_command_that_installs_it() {
        for wrong in ["/nowhere/bwrap", "/etc/passwd", "/bin/true"] {
            let error = find(Some(wrong.into())).expect_err(wrong);
            assert_eq!(error.kind, SandboxErrorKind::Unavailable, "{wrong}");
            assert!(error.remedy.expect("a remedy").contains("apt-get install bubblewrap"), "{wrong}");
        }
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert_eq!(parse("0.8.0"), Some((0, 8)));
        assert!(parse("0.11.0") > Some(OLDEST));
        assert!(parse("0.4.1") < Some(OLDEST));
        assert_eq!(parse("unknown"), None);
    }
}
