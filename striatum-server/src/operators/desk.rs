//! Where operations are performed: on the runs of the repository that the caller's token is for, and on no others.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use striatum_core::{
    digest::{BlobRef, Digest},
    engine::{Applied, Engine, EngineError},
    id::{ChainId, CommandId, RunId},
    run::{Command, Intent, State},
};

use tokio::task::JoinError;

use super::{
    caller::Caller,
    operation::{Done, Operation, Request, run_of, take_id},
    problem::{Fault, Problem},
    repository::Repository,
};
use crate::{
    audit::{Audit, Outcome, Row},
    authority::Authority,
};

/// What operations work on.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) engine: Arc<Engine>,
    pub(super) authority: Arc<Authority>,
    pub(super) audit: Audit,
    repositories: BTreeMap<ChainId, Arc<dyn Repository>>,
}

/// The events that a request made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) run: Option<RunId>,
    /// The number of the first event in its run, and of the last; nothing if there are none, or they stood before.
    pub(super) events: Option<(u64, u64)>,
}

/// What a request did to a run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Changed {
    /// The run.
    #[schemars(with = "String")]
    run: RunId,
    /// Where it stands now.
    status: String,
    /// Whether it hands out no jobs for now.
    paused: bool,
    /// How many events it has.
    version: u64,
    /// The kinds of the events that the request caused, in order; none if what was wanted was so already.
    events: Vec<String>,
    /// Whether the same request had been done before.
    repeated: bool,
}

impl Desk {
    pub(super) fn new(
        engine: Arc<Engine>,
        authority: Arc<Authority>,
        audit: Audit,
        repositories: BTreeMap<ChainId, Arc<dyn Repository>>,
    ) -> Self {
        Self { engine, authority, audit, repositories }
    }

    /// Does what a caller asks, if the token is for it, and has it written down. A caller who goes away meanwhile does not keep a change
    /// from being written down.
    pub(super) async fn serve(
        self: &Arc<Self>,
        caller: &Caller,
        operation: &Arc<Operation>,
        input: Value,
    ) -> Result<Value, Problem> {
        let (desk, caller, performed) = (self.clone(), caller.clone(), operation.clone());
        let served = async move { desk.served(&caller, &performed, input).await };
        if !operation.is_change() {
            return served.await;
        }
        let broken =
            |error: JoinError| Problem::new(Fault::Defect, format!("{} broke off: {error}", operation.name));
        tokio::spawn(served).await.map_err(broken)?
    }

    async fn served(
        self: &Arc<Self>,
        caller: &Caller,
        operation: &Operation,
        mut input: Value,
    ) -> Result<Value, Problem> {
        let id = take_id(&mut input)?;
        let (about, parameters) = (run_of(&input), digest(&input));
        let row = |outcome| Row {
            request: id,
            by: caller.asker(),
            operation: operation.name.to_owned(),
            about,
            parameters,
            outcome,
        };
        let done = self.perform(caller, operation, id, input).await;
        match done {
            Ok(Done { answer, made: None }) => {
                self.audit.count_read(caller.token);
                Ok(answer)
            }
            Ok(Done { answer, made: Some(made) }) => {
                self.audit.accepted(row(Outcome::Done { run: made.run, events: made.events })).await?;
                Ok(answer)
            }
            Err(problem) => {
                self.audit.refused(row(Outcome::Refused { code: problem.code().to_owned() }));
                Err(problem)
            }
        }
    }

    async fn perform(
        self: &Arc<Self>,
        caller: &Caller,
        operation: &Operation,
        id: CommandId,
        input: Value,
    ) -> Result<Done, Problem> {
        caller.expect(operation.capability)?;
        if operation.is_change() {
            // What cannot be written down is not begun.
            self.audit.expect_writable().await?;
        }
        let request = Request { desk: self.clone(), caller: caller.clone(), id };
        operation.perform(request, input).await
    }

