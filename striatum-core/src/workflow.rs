//! Workflow documents: what is to be done, by whom, in which order, and within which bounds.
//!
//! A document comes from JSON through the one validator or from the typed builder, which
//! goes through the same validator. [`Snapshot`] freezes it for a run, with the files that it refers to.

mod branch;
mod builder;
mod document;
mod finding;
mod graph;
mod scope;
mod snapshot;
mod validate;

pub use branch::is_branch_name;
pub use builder::{JobBuilder, LaneBuilder, WorkflowBuilder};
pub use document::{
    Branch, BranchMode, Constraint, ContextDoc, Coordinator, Cycle, Edge, EdgeOn, ExpectedArtifact, Job,
    JobType, Lane, OnExpiry, OnReject, Parallelism, Posture, ProvenanceMode, RecoveryPolicy, ReviewAccess,
    ReviewContext, Role, SchemaVersion, TaskPrompt, Workflow, WorktreeIsolation, WriteMode,
};
pub use finding::{Finding, FindingCode, Findings, Severity};
pub use graph::{Graph, UnsoundGraph};
pub use scope::WriteScope;
pub use snapshot::{FrozenFile, InvalidSnapshot, ReferencedFile, Snapshot};
pub use validate::{Offers, Rules, Shortfall, Strictness, Validated};
