//! Public documents give the results that they must give.

use std::collections::BTreeSet;

use striatum_core::{
    sandbox::Level,
    workflow::{Constraint, FindingCode, Findings, Graph, Offers, Rules, Severity, Validated, Workflow},
};

use crate::support::{names, public_workflows, read};

fn parse(test: &str, name: &str, rules: &Rules) -> Option<Result<Validated, Findings>> {
    let folder = public_workflows(test)?;
    Some(Workflow::parse(&read(&folder, &format!("{name}.json")), rules))
}

/// The codes of the errors of a refusal.
fn errors(findings: &Findings) -> BTreeSet<FindingCode> {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    errors.map(|finding| finding.code).collect()
}

#[test]
fn documents_of_the_first_format_are_valid_even_strictly() {
    for name in [
        "minimal-self-hosting-proof",
        "docs-review-flow",
        "failed-review-revision-cycle",
        "code-change-flow",
        "human-checkpoint-flow",
        "rfc-0103-floor",
        "support-ledger-flow",
    ] {
        let test = "documents_of_the_first_format_are_valid_even_strictly";
        let Some(result) = parse(test, name, &Rules::strict()) else { return };
        let validated = result.unwrap_or_else(|findings| panic!("{name}: {findings}"));
        let warnings = &validated.warnings;
        assert!(warnings.iter().all(|found| found.fingerprint.is_some()), "{name}: {warnings:?}");
        let lints = ["docs-review-flow", "human-checkpoint-flow", "rfc-0103-floor", "support-ledger-flow"];
        let lints = lints.contains(&name);
        assert_eq!(!validated.warnings.is_empty(), lints, "{name}: {:?}", validated.warnings);
    }
}

#[test]
fn a_demand_that_is_not_met_refuses_and_one_that_is_met_does_not() {
    let (test, name) =
        ("a_demand_that_is_not_met_refuses_and_one_that_is_met_does_not", "adapter-unavailable-flow");
    let Some(refused) = parse(test, name, &Rules::default()) else { return };
    assert_eq!(errors(&refused.unwrap_err()), BTreeSet::from([FindingCode::EnforcementUnavailable]));

    let offers = Offers::process().raise(Constraint::Network, "forbidden", Level::Enforced);
    let Some(accepted) = parse(test, name, &Rules::default().with_offers(offers)) else { return };
    assert!(accepted.is_ok(), "{accepted:?}");
}

#[test]
fn every_public_document_is_valid() {
    let test = "every_public_document_is_valid";
    let walls = Offers::process().raise(Constraint::Network, "forbidden", Level::Enforced);
    let rules = Rules::strict().with_offers(walls);
    let Some(folder) = public_workflows(test) else { return };
    let mut names = names(&folder);
    names.retain(|name| name.ends_with(".json"));
    assert_eq!(names.len(), 11);
    for name in names {
        let validated = Workflow::parse(&read(&folder, &name), &rules);
        validated.unwrap_or_else(|findings| panic!("{name}: {findings}"));
    }
}

#[test]
fn a_public_document_of_phases_has_the_edges_that_they_add() {
    let test = "a_public_document_of_phases_has_the_edges_that_they_add";
    let rules = Rules::default();
    let Some(result) = parse(test, "falsification-gate-flow", &rules) else { return };
    let workflow = result.unwrap().workflow;
    let graph = Graph::new(&workflow).unwrap();
    let index = |id: &str| graph.index_of(id).unwrap();
    let upstream: Vec<_> =
        graph.upstream(index("adjudicate")).iter().map(|up| workflow.jobs[*up].id.as_str()).collect();
    assert_eq!(upstream, ["holder", "falsifier_1", "falsifier_2"]);
    assert!(graph.needs_acceptance(index("adjudicate"), index("commit_proposal")));
    assert_eq!(graph.exits().collect::<Vec<_>>(), [index("final_summary")]);
}

#[test]
fn a_public_document_survives_being_written_and_read_again() {
    let test = "a_public_document_survives_being_written_and_read_again";
    for name in ["docs-review-flow", "code-change-flow", "human-checkpoint-flow", "rfc-0103-floor"] {
        let Some(first) = parse(test, name, &Rules::default()) else { return };
        let first = first.unwrap().workflow;
        let json = first.to_json_pretty().unwrap();
        let second = Workflow::parse(json.as_bytes(), &Rules::strict()).unwrap().workflow;
        assert_eq!(first, second, "{name}");
    }
}
