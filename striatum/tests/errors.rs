//! The document of codes says what the code says.

use std::{collections::BTreeMap, fs, path::Path};

use striatum::{
    ErrorKind,
    core::{
        chain::ChainFault,
        sandbox::SandboxErrorKind,
        store::{BlobErrorKind, StoreErrorKind},
        transport::TransportErrorKind,
    },
};

/// The rows of a section: the code, and the last cell, which is the remedy where there is one.
fn documented(section: &str) -> BTreeMap<String, String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors.md");
    let document = fs::read_to_string(file).expect("a document");
    let (_, section) = document.split_once(&format!("\n## {section}\n")).expect("a section");
    let section = section.split("\n## ").next().expect("its text");
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{line}");
        let (code, remedy) = (cells.first().expect("a code"), cells.last().expect("a remedy"));
        (code.trim_matches('`').to_owned(), (*remedy).to_owned())
    })
    .collect()
}

fn known<'a>(codes: impl IntoIterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, String> {
    codes.into_iter().map(|(code, remedy)| (code.to_owned(), remedy.to_owned())).collect()
}

#[test]
fn the_orchestrators_codes_are_documented_with_their_remedies() {
    assert_eq!(documented("Codes of the orchestrator"), known(ErrorKind::CODES.iter().copied()));
}

#[test]
fn the_codes_of_stores_and_chains_are_documented_with_their_remedies() {
    use StoreErrorKind::{Corrupt, HistoryChanged, Other, Schema, Unavailable, Unknown};
    let kinds = [Unavailable, Unknown, HistoryChanged, Corrupt, Schema, Other];
    assert_eq!(documented("Codes of stores"), known(kinds.map(|kind| (kind.code(), kind.remedy()))));
    let faults = ChainFault::ALL.map(|fault| (fault.code(), fault.remedy()));
    assert_eq!(documented("Codes of a chain that does not verify"), known(faults));
}

#[test]
fn the_codes_of_blobs_sandboxes_and_transports_are_documented() {
    let codes = |section| documented(section).into_keys().collect::<Vec<_>>();
    let sorted = |mut codes: Vec<&'static str>| {
        codes.sort_unstable();
        codes
    };
    let blobs = [BlobErrorKind::NotFound, BlobErrorKind::Corrupt, BlobErrorKind::Unavailable];
    assert_eq!(codes("Codes of blobs"), sorted(blobs.map(BlobErrorKind::code).to_vec()));
    let sandboxes = {
        use SandboxErrorKind::{Denied, Exhausted, MountRefused, NotFound, Other, Unavailable, Unsupported};
        [Unsupported, Unavailable, MountRefused, NotFound, Denied, Exhausted, Other]
    };
    assert_eq!(codes("Codes of sandboxes"), sorted(sandboxes.map(SandboxErrorKind::code).to_vec()));
    let transports = {
        use TransportErrorKind::{Closed, Late, Other, Protocol, Unauthenticated, Unsupported};
        [Closed, Protocol, Unsupported, Unauthenticated, Late, Other]
    };
    let transports = sorted(transports.map(TransportErrorKind::code).to_vec());
    assert_eq!(codes("Codes of agent transports"), transports);
}
