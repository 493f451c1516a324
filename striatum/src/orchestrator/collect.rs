//! What an agent leaves becomes a submission.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

use bytes::Bytes;
use striatum_core::{
    digest::BlobRef,
    id::{CommitId, JobId},
    run::{Intent, LeaseReport, Outcome, PacketArtifact, Publication, Submission, Submit},
};
use striatum_workspace::{Saved, Tree};

use crate::{
    adapter::Finished,
    command::report::{self, Report},
    fault,
    orchestrator::{Error, ErrorKind, Shared, assignment::report_path, base::Bases, grant::Work, owed},
};

/// Hands in what an agent that ended well left: a question, or its work. What cannot be handed in is a failure of the attempt, with
/// the reason.
pub(super) async fn submit(
    work: &Work<'_>,
    tree: &Tree,
    base: &Bases,
    finished: &Finished,
    report: Result<Report, Error>,
) -> Result<(), Error> {
    match conclusion(work, tree, base, finished, report).await {
        Ok(intent) => match work.submit(intent).await {
            Err(error) if work.is_late(&error) => Ok(()),
            Err(error) if error.rejection().is_some() => give_up(work, &error, finished).await,
            other => other,
        },
        Err(error) if is_agents_fault(&error) => give_up(work, &error, finished).await,
        Err(error) => Err(error),
    }
}

async fn give_up(work: &Work<'_>, error: &Error, finished: &Finished) -> Result<(), Error> {
    let reason = format!("{}: {}. {}", error.code(), error.chain(), error.remedy());
    work.fail(&reason, finished.exit, Some(finished.usage)).await
}

/// Whether the agent left something that cannot be taken; anything else is ours, and is tried again.
fn is_agents_fault(error: &Error) -> bool {
    matches!(error.kind(), Some(ErrorKind::ReportInvalid | ErrorKind::AgentFailed))
        || error.workspace().is_some_and(striatum_workspace::WorkspaceError::is_content)
}

async fn conclusion(
    work: &Work<'_>,
    tree: &Tree,
    base: &Bases,
    finished: &Finished,
    report: Result<Report, Error>,
) -> Result<Intent, Error> {
    match report? {
        Report { failure: Some(failure), .. } => {
            Err(Error::new(ErrorKind::AgentFailed, format!("take the work: the agent says: {failure}")))
        }
        Report { ask: Some(question), resume, of, .. } => {
            let of = of.map(|job| job.parse()).transpose();
            let of =
                of.map_err(|error| Error::new(ErrorKind::ReportInvalid, "take the question").because(error))?;
            ask(work, tree, finished, question, resume, of).await
        }
        report => gather(work, tree, base, finished, report).await.map(Intent::Submit),
    }
}

/// Keeps the question, and what the agent has done so far.
async fn ask(
    work: &Work<'_>,
    tree: &Tree,
    finished: &Finished,
    question: String,
    resume: Option<String>,
    of: Option<JobId>,
) -> Result<Intent, Error> {
    let report = LeaseReport {
        set_aside: work.shared.repository.set_aside(tree).await?,
        exit: finished.exit,
        usage: Some(finished.usage),
        ..LeaseReport::new(work.fence().clone())
    };
    let question = work.shared.engine.blobs().put(Bytes::from(question)).await?;
    Ok(Intent::Ask { report, question, resume, of })
}

/// Commits the tree and keeps its artifacts.
async fn gather(
    work: &Work<'_>,
    tree: &Tree,
    base: &Bases,
    finished: &Finished,
    mut report: Report,
) -> Result<Submit, Error> {
    let commit = commit(work, tree).await?.commit;
    fault::point("put_blobs.before");
    let (mut submit, first) = take(work, base, &commit).await?;
    if let (Some(first), true) = (first, work.packet.review.is_some()) {
        heed_front_matter(&mut report, &first)?;
    }
    submit.outcome = outcome(work, &report).await?;
    fault::point("put_blobs.after");
    // Who attested what it is has no need to write it down as well.
    submit.agent = Some(report.agent).filter(|agent| !agent.is_empty() && finished.agent.is_empty());
    submit.exit = finished.exit;
    submit.usage = Some(finished.usage);
    Ok(submit)
}

