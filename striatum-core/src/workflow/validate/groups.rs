//! Parallel groups: jobs that are meant to run at the same time must not get in each other's way.

use std::collections::{HashMap, HashSet};

use super::{
    document::{Draft, inside},
    report::Report,
    scopes::{Folders, ancestors},
};
use crate::{
    id::GroupId,
    workflow::{FindingCode, Job, WriteMode},
};

pub(super) fn judge(draft: &Draft, report: &Report) {
    let mut groups: HashMap<&GroupId, Vec<usize>> = HashMap::new();
    for (position, job) in draft.workflow.jobs.iter().enumerate() {
        if let Some(group) = &job.parallel_group {
            groups.entry(group).or_default().push(position);
        }
    }
    for members in groups.values() {
        modes(draft, members, report);
        if draft.workflow.parallelism.require_disjoint_write_scopes {
            scopes(draft, members, report);
        }
    }
}

/// The first job of a group says what the group is.
fn modes(draft: &Draft, members: &[usize], report: &Report) {
    let mode = |job: usize| draft.workflow.jobs[job].write_scope.mode;
    for &job in members.iter().filter(|job| mode(**job) != mode(members[0])) {
        let Job { id, .. } = &draft.workflow.jobs[job];
        let first = &draft.workflow.jobs[members[0]].id;
        let message = match mode(job) {
            WriteMode::RepoWrite => {
                format!("{id} writes to the repository, and {first} of its group does not")
            }
            WriteMode::ReviewOnlyArtifact => {
                format!("{id} only leaves artifacts, and {first} of its group writes to the repository")
            }
        };
        let pointer = inside("jobs", draft.jobs[job].index, "/parallel_group");
        report.error(FindingCode::MixedParallelGroup, pointer, message);
    }
}

fn scopes(draft: &Draft, members: &[usize], report: &Report) {
    let jobs = &draft.workflow.jobs;
    let forbidden: HashMap<usize, Folders<'_>> =
        members.iter().map(|job| (*job, Folders::of(&jobs[*job].write_scope.forbidden_paths))).collect();
    let mut writers: HashMap<&str, usize> = HashMap::new();
    let mut shared: HashSet<usize> = HashSet::new();
    for &job in members {
        for path in &jobs[job].write_scope.allowed_paths {
            let other = *writers.entry(path.trim_end_matches('/')).or_insert(job);
            if other != job && shared.insert(job) {
                overlap(draft, job, other, path, report);
            }
        }
    }
    for &job in members.iter().filter(|job| !shared.contains(job)) {
        let paths = jobs[job].write_scope.allowed_paths.iter().filter(|path| path.as_str() != ".");
        let around = |path: &&String| {
            let path = path.trim_end_matches('/');
            let mut folders = std::iter::once(".").chain(ancestors(path)).filter(|folder| *folder != path);
            folders.find_map(|folder| {
                let other = writers.get(folder).copied().filter(|other| *other != job)?;
                forbidden[&other].around(path).is_none().then_some(other)
            })
        };
        if let Some((path, other)) = paths.into_iter().find_map(|path| Some((path, around(&path)?))) {
            overlap(draft, job, other, path, report);
        }
    }
}

fn overlap(draft: &Draft, job: usize, other: usize, path: &str, report: &Report) {
    let (one, other) = (&draft.workflow.jobs[job].id, &draft.workflow.jobs[other].id);
    let pointer = inside("jobs", draft.jobs[job].index, "/write_scope/allowed_paths");
    let message = format!("{one} and {other} of its parallel group may both write to {path:?}");
    report.error(FindingCode::ScopesOverlap, pointer, message);
}
