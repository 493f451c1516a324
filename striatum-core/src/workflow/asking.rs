//! Who may ask whom: a job those before it that let themselves be asked.

use crate::workflow::{Graph, Workflow};

/// How often an attempt at a job may ask other jobs.
pub const QUESTIONS: u32 = 4;

impl Workflow {
    /// The jobs that a job may ask, by their numbers, in document order: those before it that let themselves be asked; if it names
    /// some, those alone.
    pub fn may_ask(&self, graph: &Graph, asker: usize) -> Vec<usize> {
        let jobs = self.jobs.iter().enumerate();
        let mut asked: Vec<usize> =
            jobs.filter(|(_, job)| job.interrogable).map(|(index, _)| index).collect();
        let Some(asker_spec) = self.jobs.get(asker).filter(|_| !asked.is_empty()) else { return Vec::new() };
        let named = &asker_spec.interrogation_targets;
        let before = graph.all_upstream(asker);
        asked.retain(|index| {
            let is_named = named.iter().any(|target| target.workflow_job_id == self.jobs[*index].id);
            before.contains(index) && (named.is_empty() || is_named)
        });
        asked
    }
}
