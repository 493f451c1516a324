//! Any terminal program as an agent.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use striatum_core::{
    run::Usage,
    sandbox::{Exec, Exit, Isolation, Level, Limits, SandboxSession, SandboxSpec},
    transport::{AgentIdentity, AgentSession, AgentUpdate, Prompt, Spend},
    workflow::{Constraint, Lane, Offers, Shortfall},
};
use tokio::time::{sleep, timeout};

use crate::{
    adapter::{AdapterError, Assignment, End, Finished, Gateway, LaneAdapter, Seen, gateway::Passages},
    command::CommandSession,
    fault,
};

/// How long it may take to open a sandbox, to start a process, or to end one.
const SOON: Duration = Duration::from_secs(60);

/// Runs the lane's command in the sandbox. The task goes to its standard input, which is then closed; the path of the packet is
/// in `STRIATUM_PACKET`. It leaves its artifacts at their paths, a verdict in the front matter of its first required artifact or
/// in the file that `STRIATUM_REPORT` names, and ends with status 0. In that file it may also ask a person, say why it failed, and
/// what it used: see [`report`](crate::command::report).
#[derive(Debug, Clone, Default)]
pub struct ProcessAdapter {
    gateways: Vec<Arc<dyn Gateway>>,
}

impl ProcessAdapter {
    /// Lets agents reach this beside.
    #[must_use]
    pub fn gateway(mut self, gateway: Arc<dyn Gateway>) -> Self {
        self.gateways.push(gateway);
        self
    }
}

#[async_trait]
impl LaneAdapter for ProcessAdapter {
    fn offers(&self, sandbox: &Isolation) -> Offers {
        Offers::process().within(sandbox)
    }

    async fn work(&self, assignment: Assignment) -> Result<Finished, AdapterError> {
        let begun = Instant::now();
        let mut passages = Passages::prepare(&self.gateways, &assignment).await?;
        let mut session = open(&assignment, &passages, assignment.limits).await?;
        let talked = talk(session.as_mut(), &mut passages, &assignment).await;
        // Whatever happened, nothing is left running.
        let closed = soon("end the agent", session.close()).await;
        let (end, exit, agent) = talked?;
        closed?;
        let wall_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let Seen { spend, trouble } = passages.seen();
        let Spend { input_tokens, output_tokens } = spend.unwrap_or_default();
        let usage = Usage { wall_ms, input_tokens, output_tokens, turns: None };
        let mut finished = Finished::new(end, exit, usage).by(agent);
        finished.reason = trouble.map(|trouble| format!("the agent's model refuses it ({})", trouble.code()));
        Ok(finished)
    }
}

/// Opens the sandbox for a grant.
pub(super) async fn open(
    assignment: &Assignment,
    passages: &Passages,
    limits: Limits,
) -> Result<Box<dyn SandboxSession>, AdapterError> {
    let spec = SandboxSpec {
        fence: assignment.fence.clone(),
        tree: assignment.tree.clone(),
        folder: assignment.folder.clone(),
        mounts: assignment.mounts.iter().cloned().chain(passages.mounts()).collect(),
        env: passages.withhold(&assignment.env),
        demands: demands(&assignment.lane),
        limits,
    };
    soon("open the sandbox", assignment.sandbox.open(&spec)).await
}

/// What the sandbox must hold an agent to: what the lane demands beyond what a plain process gives by itself.
fn demands(lane: &Lane) -> Isolation {
    let mut demands = Isolation::uniform(Level::Unsupported);
    for Shortfall { constraint, required, .. } in Offers::process().shortfalls(lane) {
        match constraint {
            Constraint::Network => demands.network = required,
            Constraint::RepoScope => demands.file_system = required,
            // No sandbox can do anything about transcripts: the orchestrator keeps none.
            Constraint::Transcripts => {}
        }
    }
    demands
}

/// Starts the agent, gives it its task, and listens until it has ended or must.
async fn talk(
    session: &mut dyn SandboxSession,
    passages: &mut Passages,
    assignment: &Assignment,
) -> Result<(End, Option<Exit>, AgentIdentity), AdapterError> {
    fault::point("spawn.before");
    let exec = passages.equip(Exec::new(&assignment.lane.command));
    let mut process = soon("start the agent", session.spawn(&exec)).await?;
    fault::point("spawn.after");
    passages.open(&mut process)?;

    let mark = assignment.mark();
    let mut agent: Box<dyn AgentSession> =
        Box::new(CommandSession::new(process, Box::new(move || mark.set())));
    let prompt = Prompt { text: assignment.prompt.clone() };
    soon("give the agent its task", agent.prompt(&prompt)).await?;
    let listened = listen(agent.as_mut(), assignment).await;
    let identity = agent.agent().clone();
    soon("end the agent", agent.close()).await?;
    listened.map(|(end, exit)| (end, exit, identity))
}

async fn listen(
    agent: &mut dyn AgentSession,
    assignment: &Assignment,
) -> Result<(End, Option<Exit>), AdapterError> {
    let mut exit = None;
    let wall = sleep(assignment.patience.wall);
    tokio::pin!(wall);
    loop {
        let update = tokio::select! {
            () = assignment.stop.cancelled() => return Ok((End::Stopped, exit)),
            () = &mut wall => return Ok((End::TimedOut, exit)),
            update = timeout(assignment.patience.silence, agent.next()) => match update {
                Ok(update) => update,
                Err(_) => return Ok((End::Silent, exit)),
            },
        };
        let broken = |error| AdapterError::new("listen to the agent").because(error);
        let Some(update) = update.map_err(broken)? else { return Ok((End::Ended, exit)) };
        if let AgentUpdate::Ended(status) = update {
            exit = Some(status);
        }
        assignment.updates.tell(&update);
    }
}

/// Does what takes no time to speak of.
pub(super) async fn soon<T, E: Error + Send + Sync + 'static>(
    doing: &'static str,
    act: impl Future<Output = Result<T, E>>,
) -> Result<T, AdapterError> {
    match timeout(SOON, act).await {
        Ok(done) => done.map_err(|error| AdapterError::new(doing).because(error)),
        Err(late) => Err(AdapterError::new(doing).because(late)),
    }
}

#[cfg(test)]
mod tests {
    use striatum_core::workflow::{JobBuilder, JobType, LaneBuilder, Rules, Workflow};

    use super::*;

    #[test]
    fn the_sandbox_must_give_what_a_plain_process_does_not() {
        let lane = LaneBuilder::process(["x"])
            .require(Constraint::Network, "forbidden", Level::Enforced)
            .require(Constraint::RepoScope, "local_only", Level::AdvisoryStrict)
            .require(Constraint::Transcripts, "off", Level::Enforced);
        let walls = Isolation::uniform(Level::Enforced);
        let workflow = Workflow::builder("w")
            .lane("l", lane)
            .role("r", "Works.")
            .job(JobBuilder::new("only", JobType::Build).by("r", "l").objective("Build."))
            .build_by(&Rules::default().with_offers(Offers::process().within(&walls)))
            .expect("it is sound")
            .workflow;
        let lane = workflow.lanes.values().next().expect("a lane");
        let expected = Isolation { network: Level::Enforced, ..Isolation::uniform(Level::Unsupported) };
        assert_eq!(demands(lane), expected);
    }
}
