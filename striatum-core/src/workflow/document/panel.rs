//! How several reviews decide together, whom a job may ask, and what it shares.

use serde::{Deserialize, Serialize};

use crate::id::{JobId, RoleId};

/// Whether the verdict of a review binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PanelRole {
    /// What is behind the review waits for its acceptance.
    #[default]
    Gating,
    /// What is behind it waits for the review, whatever it says.
    Advisory,
}

impl PanelRole {
    pub(super) const fn is_gating(&self) -> bool {
        matches!(self, Self::Gating)
    }
}

/// How many of the reviews that a job waits for must accept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quorum {
    /// So many.
    pub k: u32,
    /// Whoever has one of these roles must not dissent, even if enough others accept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub veto_roles: Vec<RoleId>,
}

/// An earlier job whose session may be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterrogationTarget {
    /// The job.
    pub workflow_job_id: JobId,
    /// Whether asking it is expected; not enforced.
    pub required: bool,
}

/// Something outside the repository that several jobs may want.
///
/// ```
/// use striatum_core::workflow::{ResourceMode, SharedResource};
///
/// let whole = SharedResource::exclusive("test-db");
/// let part = |namespace: &str| SharedResource {
///     mode: ResourceMode::PerLaneNamespace,
///     namespace: Some(namespace.to_owned()),
///     ..SharedResource::exclusive("test-db")
/// };
/// assert!(whole.excludes(&part("a")) && part("a").excludes(&part("a")));
/// assert!(!part("a").excludes(&part("b")));
/// assert!(!whole.excludes(&SharedResource::exclusive("printer")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedResource {
    /// What all who want it call it.
    pub id: String,
    /// Whether it is wanted as a whole.
    pub mode: ResourceMode,
    /// The part that is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl SharedResource {
    /// The whole of a resource.
    pub fn exclusive(id: impl Into<String>) -> Self {
        Self { id: id.into(), mode: ResourceMode::Exclusive, namespace: None, description: None }
    }

    /// Whether two jobs that want these cannot be held at the same time.
    pub fn excludes(&self, other: &Self) -> bool {
        let both_in_part = [self.mode, other.mode] == [ResourceMode::PerLaneNamespace; 2];
        self.id == other.id && !(both_in_part && self.namespace != other.namespace)
    }
}

/// Whether a resource is wanted as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceMode {
    /// Nobody else may use it meanwhile.
    #[default]
    Exclusive,
    /// Others may use other namespaces of it.
    PerLaneNamespace,
}
