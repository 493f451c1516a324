//! Tests that cannot run where they are.

use std::{env, fs::File, io::Write as _};

/// Says that a test could not run, and why: to people on standard error, and to the gate in the file that `STRIATUM_SKIPS`
/// names.
///
/// # Panics
/// If that file cannot be written: a test that is skipped unseen would count as passed.
///
/// ```no_run
/// fn a_tree_is_kept() {
///     if std::process::Command::new("git").arg("--version").output().is_err() {
///         return striatum_testkit::skip("a_tree_is_kept", "there is no git here");
///     }
///     // …
/// }
/// ```
pub fn skip(test: &str, reason: &str) {
    // Not `eprintln!`: the harness would keep it to itself for a test that passes.
    let _unseen = std::io::stderr().write_all(format!("skipped: {test}: {reason}\n").as_bytes());
    let Some(list) = env::var_os("STRIATUM_SKIPS") else { return };
    let written = File::options().create(true).append(true).open(&list).and_then(|mut list| {
        // In one piece, since other tests write to the same file.
        list.write_all(format!("{test}: {reason}\n").as_bytes())
    });
    assert!(written.is_ok(), "{}: {written:?}", list.display());
}