pub(super) async fn commit(work: &Work<'_>, tree: &Tree) -> Result<Saved, Error> {
    fault::point("commit_work.before");
    let saved = work.shared.repository.commit(tree, &message(work)).await?;
    fault::point("commit_work.after");
    Ok(saved)
}

/// The message of the commit that holds the work of a grant.
pub(super) fn message(work: &Work<'_>) -> String {
    format!("{}: {}", work.fence().job, work.packet.title)
}

/// What a commit holds of the work of a grant, as a submission whose outcome is yet to be said; and the text of the first required
/// artifact.
pub(super) async fn take(
    work: &Work<'_>,
    base: &Bases,
    commit: &CommitId,
) -> Result<(Submit, Option<Bytes>), Error> {
    let manifest = async { Ok::<_, Error>(work.shared.repository.manifest(&base.upstream, commit).await?) };
    let (manifest, (artifacts, first)) = tokio::try_join!(manifest, artifacts(work, commit))?;
    let blob = work.shared.engine.blobs().put(Bytes::from(manifest.to_bytes())).await?;
    let submission = Submission { base: base.start.clone(), commit: commit.clone(), manifest: blob };
    let submit = Submit {
        artifacts,
        submission: Some(submission),
        changed_paths: manifest.paths().map(str::to_owned).collect(),
        ..Submit::new(work.fence().clone(), Outcome::Done)
    };
    Ok((submit, first))
}

/// Keeps the artifacts that are in the commit, and gives the text of the first required one.
async fn artifacts(work: &Work<'_>, commit: &CommitId) -> Result<(Vec<Publication>, Option<Bytes>), Error> {
    let mut published = Vec::new();
    let mut first = None;
    for PacketArtifact { name, path, required, .. } in &work.packet.expected_artifacts {
        let (Some(bytes), Ok(name)) = (work.shared.repository.read_at(commit, path).await?, name.parse())
        else {
            continue;
        };
        let bytes = Bytes::from(bytes);
        if *required && first.is_none() {
            first = Some(bytes.clone());
        }
        let content: BlobRef = work.shared.engine.blobs().put(bytes).await?;
        published.push(Publication { name, path: path.clone(), content });
    }
    Ok((published, first))
}

fn wrong(error: report::ReportError) -> Error {
    Error::new(ErrorKind::ReportInvalid, "read what the agent reports").because(error)
}

/// What a review says in the front matter of its first required artifact goes before what it says in its report file.
fn heed_front_matter(report: &mut Report, first: &[u8]) -> Result<(), Error> {
    let said = report::verdict_from_front_matter(&String::from_utf8_lossy(first)).map_err(wrong)?;
    if let Some(said) = said {
        report.verdict = said.verdict.or(report.verdict);
        if !said.findings.is_empty() {
            report.findings = said.findings;
        }
    }
    Ok(())
}

/// What the agent says in its report file, of which no more is read than is looked at; nothing if there is none.
pub(super) fn report_file(work: &Work<'_>) -> Result<Report, Error> {
    report_in(work.shared, &work.shared.session_folder(&work.grant))
}

/// The same of a session with this folder.
pub(super) fn report_in(shared: &Shared, folder: &Path) -> Result<Report, Error> {
    let path = report_path(folder);
    let unusable = |error| owed::folder_error(shared, error);
    match fs::symlink_metadata(&path) {
        Ok(meta) if meta.is_file() => {}
        // Opening a pipe would wait for somebody to write, and a link may lead anywhere.
        Ok(_) => return Err(Error::new(ErrorKind::ReportInvalid, "take a report that is not a plain file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Report::default()),
        Err(error) => return Err(unusable(error)),
    }
    let mut bytes = Vec::new();
    let file = File::open(&path).map_err(unusable)?;
    file.take(report::MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unusable)?;
    Report::from_json(&bytes).map_err(wrong)
}

pub(super) async fn outcome(work: &Work<'_>, report: &Report) -> Result<Outcome, Error> {
    if work.packet.review.is_none() {
        return Ok(Outcome::Done);
    }
    let Some(verdict) = report.verdict else {
        let doing = "find a verdict: neither the review's front matter nor the report file has one";
        return Err(Error::new(ErrorKind::ReportInvalid, doing));
    };
    let findings = match report.findings.join("\n") {
        none if none.is_empty() => None,
        text => Some(work.shared.engine.blobs().put(Bytes::from(text)).await?),
    };
    Ok(Outcome::Verdict { verdict, findings })
}
