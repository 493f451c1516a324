//! What is handed in, and what is delivered of it.

use striatum_core::run::{Command, Intent, RunDelivered, VerdictRecorded};

use super::Oracle;
use crate::simulation::property::{Holds, Property};

const RULES: Property = Property::Rules;

impl Oracle {
    /// What was handed in changes nothing outside the write scope of its job.
    pub(super) fn expect_scope(&self, command: &Command) -> Holds {
        let Intent::Submit(submit) = &command.intent else { return Ok(()) };
        let scope = &self.plan.job(self.job(&submit.fence.job)?).write_scope;
        let inside = |path: &str, folders: &[String]| folders.iter().any(|folder| lies_in(path, folder));
        let mut outside = submit
            .changed_paths
            .iter()
            .filter(|path| !inside(path, &scope.allowed_paths) || inside(path, &scope.forbidden_paths));
        let outside = outside.next();
        RULES.holds(outside.is_none(), || format!("{} changed {outside:?}", submit.fence.job))
    }

    /// A review that publishes what it published last time about something else was not made.
    pub(super) fn expect_new_words(&self, review: usize, event: &VerdictRecorded) -> Holds {
        let job = &self.model.jobs[review];
        let Some(last) = &job.verdict else { return Ok(()) };
        let words = |attempt: u32| -> Vec<_> {
            let of_attempt = job.published.iter().filter(|((of, _), _)| *of == attempt);
            of_attempt.map(|(_, digest)| *digest).collect()
        };
        let (before, now) = (words(last.attempt), words(event.attempt));
        let is_new = now.is_empty() || now != before || last.judged == event.judged;
        RULES.holds(is_new, || format!("{} said the same about something else", event.job))
    }

    /// What differs from what was judged is delivered by leave of a principal, where the workflow asks for that.
    pub(super) fn expect_judged(&self, event: &RunDelivered) -> Holds {
        let is_judged = event.deviations.is_empty() || !self.plan.workflow.require_judged_delivery;
        RULES.holds(is_judged || self.model.may_differ, || {
            format!("{} files were delivered that nobody judged", event.deviations.len())
        })
    }
}

/// Whether a path is a folder, or lies in it, by whole components.
fn lies_in(path: &str, folder: &str) -> bool {
    let folder = folder.trim_end_matches('/');
    let rest = path.strip_prefix(folder);
    folder == "." || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
