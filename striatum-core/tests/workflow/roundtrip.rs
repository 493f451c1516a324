//! A workflow that is written and read again is the same workflow, whatever it says.

use striatum_core::{
    sandbox::Level,
    workflow::{
        BranchMode, Constraint, FindingCode, JobBuilder, JobType, LaneBuilder, Offers, OnExpiry, OnReject,
        Posture, RecoveryPolicy, Rules, Workflow, WorkflowBuilder,
    },
};

/// A workflow that says everything that the builder can say.
fn everything() -> WorkflowBuilder {
    let author = LaneBuilder::process(["write", "--now"])
        .model("one")
        .require(Constraint::Transcripts, "off", Level::Enforced)
        .constrain(Constraint::Network, "forbidden")
        .env("LANG", "C")
        .pass_env("API_KEY")
        .timeout_seconds(60);
    Workflow::builder("everything")
        .version("7")
        .name("Everything, ünïcode included")
        .branch(BranchMode::Auto, "work/everything")
        .coordinator("author", "author")
        .lane("author", author)
        .lane("reviewer", LaneBuilder::adapter("acp:judge").model("two"))
        .role("author", "Writes.")
        .role_defined_in("reviewer", "roles/reviewer.md")
        .context_doc("README.md")
        .optional_context_doc("HISTORY.md")
        .max_active_jobs(3)
        .recovery_policy(&RecoveryPolicy { max_requeues: 0, max_quarantinable_jobs: 2 })
        .allow_same_model_review_pairing()
        .job(draft())
        .job(review())
        .job(JobBuilder::human_checkpoint("decide").by("author", "author").prompt("Decide.").after("review"))
        .edge("draft", "decide")
        .cycle("review", "draft", 3)
}

fn draft() -> JobBuilder {
    JobBuilder::draft("draft")
        .title("Draft")
        .by("author", "author")
        .prompt_in("prompts/draft.md")
        .max_attempts(2)
        .lease_seconds(30)
        .on_expiry(OnExpiry::Park)
        .writes(["src"])
        .but_not(["src/secret"])
        .artifact("draft_${cycle}", "src/draft_${cycle}.md")
}

fn review() -> JobBuilder {
    JobBuilder::review("review")
        .by("reviewer", "reviewer")
        .objective("Judge.")
        .after("draft")
        .inputs(["draft", "README.md"])
        .fresh_session()
        .posture(Posture::Custom("tone".into()))
        .on_reject(OnReject::Checkpoint)
        .leaves("review", "reviews/review.md")
}

#[test]
fn parsing_what_was_written_gives_the_same() {
    let first = everything().build_by(&Rules::strict()).unwrap();
    assert_eq!(first.warnings, []);
    let json = first.workflow.to_json_pretty().unwrap();
    let second = Workflow::parse(json.as_bytes(), &Rules::strict()).unwrap();
    assert_eq!(first, second);
    assert_eq!(json, second.workflow.to_json_pretty().unwrap());
}

#[test]
fn a_workflow_of_defaults_survives_too() {
    let json = r#"{
        "schema_version": "striatum.workflow.v1", "workflow_id": "small",
        "lanes": {"l": {"adapter": "own"}}, "roles": {"r": {}}, "jobs": [{
            "id": "only", "type": "generic", "role_id": "r", "lane_id": "l", "objective": "Do it.",
            "write_scope": {"mode": "repo_write"}
        }]
    }"#;
    let first = Workflow::parse(json.as_bytes(), &Rules::strict()).unwrap();
    assert_eq!(first.workflow.branch.suggested_name, "striatum/small");
    assert_eq!(first.workflow.jobs[0].title, "only");
    assert_eq!(first.workflow.parallelism.max_active_jobs, 1);
    let written = first.workflow.to_json_pretty().unwrap();
    assert_eq!(Workflow::parse(written.as_bytes(), &Rules::strict()).unwrap(), first);
}

#[test]
fn the_builder_is_judged_like_a_file() {
    let refused = everything()
        .job(JobBuilder::new("late", JobType::Test).by("author", "auther").objective("Test."))
        .cycle("review", "decide", 1)
        .build()
        .unwrap_err();
    let found: Vec<_> = refused.iter().map(|finding| (finding.code, finding.pointer.as_str())).collect();
    let expected = [
        (FindingCode::CycleTargetNotUpstream, "/cycles/1/to"),
        (FindingCode::UnknownLane, "/jobs/3/lane_id"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn the_builder_is_judged_by_what_is_enforced() {
    let lane = LaneBuilder::process(["x"]).require(Constraint::Network, "forbidden", Level::Enforced);
    let workflow = Workflow::builder("walled")
        .lane("l", lane)
        .role("r", "Works.")
        .job(JobBuilder::new("only", JobType::Build).by("r", "l").objective("Build."));
    assert!(workflow.build().is_err());
    let offers = Offers::process().raise(Constraint::Network, "forbidden", Level::Enforced);
    assert!(workflow.build_by(&Rules::default().with_offers(offers)).is_ok());
}

#[test]
fn a_lane_is_judged_by_what_its_own_adapter_enforces() {
    let demanding = |adapter: &str| {
        LaneBuilder::adapter(adapter).command(["x"]).require(
            Constraint::Network,
            "forbidden",
            Level::Enforced,
        )
    };
    let workflow = |adapter: &str| {
        Workflow::builder("walled")
            .lane("l", demanding(adapter))
            .role("r", "Works.")
            .job(JobBuilder::new("only", JobType::Build).by("r", "l").objective("Build."))
    };
    let walled = Offers::process().raise(Constraint::Network, "forbidden", Level::Enforced);
    let rules = Rules::default().with_offers_of("walled", walled.clone());
    assert!(workflow("walled").build_by(&rules).is_ok());
    let refused = workflow("open").build_by(&rules).unwrap_err();
    assert_eq!(refused.iter().map(|finding| finding.code).next(), Some(FindingCode::EnforcementUnavailable));
    let rules = Rules::default().with_offers(walled).with_offers_of("open", Offers::process());
    assert!(workflow("open").build_by(&rules).is_err(), "an adapter that gives less is not given more");
    assert!(workflow("other").build_by(&rules).is_ok());
}
