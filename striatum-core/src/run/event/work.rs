//! Sessions, and what they leave.

use serde::{Deserialize, Serialize};

use super::{IdentityBasis, Judged, SameModel, Verdict};
use crate::{
    digest::BlobRef,
    id::{ArtifactName, CommitId, JobId, LaneId, RoleId, SessionId},
    run::command::Owner,
    transport::AgentIdentity,
    workflow::Posture,
};

data! {
    /// A session exists. Logs from before grants said so have it before a session's first grant; nothing writes it any longer.
    SessionRegistered {
        /// Its id.
        session: SessionId,
        /// Its number in the run, from 1.
        ordinal: u32,
        /// Its role.
        role: RoleId,
        /// Its lane.
        lane: LaneId,
        /// The process that answers for it.
        owner: Owner,
    }
    /// What a session's agent says of itself.
    SessionIdentified {
        /// The session.
        session: SessionId,
        /// The job it was at.
        job: JobId,
        /// The grant.
        epoch: u32,
        /// What it says.
        agent: AgentIdentity,
    }
    /// An output was published.
    ArtifactPublished {
        /// The job.
        job: JobId,
        /// At which attempt.
        attempt: u32,
        /// Its name.
        name: ArtifactName,
        /// What it is.
        kind: String,
        /// Where it lies.
        path: String,
        /// Its bytes.
        content: BlobRef,
        /// Who made it.
        author: String,
    }
    /// Work was judged.
    VerdictRecorded {
        /// The review.
        job: JobId,
        /// At which attempt.
        attempt: u32,
        /// The grant.
        epoch: u32,
        /// Who judged.
        session: SessionId,
        /// The judgement.
        verdict: Verdict,
        /// What was found, as a blob.
        findings: Option<BlobRef>,
        /// What exactly was judged.
        judged: Vec<Judged>,
        /// What the review leaned on.
        posture: Option<Posture>,
        /// The lane of the reviewer.
        lane: LaneId,
        /// What the reviewer's agent is said to be.
        agent: AgentIdentity,
        /// Who says so.
        basis: IdentityBasis,
        /// The family of its model, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        family: Option<String>,
        /// What was made by an agent of the same family, with leave.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        same_model: Vec<SameModel>,
    }
    /// A work tree is gone, its work is kept.
    TreeClosed {
        /// The job.
        job: JobId,
        /// The grant it was opened for.
        epoch: u32,
        /// The last commit of its branch.
        kept: Option<CommitId>,
    }
}
