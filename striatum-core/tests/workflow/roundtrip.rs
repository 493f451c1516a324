//! A workflow that is written and read again is the same workflow, whatever it says.

use std::collections::BTreeSet;

use serde_json::json;
use striatum_core::{
    sandbox::Level,
    workflow::{
        BranchMode, Constraint, FindingCode, IndependenceModel, JobBuilder, JobType, LaneBuilder, Offers,
        OnExpiry, OnReject, Posture, RecoveryPolicy, Rules, SchemaVersion, SharedResource, Workflow,
        WorkflowBuilder,
    },
};

use super::mistakes::{BASE, WHOLE};

/// A workflow that says everything that the builder can say.
fn everything() -> WorkflowBuilder {
    let author = LaneBuilder::process(["write", "--now"])
        .model("one")
        .require(Constraint::Transcripts, "off", Level::Enforced)
        .constrain(Constraint::Network, "forbidden")
        .env("LANG", "C")
        .pass_env("API_KEY")
        .worktree_per_job()
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
fn a_workflow_of_the_whole_format_survives() {
    let rules = Rules::strict();
    let first = Workflow::parse(WHOLE.as_bytes(), &rules).unwrap();
    let json = first.workflow.to_json_pretty().unwrap();
    let second = Workflow::parse(json.as_bytes(), &rules).unwrap();
    assert_eq!(first, second);
    let kept: Workflow = serde_json::from_str(&json).unwrap();
    assert_eq!(kept, first.workflow);

    let Workflow { independence, budget, phases, jobs, lanes, .. } = first.workflow;
    assert_eq!(independence.unwrap().families.len(), 2);
    assert_eq!(budget.unwrap().tokens, Some(5_000_000_000));
    assert_eq!(phases[1].synthesis_job_id.as_str(), "finish");
    assert_eq!(jobs[5].quorum.as_ref().unwrap().k, 1);
    let chosen = &lanes.values().find(|lane| lane.adapter == "acp:judge").unwrap().agent;
    assert_eq!((chosen.mode.as_deref(), chosen.options["x_fast"].as_str()), (Some("plan"), "false"));
    assert_eq!(jobs[1].shared_resources[1], SharedResource::exclusive("printer"));
}

#[test]
fn models_are_compared_by_default_only_since_the_second_version() {
    let model = |version: SchemaVersion| {
        let json = BASE.replace(SchemaVersion::V1.as_str(), version.as_str());
        let rules = Rules::strict();
        Workflow::parse(json.as_bytes(), &rules).unwrap().workflow.independence_model()
    };
    assert_eq!(model(SchemaVersion::V1), IndependenceModel::Off);
    assert_eq!(model(SchemaVersion::V1_1), IndependenceModel::Off);
    assert_eq!(model(SchemaVersion::V2), IndependenceModel::Declared);
}

#[test]
fn the_builder_writes_phases_and_panels() {
    let job = |id: &str| JobBuilder::new(id, JobType::Generic).by("r", "l").objective("Work.");
    let review =
        |id: &str| JobBuilder::review(id).by("r", "l").objective("Judge.").fresh_session().phase("p");
    let built = Workflow::builder("panel")
        .schema(SchemaVersion::V2)
        .lane("l", LaneBuilder::process(["x"]))
        .role("r", "Works.")
        .phase("p")
        .key("budget", json!({ "turns": 9 }))
        .job(job("work").phase("p"))
        .job(review("one").after("work").group("panel"))
        .job(review("two").after("work").group("panel"))
        .job(review("three").after("work").group("panel").advisory())
        .job(job("join").after("one").after("two").after("three").quorum(1, ["r"]).phase("p"))
        .job(JobBuilder::new("settle", JobType::PhaseSynthesis).by("r", "l").objective("Settle.").phase("p"))
        .build_by(&Rules::strict());
    let workflow = built.unwrap_or_else(|findings| panic!("{findings}")).workflow;
    assert_eq!(workflow.jobs[4].quorum.as_ref().unwrap().veto_roles.len(), 1);
    assert_eq!(workflow.phases[0].synthesis_job_id.as_str(), "settle");
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
    let found: BTreeSet<_> = refused.iter().map(|finding| (finding.code, finding.pointer.as_str())).collect();
    let expected = [
        (FindingCode::CycleTargetNotUpstream, "/cycles/1/to"),
        (FindingCode::UnknownLane, "/jobs/3/lane_id"),
    ];
    assert_eq!(found, BTreeSet::from(expected));
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
