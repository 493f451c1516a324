//! Documents that were made to hurt, each near to a bound of the format. The benches time them too.

/// As many bytes as a document may have.
pub(crate) const FULL: usize = 4 << 20;

/// Every one of them, with its name.
pub(crate) fn all() -> Vec<(&'static str, String)> {
    vec![
        ("lists in lists", nested("[")),
        ("objects in objects", nested("{\"a\":")),
        ("a million keys", many_keys()),
        ("one key again and again", equal_keys()),
        ("a long key over many findings", long_key()),
        ("a million values", many_values()),
        ("too many jobs", document(&jobs(10_001), &[], &[])),
        ("too many edges", document(&jobs(2), &vec![edge(0, 1); 100_001], &[])),
        ("too many cycles", many_cycles()),
        ("the longest chain", document(&jobs(10_000), &chain(), &[])),
        ("the longest ring", ring()),
        ("rings beyond number", rings()),
        ("many ways back over a long chain", ways_back()),
        ("many names that are almost right", almost_right()),
        ("many inputs that are almost right", inputs_almost_right()),
        ("many paths", many_paths()),
        ("phases beyond number", many_phases("p")),
        ("phases that are not there", many_phases("q")),
        ("one phase of all jobs", one_phase()),
        ("groups whose scopes all overlap", overlapping()),
        ("panels beyond number", many_panels()),
        ("reviews that each end everything", reviews_in_a_row()),
    ]
}

/// So much of the beginning of a value as fits.
pub(crate) fn nested(open: &str) -> String {
    open.repeat(FULL / open.len())
}

pub(crate) fn many_keys() -> String {
    let keys: Vec<_> = (0..400_000).map(|key| format!("\"{key:x}\":0")).collect();
    format!("{{{}}}", keys.join(","))
}

pub(crate) fn equal_keys() -> String {
    format!("{{{}}}", vec!["\"\":0"; 400_000].join(","))
}

