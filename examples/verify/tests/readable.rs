//! What can be read is read without a trace; what cannot be read gets a code, a sentence and a remedy.

use std::{collections::BTreeMap, fs, path::Path};

use rusqlite::Connection;
use striatum_core::store::{ChainMeta, Store};

use crate::fixture::{Answer, Site, block_on, chain, open, verify};

fn problem(answer: &Answer) -> String {
    assert_eq!(answer.code, Some(2), "{}{}", answer.said, answer.complaint);
    let json = answer.json();
    let problem = &json["problem"];
    for part in ["message", "remedy"] {
        assert!(problem[part].as_str().is_some_and(|text| text.len() > 10), "{json}");
    }
    problem["code"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_no_readable_store_is_refused_with_code_sentence_and_remedy() {
    let site = Site::new();
    let place = |name: &str| site.folder().join(name);
    fs::write(
        place("text"),
        "This is a letter, and no database at all, however long it may be.\n".repeat(99),
    )
    .unwrap();
    fs::write(place("empty"), "").unwrap();
    Connection::open(place("other")).unwrap().execute("CREATE TABLE a (b)", []).unwrap();
    let whole = fs::read(site.database()).unwrap();
    fs::write(place("truncated"), &whole[..whole.len() / 2]).unwrap();
    fs::write(place("beginning"), &whole[..1000]).unwrap();
    fs::write(place("newer"), &whole).unwrap();
    Connection::open(place("newer")).unwrap().pragma_update(None, "user_version", 1_000).unwrap();
    for (name, code) in [
        ("absent", "no_such_file"),
        ("blobs", "not_a_file"),
        ("text", "store_corrupt"),
        ("empty", "store_schema"),
        ("other", "store_schema"),
        ("truncated", "store_corrupt"),
        ("beginning", "store_corrupt"),
        ("newer", "store_schema"),
    ] {
        assert_eq!(problem(&verify(&place(name), &["--json"])), code, "{name}");
    }
    let said = verify(&place("newer"), &[]).complaint;
    assert!(said.contains("version 1000") && said.contains("what to do:"), "{said}");
}

#[test]
fn a_store_that_somebody_holds_alone_is_refused_as_unavailable() {
    let site = Site::new();
    let holder = Connection::open(site.database()).unwrap();
    holder.pragma_update(None, "locking_mode", "exclusive").unwrap();
    holder.execute("UPDATE chains SET label = 'held'", []).unwrap();
    assert_eq!(problem(&site.verify(&["--json"])), "store_unavailable");
}

#[test]
fn a_wrong_command_line_is_refused_before_the_store_is_touched() {
    let site = Site::new();
    for (arguments, named) in [
        (&["--expect", "garbage"][..], "garbage"),
        (&["--expect", "7:abc"], "7:abc"),
        (&["--chain", "a/b"], "a/b"),
        (&["--frobnicate"], "--frobnicate"),
    ] {
        let answer = site.verify(arguments);
        assert_eq!(answer.code, Some(2), "{arguments:?}");
        assert!(
            answer.complaint.contains(named) && answer.complaint.contains("code: usage"),
            "{arguments:?}"
        );
    }
}

#[test]
fn chains_are_chosen_by_name_and_an_expectation_is_about_one() {
    let site = Site::new();
    block_on(async {
        let store = open(site.folder()).await;
        let second = "second".parse().unwrap();
        store.open_chain(&second, &ChainMeta::default()).await.unwrap();
        store.close().await.unwrap();
    });
    let all = site.verify(&["--json"]);
    assert_eq!((all.code, all.json()["chains"].as_array().unwrap().len()), (Some(0), 2));
    assert_eq!(problem(&site.verify(&["--json", "--chain", "third"])), "no_such_chain");
    let expect = site.head.to_string();
    assert_eq!(problem(&site.verify(&["--json", "--expect", &expect])), "expectation_ambiguous");
    assert_eq!(site.verify(&["--expect", &expect, "--chain", chain().as_str()]).code, Some(0));
}

#[test]
fn a_store_without_a_chain_is_not_called_sound() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async { open(folder.path()).await.close().await.unwrap() });
    assert_eq!(problem(&verify(&folder.path().join("striatum.db"), &["--json"])), "no_chain");
}

#[test]
fn verifying_leaves_no_trace() {
    let site = Site::new();
    let before = contents(site.folder());
    assert_eq!(site.verify(&[]).code, Some(0));
    assert_eq!(contents(site.folder()), before);
}

#[test]
fn a_store_that_an_engine_has_open_is_verified_and_so_is_a_copy_with_its_log() {
    let site = Site::new();
    let copy = tempfile::tempdir().unwrap();
    block_on(async {
        let store = open(site.folder()).await;
        store.open_chain(&"second".parse().unwrap(), &ChainMeta::default()).await.unwrap();
        let answer = site.verify(&["--json"]);
        assert_eq!((answer.code, answer.json()["chains"].as_array().unwrap().len()), (Some(0), 2));
        for end in ["", "-wal"] {
            let name = format!("striatum.db{end}");
            fs::copy(site.folder().join(&name), copy.path().join(&name)).unwrap();
        }
        store.close().await.unwrap();
    });
    let answer = verify(&copy.path().join("striatum.db"), &["--json"]);
    assert_eq!((answer.code, answer.json()["chains"].as_array().unwrap().len()), (Some(0), 2));
}

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let files = files.filter(|entry| entry.path().is_file());
    files.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}
