//! The work itself: what is to be done, and the function that does it.

use striatum_core::{
    run::{Packet, Verdict},
    workflow::{Findings, JobBuilder, JobType, LaneBuilder, Workflow},
};

/// Drafts a greeting, has it reviewed, and allows two revisions.
pub(crate) fn workflow() -> Result<Workflow, Findings> {
    let draft = JobBuilder::draft("draft")
        .by("author", "author")
        .objective("Write a greeting to docs/GREETING.md.")
        .writes(["docs/"])
        .artifact("greeting", "docs/GREETING.md");
    let review = JobBuilder::review("review")
        .by("reviewer", "reviewer")
        .objective("Is the greeting friendly?")
        .after("draft")
        .fresh_session()
        .leaves("review", "docs/review/REVIEW.md");
    let workflow = Workflow::builder("greeting")
        .lane("author", LaneBuilder::adapter("function").model("author-1"))
        .lane("reviewer", LaneBuilder::adapter("function").model("reviewer-1"))
        .role("author", "Writes what is asked for.")
        .role("reviewer", "Judges it.")
        .job(draft)
        .job(review)
        .cycle("review", "draft", 2);
    Ok(workflow.build()?.workflow)
}

/// What the agent made of a packet.
pub(crate) struct Work {
    /// One line for whoever watches.
    pub(crate) remark: &'static str,
    /// The texts of the expected artifacts, in the order of the packet.
    pub(crate) texts: Vec<&'static str>,
    /// The judgement, if the job is a review.
    pub(crate) verdict: Option<Verdict>,
}

/// The agent. It gets what any agent gets, the packet, and could be a call to a model.
pub(crate) fn work(packet: &Packet) -> Work {
    let (remark, text, verdict) = match (packet.kind, packet.attempt) {
        (JobType::Review, 1) => ("sent back", "Say it to somebody.", Some(Verdict::NeedsRevision)),
        (JobType::Review, _) => ("accepted", "Friendly enough.", Some(Verdict::Accept)),
        (_, 1) => ("wrote \"Hello.\"", "Hello.", None),
        _ => ("wrote \"Hello, reader!\"", "Hello, reader!", None),
    };
    Work { remark, texts: vec![text], verdict }
}
