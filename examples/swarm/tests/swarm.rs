//! Whole swarms, on the tests' server.

use std::process::Command;

use striatum_testkit::pg::{ClusterError, shared, skip};

fn swarm(arguments: &[&str]) -> Option<String> {
    let database = match shared() {
        Ok(address) => address,
        Err(missing @ ClusterError::NoBinaries) => {
            skip(missing);
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    let output = Command::new(env!("CARGO_BIN_EXE_swarm"))
        .args(arguments)
        .env("DATABASE_URL", database)
        .output()
        .unwrap();
    let (said, complaint) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{complaint}");
    Some(said.into_owned())
}

/// The number behind a word.
fn number(said: &str, word: &str) -> usize {
    let behind = said.split(word).nth(1).unwrap_or_else(|| panic!("no {word:?} in: {said}"));
    let digits: String = behind.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[test]
fn several_workers_share_the_runs() {
    let Some(said) = swarm(&["--workers", "3", "--runs", "3"]) else { return };
    assert!(said.contains("3 of 3 runs completed; events and indexes agree"), "{said}");
    // A draft, two reviews; and for the style, all of them again.
    assert!(number(&said, "grants") >= 3 * 5, "{said}");
    assert_eq!(number(&said, "crashes"), 0, "{said}");
    assert_eq!(number(&said, "every branch holds what was judged,"), 3 * 2, "{said}");
}

#[test]
fn every_run_ends_however_many_workers_are_killed() {
    let Some(said) = swarm(&["--workers", "4", "--runs", "6", "--chaos"]) else { return };
    assert!(said.contains("6 of 6 runs completed; events and indexes agree"), "{said}");
    assert!(number(&said, "killed") > 0, "{said}");
    assert!(number(&said, "crashes") + number(&said, "expiries") > 0, "{said}");
    assert_eq!(number(&said, "every branch holds what was judged,"), 6 * 2, "{said}");
}
