//! Programs of the host that walls and machines are made with.

use std::{env, path::PathBuf, process::Command};

use rustix::fs::{Access, access};
use striatum_core::sandbox::{SandboxError, SandboxErrorKind};

/// A program that somebody has to install.
pub(crate) struct Wanted {
    /// What people call it.
    pub(crate) called: &'static str,
    /// The name of its file.
    pub(crate) file: &'static str,
    /// How to get it.
    pub(crate) remedy: &'static str,
}

impl Wanted {
    /// Where it is, at the place that was given or else in `PATH`, and what it answers to `--version`.
    ///
    /// # Errors
    /// [`SandboxErrorKind::Unavailable`].
    pub(crate) fn find(&self, given: Option<PathBuf>) -> Result<(PathBuf, String), SandboxError> {
        let is_program = |path: &PathBuf| path.is_file() && access(path, Access::EXEC_OK).is_ok();
        let program = match given {
            Some(given) if is_program(&given) => given,
            Some(given) => {
                return Err(self.missing(format!("run {}, which is no program", given.display())));
            }
            None => {
                let path = env::var_os("PATH").unwrap_or_default();
                let folders = env::split_paths(&path).filter(|folder| folder.is_absolute());
                let found = folders.map(|folder| folder.join(self.file)).find(is_program);
                found.ok_or_else(|| self.missing(format!("find {} ({}) in PATH", self.called, self.file)))?
            }
        };
        let ran = Command::new(&program).arg("--version").env_clear().output();
        let ran = ran.map_err(|error| self.missing(format!("run {}", program.display())).because(error))?;
        Ok((program, String::from_utf8_lossy(&ran.stdout).into_owned()))
    }

    /// The same, and its version, which it announces with these words before it. It must not be older than `oldest`.
    ///
    /// # Errors
    /// [`SandboxErrorKind::Unavailable`].
    pub(crate) fn find_at_least(
        &self,
        oldest: (u32, u32),
        given: Option<PathBuf>,
        announced: &str,
    ) -> Result<(PathBuf, String), SandboxError> {
        let (program, answer) = self.find(given)?;
        let Some(version) = answer.trim().strip_prefix(announced) else {
            let said = answer.lines().next().unwrap_or_default();
            return Err(self.missing(format!(
                "use {}, which is no {} and says {said:?}",
                program.display(),
                self.called
            )));
        };
        self.at_least(oldest, version)?;
        Ok((program, version.to_owned()))
    }

    fn at_least(&self, oldest: (u32, u32), version: &str) -> Result<(), SandboxError> {
        let (major, minor) = oldest;
        if parse(version).is_some_and(|found| found >= oldest) {
            return Ok(());
        }
        let called = self.called;
        Err(self.missing(format!("use {called} {version:?}: {major}.{minor} or later is needed")))
    }

    /// That this cannot be done without it.
    pub(crate) fn missing(&self, doing: String) -> SandboxError {
        SandboxError::new(SandboxErrorKind::Unavailable, doing).with_remedy(self.remedy)
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
    fn versions_are_compared_by_their_numbers() {
        assert_eq!(parse("0.8.0"), Some((0, 8)));
        assert!(parse("0.11.0") > Some((0, 8)));
        assert!(parse("0.4.1") < Some((0, 8)));
        assert_eq!(parse("unknown"), None);
    }
}
