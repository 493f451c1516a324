//! What becomes of a change when its first turn goes wrong.

use std::{sync::Arc, time::Duration};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use striatum::{
    Limits,
    core::run::{JobState, JobStatus, State},
};
use striatum_testkit::llm::{MockLlm, Reply};
use tokio::sync::Notify;

use crate::{
    Outcome,
    agents::{Agent, Installed},
    ensure,
    scene::{Scene, job},
    script, success,
};

/// How long an agent may give no sign of life, where that is tried.
const SILENCE: Duration = Duration::from_secs(20);

fn draft(state: &State) -> Outcome<JobState> {
    Ok(state.job(&job("draft")?).ok_or("there is a draft")?.clone())
}

/// A key that the model refuses is for a person to mend: the job waits, and no attempt is burnt on it.
pub(crate) async fn not_let_in(installed: &Installed, agent: Agent) -> Outcome<String> {
    let model = MockLlm::start(script::at_first(|_| Some(Reply::refuse(401)))).await?;
    let scene = Scene::open(installed, &model.url(), [agent; 3]).await?;
    let draft = draft(&scene.work().await?)?;
    let waits = matches!(draft.status, JobStatus::WaitingHuman | JobStatus::Blocked);
    ensure(waits && draft.attempt == 1, || {
        format!("the draft is {} at attempt {}", draft.status, draft.attempt)
    })?;
    Ok(format!("the draft is {} ({:?})", draft.status, draft.checkpoint))
}

/// What ends by itself is waited for, and costs no attempt: a limit, a model that is broken for a moment.
pub(crate) async fn recovers(installed: &Installed, agent: Agent, at_first: Reply) -> Outcome<String> {
    // The agent itself tries once more before it gives up.
    let model = MockLlm::start(script::at_first(move |nth| (nth < 2).then(|| at_first.clone()))).await?;
    let scene = Scene::open(installed, &model.url(), [agent; 3]).await?;
    let state = scene.work().await?;
    expect_none_lost(&scene, &state).await
}

/// A turn in which nothing happens any more is cancelled, and the agent goes on when it is asked to.
pub(crate) async fn stalled(installed: &Installed, agent: Agent) -> Outcome<String> {
    let (model, begun) = thinking().await?;
    let limits = Limits::default().silence(SILENCE);
    let scene = Scene::within(installed, &model.url(), [agent; 3], limits).await?;
    let ((), state) = tokio::join!(begun.notified(), scene.work());
    expect_none_lost(&scene, &state?).await
}

/// The change was reviewed, and no grant ended badly on the way.
async fn expect_none_lost(scene: &Scene, state: &State) -> Outcome<String> {
    success::expect_reviewed(scene, state).await?;
    let reasons = scene.reasons().await?;
    ensure(reasons.is_empty(), || format!("grants were lost: {}", reasons.join("; ")))?;
    let draft = draft(state)?;
    ensure((draft.attempt, draft.epoch) == (2, 2), || {
        format!("the draft was granted {} times, and is at attempt {}", draft.epoch, draft.attempt)
    })?;
    Ok("the same agent went on".to_owned())
}

/// A model that thinks for ever at first, and who waits for it.
async fn thinking() -> Outcome<(MockLlm, Arc<Notify>)> {
    let begun = Arc::new(Notify::new());
    let tell = begun.clone();
    let model = MockLlm::start(script::at_first(move |nth| {
        (nth == 0).then(|| {
            tell.notify_one();
            Reply::Hang("Let me think".to_owned())
        })
    }));
    Ok((model.await?, begun))
}

/// An orchestrator that is stopped in the middle of a turn gives the job back, and leaves no agent behind.
pub(crate) async fn stopped(installed: &Installed, agent: Agent) -> Outcome<String> {
    let (model, begun) = thinking().await?;
    let scene = Scene::open(installed, &model.url(), [agent; 3]).await?;
    let stop = async {
        begun.notified().await;
        scene.orchestrator.stop();
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    let (state, stopped) = tokio::join!(scene.work(), stop);
    stopped?;
    let draft = draft(&state?)?;
    ensure(draft.status == JobStatus::Ready && draft.attempt == 1, || {
        format!("the draft is {}", draft.status)
    })?;
    expect_gone(&scene)?;
    Ok("the draft is ready again, and its agent is gone".to_owned())
}

/// An agent that dies in the middle of a turn costs its attempt, and another finishes. The reviewer sees a second attempt and accepts
/// it.
pub(crate) async fn killed(installed: &Installed, agent: Agent) -> Outcome<String> {
    let (model, begun) = thinking().await?;
    let scene = Scene::open(installed, &model.url(), [agent; 3]).await?;
    let kill = async {
        begun.notified().await;
        for pid in scene.agents_of("draft")?.into_iter().filter_map(Pid::from_raw) {
            kill_process(pid, Signal::KILL)?;
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    let (state, killed) = tokio::join!(scene.work(), kill);
    killed?;
    let state = state?;
    scene.expect_completed(&state).await?;
    let draft = draft(&state)?;
    ensure((draft.attempt, draft.epoch) == (2, 2), || {
        format!("the draft was granted {} times, and is at attempt {}", draft.epoch, draft.attempt)
    })?;
    expect_gone(&scene)?;
    let reasons = scene.reasons().await?;
    ensure(!reasons.is_empty(), || "nobody wrote down that an agent died".to_owned())?;
    Ok(reasons.join("; "))
}

/// No agent of the draft is left.
fn expect_gone(scene: &Scene) -> Outcome<()> {
    let left = scene.agents_of("draft")?.into_iter().filter_map(Pid::from_raw);
    let left: Vec<Pid> = left.filter(|pid| test_kill_process(*pid).is_ok()).collect();
    ensure(left.is_empty(), || format!("agents are left: {left:?}"))
}
