//! Any terminal program as an agent.

use std::time::Instant;

use async_trait::async_trait;
use striatum_core::{
    run::Usage,
    sandbox::{Exec, Isolation, Level, Limits, SandboxSpec},
    transport::{AgentTransport, AgentUpdate, Prompt, SessionSpec},
    workflow::Offers,
};
use tokio::time::{sleep, timeout};

use crate::{
    adapter::{AdapterError, Assignment, End, Finished, LaneAdapter},
    command::CommandTransport,
    fault,
};

/// Runs the lane's command in the sandbox. The task goes to its standard input, which is then closed; the path of the packet is
/// in `STRIATUM_PACKET`. It leaves its artifacts at their paths, a verdict in the front matter of its first required artifact or
/// in the file that `STRIATUM_REPORT` names, and ends with status 0.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessAdapter;

#[async_trait]
impl LaneAdapter for ProcessAdapter {
    fn offers(&self, sandbox: &Isolation) -> Offers {
        Offers::process().within(sandbox)
    }

    async fn work(&self, assignment: Assignment) -> Result<Finished, AdapterError> {
        let begun = Instant::now();
        let spec = SandboxSpec {
            fence: assignment.fence.clone(),
            tree: assignment.tree.clone(),
            folder: assignment.folder.clone(),
            env: assignment.env.clone(),
            demands: Isolation::uniform(Level::Unsupported),
            limits: Limits::default(),
        };
        let start = |error| AdapterError::new("start the agent").because(error);
        let mut session = assignment.sandbox.open(&spec).await.map_err(start)?;
        fault::point("spawn.before");
        let argv = assignment.lane.command.iter().map(Into::into).collect();
        let process = session.spawn(&Exec { argv, env: Vec::new() }).await.map_err(start)?;
        fault::point("spawn.after");

        let talk = |error| AdapterError::new("talk to the agent").because(error);
        let speaks = SessionSpec { fence: assignment.fence.clone(), tree: assignment.tree.clone() };
        let mut agent = CommandTransport::new().connect(process, &speaks).await.map_err(talk)?;
        agent.prompt(&Prompt { text: assignment.prompt.clone() }).await.map_err(talk)?;

        let mut exit = None;
        let wall = sleep(assignment.patience.wall);
        tokio::pin!(wall);
        let end = loop {
            tokio::select! {
                () = assignment.stop.cancelled() => break End::Stopped,
                () = &mut wall => break End::TimedOut,
                update = timeout(assignment.patience.silence, agent.next()) => match update {
                    Err(_) => break End::Silent,
                    Ok(update) => match update.map_err(talk)? {
                        None => break End::Ended,
                        Some(update) => {
                            if let AgentUpdate::Ended(status) = update {
                                exit = Some(status);
                            }
                            assignment.updates.tell(&update);
                        }
                    },
                },
            }
        };
        agent.close().await.map_err(talk)?;
        session.close().await.map_err(|error| AdapterError::new("end the agent").because(error))?;
        let wall_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Finished::new(end, exit, Usage { wall_ms, ..Usage::default() }))
    }
}
