//! Documents that were made to hurt are refused, each for the right reason and with a bounded answer.
//!
//! How long that takes and how much memory is measured where clocks are read: by `benches hostile`, which `./check full` runs.

use striatum_core::workflow::{Analysis, FindingCode, Findings, Rules, Workflow};

mod documents;

use documents::{FULL, chain, document, edge, jobs};

fn refusal(json: &str) -> Findings {
    let refused = Workflow::parse(json.as_bytes(), &Rules::default()).unwrap_err();
    assert!(refused.as_slice().len() <= 400, "{}", refused.as_slice().len());
    assert!(refused.to_string().len() < 1 << 20);
    refused
}

fn has(findings: &Findings, code: FindingCode) -> bool {
    findings.iter().any(|finding| finding.code == code)
}

#[test]
fn hostile_documents_are_as_large_as_a_document_may_be_and_no_larger() {
    let all = documents::all();
    for (name, json) in &all {
        assert!(json.len() <= FULL, "{name}: {}", json.len());
    }
    assert!(all.iter().any(|(_, json)| json.len() == FULL));
}

#[test]
fn more_than_four_mebibytes_are_not_read() {
    let refused = refusal(&" ".repeat(FULL + 1));
    assert!(has(&refused, FindingCode::DocumentTooLarge));
}

#[test]
fn deep_nesting_stops_at_the_limit() {
    for open in ["[", "{\"a\":"] {
        let refused = refusal(&documents::nested(open));
        let [finding] = refused.as_slice() else { panic!("{refused}") };
        assert_eq!(finding.code, FindingCode::NestedTooDeep);
        assert!(finding.pointer.len() < 200, "{}", finding.pointer);
    }
    let deep = format!("{{\"x_deep\": {}{}}}", "[".repeat(63), "]".repeat(63));
    assert!(!has(&refusal(&deep), FindingCode::NestedTooDeep));
}

#[test]
fn a_million_keys_are_too_many_and_equal_ones_are_listed_in_part() {
    assert!(has(&refusal(&documents::many_keys()), FindingCode::DocumentTooLarge));
    let refused = refusal(&documents::equal_keys());
    assert!(has(&refused, FindingCode::DuplicateKey));
    assert!(refused.omitted() > 300_000);
}

#[test]
fn a_long_key_is_not_repeated_in_every_finding() {
    let refused = refusal(&documents::long_key());
    assert!(has(&refused, FindingCode::DocumentTooLarge));
    assert!(refused.iter().all(|finding| finding.pointer.len() < 4096));
}

#[test]
fn a_million_values_are_too_many() {
    assert!(has(&refusal(&documents::many_values()), FindingCode::DocumentTooLarge));
}

#[test]
fn too_many_jobs_edges_or_cycles_are_refused_by_their_number() {
    let many = [
        (document(&jobs(10_001), &[], &[]), "/jobs"),
        (document(&jobs(2), &vec![edge(0, 1); 100_001], &[]), "/edges"),
        (documents::many_cycles(), "/cycles"),
    ];
    for (json, pointer) in many {
        let refused = refusal(&json);
        let [finding] = refused.as_slice() else { panic!("{refused}") };
        assert_eq!((finding.code, finding.pointer.as_str()), (FindingCode::DocumentTooLarge, pointer));
    }
}

#[test]
fn the_longest_chain_is_judged_and_the_longest_ring_is_refused() {
    let chain = Workflow::parse(document(&jobs(10_000), &chain(), &[]).as_bytes(), &Rules::default());
    assert_eq!(chain.unwrap().workflow.jobs.len(), 10_000);
    assert!(has(&refusal(&documents::ring()), FindingCode::DependencyCycle));
}

#[test]
fn rings_beyond_number_give_one_answer() {
    assert!(has(&refusal(&documents::rings()), FindingCode::DependencyCycle));
}

#[test]
fn many_ways_back_over_a_long_chain_are_each_judged() {
    assert!(has(&refusal(&documents::ways_back()), FindingCode::CycleTargetNotUpstream));
}

#[test]
fn names_that_are_almost_right_do_not_make_the_search_for_them_dear() {
    let refused = refusal(&documents::almost_right());
    assert!(has(&refused, FindingCode::UnknownJob));
    assert!(refused.omitted() > 10_000);
    assert!(has(&refusal(&documents::inputs_almost_right()), FindingCode::OutOfRange));
}

#[test]
fn scopes_and_artifacts_are_judged_in_time_that_grows_with_their_number() {
    let refused = refusal(&documents::many_paths());
    assert!(has(&refused, FindingCode::ArtifactOutsideScope));
    assert_eq!(refused.omitted(), 29_800);
}

#[test]
fn phases_beyond_number_are_each_judged() {
    let refused = refusal(&documents::many_phases("p"));
    assert!(has(&refused, FindingCode::PhaseWithoutSynthesis));
    assert!(refused.omitted() > 10_000);
    assert!(has(&refusal(&documents::many_phases("q")), FindingCode::UnknownPhase));
}

#[test]
fn one_phase_of_all_jobs_is_a_graph_with_as_many_edges() {
    let workflow = Workflow::parse(documents::one_phase().as_bytes(), &Rules::default()).unwrap().workflow;
    assert_eq!(workflow.to_dot().matches("style=bold").count(), 9_999);
}

#[test]
fn groups_whose_scopes_all_overlap_are_judged_in_time_that_grows_with_their_number() {
    let refused = refusal(&documents::overlapping());
    assert!(has(&refused, FindingCode::ScopesOverlap));
    assert!(refused.omitted() > 9_000);
}

#[test]
fn panels_beyond_number_are_each_judged() {
    let refused = refusal(&documents::many_panels());
    assert!(has(&refused, FindingCode::QuorumExceedsSeats));
    assert!(has(&refused, FindingCode::VetoWithoutSeat));
}

#[test]
fn a_long_chain_of_reviews_that_each_end_everything_is_judged() {
    let validated = Workflow::parse(documents::reviews_in_a_row().as_bytes(), &Rules::default()).unwrap();
    assert!(validated.warnings.len() <= 200);
    assert!(Analysis::of(&validated.workflow).is_ok());
}
