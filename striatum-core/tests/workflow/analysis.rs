//! Bounds that hold for every run, and where verdicts lead.

use serde_json::{Value, json};
use striatum_core::workflow::{Analysis, Graph, Rules, Way, Workflow};

use super::mistakes::WHOLE;

fn job(id: &str, kind: &str) -> Value {
    json!({
        "id": id, "type": kind, "role_id": "r", "lane_id": "l", "objective": "o",
        "write_scope": { "mode": "review_only_artifact" }
    })
}

fn workflow(jobs: Value, edges: &[(&str, &str)], cycles: &[(&str, &str, u32)]) -> Workflow {
    let edges: Vec<_> = edges.iter().map(|(from, to)| json!({ "from": from, "to": to })).collect();
    let cycles =
        cycles.iter().map(|(from, to, most)| json!({ "from": from, "to": to, "max_iterations": most }));
    let document = json!({
        "schema_version": "striatum.workflow.v2", "workflow_id": "w",
        "lanes": { "l": { "adapter": "x" } }, "roles": { "r": {} },
        "recovery_policy": { "max_requeues": 1 },
        "jobs": jobs, "edges": edges, "cycles": cycles.collect::<Vec<_>>(),
    });
    let rules = Rules::default();
    let validated = Workflow::parse(document.to_string().as_bytes(), &rules);
    validated.unwrap_or_else(|findings| panic!("{findings}")).workflow
}

#[test]
fn bounds_multiply_along_nesting_and_add_side_by_side() {
    let jobs = json!([
        job("a", "draft"),
        job("b", "build"),
        job("inner", "review"),
        job("outer", "review"),
        job("h", "human_checkpoint"),
        job("beside", "review"),
    ]);
    let edges = [("a", "b"), ("b", "inner"), ("inner", "outer"), ("outer", "h"), ("a", "beside")];
    let nested = workflow(jobs, &edges, &[("inner", "b", 2), ("outer", "a", 3), ("beside", "a", 1)]);
    let analysis = Analysis::of(&nested).unwrap();
    // Back to a: three times at most, whoever asks. Back to b: twice, and twice more after each of these. What waits for the
    // acceptance of `inner` is not begun when that sends b back.
    let generations: Vec<_> = (0..6).map(|job| analysis.generations(job)).collect();
    assert_eq!(generations, [4, 12, 12, 4, 4, 4]);
    let grants: Vec<_> = (0..6).map(|job| analysis.grants(job)).collect();
    assert_eq!(grants, [8, 24, 24, 8, 0, 8]);
    assert_eq!(analysis.total_grants(), 72);
}

#[test]
fn bounds_add_up_one_after_the_other() {
    let pairs = ["d0", "r0", "d1", "r1", "d2", "r2"];
    let jobs: Vec<_> =
        pairs.iter().map(|id| job(id, if id.starts_with('d') { "draft" } else { "review" })).collect();
    let edges: Vec<_> = pairs.windows(2).map(|pair| (pair[0], pair[1])).collect();
    let ways = [("r0", "d0", 2), ("r1", "d1", 2), ("r2", "d2", 2)];
    let analysed = workflow(json!(jobs), &edges, &ways);
    let analysis = Analysis::of(&analysed).unwrap();
    assert_eq!((0..6).map(|job| analysis.generations(job)).collect::<Vec<_>>(), [3; 6]);
}

#[test]
fn attempts_multiply_and_what_does_not_fit_is_the_most_that_does() {
    let mut jobs = vec![job("j0", "draft")];
    jobs[0]["max_attempts"] = json!(3);
    let single = workflow(json!(jobs), &[], &[]);
    assert_eq!(Analysis::of(&single).unwrap().total_grants(), 6);

    let names: Vec<String> = (0..200).map(|n| format!("j{n}")).collect();
    let jobs: Vec<_> = names.iter().map(|name| job(name, "review")).collect();
    let edges: Vec<_> = names.windows(2).map(|pair| (pair[0].as_str(), pair[1].as_str())).collect();
    let cycles: Vec<_> = names.windows(2).map(|pair| (pair[1].as_str(), pair[0].as_str(), 1000)).collect();
    let endless = workflow(json!(jobs), &edges, &cycles);
    assert_eq!(Analysis::of(&endless).unwrap().total_grants(), u64::MAX);
}

