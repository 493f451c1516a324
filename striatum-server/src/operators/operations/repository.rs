//! Beginning runs: what needs the repository, and what is told of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use striatum_core::{
    chain::Position,
    id::{ChainId, RunId},
    run::Intent,
};

use crate::{
    authority::Capability::Write,
    operators::{
        Document, Warning,
        desk::{Changed, Made},
        operation::{Operation, Request},
        page::{Page, Part},
        problem::{Fault, Problem},
        view::RunView,
    },
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::reads(
            "list_repositories",
            "/v1/repositories",
            "Lists the repositories that are served.",
            list,
        ),
        Operation::changes(
            "prepare_run",
            "/v1/runs",
            Write,
            "Prepares a run: validates a workflow document and freezes it at the repository's present commit. A run whose workflow \
             leaves the branch open has to be confirmed before it can be started.",
            prepare,
        ),
        Operation::changes(
            "confirm_branch",
            "/v1/runs/{run}/confirm",
            Write,
            "Settles on which branch the result of a run is delivered.",
            confirm,
        ),
    ]
}

/// A repository.
#[derive(Debug, Serialize, JsonSchema)]
struct RepositoryView {
    /// Its name: that of the chain of its events.
    #[schemars(with = "String")]
    repository: ChainId,
    /// What it is, for people.
    label: String,
    /// The last event of its chain, as `seq:digest`.
    #[schemars(with = "String")]
    head: String,
    /// The beginning of its chain, as `0:digest`.
    #[schemars(with = "String")]
    genesis: String,
}

async fn list(request: Request, input: Part) -> Result<Page<RepositoryView>, Problem> {
    let mut chains = request.desk.engine.store().chains().await?;
    chains.retain(|info| request.desk.chain(&request.caller, Some(&info.chain)).is_ok());
    let view = |(n, info): (u64, striatum_core::store::ChainInfo)| {
        let genesis = Position { seq: 0, digest: info.genesis };
        let (head, genesis) = (info.head.to_string(), genesis.to_string());
        ((n, 0), RepositoryView { repository: info.chain, label: info.label, head, genesis })
    };
    input.of((0..).zip(chains).map(view))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Prepare {
    /// The workflow document.
    workflow: Document,
    /// The repository; that of the token unless given.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    repository: Option<ChainId>,
}

/// A run that was prepared.
#[derive(Debug, Serialize, JsonSchema)]
struct PreparedView {
    /// The run.
    run: RunView,
    /// What is doubtful about the document.
    warnings: Vec<Warning>,
}

async fn prepare(request: Request, input: Prepare) -> Result<(PreparedView, Made), Problem> {
    let chain = request.desk.chain(&request.caller, input.repository.as_ref())?;
    let unserved = || Problem::new(Fault::RepositoryUnknown, "no runs are prepared here");
    let repository = request.desk.repository(&chain).ok_or_else(unserved)?;
    let prepared = repository.prepare(input.workflow, &request.caller.actor).await?;
    let state = request.load(prepared.run).await?;
    let made = Made { run: Some(prepared.run), events: Some((1, state.version())) };
    Ok((PreparedView { run: RunView::from(&state), warnings: prepared.warnings }, made))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Confirm {
    /// The run: 32 hexadecimal digits.
    #[schemars(with = "String")]
    run: RunId,
    /// The branch, without `refs/heads/`; the suggested one, or the first free one after it, unless given.
    #[serde(default)]
    branch: Option<String>,
}

async fn confirm(request: Request, input: Confirm) -> Result<(Changed, Made), Problem> {
    let state = request.load(input.run).await?;
    let unserved = || Problem::new(Fault::RepositoryUnknown, "no runs are confirmed here");
    let repository = request.desk.repository(state.chain()).ok_or_else(unserved)?;
    let branch = repository.branch(input.run, input.branch.as_deref()).await?;
    request.command(input.run, Intent::ConfirmBranch { branch: branch.name, at: branch.at }).await
}
