//! What happens, as it happens, for those who watch.

use striatum_core::{
    id::{Fence, RunId},
    run::Event,
    transport::AgentUpdate,
};

/// Something that happened in this process.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// An event was appended to a run.
    Event {
        /// The run.
        run: RunId,
        /// What happened.
        event: Event,
    },
    /// An agent did something.
    Agent {
        /// Its grant.
        fence: Fence,
        /// What it did.
        update: AgentUpdate,
    },
    /// What was to be written for a grant came after the grant had ended, and was refused.
    Stale {
        /// The grant.
        fence: Fence,
    },
    /// Something went wrong that will be tried again, or that somebody should know.
    Notice {
        /// The run, if it is about one.
        run: Option<RunId>,
        /// The stable code.
        code: &'static str,
        /// What happened.
        message: String,
        /// What to do, if there is anything.
        remedy: &'static str,
    },
}