    /// The repository that is meant: the one that is named, else that of the token, else the only one that is served.
    pub(super) fn chain(&self, caller: &Caller, named: Option<&ChainId>) -> Result<ChainId, Problem> {
        let unknown = |chain: &ChainId| {
            Problem::new(Fault::RepositoryUnknown, format!("the repository {chain} is not served here"))
        };
        let mut served = self.repositories.keys();
        match (named.or(caller.repository.as_ref()), served.next(), served.next()) {
            (Some(chain), ..) if self.serves(caller, chain) => Ok(chain.clone()),
            (Some(chain), ..) => Err(unknown(chain)),
            (None, Some(only), None) => Ok(only.clone()),
            (None, ..) => Err(Problem::new(
                Fault::Invalid,
                "several repositories are served; name the one that is meant",
            )),
        }
    }

    /// The repository behind a chain.
    pub(super) fn repository(&self, chain: &ChainId) -> Option<&Arc<dyn Repository>> {
        self.repositories.get(chain)
    }

    /// Whether a repository is served, and the caller's token is for it.
    fn serves(&self, caller: &Caller, chain: &ChainId) -> bool {
        self.repositories.contains_key(chain) && caller.repository.as_ref().is_none_or(|own| own == chain)
    }
}

impl Request {
    /// Loads a run of the caller's repository. One of another repository is not there.
    pub(super) async fn load(&self, run: RunId) -> Result<State, Problem> {
        let state = self.desk.engine.load(run).await?.state;
        if self.desk.serves(&self.caller, state.chain()) {
            Ok(state)
        } else {
            Err(EngineError::NoSuchRun(run).into())
        }
    }

    /// Keeps a text, for an event to name.
    pub(super) async fn keep(&self, text: impl Into<Bytes>) -> Result<BlobRef, Problem> {
        Ok(self.desk.engine.blobs().put(text.into()).await?)
    }

    /// Gives a command in the caller's name.
    pub(super) async fn command(&self, run: RunId, intent: Intent) -> Result<(Changed, Made), Problem> {
        self.commands(run, vec![intent]).await
    }

    /// Gives commands in the caller's name, all or none. The ids of the later ones follow from the first.
    pub(super) async fn commands(
        &self,
        run: RunId,
        intents: Vec<Intent>,
    ) -> Result<(Changed, Made), Problem> {
        self.load(run).await?;
        let actor = &self.caller.actor;
        let numbered = (0_u32..).zip(intents);
        let commands: Vec<Command> = numbered
            .map(|(n, intent)| Command { id: nth(self.id, n), actor: actor.clone(), intent })
            .collect();
        let applied = self.desk.engine.execute_all(run, &commands).await?;
        let missing = || Problem::new(Fault::Defect, "the engine answered nothing");
        outcome(run, &applied).ok_or_else(missing)
    }
}

fn outcome(run: RunId, applied: &[Applied]) -> Option<(Changed, Made)> {
    let state = &applied.last()?.state;
    let fresh: u64 = applied.iter().filter(|it| !it.repeated).map(|it| it.events.len() as u64).sum();
    let changed = Changed {
        run,
        status: state.status().map_or("", |status| status.as_str()).to_owned(),
        paused: state.is_paused(),
        version: state.version(),
        events: applied.iter().flat_map(|it| &it.events).map(|event| event.kind().to_owned()).collect(),
        repeated: applied.iter().any(|it| it.repeated),
    };
    let events = (fresh > 0).then(|| (state.version() + 1 - fresh, state.version()));
    Some((changed, Made { run: Some(run), events }))
}

/// The id of a request's command of this number: its own for the first one.
pub(super) fn nth(id: CommandId, n: u32) -> CommandId {
    if n == 0 {
        return id;
    }
    let mut bits = [0; 16];
    bits.copy_from_slice(&Digest::of_parts(&[id.as_bytes(), &n.to_be_bytes()]).as_bytes()[..16]);
    CommandId::from_bytes(bits)
}

/// What stands of an input in the audit chain.
fn digest(input: &Value) -> Digest {
    // A value that cannot be put in canonical form has numbers that no input takes.
    Digest::of(&serde_jcs::to_vec(input).unwrap_or_default())
}
