//! Documents that were made to hurt are refused, each for the right reason and with a bounded answer.

use striatum_core::workflow::{Analysis, FindingCode, Findings, Rules, Workflow};

/// As many bytes as a document may have.
const FULL: usize = 4 << 20;

fn refusal(json: &str) -> Findings {
    let refused = Workflow::parse(json.as_bytes(), &Rules::default()).unwrap_err();
    assert!(refused.as_slice().len() <= 400, "{}", refused.as_slice().len());
    assert!(refused.to_string().len() < 1 << 20);
    refused
}

fn has(findings: &Findings, code: FindingCode) -> bool {
    findings.iter().any(|finding| finding.code == code)
}

/// A document with these jobs, edges and cycles.
fn document(jobs: &[String], edges: &[String], cycles: &[String]) -> String {
    format!(
        r#"{{"schema_version":"striatum.workflow.v1","workflow_id":"h","lanes":{{"l":{{"adapter":"x"}}}},"roles":{{"r":{{}}}},
        "jobs":[{}],"edges":[{}],"cycles":[{}]}}"#,
        jobs.join(","),
        edges.join(","),
        cycles.join(",")
    )
}

fn job(id: usize, more: &str) -> String {
    format!(
        r#"{{"id":"j{id}","type":"review","role_id":"r","lane_id":"l","objective":"o","write_scope":{{"mode":"repo_write"}}{more}}}"#
    )
}

fn jobs(count: usize) -> Vec<String> {
    (0..count).map(|id| job(id, "")).collect()
}

