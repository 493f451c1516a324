//! What an agent leaves becomes a submission.

use std::{
    fs::{self, File},
    io::{self, Read as _},
};

use bytes::Bytes;
use striatum_core::{
    digest::BlobRef,
    id::CommitId,
    run::{Intent, Outcome, PacketArtifact, Publication, Submission, Submit},
};
use striatum_workspace::Tree;

use crate::{
    adapter::Finished,
    command::report::{self, Report},
    fault,
    orchestrator::{
        Error, ErrorKind,
        base::Bases,
        grant::{Work, is_stale, report_path},
        owed,
    },
};

/// Commits the tree, keeps its artifacts, and submits. What cannot be submitted is a failure of the attempt, with the reason.
pub(super) async fn submit(
    work: &Work<'_>,
    tree: &Tree,
    base: &Bases,
    finished: &Finished,
) -> Result<(), Error> {
    match gather(work, tree, base, finished).await {
        Ok(submit) => match work.submit(Intent::Submit(submit)).await {
            Err(error) if is_stale(&error) => Ok(()),
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

async fn gather(work: &Work<'_>, tree: &Tree, base: &Bases, finished: &Finished) -> Result<Submit, Error> {
    let repository = &work.shared.repository;
    fault::point("commit_work.before");
    let title = &work.packet.title;
    let commit = repository.commit(tree, &format!("{}: {title}", work.fence().job)).await?.commit;
    fault::point("commit_work.after");
    let manifest = repository.manifest(&base.upstream, &commit).await?;

    fault::point("put_blobs.before");
    let blobs = work.shared.engine.blobs();
    let manifest_blob = blobs.put(Bytes::from(manifest.to_bytes())).await?;
    let (artifacts, first) = artifacts(work, &commit).await?;
    let report = report(work, first.as_deref()).await?;
    let outcome = outcome(work, &report).await?;
    fault::point("put_blobs.after");

    Ok(Submit {
        fence: work.fence().clone(),
        artifacts,
        submission: Some(Submission { base: base.start.clone(), commit, manifest: manifest_blob }),
        changed_paths: manifest.paths().map(str::to_owned).collect(),
        outcome,
        agent: Some(report.agent).filter(|agent| !agent.is_empty()),
        exit: finished.exit,
        usage: Some(finished.usage),
    })
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

/// What the agent says: in the front matter of a review's first required artifact, else in its report file, which may also say
/// what the agent is.
async fn report(work: &Work<'_>, first: Option<&[u8]>) -> Result<Report, Error> {
    let wrong = |error: report::ReportError| {
        Error::new(ErrorKind::ReportInvalid, "read what the agent reports").because(error)
    };
    let mut report = match report_file(work)? {
        Some(bytes) => Report::from_json(&bytes).map_err(wrong)?,
        None => Report::default(),
    };
    if let (Some(first), true) = (first, work.packet.review.is_some()) {
        let text = String::from_utf8_lossy(first);
        if let Some(said) = report::verdict_from_front_matter(&text).map_err(wrong)? {
            report.verdict = said.verdict.or(report.verdict);
            if !said.findings.is_empty() {
                report.findings = said.findings;
            }
        }
    }
    match report.failure.take() {
        Some(failure) => {
            Err(Error::new(ErrorKind::AgentFailed, format!("take the work: the agent says: {failure}")))
        }
        None => Ok(report),
    }
}

/// The file in which the agent may have left a report, and no more of it than is looked at.
fn report_file(work: &Work<'_>) -> Result<Option<Vec<u8>>, Error> {
    let path = report_path(&work.shared.session_folder(&work.grant));
    let unusable = |error| owed::folder_error(work.shared, error);
    match fs::symlink_metadata(&path) {
        Ok(meta) if meta.is_file() => {}
        // Opening a pipe would wait for somebody to write, and a link may lead anywhere.
        Ok(_) => return Err(Error::new(ErrorKind::ReportInvalid, "take a report that is not a plain file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(error)),
    }
    let mut bytes = Vec::new();
    let file = File::open(&path).map_err(unusable)?;
    file.take(report::MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unusable)?;
    Ok(Some(bytes))
}

async fn outcome(work: &Work<'_>, report: &Report) -> Result<Outcome, Error> {
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
