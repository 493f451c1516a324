//! Questions to sessions that pull: what is not answered in time is for a person.

use std::{collections::HashMap, time::Duration};

use striatum_core::{
    engine::EngineError,
    id::RunId,
    run::{Actor, Command, Intent, Pending},
    store::{RunQuery, StoreExt as _},
};
use tokio::time::Instant;

use crate::agents::pull::Pull;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often runs are looked at.
const EVERY: Duration = Duration::from_secs(30);

/// What is known of open questions, and since when.
#[derive(Default)]
pub(super) struct Questions {
    looked: Option<Instant>,
    open: HashMap<(RunId, u32), Instant>,
}

impl Questions {
    /// Asks a person what no session has answered, now and then.
    pub(super) async fn look(&mut self, pull: &Pull) {
        if self.looked.is_some_and(|looked| looked.elapsed() < EVERY) {
            return;
        }
        self.looked = Some(Instant::now());
        if let Err(error) = self.refer(pull).await {
            tracing::warn!(%error, "questions to agents that pull are not looked after");
        }
    }

    async fn refer(&mut self, pull: &Pull) -> Result<(), EngineError> {
        let query = RunQuery { active: true, ..RunQuery::default() };
        let mut open = HashMap::new();
        for run in pull.engine.store().all_runs(query).await? {
            let state = pull.engine.load(run.run).await?.state;
            for owed in state.pending().filter(|owed| owed.owner() == Some(pull.owner.instance)) {
                let Pending::Interrogate { run, question, .. } = owed else { continue };
                let since = *self.open.get(&(run, question)).unwrap_or(&Instant::now());
                if since.elapsed() < PATIENCE {
                    open.insert((run, question), since);
                    continue;
                }
                let intent = Intent::Refer { question, reason: None, usage: None };
                let actor = Actor::Service("server".to_owned());
                let command = Command { id: owed.command_id(), actor, intent };
                match pull.engine.execute(run, command).await {
                    // It was answered just now.
                    Ok(_) | Err(EngineError::Rejected(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        self.open = open;
        Ok(())
    }
}
