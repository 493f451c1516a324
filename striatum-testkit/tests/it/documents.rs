//! Workflows that make everything happen that may.
#![expect(clippy::panic, reason = "a document that is refused is a mistake of these tests")]

use striatum_core::workflow::{
    JobBuilder, JobType, LaneBuilder, OnExpiry, OnReject, RecoveryPolicy, Workflow, WorkflowBuilder,
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
        .job(job("a", JobType::Draft).max_attempts(3))
        .job(job("b", JobType::Build).after("a"))
        .job(review("r").after("b"))
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

pub(crate) fn all() -> Vec<Workflow> {
    let documents = [chain(), nested(), braid(), diamond(), verdict()];
    let built = documents.iter().map(|document| match document.build() {
        Ok(validated) => validated.workflow,
        Err(findings) => panic!("{findings}\n{:#}", document.document()),
    });
    built.collect()
}
