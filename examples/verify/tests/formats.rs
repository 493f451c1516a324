//! `docs/formats.md` says what is so.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use bytes::Bytes;
use serde_json::Value;
use striatum_core::{
    chain::{ChainFault, Position, Sealed},
    engine::AuditFault,
    run::{Event, Record},
    time::Timestamp,
};

use crate::{
    fixture::{Site, chain},
    tamper::{all, flip, reseal},
};

fn document() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats.md")).unwrap()
}

/// The first code block in this language below a heading.
fn block(document: &str, heading: &str, language: &str) -> String {
    let section = document.split(&format!("# {heading}\n")).nth(1).unwrap();
    let code = section.split(&format!("```{language}\n")).nth(1).unwrap();
    code.split("```").next().unwrap().to_owned()
}

/// The section below a heading, up to the next heading.
fn section<'a>(document: &'a str, heading: &str) -> &'a str {
    let section = document.split(&format!("# {heading}\n")).nth(1).unwrap();
    section.split("\n#").next().unwrap()
}

#[test]
fn the_verifier_in_the_document_tells_a_sound_store_from_others() {
    const TEST: &str = "the_verifier_in_the_document_tells_a_sound_store_from_others";
    if Command::new("python3").arg("--version").output().is_err() {
        return striatum_testkit::skip(TEST, "python3 is not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("verify.py");
    fs::write(&script, block(&document(), "A verifier in Python", "python")).unwrap();
    let python = |site: &Site, expected: &[&str]| -> Output {
        let mut python = Command::new("python3");
        python.arg(&script).arg(site.database()).arg(chain().as_str()).args(expected).output().unwrap()
    };
    let complaint = |output: &Output| String::from_utf8(output.stderr.clone()).unwrap();

    let site = Site::new();
    let head = site.head.to_string();
    let sound = python(&site, &[&head]);
    assert!(sound.status.success(), "{}", complaint(&sound));
    assert_eq!(String::from_utf8(sound.stdout).unwrap(), format!("sound: {head}\n"));

    // As it was written for the versions whose rows held one event.
    let older = fs::read_to_string(&script).unwrap().replace("place, seq", "place");
    let older =
        Command::new("python3").arg("-c").arg(older).arg(site.database()).arg("demo").output().unwrap();
    assert!(older.status.success(), "{}", complaint(&older));

    site.tamper(|db| flip(db, 5));
    let flipped = python(&site, &[]);
    assert_eq!((flipped.status.code(), complaint(&flipped)), (Some(1), "not sound at 5\n".to_owned()));

    let site = Site::new();
    site.tamper(|db| reseal(db, 5, None));
    assert!(python(&site, &[]).status.success(), "a history written anew is sound in itself");
    let anew = python(&site, &[&head]);
    assert_eq!(anew.status.code(), Some(1));
    assert!(complaint(&anew).contains("does not contain"), "{}", complaint(&anew));
}

#[test]
fn the_test_vectors_are_those_of_the_formula() {
    let vectors: Value = serde_json::from_str(&block(&document(), "Test vectors", "json")).unwrap();
    let chain = vectors["chain"].as_str().unwrap().parse().unwrap();
    let mut head = Position::genesis(&chain);
    assert_eq!(vectors["genesis"], head.digest.to_string());
    for event in vectors["events"].as_array().unwrap() {
        let at = Timestamp::from_micros(event["at"].as_u64().unwrap());
        let body = Bytes::from(event["body"].as_str().unwrap().to_owned());
        assert!(Record::decode(&body).is_ok());
        head = Sealed::seal(head, at, body).position();
        assert_eq!((&event["seq"], &event["digest"]), (&head.seq.into(), &head.digest.to_string().into()));
    }
}

#[test]
fn the_body_in_the_document_is_written_byte_for_byte() {
    let body = block(&document(), "Bodies", "json");
    let record = Record::decode(body.trim().as_bytes()).unwrap();
    assert_eq!(record.encode().unwrap(), body.trim());
}

#[test]
fn every_kind_of_event_and_every_class_of_fault_has_its_row() {
    let document = document();
    let classes = ChainFault::ALL.iter().map(|fault| fault.code());
    let findings = AuditFault::ALL.iter().map(|fault| fault.code());
    for code in Event::KINDS.iter().copied().chain(classes).chain(findings) {
        assert!(document.contains(&format!("\n| `{code}` |")), "{code}");
    }
}

#[test]
fn every_field_of_an_event_stands_in_the_row_of_its_kind() {
    let document = document();
    let mut bodies = Vec::new();
    Site::new().tamper(|db| bodies = all(db).into_iter().map(|event| event.body).collect());
    assert!(bodies.len() > 10);
    for body in bodies {
        let body: Value = serde_json::from_slice(&body).unwrap();
        let kind = body["kind"].as_str().unwrap();
        let row = document.lines().find(|line| line.starts_with(&format!("| `{kind}` |"))).unwrap();
        for field in body["data"].as_object().unwrap().keys() {
            assert!(row.contains(&format!("`{field}`: ")), "{kind} {field}");
        }
    }
}

#[test]
fn every_field_that_is_written_is_named() {
    let document = document();
    let site = Site::new();
    site.tamper(|db| flip(db, 5));
    let fault = site.verify(&["--json"]).json();
    let problem = site.verify(&["--json", "--chain", "none"]).json();
    let audited = Site::new();
    fs::remove_dir_all(audited.folder().join("blobs")).unwrap();
    fs::create_dir(audited.folder().join("blobs")).unwrap();
    let findings = audited.verify(&["--json"]).json();
    for (heading, written) in [
        ("The report of `verify`", &fault),
        ("The report of `verify`", &problem),
        ("The report of `verify`", &findings),
        ("Packet", &serde_json::from_slice(&site.packet).unwrap()),
        ("Completion record", &serde_json::from_slice(&site.record).unwrap()),
    ] {
        let section = section(&document, heading);
        let mut names = Vec::new();
        collect(written, &mut names);
        assert!(names.len() > 7);
        for name in names {
            let named = section.contains(&format!("`{name}`")) || section.contains(&format!("\"{name}\""));
            // What a value of another section consists of is said there.
            let elsewhere =
                matches!(name.as_str(), "digest" | "size") && document.contains("\"size\":number");
            assert!(named || elsewhere, "{heading} does not name {name}");
        }
    }
}

/// The keys of all objects in a document.
fn collect(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                names.push(name.clone());
                collect(member, names);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
