//! A run.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use striatum_core::{
    id::{ChainId, CommitId, RunId, WorkflowId},
    run::State,
    store::RunSummary,
};

use super::{Blob, Used, moment, word};

/// A run as the list shows it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(in crate::operators) struct RunBrief {
    /// The run: 32 hexadecimal digits.
    #[schemars(with = "String")]
    run: RunId,
    /// The repository.
    #[schemars(with = "String")]
    repository: ChainId,
    /// The workflow that it executes.
    #[schemars(with = "String")]
    workflow: WorkflowId,
    /// Where it stands.
    status: String,
    /// Whether it hands out no jobs for now.
    paused: bool,
    /// How many events it has.
    version: u64,
    /// When it was prepared.
    created_at: String,
    /// When something last happened to it.
    updated_at: String,
}

impl From<&RunSummary> for RunBrief {
    fn from(summary: &RunSummary) -> Self {
        Self {
            run: summary.run,
            repository: summary.chain.clone(),
            workflow: summary.row.workflow.clone(),
            status: summary.row.status.as_str().to_owned(),
            paused: summary.row.paused,
            version: summary.head.version,
            created_at: moment(summary.created_at),
            updated_at: moment(summary.updated_at),
        }
    }
}

/// A run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(in crate::operators) struct RunView {
    /// The run: 32 hexadecimal digits.
    #[schemars(with = "String")]
    run: RunId,
    /// The repository.
    #[schemars(with = "String")]
    repository: ChainId,
    /// The workflow that it executes.
    #[schemars(with = "String")]
    workflow: WorkflowId,
    /// Where it stands.
    status: String,
    /// Whether it hands out no jobs for now.
    paused: bool,
    /// How many events it has.
    version: u64,
    /// The frozen workflow.
    snapshot: Blob,
    /// The commit that it starts from.
    #[schemars(with = "String")]
    base: CommitId,
    /// The branch that the workflow suggests for the result.
    suggested_branch: String,
    /// The branch for the result, once it is settled.
    branch: Option<String>,
    /// The commit that was delivered there.
    #[schemars(with = "Option<String>")]
    delivered: Option<CommitId>,
    /// The delivery that was not made, because the result differs from what was judged.
    withheld: Option<WithheldView>,
    /// How many jobs stand where.
    jobs: BTreeMap<String, u32>,
    /// How many jobs, questions and escalations wait for a principal.
    waiting: u32,
    /// When its first job was granted.
    begun_at: Option<String>,
    /// What its agents have used.
    used: Used,
}

/// A delivery that was not made.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct WithheldView {
    /// The commit that would have been delivered.
    #[schemars(with = "String")]
    commit: CommitId,
    /// How a principal ruled, if one has.
    ruling: Option<String>,
}

impl From<&State> for RunView {
    fn from(state: &State) -> Self {
        let mut jobs = BTreeMap::new();
        let mut waiting = 0;
        for (_, job) in state.jobs() {
            *jobs.entry(job.status.as_str().to_owned()).or_insert(0) += 1;
            waiting += u32::from(super::asked::waits(job.status));
        }
        let open = state.escalations().iter().filter(|escalation| escalation.ruling.is_none()).count();
        Self {
            run: state.run(),
            repository: state.chain().clone(),
            workflow: state.workflow().workflow_id.clone(),
            status: state.status().map_or("", |status| status.as_str()).to_owned(),
            paused: state.is_paused(),
            version: state.version(),
            snapshot: Blob::from(&state.snapshot().blob()),
            base: state.snapshot().base().clone(),
            suggested_branch: state.workflow().branch.suggested_name.clone(),
            branch: state.branch().map(|branch| branch.branch.clone()),
            delivered: state.delivered().cloned(),
            withheld: state.withheld().map(|withheld| WithheldView {
                commit: withheld.commit.clone(),
                ruling: withheld.ruling.as_ref().map(word),
            }),
            jobs,
            waiting: waiting + u32::try_from(open).unwrap_or(u32::MAX),
            begun_at: state.begun_at().map(moment),
            used: Used::from(state.used()),
        }
    }
}
