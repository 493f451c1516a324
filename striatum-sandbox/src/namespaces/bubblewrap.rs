//! The program that makes namespaces without privileges.

use std::{env, path::PathBuf, process::Command};

use rustix::fs::{Access, access};
use striatum_core::sandbox::{SandboxError, SandboxErrorKind};

/// The oldest version with `--disable-userns`.
const OLDEST: (u32, u32) = (0, 8);

const INSTALL: &str = "install it with: apt-get install bubblewrap (dnf, apk, zypper and pacman have a package of that name too)";

/// Where bubblewrap is, and its version.
///
/// # Errors
/// [`SandboxErrorKind::Unavailable`].
pub(super) fn find(given: Option<PathBuf>) -> Result<(PathBuf, String), SandboxError> {
    let missing =
        |doing: String| SandboxError::new(SandboxErrorKind::Unavailable, doing).with_remedy(INSTALL);
    let is_program = |path: &PathBuf| path.is_file() && access(path, Access::EXEC_OK).is_ok();
    let program = match given {
        Some(given) if is_program(&given) => given,
        Some(given) => return Err(missing(format!("run {}, which is no program", given.display()))),
        None => {
            let path = env::var_os("PATH").unwrap_or_default();
            let folders = env::split_paths(&path).filter(|folder| folder.is_absolute());
            let found = folders.map(|folder| folder.join("bwrap")).find(is_program);
            found.ok_or_else(|| missing("find bubblewrap (bwrap) in PATH".to_owned()))?
        }
    };
    let ran = Command::new(&program).arg("--version").env_clear().output();
    let ran = ran.map_err(|error| missing(format!("run {}", program.display())).because(error))?;
    let answer = String::from_utf8_lossy(&ran.stdout);
    let version = answer.trim().strip_prefix("bubblewrap ").unwrap_or_default();
    match parse(version) {
        Some(found) if found >= OLDEST => Ok((program, version.to_owned())),
        _ => {
            Err(missing(format!("use bubblewrap {version:?}: {}.{} or later is needed", OLDEST.0, OLDEST.1)))
        }
    }
}

fn parse(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
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