pub(crate) fn long_key() -> String {
    let unknown: Vec<_> = (0..1_000).map(|key| format!("\"u{key}\":0")).collect();
    format!(r#"{{"lanes":{{"{}":{{{}}}}}}}"#, "k".repeat(2 << 20), unknown.join(","))
}

pub(crate) fn many_values() -> String {
    format!("[{}0]", "0,".repeat(1_000_000))
}

pub(crate) fn many_cycles() -> String {
    let cycle = r#"{"from":"j0","to":"j1","max_iterations":1}"#.to_owned();
    document(&jobs(2), &[], &vec![cycle; 10_001])
}

/// The edges of the longest chain.
pub(crate) fn chain() -> Vec<String> {
    (1..10_000).map(|to| edge(to - 1, to)).collect()
}

pub(crate) fn ring() -> String {
    let mut edges = chain();
    edges.push(edge(9_999, 0));
    document(&jobs(10_000), &edges, &[])
}

pub(crate) fn rings() -> String {
    let edges: Vec<_> = (0..100_000).map(|number| edge(number % 317, number / 317)).collect();
    document(&jobs(317), &edges, &[])
}

pub(crate) fn ways_back() -> String {
    let cycles: Vec<_> =
        (1..10_000).map(|to| format!(r#"{{"from":"j0","to":"j{to}","max_iterations":1}}"#)).collect();
    document(&jobs(10_000), &chain(), &cycles)
}

fn long_names() -> (String, Vec<String>) {
    let long = "x".repeat(120);
    let named = |id: usize| job(id, "").replace(&format!("j{id}\""), &format!("{long}{id}\""));
    let declared = (0..4_000).map(named).collect();
    (long, declared)
}

pub(crate) fn almost_right() -> String {
    let (long, declared) = long_names();
    let wrong: Vec<_> = (0..10_000).map(|id| format!(r#"{{"from":"{long}y{id}","to":"{long}z"}}"#)).collect();
    document(&declared, &wrong, &[])
}

pub(crate) fn inputs_almost_right() -> String {
    let (long, declared) = long_names();
    let inputs: Vec<_> = (0..20_000).map(|id| format!("\"{long}{id:x}\"")).collect();
    let more = format!(r#","inputs":[{}],"max_attempts":0"#, inputs.join(","));
    let mut with_inputs = declared[..1_200].to_vec();
    with_inputs.push(job(9_999, &more));
    document(&with_inputs, &[], &[])
}

pub(crate) fn many_paths() -> String {
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
    let wide = job(0, &format!(r#","expected_artifacts":[{}]"#, artifacts.join(",")));
    document(&[wide.replace(r#"{"mode":"repo_write"}"#, &scope)], &[], &[])
}

/// Each job in the phase of this prefix and its number; the phases are those of `p`.
pub(crate) fn many_phases(prefix: &str) -> String {
    let phases: Vec<_> = (0..10_000).map(|phase| format!(r#"{{"id":"p{phase}"}}"#)).collect();
    let jobs: Vec<_> = (0..10_000).map(|id| job(id, &format!(r#","phase_id":"{prefix}{id}""#))).collect();
    let edges: Vec<_> = (0..50_000).map(|n| edge(n % 9_999, n % 9_999 + 1)).collect();
    let edges = if prefix == "p" { &edges[..] } else { &[] };
    second(&document(&jobs, edges, &[]), &format!(r#""phases":[{}],"#, phases.join(",")))
}

pub(crate) fn one_phase() -> String {
    let mut jobs: Vec<_> = (0..9_999).map(|id| job(id, r#","phase_id":"p""#)).collect();
    jobs.push(job(9_999, r#","phase_id":"p""#).replace(r#""review""#, r#""phase_synthesis""#));
    second(&document(&jobs, &[], &[]), r#""phases":[{"id":"p"}],"#)
}

pub(crate) fn overlapping() -> String {
    let deep = |n: usize| format!("{}{n}", "a/".repeat(60));
    let scope = |n: usize| format!(r#"{{"mode":"repo_write","allowed_paths":["{}"]}}"#, deep(n));
    let grouped = |id: usize| job(id, r#","parallel_group":"g""#);
    let mut jobs: Vec<_> =
        (0..9_999).map(|id| grouped(id).replace(r#"{"mode":"repo_write"}"#, &scope(id))).collect();
    let wide = r#"{"mode":"repo_write","allowed_paths":["a"]}"#;
    jobs.push(grouped(9_999).replace(r#"{"mode":"repo_write"}"#, wide));
    document(&jobs, &[], &[])
}

pub(crate) fn many_panels() -> String {
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
    second(&json, "")
}

pub(crate) fn reviews_in_a_row() -> String {
    let jobs: Vec<_> = (0..10_000).map(|id| job(id, r#","on_reject":"skip_branch""#)).collect();
    let edges: Vec<_> =
        (1..10_000).flat_map(|to| (1..=8.min(to)).map(move |back| edge(to - back, to))).collect();
    document(&jobs, &edges, &[])
}

/// A document with these jobs, edges and cycles.
pub(crate) fn document(jobs: &[String], edges: &[String], cycles: &[String]) -> String {
    format!(
        r#"{{"schema_version":"striatum.workflow.v1","workflow_id":"h","lanes":{{"l":{{"adapter":"x"}}}},"roles":{{"r":{{}}}},
        "jobs":[{}],"edges":[{}],"cycles":[{}]}}"#,
        jobs.join(","),
        edges.join(","),
        cycles.join(",")
    )
}

/// The same in the second version, with more at the top.
fn second(document: &str, more: &str) -> String {
    let document = document.replace("striatum.workflow.v1", "striatum.workflow.v2");
    document.replacen('{', &format!("{{{more}"), 1)
}

fn job(id: usize, more: &str) -> String {
    format!(
        r#"{{"id":"j{id}","type":"review","role_id":"r","lane_id":"l","objective":"o","write_scope":{{"mode":"repo_write"}}{more}}}"#
    )
}

pub(crate) fn jobs(count: usize) -> Vec<String> {
    (0..count).map(|id| job(id, "")).collect()
}

pub(crate) fn edge(from: usize, to: usize) -> String {
    format!(r#"{{"from":"j{from}","to":"j{to}"}}"#)
}
