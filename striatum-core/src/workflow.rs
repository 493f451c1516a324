//! Workflow documents: what is to be done, by whom, in which order, and within which bounds.
//!
//! A document comes from JSON through the one validator or from the typed builder, which
//! goes through the same validator. [`Snapshot`] freezes it for a run, with the files that it refers to.

mod analysis;
mod asking;
mod branch;
mod brief;
mod builder;
mod document;
mod finding;
mod graph;
mod order;
mod render;
mod scope;
mod shape;
mod snapshot;
mod validate;

pub use analysis::{Analysis, Way, Ways};
pub use asking::QUESTIONS;
pub use branch::is_branch_name;
pub use brief::{PacketRole, PacketText, Written};
pub use builder::{JobBuilder, LaneBuilder, WorkflowBuilder};
pub use document::{
    Branch, BranchMode, Budget, Checkpoint, Constraint, ContextDoc, Coordinator, Cycle, Edge, EdgeOn,
    ExpectedArtifact, HarnessProfile, Independence, IndependenceModel, InterrogationTarget, Job, JobType,
    Lane, OnExpiry, OnReject, PanelRole, Parallelism, Phase, Posture, ProvenanceMode, Quorum, RecoveryPolicy,
    ResourceMode, ReviewAccess, ReviewContext, ReviewRevisionPolicy, Role, SchemaVersion, SharedResource,
    TaskPrompt, Workflow, WorktreeIsolation, WriteMode,
};
pub(crate) use finding::codes;
pub use finding::{Finding, FindingCode, Findings, Severity};
pub use graph::{Graph, UnsoundGraph, WayBack};
pub use scope::WriteScope;
pub use shape::{Scaffold, ScaffoldFile, Shape};
pub use snapshot::{FrozenFile, InvalidSnapshot, ReferencedFile, Snapshot};
pub use validate::{Offers, Rules, Shortfall, Strictness, Validated};
