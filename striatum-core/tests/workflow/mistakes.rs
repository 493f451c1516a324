//! Every mistake has its own code, and is found where it was made.

mod table;

use std::collections::BTreeSet;

use serde_json::Value;
use striatum_core::workflow::{Finding, FindingCode, Rules, Severity, Workflow};

pub(crate) use self::table::{BASE, TEXTS, WHOLE, features, mistakes, mistakes_of_whole};

/// Sets what a pointer names; `-` behind the last slash appends to a list.
fn set(document: &mut Value, pointer: &str, json: &str) {
    let (around, key) = pointer.rsplit_once('/').unwrap();
    let value: Value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{pointer}: {error}"));
    match document.pointer_mut(around).unwrap_or_else(|| panic!("nothing at {around}")) {
        Value::Object(members) => {
            members.insert(key.replace("~1", "/").replace("~0", "~"), value);
        }
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        other => panic!("{around} is {other}"),
    }
}

fn remove(document: &mut Value, pointer: &str) {
    let (around, key) = pointer.rsplit_once('/').unwrap();
    let removed = document.pointer_mut(around).unwrap().as_object_mut().unwrap().remove(key);
    assert!(removed.is_some(), "{pointer}");
}

pub(crate) fn made(base: &str, changes: &[(&str, &str)]) -> Vec<u8> {
    let mut document: Value = serde_json::from_str(base).unwrap();
    for (pointer, json) in changes {
        match json.is_empty() {
            true => remove(&mut document, pointer),
            false => set(&mut document, pointer, json),
        }
    }
    serde_json::to_vec(&document).unwrap()
}

fn findings(json: &[u8]) -> Vec<Finding> {
    match Workflow::parse(json, &Rules::default()) {
        Ok(validated) => validated.warnings,
        Err(findings) => findings.into_iter().collect(),
    }
}

/// Where something was found.
fn places(findings: &[Finding]) -> Vec<(FindingCode, &str)> {
    findings.iter().map(|finding| (finding.code, finding.pointer.as_str())).collect()
}

#[test]
fn the_bases_of_the_table_have_no_mistake() {
    for base in [BASE, WHOLE] {
        let validated = Workflow::parse(base.as_bytes(), &Rules::strict());
        let validated = validated.unwrap_or_else(|findings| panic!("{findings}"));
        assert_eq!(places(&validated.warnings), []);
    }
}

#[test]
fn each_mistake_is_found_alone_with_its_code_at_its_place() {
    let all = mistakes().map(|mistake| (BASE, mistake));
    let all = all.chain(mistakes_of_whole().map(|mistake| (WHOLE, mistake)));
    let surprises = all.filter_map(|(base, mistake)| {
        let found = findings(&made(base, mistake.changes));
        let is_found = places(&found) == [(mistake.code, mistake.pointer)];
        let is_corrected = mistake
            .correct
            .is_none_or(|correct| found.iter().any(|it| it.suggestion.as_deref() == Some(correct)));
        (!is_found || !is_corrected).then(|| format!("{}: {found:?}", mistake.what))
    });
    let surprises: Vec<_> = surprises.collect();
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}

#[test]
fn each_feature_is_sound_by_itself() {
    for (what, changes) in features() {
        assert_eq!(places(&findings(&made(BASE, changes))), [], "{what}");
    }
}

#[test]
fn a_document_that_is_no_tree_is_refused_where_reading_stopped() {
    for (what, text, code, pointer) in TEXTS {
        let found = findings(text.as_bytes());
        assert!(places(&found).contains(&(*code, pointer)), "{what}: {found:?}");
        assert!(found.iter().any(|finding| finding.severity == Severity::Error), "{what}");
    }
}

#[test]
fn every_code_has_a_mistake_and_the_mistakes_are_many() {
    let shown: BTreeSet<FindingCode> = mistakes()
        .chain(mistakes_of_whole())
        .map(|mistake| mistake.code)
        .chain(TEXTS.iter().map(|(_, _, code, _)| *code))
        .collect();
    // Limits are shown by hostile documents, which a table cannot hold.
    let hostile = [FindingCode::DocumentTooLarge, FindingCode::NestedTooDeep];
    for code in FindingCode::ALL {
        assert!(shown.contains(code) || hostile.contains(code), "no mistake gives {code}");
    }
    let all = mistakes().chain(mistakes_of_whole());
    let distinct: BTreeSet<_> = all.map(|mistake| (mistake.code, mistake.pointer)).collect();
    assert!(distinct.len() >= 140, "{}", distinct.len());
}

#[test]
fn all_mistakes_are_told_at_once_in_document_order() {
    // As text: in which order `serde_json` keeps keys depends on its features.
    let document = BASE
        .replacen(r#""to": "review", "on""#, r#""to": "reviw", "on""#, 1)
        .replacen(r#""objective": "Judge.""#, r#""objective": "Judge.", "max_attempts": 0"#, 1)
        .replacen(
            r#""lane_id": "author",
      "objective": "Write.""#,
            r#""lane_id": "outhor",
      "objective": "Write.""#,
            1,
        )
        .replacen(r#"["write"]"#, "[]", 1);
    let expected = [
        (FindingCode::EmptyValue, "/lanes/author/command"),
        (FindingCode::UnknownLane, "/jobs/0/lane_id"),
        (FindingCode::OutOfRange, "/jobs/1/max_attempts"),
        (FindingCode::UnknownJob, "/edges/0/to"),
    ];
    assert_eq!(places(&findings(document.as_bytes())), expected);
}

#[test]
fn an_unknown_key_is_a_warning_and_strictly_an_error() {
    let json = BASE.replacen("\"name\"", "\"nmae\"", 1);
    let lenient = Workflow::parse(json.as_bytes(), &Rules::default()).unwrap();
    assert_eq!(places(&lenient.warnings), [(FindingCode::UnknownKey, "/nmae")]);
    assert_eq!(lenient.warnings[0].suggestion.as_deref(), Some("name"));
    let strict = Workflow::parse(json.as_bytes(), &Rules::strict()).unwrap_err();
    assert_eq!(places(strict.as_slice()), [(FindingCode::UnknownKey, "/nmae")]);
}

#[test]
fn a_refusal_reads_as_a_list() {
    let json = BASE.replacen("\"role_id\": \"reviewer\"", "\"role_id\": \"reviwer\"", 1);
    let refused = Workflow::parse(json.as_bytes(), &Rules::default()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the workflow document cannot be run as it is\n  \
         error: /jobs/1/role_id: there is no role \"reviwer\" [unknown_role]; correct would be \"reviewer\""
    );
}

#[test]
fn a_fingerprint_names_a_lint_wherever_it_stands() {
    let mut document: Value = serde_json::from_str(BASE).unwrap();
    set(&mut document, "/jobs/1/fresh_session_required", "false");
    let first = findings(&serde_json::to_vec(&document).unwrap());
    document["jobs"].as_array_mut().unwrap().swap(0, 1);
    let second = findings(&serde_json::to_vec(&document).unwrap());
    assert_ne!(first[0].pointer, second[0].pointer);
    assert!(first[0].fingerprint.is_some());
    assert_eq!(first[0].fingerprint, second[0].fingerprint);
}
