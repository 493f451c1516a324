//! Reviews that decide together, agents that show who they are, and what jobs share.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use striatum::{
    adapter::{AdapterError, Assignment, End, Finished, LaneAdapter},
    core::{
        run::{Checkpoint, IdentityDoubt, JobStatus, RunStatus},
        sandbox::Isolation,
        transport::AgentIdentity,
        workflow::{JobBuilder, JobType, LaneBuilder, Offers, SchemaVersion},
    },
};

use crate::fixture::{
    Agent, Scene, begin, draft, job, leave, notices, review, state, status, workflow, write,
};

/// Leaves what is expected, and judges by the job's name.
fn by_name(verdicts: &'static [(&'static str, u32, &'static str)]) -> Agent {
    Agent::new(|assignment| {
        let (id, attempt) = (assignment.fence.job.as_str(), assignment.packet.attempt);
        let said = verdicts.iter().find(|(job, at, _)| *job == id && *at == attempt);
        leave(assignment, said.map_or("accept", |(.., verdict)| verdict));
        if said.is_some() {
            let path = &assignment.packet.expected_artifacts[0].path;
            let verdict = said.map_or("", |(.., verdict)| verdict);
            write(assignment, path, &format!("---\nverdict: {verdict}\nfindings: {id} minds\n---\n"));
        }
        Some(End::Ended)
    })
}

fn prompt(agent: &Agent, id: &str, attempt: u32) -> String {
    let told = agent.told().into_iter().find(|told| told.job == id && told.attempt == attempt);
    told.expect("it was told").prompt
}

#[tokio::test]
async fn a_revision_hears_all_who_dissent_and_what_is_behind_hears_of_findings_that_it_does_not_name() {
    let scene = Scene::new();
    let agent =
        by_name(&[("r", 1, "needs_revision"), ("s", 1, "needs_revision"), ("t", 2, "accept_with_findings")]);
    let orchestrator = scene.orchestrator(&agent).await;
    let panel = workflow([
        draft("a"),
        review("r", "a"),
        review("s", "a"),
        review("t", "a"),
        draft("b").after("r").after("s").after("t").inputs(["a"]),
    ]);
    let panel = ["r", "s", "t"].into_iter().fold(panel, |panel, seat| panel.cycle(seat, "a", 2));
    let run = begin(&orchestrator, &panel).await.run;
    scene.work(&orchestrator).await;
    assert_eq!(status(&orchestrator, run).await, Some(RunStatus::Completed));
    let revised = prompt(&agent, "a", 2);
    for seat in ["r", "s"] {
        assert!(
            revised.contains(&format!("{seat} (attempt 1) says needs_revision:\n> {seat} minds")),
            "{revised}"
        );
    }
    assert!(!revised.contains("t (attempt 1)"), "who accepted wants nothing: {revised}");
    let attempt = state(&orchestrator, run).await.job(&job("b")).expect("a job").attempt;
    let behind = prompt(&agent, "b", attempt);
    assert!(behind.contains("t (attempt 2) says accept_with_findings:\n> t minds"), "{behind}");
}

#[tokio::test]
async fn a_phase_synthesis_hears_the_dissent_of_its_peers() {
    let scene = Scene::new();
    let agent = by_name(&[("r", 1, "needs_revision"), ("s", 1, "reject")]);
    let orchestrator = scene.orchestrator(&agent).await;
    let synthesis = JobBuilder::new("weigh", JobType::PhaseSynthesis)
        .by("reviewer", "main")
        .objective("Weigh it.")
        .leaves("weigh", "out/weigh.md");
    let jobs = [draft("a"), review("r", "a"), review("s", "a"), synthesis].map(|job| job.phase("p"));
    let phases = workflow(jobs).schema(SchemaVersion::V1_1).phase("p");
    let run = begin(&orchestrator, &phases).await.run;
    scene.work(&orchestrator).await;
    assert_eq!(status(&orchestrator, run).await, Some(RunStatus::Completed));
    let weighed = prompt(&agent, "weigh", 1);
    for words in ["r (attempt 1) says needs_revision:\n> r minds", "s (attempt 1) says reject:\n> s minds"] {
        assert!(weighed.contains(words), "{words:?} is missing in {weighed}");
    }
}

/// Agents that say over their protocol which model they are.
#[derive(Debug)]
struct Attesting(Agent, &'static str);

#[async_trait]
impl LaneAdapter for Attesting {
    fn offers(&self, sandbox: &Isolation) -> Offers {
        self.0.offers(sandbox)
    }

    async fn work(&self, assignment: Assignment) -> Result<Finished, AdapterError> {
        let agent = AgentIdentity { model: Some(self.1.to_owned()), ..AgentIdentity::default() };
        Ok(self.0.work(assignment).await?.by(agent))
    }
}

#[tokio::test]
async fn only_an_agent_that_attests_its_model_does_what_wants_it() {
    for (adapter, expected) in
        [("same", JobStatus::Completed), ("other", JobStatus::Blocked), ("test", JobStatus::Blocked)]
    {
        let scene = Scene::new();
        let agent = Agent::diligent();
        let builder = scene.builder().await.adapter("test", Arc::new(agent.clone()));
        let builder = builder.adapter("same", Arc::new(Attesting(agent.clone(), "gpt-6")));
        let orchestrator = builder.adapter("other", Arc::new(Attesting(agent, "gemini-4"))).build().await;
        let orchestrator = orchestrator.expect("it builds");
        let judge = JobBuilder::review("r").by("reviewer", "second").objective("Judge.").after("a");
        let judge = judge.leaves("r", "out/r.md").key("require_attested_lane", true);
        let attested = workflow([draft("a"), judge])
            .schema(SchemaVersion::V2)
            .lane("second", LaneBuilder::adapter(adapter).model("codex"));
        let run = begin(&orchestrator, &attested).await.run;
        scene.work(&orchestrator).await;
        let seen = state(&orchestrator, run).await;
        let review = seen.job(&job("r")).expect("a job");
        assert_eq!(review.status, expected, "{adapter}: {review:?}");
        if expected == JobStatus::Blocked {
            assert_eq!(review.checkpoint, Some(Checkpoint::Identity));
            assert!(matches!(review.doubt, Some(IdentityDoubt::Unattested { .. })), "{:?}", review.doubt);
        }
    }
}

#[tokio::test]
async fn who_finds_a_resource_taken_waits_for_it_and_nobody_is_told() {
    let scene = Scene::new();
    let agent = Agent::diligent();
    let orchestrator = scene.orchestrator(&agent).await;
    let mut progress = orchestrator.progress();
    let mut runs = Vec::new();
    for _ in 0..3 {
        let wants = workflow([draft("a").key("shared_resources", json!(["database"]))]);
        runs.push(begin(&orchestrator, &wants).await.run);
    }
    scene.work(&orchestrator).await;
    for run in runs {
        let seen = state(&orchestrator, run).await;
        assert_eq!(seen.status(), Some(RunStatus::Completed));
        assert_eq!(seen.job(&job("a")).map(|job| job.epoch), Some(1));
    }
    assert_eq!(notices(&mut progress), []);
}
