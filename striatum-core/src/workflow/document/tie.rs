//! What ties jobs together.

use serde::{Deserialize, Serialize};

use crate::id::{JobId, PhaseId};

/// Something that must come before something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// What comes before.
    pub from: JobId,
    /// What waits for it.
    pub to: JobId,
    /// For what it waits.
    pub on: EdgeOn,
}

/// For what an edge waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeOn {
    /// The job before is completed; if it is a review, with an accepting verdict.
    Completed,
}

/// A bounded way back, taken when a review wants a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cycle {
    /// The review.
    pub from: JobId,
    /// What it sends back.
    pub to: JobId,
    /// The verdict that takes it: always `needs_revision`.
    pub on_verdict: String,
    /// How often it may be taken.
    pub max_iterations: u32,
    /// Leave for reviewer and author to share a lane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_same_lane: Option<bool>,
    /// Leave for reviewer and author to share a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_same_model: Option<bool>,
    /// So many reviews that want a revision are enough to take it; without it, all that judge the target are heard first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debounce_cohort: Option<u32>,
}

/// Jobs that belong together, and the one among them that adjudicates what the others did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// Names it.
    pub id: PhaseId,
    /// A title for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// More about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its job of type `phase_synthesis`, which waits for all others of the phase.
    pub synthesis_job_id: JobId,
}