#[test]
fn every_verdict_has_its_way() {
    let workflow = Workflow::parse(WHOLE.as_bytes(), &Rules::default()).unwrap().workflow;
    let (analysis, graph) = (Analysis::of(&workflow).unwrap(), Graph::new(&workflow).unwrap());
    let index = |id: &str| graph.index_of(id).unwrap();
    let ways = |id: &str| analysis.ways(index(id)).unwrap();
    assert_eq!(ways("safe").needs_revision, Way::Back { to: index("build"), iterations: 2 });
    assert_eq!(ways("safe").rejected, Way::EndOfRun);
    assert_eq!((ways("pleasant").needs_revision, ways("pleasant").rejected), (Way::On, Way::On));
    assert_eq!(ways("settle").needs_revision, Way::Person);
    assert_eq!(analysis.ways(index("plan")), None);
    assert!(!graph.needs_acceptance(index("pleasant"), index("join")));
    assert!(graph.needs_acceptance(index("safe"), index("join")));
    assert!(!graph.needs_acceptance(index("safe"), index("settle")));
}

#[test]
fn a_review_of_a_phase_leads_to_its_synthesis() {
    let mut document: Value = serde_json::from_str(WHOLE).unwrap();
    document["edges"].as_array_mut().unwrap().retain(|edge| edge["from"] != "sound");
    document["cycles"].as_array_mut().unwrap().pop();
    document["jobs"][5]["quorum"]["veto_roles"] = json!([]);
    let parsed = Workflow::parse(document.to_string().as_bytes(), &Rules::strict()).unwrap();
    let ways = Analysis::of(&parsed.workflow).unwrap().ways(3).unwrap();
    assert_eq!((ways.needs_revision, ways.rejected), (Way::Adjudicator, Way::Adjudicator));
}

#[test]
fn a_branch_that_is_skipped_leaves_the_exits_beside_it_and_those_that_have_a_quorum() {
    let skipping = |id: &str| {
        let mut review = job(id, "review");
        review["on_reject"] = json!("skip_branch");
        review
    };
    let exits_left = |quorum: Value, extra: &[(&str, &str)]| {
        let mut join = job("join", "synthesis");
        join["quorum"] = quorum;
        let jobs = json!([job("a", "draft"), skipping("r"), skipping("s"), join, job("z", "build")]);
        let edges: Vec<_> =
            [("a", "r"), ("a", "s"), ("r", "join"), ("s", "join")].iter().chain(extra).copied().collect();
        let workflow = workflow(jobs, &edges, &[]);
        let ways = Analysis::of(&workflow).unwrap().ways(1).unwrap();
        let Way::Skips { exits_left } = ways.rejected else { panic!("{ways:?}") };
        assert_eq!(ways.has_exit(), exits_left > 0);
        exits_left
    };
    assert_eq!(exits_left(Value::Null, &[("join", "z")]), 0);
    assert_eq!(exits_left(Value::Null, &[]), 1);
    assert_eq!(exits_left(json!({ "k": 2 }), &[("join", "z")]), 0);
    assert_eq!(exits_left(json!({ "k": 1 }), &[("join", "z")]), 1);
    assert_eq!(exits_left(json!({ "k": 1 }), &[]), 2);
}

#[test]
fn opinions_are_no_exits_and_do_not_take_them_away() {
    let mut opinion = job("opinion", "review");
    opinion["panel_role"] = json!("advisory");
    let workflow = workflow(json!([job("a", "draft"), opinion]), &[("a", "opinion")], &[]);
    let graph = Graph::new(&workflow).unwrap();
    assert_eq!(graph.exits().collect::<Vec<_>>(), [0]);
    assert!(graph.is_exit(0) && !graph.is_exit(1));
}
