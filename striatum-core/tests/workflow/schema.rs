//! The published JSON Schema says what the validator says, as far as a schema can.
#![allow(
    clippy::disallowed_methods,
    reason = "tests read the sources of the validator for the keys that it knows"
)]

use std::{collections::BTreeSet, fs, path::Path};

use jsonschema::Validator;
use serde_json::Value;
use striatum_core::workflow::{FindingCode, Rules, Severity, Shape, Workflow};

use super::mistakes::{BASE, WHOLE, features, made, mistakes, mistakes_of_whole};
use crate::support::{names, public_workflows, read, repository_file};

fn schema() -> Validator {
    let schema: Value = serde_json::from_str(&repository_file("docs/workflow.schema.json")).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn complaints(schema: &Validator, document: &Value) -> Vec<String> {
    schema.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn sound_documents_are_sound_by_the_schema() {
    let schema = schema();
    let sound = |what: &str, json: &str| {
        let found = complaints(&schema, &serde_json::from_str(json).unwrap());
        assert!(found.is_empty(), "{what}: {found:?}");
        // What the library writes is sound too, and so is what it reads again.
        if let Ok(validated) = Workflow::parse(json.as_bytes(), &Rules::default()) {
            let found = complaints(&schema, &serde_json::to_value(&validated.workflow).unwrap());
            assert!(found.is_empty(), "{what}, written anew: {found:?}");
        }
    };
    sound("base", BASE);
    sound("whole", WHOLE);
    for shape in Shape::ALL {
        sound(shape.as_str(), &repository_file(&format!("examples/workflows/{shape}/workflow.json")));
    }
    let text = repository_file("docs/workflow.md");
    let (_, rest) = text.split_once("```json\n").unwrap();
    sound("docs/workflow.md", rest.split_once("```").unwrap().0);
    for (what, changes) in features() {
        sound(what, &String::from_utf8(made(BASE, changes)).unwrap());
    }
    let Some(folder) = public_workflows("sound_documents_are_sound_by_the_schema") else { return };
    for name in names(&folder).into_iter().filter(|name| name.ends_with(".json")) {
        sound(&name, &String::from_utf8(read(&folder, &name)).unwrap());
    }
}

#[test]
fn many_mistakes_are_mistakes_by_the_schema_and_none_that_is_only_a_warning() {
    let schema = schema();
    let all = mistakes().map(|mistake| (BASE, mistake));
    let all = all.chain(mistakes_of_whole().map(|mistake| (WHOLE, mistake)));
    let mut refused = BTreeSet::new();
    for (base, mistake) in all {
        let json = made(base, mistake.changes);
        let found = complaints(&schema, &serde_json::from_slice(&json).unwrap());
        let is_refused = Workflow::parse(&json, &Rules::strict()).is_err();
        assert!(is_refused || found.is_empty(), "{}: {found:?}", mistake.what);
        refused.extend((!found.is_empty()).then_some((mistake.code, mistake.pointer)));
        // Such a mistake stands in one value alone, and a schema can tell.
        let is_local = matches!(
            mistake.code,
            FindingCode::MissingKey
                | FindingCode::WrongType
                | FindingCode::UnknownKey
                | FindingCode::OutOfRange
                | FindingCode::UnknownValue
                | FindingCode::EmptyValue
                | FindingCode::NewerVersionNeeded
                | FindingCode::UnsupportedSchemaVersion
                | FindingCode::InvalidPath
                | FindingCode::InvalidBranchName
                | FindingCode::InvalidName
                | FindingCode::InvalidVariable
                | FindingCode::ReservedVariable
        );
        assert!(!is_local || !found.is_empty(), "{}: {} is not seen", mistake.what, mistake.code);
    }
    assert!(refused.len() >= 60, "{}", refused.len());
}

/// Every text in the sources of the validator that could be a key.
fn candidates() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/workflow/validate");
    let sources = names(&folder).into_iter().map(|name| fs::read_to_string(folder.join(name)).unwrap());
    let is_key = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let mut keys = BTreeSet::from(["nonsense".to_owned()]);
    for source in sources {
        keys.extend(source.split('"').filter(|text| is_key(text)).map(str::to_owned));
    }
    keys
}

/// Every object of a document whose keys the format defines.
const PLACES: &[&str] = &[
    "",
    "/branch",
    "/coordinator",
    "/lanes/author",
    "/lanes/author/constraints",
    "/lanes/reviewer/agent",
    "/roles/author",
    "/context_docs/0",
    "/parallelism",
    "/recovery_policy",
    "/budget",
    "/independence",
    "/phases/0",
    "/jobs/0",
    "/jobs/1/shared_resources/0",
    "/jobs/5/interrogation_targets/0",
    "/jobs/5/quorum",
    "/jobs/0/budget",
    "/jobs/0/write_scope",
    "/jobs/0/expected_artifacts/0",
    "/jobs/0/task_prompt",
    "/edges/0",
    "/cycles/0",
];

#[test]
fn schema_and_validator_know_the_same_keys() {
    let (schema, rules) = (schema(), Rules::default());
    let mut whole: Value = serde_json::from_str(WHOLE).unwrap();
    let sound: Value = serde_json::from_str(BASE).unwrap();
    for key in ["branch", "coordinator", "context_docs"] {
        whole[key] = sound[key].clone();
    }
    whole["recovery_policy"] = serde_json::json!({});
    whole["lanes"]["author"]["constraints"] = serde_json::json!({});
    whole["jobs"][0]["task_prompt"] = serde_json::json!({ "inline": "Plan." });
    assert!(complaints(&schema, &whole).is_empty());

    let candidates = candidates();
    assert!(candidates.len() > 100, "{}", candidates.len());
    for place in PLACES {
        for key in &candidates {
            let mut document = whole.clone();
            let around = document.pointer_mut(place).unwrap().as_object_mut().unwrap();
            if around.contains_key(key) {
                continue;
            }
            around.insert(key.clone(), Value::Null);
            let found = match Workflow::parse(document.to_string().as_bytes(), &rules) {
                Ok(validated) => validated.warnings,
                Err(findings) => findings.into_iter().collect(),
            };
            let pointer = format!("{place}/{key}");
            let is_refused = found.iter().any(|found| {
                let is_wrong = found.code == FindingCode::UnknownKey || found.severity == Severity::Error;
                is_wrong && found.pointer == pointer
            });
            let complaints = complaints(&schema, &document);
            assert_eq!(is_refused, !complaints.is_empty(), "{pointer}: {found:?} {complaints:?}");
        }
    }
}
