//! The panel as a workflow: the change, its reviewers side by side, and a quorum behind them.

use striatum::core::workflow::{
    BranchMode, Findings, JobBuilder, JobType, LaneBuilder, OnReject, Rules, SchemaVersion, Workflow,
};

use crate::{
    Args, Failed,
    change::{ADAPTER, Change},
};

/// The job that leaves what is judged.
pub(crate) const CHANGE: &str = "change";
/// The job that the votes lead to.
pub(crate) const VOTE: &str = "vote";
/// Where the bot and the reviewers leave what they have.
const FOLDER: &str = ".ci-bot-review";
/// How much of the change stands in the prompt, in bytes; all of it lies in the tree.
const SHOWN: usize = 16 << 10;

/// The workflow of these arguments.
pub(crate) fn workflow(args: &Args, change: &Change) -> Result<Workflow, Failed> {
    let seats = u32::try_from(args.reviewers.len())?;
    let quorum = args.quorum.unwrap_or(seats / 2 + 1);
    let shown = beginning(&change.text, SHOWN);
    let diff = format!("{FOLDER}/change.diff");
    let mut workflow = Workflow::builder("ci-review")
        .schema(SchemaVersion::V2)
        .branch(BranchMode::Auto, "ci-bot/review")
        .lane("bot", LaneBuilder::adapter(ADAPTER))
        .role("bot", "Leaves the change, and counts the votes.")
        .role("reviewer", "Judges the change and repairs nothing.")
        .max_active_jobs(seats.max(1))
        .job(
            JobBuilder::draft(CHANGE)
                .by("bot", "bot")
                .objective("Leave the change as a file.")
                .writes([format!("{FOLDER}/")])
                .artifact("change", &diff),
        );
    for (n, command) in args.reviewers.iter().enumerate() {
        let id = format!("reviewer_{}", n + 1);
        let lane = LaneBuilder::process(command.split_whitespace()).worktree_per_job();
        let lane = args.environment.iter().fold(lane, |lane, name| lane.pass_env(name));
        let prompt = format!(
            "{}\n\nThe whole change is in {diff}; the repository around you has it applied. It begins like this:\n\n```diff\n{shown}\n```\n",
            args.question
        );
        workflow = workflow.lane(&id, lane).job(
            JobBuilder::review(&id)
                .by("reviewer", &id)
                .objective(&args.question)
                .prompt(prompt)
                .inputs([CHANGE])
                .after(CHANGE)
                .max_attempts(2)
                .on_reject(OnReject::Checkpoint)
                .leaves(&id, format!("{FOLDER}/{id}.md")),
        );
    }
    let vote = JobBuilder::new(VOTE, JobType::Generic).by("bot", "bot").objective("Count the votes.");
    let vote = (1..=seats).fold(vote, |vote, n| vote.after(format!("reviewer_{n}")));
    let workflow =
        workflow.job(vote.quorum(quorum, Vec::<String>::new()).leaves("vote", format!("{FOLDER}/vote.diff")));
    let rules = Rules::default().with_offers_of(ADAPTER, striatum::core::workflow::Offers::process());
    let refused = |findings: Findings| findings.to_string();
    Ok(workflow.build_by(&rules).map_err(refused)?.workflow)
}

/// At most so many bytes, without cutting a character in two.
fn beginning(text: &str, most: usize) -> &str {
    let cut = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.get(..cut.unwrap_or(0)).unwrap_or_default()
}
