//! Public documents give the results that they must give.

use std::collections::BTreeSet;

use striatum_core::{
    sandbox::Level,
    workflow::{Constraint, FindingCode, Findings, Offers, Rules, Severity, Validated, Workflow},
};

use crate::support::{public_workflows, read};

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
        let is_lint =
            |code| matches!(code, FindingCode::SameModelReviewPair | FindingCode::ReviewWithoutFreshContext);
        assert!(
            validated.warnings.iter().all(|found| is_lint(found.code)),
            "{name}: {:?}",
            validated.warnings
        );
        let lints = matches!(name, "docs-review-flow" | "human-checkpoint-flow" | "rfc-0103-floor");
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
fn what_cannot_be_run_yet_is_the_only_reason_to_refuse_a_public_document() {
    for name in ["rfc-ledger-cleanup", "divergent-ideation-flow", "falsification-gate-flow"] {
        let test = "what_cannot_be_run_yet_is_the_only_reason_to_refuse_a_public_document";
        let Some(refused) = parse(test, name, &Rules::strict()) else { return };
        let refused = refused.expect_err(name);
        assert_eq!(errors(&refused), BTreeSet::from([FindingCode::NotYetSupported]), "{name}: {refused}");
    }
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
