//! What an agent finds in its environment.

use std::{collections::BTreeMap, ffi::OsString};

use striatum_core::sandbox::{EnvVar, SandboxError, SandboxErrorKind};

/// The variable that marks every process of a session.
pub(crate) const MARK: &str = "STRIATUM_SESSION";

/// What the sandbox sets, and what the wrapper's shell would change or refuse to pass on.
const RESERVED: [&str; 16] = [
    "PATH",
    "HOME",
    "TMPDIR",
    MARK,
    "_",
    "EUID",
    "IFS",
    "LINENO",
    "OLDPWD",
    "OPTARG",
    "OPTIND",
    "PPID",
    "PWD",
    "SHELLOPTS",
    "SHLVL",
    "UID",
];

/// Refuses variables that would not arrive as they were named.
pub(crate) fn check(env: &[EnvVar]) -> Result<(), SandboxError> {
    for EnvVar { name, .. } in env {
        let why = if RESERVED.contains(&name.as_str()) {
            "the sandbox keeps it for itself"
        } else if !is_portable(name) {
            "a name has letters, digits and _, and no digit first"
        } else {
            continue;
        };
        let doing = format!("set the variable {name:?}: {why}");
        return Err(SandboxError::new(SandboxErrorKind::Unsupported, doing));
    }
    Ok(())
}

/// The whole environment: what comes later wins.
pub(crate) fn assemble<'a>(
    fixed: [(&str, OsString); 4],
    named: impl IntoIterator<Item = &'a EnvVar>,
) -> BTreeMap<String, OsString> {
    let named = named.into_iter().map(|variable| (variable.name.clone(), variable.value.clone()));
    fixed.map(|(name, value)| (name.to_owned(), value)).into_iter().chain(named).collect()
}

/// A shell drops variables of other names when it starts a program.
fn is_portable(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_would_not_arrive_is_refused() {
        for name in ["PATH", "HOME", "TMPDIR", MARK, "PWD", "", "9A", "a-b", "a=b", "a.b", "ä", "a b"] {
            let refused = check(&[EnvVar::new("FINE", "1"), EnvVar::new(name, "secret")]);
            let error = refused.expect_err(name);
            assert_eq!(error.kind, SandboxErrorKind::Unsupported, "{name}");
            assert!(!error.to_string().contains("secret"));
        }
        check(&[EnvVar::new("LANG", "C"), EnvVar::new("_x9", "")]).expect("these arrive");
    }
}
