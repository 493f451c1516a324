//! The work: a draft, two reviews, and a way back.

use striatum::core::{
    run::{Outcome, Packet, Verdict},
    workflow::{Findings, JobBuilder, JobType, LaneBuilder, RecoveryPolicy, Workflow},
};

/// How long a lease lasts without renewal: as short as can be, so that the death of a worker is soon noticed.
const LEASE_SECONDS: u32 = 1;

pub(crate) fn workflow() -> Result<Workflow, Findings> {
    let draft = JobBuilder::draft("draft")
        .by("author", "author")
        .objective("Write it.")
        .writes(["docs/"])
        .lease_seconds(LEASE_SECONDS);
    let review = |name: &str| {
        JobBuilder::review(name)
            .by("reviewer", "reviewer")
            .objective("Is it good?")
            .after("draft")
            .fresh_session()
            .lease_seconds(LEASE_SECONDS)
    };
    let workflow = Workflow::builder("swarm")
        .lane("author", LaneBuilder::adapter("function").model("author-1"))
        .lane("reviewer", LaneBuilder::adapter("function").model("reviewer-1"))
        .role("author", "Writes what is asked for.")
        .role("reviewer", "Judges it.")
        .job(draft)
        .job(review("style"))
        .job(review("content"))
        // Where workers die all the time, a job that was handed out often is not to blame.
        .recovery_policy(&RecoveryPolicy { max_requeues: 100, max_quarantinable_jobs: 0 })
        .cycle("style", "draft", 2);
    Ok(workflow.build()?.workflow)
}

/// What the agent makes of a packet: the first draft of a run is sent back for its style.
pub(crate) fn judge(packet: &Packet) -> Outcome {
    let verdict = match (packet.kind, packet.fence.job.as_str(), packet.revision.is_empty()) {
        (JobType::Review, "style", true) if packet.attempt == 1 => Verdict::NeedsRevision,
        (JobType::Review, ..) => Verdict::Accept,
        _ => return Outcome::Done,
    };
    Outcome::Verdict { verdict, findings: None }
}
