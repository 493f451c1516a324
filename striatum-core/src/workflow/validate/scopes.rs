//! Where jobs may write, and where their artifacts lie.

use std::collections::{HashMap, HashSet};

use super::{
    document::{Draft, inside},
    report::Report,
};
use crate::workflow::{ExpectedArtifact, FindingCode, WriteScope};

pub(super) fn judge(draft: &Draft, report: &Report) {
    let mut taken = Taken::default();
    for (job, written) in draft.workflow.jobs.iter().zip(&draft.jobs) {
        judge_scope(&job.write_scope, written.index, report);
        judge_names(&job.expected_artifacts, written.index, report);
        judge_places(&job.write_scope, &job.expected_artifacts, written.index, report);
        for (position, artifact) in job.expected_artifacts.iter().enumerate() {
            let pointer = artifact_pointer(written.index, position, "/path");
            taken.add(job.id.as_str(), artifact.path_at(1), pointer, report);
        }
    }
    taken.judge_folders(report);
}

fn artifact_pointer(job: usize, position: usize, rest: &str) -> String {
    inside("jobs", job, &format!("/expected_artifacts/{position}{rest}"))
}

fn judge_scope(scope: &WriteScope, job: usize, report: &Report) {
    let forbidden = Folders::of(&scope.forbidden_paths);
    for (position, path) in scope.allowed_paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
        if let Some(folder) = forbidden.around(path) {
            let pointer = inside("jobs", job, &format!("/write_scope/allowed_paths/{position}"));
            let message = format!("{path:?} lies inside {folder:?}, which is forbidden");
            report.error(FindingCode::AllowedPathForbidden, pointer, message);
        }
    }
}

fn judge_names(artifacts: &[ExpectedArtifact], job: usize, report: &Report) {
    let mut seen = HashSet::new();
    for (position, artifact) in artifacts.iter().enumerate() {
        let Some(name) = artifact.name_at(1) else { continue };
        if !seen.insert(name) {
            let message = format!("the job already has an artifact {}", artifact.logical_name);
            report.error(
                FindingCode::DuplicateArtifact,
                artifact_pointer(job, position, "/logical_name"),
                message,
            );
        }
    }
}

fn judge_places(scope: &WriteScope, artifacts: &[ExpectedArtifact], job: usize, report: &Report) {
    if scope.allowed_paths.iter().any(String::is_empty) {
        // One of them could not be read, and the artifact may well lie there.
        return;
    }
    let (allowed, forbidden) = (Folders::of(&scope.allowed_paths), Folders::of(&scope.forbidden_paths));
    for (position, artifact) in artifacts.iter().enumerate().filter(|(_, artifact)| !artifact.path.is_empty())
    {
        let path = artifact.path_at(1);
        let message = match (allowed.around(&path), forbidden.around(&path)) {
            (None, _) => format!("{path:?} lies in none of the allowed paths"),
            (Some(_), Some(folder)) => format!("{path:?} lies inside {folder:?}, which is forbidden"),
            (Some(_), None) => continue,
        };
        report.error(FindingCode::ArtifactOutsideScope, artifact_pointer(job, position, "/path"), message);
    }
}

/// A set of paths that answers whether one lies around another, in time that grows with the depth of the path only.
pub(super) struct Folders<'p>(HashSet<&'p str>);

impl<'p> Folders<'p> {
    pub(super) fn of(paths: &'p [String]) -> Self {
        Self(paths.iter().map(|path| path.trim_end_matches('/')).filter(|path| !path.is_empty()).collect())
    }

    /// The path itself or a folder around it, if it is in the set.
    pub(super) fn around(&self, path: &str) -> Option<&'p str> {
        let folders = std::iter::once(".").chain(ancestors(path.trim_end_matches('/')));
        folders.into_iter().find_map(|folder| self.0.get(folder).copied())
    }
}

/// The folders around a path, the outermost first, and the path itself.
pub(super) fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| &path[..end]).chain(std::iter::once(path))
}

/// The places of all artifacts of a document.
#[derive(Default)]
struct Taken<'d> {
    jobs: HashMap<String, &'d str>,
    places: Vec<(String, String)>,
}

impl<'d> Taken<'d> {
    fn add(&mut self, job: &'d str, path: String, pointer: String, report: &Report) {
        if path.is_empty() {
            return;
        }
        if let Some(other) = self.jobs.get(&path) {
            let message = format!("{path:?} is the path of an artifact of {other} too");
            report.error(FindingCode::ArtifactPathShared, pointer, message);
            return;
        }
        self.jobs.insert(path.clone(), job);
        self.places.push((path, pointer));
    }

    /// A path cannot be a file for one and a folder for another.
    fn judge_folders(&self, report: &Report) {
        for (path, pointer) in &self.places {
            let mut above = ancestors(path).filter(|folder| folder.len() < path.len());
            if let Some((folder, job)) = above.find_map(|folder| self.jobs.get_key_value(folder)) {
                let message = format!("{path:?} lies inside {folder:?}, which is an artifact of {job}");
                report.error(FindingCode::ArtifactPathShared, pointer.clone(), message);
            }
        }
    }
}
