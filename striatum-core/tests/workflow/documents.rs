//! What the documentation and the starter documents say is true.

use std::collections::BTreeSet;

use serde_json::Value;
use striatum_core::workflow::{FindingCode, Rules, Validated, Workflow};

use crate::support::{repository_file, repository_folder};

/// Reads a document that must be without any finding, lints included.
fn clean(what: &str, json: &str) -> Validated {
    let validated = Workflow::parse(json.as_bytes(), &Rules::strict());
    let validated = validated.unwrap_or_else(|findings| panic!("{what}: {findings}"));
    assert_eq!(validated.warnings, [], "{what}");
    validated
}

#[test]
fn every_starter_document_is_clean_and_has_its_files() {
    for name in repository_folder("examples/workflows") {
        let folder = format!("examples/workflows/{name}");
        let Validated { workflow, .. } = clean(&name, &repository_file(&format!("{folder}/workflow.json")));
        assert_eq!(workflow.workflow_id.as_str(), name);
        for file in workflow.referenced_files() {
            assert!(!repository_file(&format!("{folder}/{}", file.path)).is_empty(), "{}", file.path);
        }
    }
}

#[test]
fn the_prompts_of_starter_documents_name_what_must_be_left() {
    for name in repository_folder("examples/workflows") {
        let folder = format!("examples/workflows/{name}");
        let json = repository_file(&format!("{folder}/workflow.json"));
        let document: Value = serde_json::from_str(&json).unwrap();
        for job in document["jobs"].as_array().unwrap() {
            let prompt =
                repository_file(&format!("{folder}/{}", job["task_prompt"]["path"].as_str().unwrap()));
            let is_agent = job["type"] != "human_checkpoint";
            for artifact in job["expected_artifacts"].as_array().unwrap().iter().filter(|_| is_agent) {
                assert!(prompt.contains(artifact["path"].as_str().unwrap()), "{name}: {artifact}");
            }
            if job["type"] == "review" {
                assert!(prompt.contains("\n---\nverdict: "), "{name}: {}", job["id"]);
            }
        }
    }
}

#[test]
fn the_example_of_the_format_is_clean() {
    let text = repository_file("docs/workflow.md");
    let (_, rest) = text.split_once("```json\n").unwrap();
    let (json, _) = rest.split_once("```").unwrap();
    assert_eq!(clean("docs/workflow.md", json).workflow.jobs.len(), 2);
}

#[test]
fn every_key_that_a_document_is_written_with_is_described() {
    let text = repository_file("docs/workflow.md");
    for name in repository_folder("examples/workflows") {
        let json = repository_file(&format!("examples/workflows/{name}/workflow.json"));
        let written = serde_json::to_value(clean(&name, &json).workflow).unwrap();
        for key in keys(&written, "") {
            let is_described = text.contains(&format!("`{key}`")) || text.contains(&format!("{{{key}}}"));
            assert!(is_described || ["from", "to", "on", "path"].contains(&key.as_str()), "{key}");
        }
    }
}

/// The keys of a document, but for those that are its author's names.
fn keys(value: &Value, of: &str) -> BTreeSet<String> {
    match value {
        Value::Object(members) => {
            let named = ["lanes", "roles", "env"].contains(&of);
            let own = members.keys().filter(|_| !named).cloned();
            let inner = members.iter().flat_map(|(key, value)| keys(value, if named { "" } else { key }));
            own.chain(inner).collect()
        }
        Value::Array(items) => items.iter().flat_map(|item| keys(item, "")).collect(),
        _ => BTreeSet::new(),
    }
}

#[test]
fn the_list_of_codes_is_that_of_the_validator() {
    let text = repository_file("docs/errors.md");
    let (_, findings) = text.split_once("## Findings").unwrap();
    let (findings, _) = findings.split_once("\n## ").unwrap();
    let rows = findings.lines().filter(|line| line.starts_with("| `"));
    let listed: Vec<(&str, &str)> = rows
        .map(|row| {
            let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
            (cells[0].trim_matches('`'), cells[3])
        })
        .collect();
    let known: Vec<_> = FindingCode::ALL.iter().map(|code| (code.as_str(), code.remedy())).collect();
    assert_eq!(listed, known);
}