fn edge(from: usize, to: usize) -> String {
    format!(r#"{{"from":"j{from}","to":"j{to}"}}"#)
}

#[test]
fn more_than_four_mebibytes_are_not_read() {
    let refused = refusal(&" ".repeat(FULL + 1));
    assert!(has(&refused, FindingCode::DocumentTooLarge));
}

#[test]
fn deep_nesting_stops_at_the_limit() {
    for open in ["[", "{\"a\":"] {
        let refused = refusal(&open.repeat(FULL / open.len()));
        let [finding] = refused.as_slice() else { panic!("{refused}") };
        assert_eq!(finding.code, FindingCode::NestedTooDeep);
        assert!(finding.pointer.len() < 200, "{}", finding.pointer);
    }
    let deep = format!("{{\"x_deep\": {}{}}}", "[".repeat(63), "]".repeat(63));
    assert!(!has(&refusal(&deep), FindingCode::NestedTooDeep));
}

#[test]
fn a_million_keys_are_too_many_and_equal_ones_are_listed_in_part() {
    let keys: Vec<_> = (0..400_000).map(|key| format!("\"{key:x}\":0")).collect();
    assert!(has(&refusal(&format!("{{{}}}", keys.join(","))), FindingCode::DocumentTooLarge));

    let equal = vec!["\"\":0"; 400_000].join(",");
    let refused = refusal(&format!("{{{equal}}}"));
    assert!(has(&refused, FindingCode::DuplicateKey));
    assert!(refused.omitted() > 300_000);
}

#[test]
fn a_long_key_is_not_repeated_in_every_finding() {
    let unknown: Vec<_> = (0..1_000).map(|key| format!("\"u{key}\":0")).collect();
    let json = format!(r#"{{"lanes":{{"{}":{{{}}}}}}}"#, "k".repeat(2 << 20), unknown.join(","));
    let refused = refusal(&json);
    assert!(has(&refused, FindingCode::DocumentTooLarge));
    assert!(refused.iter().all(|finding| finding.pointer.len() < 4096));
}

#[test]
fn a_million_values_are_too_many() {
    assert!(has(&refusal(&format!("[{}0]", "0,".repeat(1_000_000))), FindingCode::DocumentTooLarge));
}

#[test]
fn too_many_jobs_edges_or_cycles_are_refused_by_their_number() {
    let cycle = r#"{"from":"j0","to":"j1","max_iterations":1}"#.to_owned();
    let many = [
        (document(&jobs(10_001), &[], &[]), "/jobs"),
        (document(&jobs(2), &vec![edge(0, 1); 100_001], &[]), "/edges"),
        (document(&jobs(2), &[], &vec![cycle; 10_001]), "/cycles"),
    ];
    for (json, pointer) in many {
        let refused = refusal(&json);
        let [finding] = refused.as_slice() else { panic!("{refused}") };
        assert_eq!((finding.code, finding.pointer.as_str()), (FindingCode::DocumentTooLarge, pointer));
    }
}

#[test]
fn the_longest_chain_is_judged_and_the_longest_ring_is_refused() {
    let mut edges: Vec<_> = (1..10_000).map(|to| edge(to - 1, to)).collect();
    let chain = Workflow::parse(document(&jobs(10_000), &edges, &[]).as_bytes(), &Rules::default());
    assert_eq!(chain.unwrap().workflow.jobs.len(), 10_000);

    edges.push(edge(9_999, 0));
    let ring = refusal(&document(&jobs(10_000), &edges, &[]));
    assert!(has(&ring, FindingCode::DependencyCycle));
}

#[test]
fn rings_beyond_number_give_one_answer() {
    let edges: Vec<_> = (0..100_000).map(|edge_| edge(edge_ % 317, edge_ / 317)).collect();
    assert!(has(&refusal(&document(&jobs(317), &edges, &[])), FindingCode::DependencyCycle));
}

#[test]
fn many_ways_back_over_a_long_chain_are_each_judged() {
    let edges: Vec<_> = (1..10_000).map(|to| edge(to - 1, to)).collect();
    let cycles: Vec<_> =
        (1..10_000).map(|to| format!(r#"{{"from":"j0","to":"j{to}","max_iterations":1}}"#)).collect();
    let refused = refusal(&document(&jobs(10_000), &edges, &cycles));
    assert!(has(&refused, FindingCode::CycleTargetNotUpstream));
}

#[test]
fn names_that_are_almost_right_do_not_make_the_search_for_them_dear() {
    let long = "x".repeat(120);
    let declared: Vec<_> =
        (0..4_000).map(|id| job(id, "").replace(&format!("j{id}\""), &format!("{long}{id}\""))).collect();
    let wrong: Vec<_> = (0..10_000).map(|id| format!(r#"{{"from":"{long}y{id}","to":"{long}z"}}"#)).collect();
    let refused = refusal(&document(&declared, &wrong, &[]));
    assert!(has(&refused, FindingCode::UnknownJob));
    assert!(refused.omitted() > 10_000);

    let inputs: Vec<_> = (0..20_000).map(|id| format!("\"{long}{id:x}\"")).collect();
    let more = format!(r#","inputs":[{}],"max_attempts":0"#, inputs.join(","));
    let mut with_inputs = declared[..1_200].to_vec();
    with_inputs.push(job(9_999, &more));
    assert!(has(&refusal(&document(&with_inputs, &[], &[])), FindingCode::OutOfRange));
}

#[test]
fn scopes_and_artifacts_are_judged_in_time_that_grows_with_their_number() {
    let paths = |prefix: &str, count: usize| {
        (0..count).map(|path| format!("\"{prefix}{path}\"")).collect::<Vec<_>>().join(",")
    };
    let artifacts: Vec<_> =
        (0..30_000).map(|name| format!(r#"{{"logical_name":"a{name}","path":"b/{name}"}}"#)).collect();
    let scope = format!(
        r#"{{"mode":"repo_write","allowed_paths":[{}],"forbidden_paths":[{}]}}"#,
        paths("a/", 100_000),
        paths("c/", 100_000)
    );
    let wide = job(0, &format!(r#","expected_artifacts":[{}]"#, artifacts.join(",")))
        .replace(r#"{"mode":"repo_write"}"#, &scope);
    let refused = refusal(&document(&[wide], &[], &[]));
    assert!(has(&refused, FindingCode::ArtifactOutsideScope));
    assert_eq!(refused.omitted(), 29_800);
}

/// The same in the second version, with more at the top.
fn second(document: String, more: &str) -> String {
    let document = document.replace("striatum.workflow.v1", "striatum.workflow.v2");
    assert!(document.len() <= FULL, "{}", document.len());
    document.replacen('{', &format!("{{{more}"), 1)
}

#[test]
fn phases_beyond_number_are_each_judged() {
    let phases: Vec<_> = (0..10_000).map(|phase| format!(r#"{{"id":"p{phase}"}}"#)).collect();
    let jobs: Vec<_> = (0..10_000).map(|id| job(id, &format!(r#","phase_id":"p{id}""#))).collect();
    let edges: Vec<_> = (0..50_000).map(|n| edge(n % 9_999, n % 9_999 + 1)).collect();
    let refused =
        refusal(&second(document(&jobs, &edges, &[]), &format!(r#""phases":[{}],"#, phases.join(","))));
    assert!(has(&refused, FindingCode::PhaseWithoutSynthesis));
    assert!(refused.omitted() > 10_000);

    let unknown: Vec<_> = (0..10_000).map(|id| job(id, &format!(r#","phase_id":"q{id}""#))).collect();
    let refused =
        refusal(&second(document(&unknown, &[], &[]), &format!(r#""phases":[{}],"#, phases.join(","))));
    assert!(has(&refused, FindingCode::UnknownPhase));
}

#[test]
fn one_phase_of_all_jobs_is_a_graph_with_as_many_edges() {
    let mut jobs: Vec<_> = (0..9_999).map(|id| job(id, r#","phase_id":"p""#)).collect();
    jobs.push(job(9_999, r#","phase_id":"p""#).replace(r#""review""#, r#""phase_synthesis""#));
    let json = second(document(&jobs, &[], &[]), r#""phases":[{"id":"p"}],"#);
    let workflow = Workflow::parse(json.as_bytes(), &Rules::default()).unwrap().workflow;
    assert_eq!(workflow.to_dot().matches("style=bold").count(), 9_999);
}

#[test]
fn groups_whose_scopes_all_overlap_are_judged_in_time_that_grows_with_their_number() {
    let deep = |n: usize| format!("{}{n}", "a/".repeat(60));
    let scope = |n: usize| format!(r#"{{"mode":"repo_write","allowed_paths":["{}"]}}"#, deep(n));
    let mut jobs: Vec<_> = (0..9_999)
        .map(|id| job(id, r#","parallel_group":"g""#).replace(r#"{"mode":"repo_write"}"#, &scope(id)))
        .collect();
    jobs.push(
        job(9_999, r#","parallel_group":"g""#)
            .replace(r#"{"mode":"repo_write"}"#, r#"{"mode":"repo_write","allowed_paths":["a"]}"#),
    );
    let refused = refusal(&document(&jobs, &[], &[]));
    assert!(has(&refused, FindingCode::ScopesOverlap));
    assert!(refused.omitted() > 9_000);
}

#[test]
fn panels_beyond_number_are_each_judged() {
    let seats = 2_000;
    let mut jobs = jobs(seats);
    let vetoes: Vec<_> = (0..2_000).map(|role| format!(r#""v{role}""#)).collect();
    let roles: Vec<_> = (0..2_000).map(|role| format!(r#""v{role}":{{}}"#)).collect();
    let quorum = format!(r#","quorum":{{"k":9000,"veto_roles":[{}]}}"#, vetoes.join(","));
    jobs.extend((seats..seats + 20).map(|id| job(id, &quorum)));
    let edges: Vec<_> =
        (0..seats).flat_map(|from| (seats..seats + 20).map(move |to| edge(from, to))).collect();
    let json =
        document(&jobs, &edges, &[]).replace(r#""roles":{"#, &format!(r#""roles":{{{},"#, roles.join(",")));
    let refused = refusal(&second(json, ""));
    assert!(has(&refused, FindingCode::QuorumExceedsSeats));
    assert!(has(&refused, FindingCode::VetoWithoutSeat));
}

#[test]
fn a_long_chain_of_reviews_that_each_end_everything_is_judged() {
    let jobs: Vec<_> = (0..10_000).map(|id| job(id, r#","on_reject":"skip_branch""#)).collect();
    let edges: Vec<_> =
        (1..10_000).flat_map(|to| (1..=8.min(to)).map(move |back| edge(to - back, to))).collect();
    let json = document(&jobs, &edges, &[]);
    let validated = Workflow::parse(json.as_bytes(), &Rules::default()).unwrap();
    assert!(validated.warnings.len() <= 200);
    assert!(Analysis::of(&validated.workflow).is_ok());
}
