//! The document of errors says what the code says.
#![allow(clippy::disallowed_methods, reason = "it compares a document")]

use std::{collections::BTreeMap, fs, path::Path};

use striatum_core::run::Rejection;

#[test]
fn every_rejection_is_documented_with_its_remedy() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors.md");
    let document = fs::read_to_string(file).unwrap();
    let (_, section) = document.split_once("\n## Rejections\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let row = |line: &str| {
        let cells: Vec<String> =
            line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        let [code, when, remedy] = cells.as_slice() else { panic!("{line}") };
        assert!(!when.is_empty(), "{line}");
        (code.trim_matches('`').to_owned(), remedy.clone())
    };
    let documented: BTreeMap<_, _> =
        section.lines().filter(|line| line.starts_with("| `")).map(row).collect();
    let known = Rejection::CODES.iter().map(|(code, remedy)| ((*code).to_owned(), (*remedy).to_owned()));
    assert_eq!(documented, known.collect());
}
