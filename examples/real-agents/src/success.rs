//! Changes that come to a good end.

use std::collections::BTreeSet;

use striatum::core::{
    run::{IdentityBasis, State, Verdict},
    transport::AgentIdentity,
};
use striatum_testkit::llm::MockLlm;

use crate::{
    Outcome,
    agents::{Agent, Installed, PLACEHOLDER},
    ensure,
    scene::{Scene, job},
    script,
};

/// Everything that the agents need is there.
pub(crate) async fn nothing_is_missing(installed: &Installed) -> Outcome<String> {
    let folder = tempfile::tempdir()?;
    for &agent in &installed.agents {
        let lane = installed.lane(agent, "http://127.0.0.1:1", folder.path())?;
        let lacks = installed.lacks(agent, &lane).await?;
        ensure(lacks.is_empty(), || format!("{} lacks: {}", agent.name(), lacks.join("; ")))?;
    }
    Ok("preflight finds every agent".to_owned())
}

/// One change is drafted, sent back once, drafted again, accepted, finished and delivered, by these agents.
pub(crate) async fn reviewed(installed: &Installed, parts: [Agent; 3]) -> Outcome<String> {
    let model = MockLlm::start(script::reviewed_change).await?;
    let scene = Scene::open(installed, &model.url(), parts).await?;
    let state = scene.work().await?;
    expect_reviewed(&scene, &state).await?;
    let reported: BTreeSet<_> = sessions(&state).filter_map(|agent| agent.name.as_ref()).collect();
    let played: BTreeSet<_> = parts.iter().map(|part| part.name()).collect();
    ensure(reported.len() == played.len(), || format!("{played:?} call themselves {reported:?}"))?;
    // Those that are always played say their model too.
    let verdicts = &state.job(&job("review")?).ok_or("there is a review")?.verdicts;
    let say_all = verdicts.iter().all(|verdict| verdict.agent.model.is_some());
    ensure(played.len() == 1 || say_all, || identities(&state))?;

    let asked = model.asked();
    let placeholder =
        asked.iter().flat_map(|asked| &asked.headers).any(|(_, value)| value.contains(PLACEHOLDER));
    ensure(placeholder, || "no agent showed the key that it was given".to_owned())?;
    Ok(format!("{} requests to the model; {}", asked.len(), identities(&state)))
}

/// The change was drafted, sent back, drafted again, accepted, finished and delivered.
pub(crate) async fn expect_reviewed(scene: &Scene, state: &State) -> Outcome<()> {
    scene.expect_completed(state).await?;

    let verdicts = &state.job(&job("review")?).ok_or("there is a review")?.verdicts;
    let said: Vec<Verdict> = verdicts.iter().map(|verdict| verdict.verdict).collect();
    ensure(said == [Verdict::NeedsRevision, Verdict::AcceptWithFindings], || {
        format!("the verdicts are {said:?}")
    })?;
    for verdict in verdicts {
        let agent = &verdict.agent;
        let is_whole = agent.name.is_some() && agent.version.is_some();
        ensure(verdict.basis == IdentityBasis::Reported && is_whole, || {
            format!("the reviewer is {agent:?} by {:?}", verdict.basis)
        })?;
    }

    let greeting = scene.delivered("src/greeting.txt").await?;
    ensure(greeting.trim() == "Good morning, everybody", || format!("what was delivered is {greeting:?}"))?;
    let note = scene.delivered("docs/code_change/CHANGE.md").await?;
    ensure(note.contains("Good morning"), || format!("the note is {note:?}"))?;
    scene.delivered("docs/code_change/SUMMARY.md").await?;
    Ok(())
}

/// What the agents said that they are, in the order of their sessions.
pub(crate) fn identities(state: &State) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_else(|| "?".to_owned());
    let named = sessions(state)
        .map(|agent| format!("{} {} ({})", part(&agent.name), part(&agent.version), part(&agent.model)));
    let mut named: Vec<String> = named.collect();
    named.dedup();
    named.join(", ")
}

/// What the agent of each session said that it is, in the order of the sessions.
fn sessions(state: &State) -> impl Iterator<Item = &AgentIdentity> {
    let holders = state.jobs().flat_map(|(_, job)| job.holders.iter());
    let mut sessions: Vec<_> = holders.filter_map(|session| state.session(session)).collect();
    sessions.sort_by_key(|session| session.ordinal);
    sessions.into_iter().filter_map(|session| session.agent.as_ref())
}
