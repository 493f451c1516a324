//! A workflow of one's own: release notes that are written, reviewed, signed by a person, and published.
//!
//! The tests in `tests/main.rs` show what becomes of it, without an agent, a repository or a wait.

use striatum_core::workflow::{Findings, Rules, Workflow};

/// The workflow in `workflow.json`.
///
/// # Errors
/// [`Findings`], with a pointer to each mistake.
///
/// ```
/// assert_eq!(test_harness::release_notes()?.jobs.len(), 4);
/// # Ok::<(), striatum_core::workflow::Findings>(())
/// ```
pub fn release_notes() -> Result<Workflow, Findings> {
    let document = include_bytes!("../workflow.json");
    Workflow::parse(document, &Rules::strict()).map(|validated| validated.workflow)
}
