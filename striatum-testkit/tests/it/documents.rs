//! Workflows that make everything happen that may.

use serde_json::{Value, json};
use striatum_core::workflow::{
    JobBuilder, JobType, LaneBuilder, OnExpiry, OnReject, RecoveryPolicy, Rules, SchemaVersion, Workflow,
    WorkflowBuilder,
};

/// A job that leaves one file for each attempt. Whoever brings things together has a role of their own.
fn job(id: &str, kind: JobType) -> JobBuilder {
    let role = if kind == JobType::Synthesis { "clerk" } else { "hand" };
    let (name, path) = (format!("{id}_${{cycle}}"), format!("out/{id}/${{cycle}}.md"));
    let job = JobBuilder::new(id, kind).by(role, "local").objective(id);
    match kind {
        JobType::Review => job.leaves(id, format!("out/{id}.md")),
        _ => job.writes([format!("out/{id}")]).artifact(name, path),
    }
}

fn review(id: &str) -> JobBuilder {
    job(id, JobType::Review)
}

/// Nearly one role and one lane for everybody: only the rules keep one from judging what is one's own.
fn workflow(id: &str) -> WorkflowBuilder {
    let lane = LaneBuilder::process(["true"]).model("model-1");
    Workflow::builder(id)
        .lane("local", lane)
        .role("hand", "Does everything.")
        .role("clerk", "Sums up.")
        .max_active_jobs(3)
}

fn tolerating(requeues: u32, quarantined: u32) -> RecoveryPolicy {
    RecoveryPolicy { max_requeues: requeues, max_quarantinable_jobs: quarantined }
}

/// `a` before `b`, which `r` judges, with two rounds, before `z`.
fn chain() -> WorkflowBuilder {
    workflow("chain")
        .job(job("z", JobType::Synthesis).after("r"))
        .job(job("a", JobType::Draft).max_attempts(3).key("interrogable", true))
        .job(job("b", JobType::Build).after("a").key("interrogable", true))
        .job(review("r").after("b").key("interrogation_targets", ["a"]))
        .cycle("r", "a", 2)
}

/// `a` before `b`, which `inner` sends back, before `outer`, which sends `a` back.
fn nested() -> WorkflowBuilder {
    workflow("nested")
        .job(job("a", JobType::Draft))
        .job(job("b", JobType::Build).after("a"))
        .job(review("inner").after("b"))
        .job(review("outer").after("inner"))
        .cycle("inner", "b", 2)
        .cycle("outer", "a", 1)
}

/// Two reviews of one draft that reject differently, a side branch that a person passes, failures and losses that are tolerated.
fn braid() -> WorkflowBuilder {
    workflow("braid")
        .job(job("z", JobType::Synthesis).after("r1").after("r2").after("h"))
        .job(job("a", JobType::Draft).max_attempts(3).on_expiry(OnExpiry::Park).lease_seconds(20))
        .job(review("r1").after("a").on_reject(OnReject::SkipBranch))
        .job(review("r2").after("a").on_reject(OnReject::Checkpoint))
        .job(job("b", JobType::Build).after("a").on_expiry(OnExpiry::Park))
        .job(job("h", JobType::HumanCheckpoint).after("b"))
        .job(job("y", JobType::Test).after("r2"))
        .cycle("r2", "a", 2)
        .recovery_policy(&tolerating(1, 2))
}

/// `a` before `b` and `c`, both before `d`; nobody works twice, one loss ends the run.
fn diamond() -> WorkflowBuilder {
    workflow("diamond")
        .job(job("a", JobType::Draft))
        .job(job("b", JobType::Build).after("a").fresh_session().on_reject(OnReject::SkipBranch))
        .job(job("c", JobType::Test).after("a").fresh_session().max_attempts(2))
        .job(job("d", JobType::Synthesis).after("b").after("c"))
        .recovery_policy(&tolerating(1, 0))
}

/// A review without anything to leave or to go back to, whose acceptance ends the run.
fn verdict() -> WorkflowBuilder {
    workflow("verdict")
        .job(job("a", JobType::Draft))
        .job(JobBuilder::review("r").by("hand", "local").objective("r").after("a"))
        .job(job("side", JobType::Ledger))
        .max_active_jobs(1)
        .recovery_policy(&tolerating(0, 1))
}

/// Three reviews of one draft, all of which send it back: two of them are enough, the third looks at what the second said.
fn cohort() -> Value {
    let document = workflow("cohort")
        .job(job("a", JobType::Draft).key("max_gating_abstentions", 1))
        .job(review("r1").after("a").on_reject(OnReject::SkipBranch).max_attempts(2))
        .job(review("r2").after("a").on_reject(OnReject::Checkpoint))
        .job(review("r3").after("r2").inputs(["a"]))
        .job(review("aside").after("a").advisory())
        .job(job("z", JobType::Synthesis).after("r1").after("r3").after("aside"))
        .cycle("r1", "a", 1)
        .cycle("r2", "a", 2)
        .cycle("r3", "a", 2)
        .recovery_policy(&tolerating(1, 2));
    document.document()
}

