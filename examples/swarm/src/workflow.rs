//! The work: a draft, two reviews, and a way back.

use std::path::Path;

use striatum::{
    Document,
    core::workflow::{BranchMode, JobBuilder, LaneBuilder, RecoveryPolicy, Workflow},
};

use crate::{Outcome, site::Site};

/// How long a lease lasts without renewal: short, so that the death of a worker is soon noticed.
const LEASE_SECONDS: u32 = 2;

pub(crate) fn workflow(site: &Site) -> Outcome<Document> {
    let program = std::env::current_exe()?;
    let text = |path: &Path| path.to_str().map(str::to_owned).ok_or("a path is not text");
    let agent = [text(&program)?, "agent".to_owned(), text(&site.register())?];
    let lane = |model: &str| LaneBuilder::process(agent.clone()).model(model);
    let draft = JobBuilder::draft("draft")
        .by("author", "author")
        .objective("Write it.")
        .writes(["docs/"])
        .artifact("draft", "docs/draft.md")
        .lease_seconds(LEASE_SECONDS);
    let review = |name: &str| {
        JobBuilder::review(name)
            .by("reviewer", "reviewer")
            .objective("Is it good?")
            .inputs(["draft"])
            .after("draft")
            .fresh_session()
            .leaves(name, format!("reviews/{name}.md"))
            .lease_seconds(LEASE_SECONDS)
    };
    let workflow = Workflow::builder("swarm")
        .branch(BranchMode::Auto, "swarm")
        .lane("author", lane("author-1"))
        .lane("reviewer", lane("reviewer-1"))
        .role("author", "Writes what is asked for.")
        .role("reviewer", "Judges it.")
        .max_active_jobs(2)
        .job(draft)
        .job(review("style"))
        .job(review("content"))
        // Where workers die all the time, a job that was handed out often is not to blame.
        .recovery_policy(&RecoveryPolicy { max_requeues: 100, max_quarantinable_jobs: 0 })
        .cycle("style", "draft", 2);
    Ok(Document::new(workflow.document().to_string(), site.folder()))
}
