//! The document of codes says what the code says.

use std::{collections::BTreeMap, fs, path::Path};

use striatum_server::{Refusal, operators::Fault};

#[test]
fn the_codes_of_the_server_are_documented_with_their_remedies() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors.md");
    let document = fs::read_to_string(file).expect("a document");
    let (_, section) = document.split_once("\n## Codes of the server\n").expect("a section");
    let section = section.split("\n## ").next().expect("its text");
    let rows = section.lines().filter(|line| line.starts_with("| `")).map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        assert!(cells.len() == 3 && cells.iter().all(|cell| !cell.is_empty()), "{line}");
        (cells[0].trim_matches('`'), cells[2])
    });
    let codes = Refusal::CODES.iter().chain(Fault::CODES).copied();
    assert_eq!(rows.collect::<BTreeMap<_, _>>(), codes.collect());
}
