//! What principals are asked, and how they rule.

use serde::{Deserialize, Serialize};

use super::{EscalationTopic, Ruling};
use crate::{digest::BlobRef, id::JobId};

data! {
    /// A principal ruled on a job.
    DecisionRecorded {
        /// The number of the decision in the run, from 1.
        decision: u32,
        /// The job.
        job: JobId,
        /// At which attempt.
        attempt: u32,
        /// The ruling.
        ruling: Ruling,
        /// The reasons, as a blob.
        rationale: BlobRef,
        /// Who ruled.
        by: String,
    }
    /// Something that only a principal can resolve.
    EscalationRaised {
        /// Its number in the run, from 1.
        escalation: u32,
        /// What it is about.
        topic: EscalationTopic,
        /// The job, if it is about one.
        job: Option<JobId>,
        /// What it is in words, as a blob.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<BlobRef>,
        /// The grant whose agent waits for the answer, if one does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epoch: Option<u32>,
    }
    /// Somebody was told.
    EscalationNotified {
        /// Its number.
        escalation: u32,
    }
    /// A principal resolved an escalation.
    EscalationResolved {
        /// Its number.
        escalation: u32,
        /// The ruling.
        ruling: Ruling,
        /// The reasons, as a blob.
        rationale: Option<BlobRef>,
        /// Who ruled.
        by: String,
    }
}
