//! Questions of agents, and their answers.

use serde::{Deserialize, Serialize};

use super::{Addressee, LeaseEnd, Usage};
use crate::{
    digest::BlobRef,
    id::{JobId, SessionId},
};

data! {
    /// The agent at work asked a person; the job waits for the answer and nobody holds it meanwhile.
    QuestionAsked {
        /// The number of the question in the run, from 1.
        question: u32,
        /// The job.
        job: JobId,
        /// At which attempt.
        attempt: u32,
        /// The question, as a blob.
        text: BlobRef,
        /// By what the agent can find its conversation again.
        resume: Option<String>,
        /// The lease that ended.
        ended: LeaseEnd,
        /// The job whose session was asked; nothing if a person was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<Addressee>,
    }
    /// A question was answered; the job may be claimed again.
    QuestionAnswered {
        /// Which one.
        question: u32,
        /// The job.
        job: JobId,
        /// The answer, as a blob.
        text: BlobRef,
        /// Who answered.
        by: String,
        /// The session that answered, if no person did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<SessionId>,
        /// What answering used.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<Usage>,
    }
    /// A question that a session was asked, and did not answer, is for a person from now on.
    QuestionReferred {
        /// Which one.
        question: u32,
        /// The job that asked.
        job: JobId,
        /// Why it was not answered, as a blob.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<BlobRef>,
        /// What trying used.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<Usage>,
    }
    /// Somebody was told of a question that waits for a person.
    QuestionNotified {
        /// Which one.
        question: u32,
        /// The job that asked.
        job: JobId,
    }
}