/// The same without an order among the reviews, where two dissents are enough.
fn debounced() -> Value {
    let document = workflow("debounced")
        .job(job("a", JobType::Draft))
        .job(review("r1").after("a"))
        .job(review("r2").after("a"))
        .job(review("r3").after("a"))
        .job(job("z", JobType::Synthesis).after("r1").after("r2").after("r3"))
        .cycle("r1", "a", 2)
        .cycle("r2", "a", 2)
        .cycle("r3", "a", 1);
    let mut document = document.document();
    document["cycles"][0]["debounce_cohort"] = json!(2);
    document
}

/// Two of three must accept, and one of them may not dissent. Whoever asks a person may be answered by a program.
fn quorum() -> Value {
    let document = workflow("quorum")
        .schema(SchemaVersion::V2)
        .key("independence", json!({"model": "off"}))
        .key("ai_operator_may", json!(["revisions_exhausted", "question"]))
        .role("sceptic", "Doubts.")
        .job(job("a", JobType::Draft))
        .job(review("r1").after("a").by("sceptic", "local"))
        .job(review("r2").after("a").on_reject(OnReject::SkipBranch))
        .job(review("r3").after("a").on_reject(OnReject::SkipBranch))
        .job(job("z", JobType::Build).after("r1").after("r2").after("r3").quorum(2, ["sceptic"]))
        .cycle("r1", "a", 1)
        .cycle("r2", "a", 1);
    document.document()
}

/// A phase whose synthesis weighs what its reviews say, and one behind it.
fn phases() -> Value {
    let document = workflow("phases")
        .schema(SchemaVersion::V1_1)
        .phase("first")
        .phase("second")
        .job(job("a", JobType::Draft).phase("first"))
        .job(review("r1").after("a").phase("first"))
        .job(review("r2").after("a").phase("first"))
        .job(synthesis("s").phase("first"))
        .job(job("b", JobType::Build).after("s").phase("second"))
        .job(synthesis("t").phase("second"))
        .cycle("r1", "a", 1)
        .cycle("s", "a", 1);
    let mut document = document.document();
    document["phases"][0]["synthesis_job_id"] = json!("s");
    document["phases"][1]["synthesis_job_id"] = json!("t");
    document
}

fn synthesis(id: &str) -> JobBuilder {
    JobBuilder::new(id, JobType::PhaseSynthesis)
        .by("hand", "local")
        .objective(id)
        .leaves(id, format!("out/{id}.md"))
}

/// Jobs that get into each other's way, within a budget, whose result must be what was judged.
fn crowd() -> Value {
    let printer =
        |namespace: &str| json!([{"id": "printer", "mode": "per_lane_namespace", "namespace": namespace}]);
    let document = workflow("crowd")
        .schema(SchemaVersion::V2)
        .key("budget", json!({"turns": 8}))
        .key("require_judged_delivery", true)
        .key("independence", json!({"model": "off"}))
        .key("parallelism", json!({"max_active_jobs": 3, "require_disjoint_write_scopes": false}))
        .job(job("a", JobType::Draft).group("together").writes(["out"]).key("budget", json!({"turns": 2})))
        .job(job("b", JobType::Draft).group("together").max_attempts(2))
        .job(job("c", JobType::Draft).key("shared_resources", printer("left")).max_attempts(2))
        .job(job("d", JobType::Draft).key("shared_resources", printer("left")))
        .job(
            job("e", JobType::Draft).key("shared_resources", json!([{"id": "printer", "mode": "exclusive"}])),
        )
        .job(job("z", JobType::Synthesis).after("a").after("b").after("c").after("d").after("e"))
        .recovery_policy(&tolerating(2, 3));
    document.document()
}

/// Authors and reviewers of different models.
fn models() -> Value {
    let document = workflow("models")
        .schema(SchemaVersion::V2)
        .key("independence", json!({"model": "declared"}))
        .lane("other", LaneBuilder::process(["true"]).model("model-2"))
        .job(job("a", JobType::Draft))
        .job(review("r").after("a").by("hand", "other"))
        .job(review("q").after("a").by("hand", "other").key("require_attested_lane", true))
        .cycle("r", "a", 2);
    document.document()
}

pub(crate) fn all() -> Vec<Workflow> {
    let first = [chain(), nested(), braid(), diamond(), verdict()].map(|document| document.document());
    let later = [cohort(), debounced(), quorum(), phases(), crowd(), models()];
    let parsed = first.iter().chain(&later).map(|document| {
        match Workflow::parse(document.to_string().as_bytes(), &Rules::default()) {
            Ok(validated) => validated.workflow,
            Err(findings) => panic!("{findings}\n{document:#}"),
        }
    });
    parsed.collect()
}
