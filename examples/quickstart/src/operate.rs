//! What a person does about a run.

use std::{fs, path::Path, process::ExitCode};

use bytes::Bytes;
use striatum::core::{
    digest::BlobRef,
    id::{JobId, RunId},
    run::{Intent, Publication, Resolution, Ruling, State, Supersede},
};

use crate::{
    args::{Args, Artifacts, How, Judgement, Verb},
    failure::Failure,
    report,
    scene::Scene,
    work::{self, say},
};

pub(crate) async fn perform(scene: &Scene, _args: &Args, verb: &Verb) -> Result<ExitCode, Failure> {
    match verb {
        Verb::Resolve { run, job, how } => {
            let run = scene.find(run).await?;
            resolve(scene, run, &job_id(job)?, how).await?;
            work::go_on(scene, run).await
        }
        Verb::Answer { run, question, text } => {
            let run = scene.find(run).await?;
            let answer = keep(scene, text).await?;
            give(scene, run, Intent::Answer { question: *question, answer }).await?;
            work::go_on(scene, run).await
        }
        Verb::Settle { run, escalation, ruling, reason } => {
            let run = scene.find(run).await?;
            let ruling = match ruling {
                Judgement::Accept => Ruling::Accept,
                Judgement::Reject => Ruling::Reject,
            };
            let rationale = match reason {
                Some(reason) => Some(keep(scene, reason).await?),
                None => None,
            };
            give(scene, run, Intent::Settle { escalation: *escalation, ruling, rationale }).await?;
            work::go_on(scene, run).await
        }
        Verb::Escalate { run, text, job } => {
            let run = scene.find(run).await?;
            let job = job.as_deref().map(job_id).transpose()?;
            let reason = keep(scene, text).await?;
            give(scene, run, Intent::Escalate { job, reason }).await?;
            show(scene, run).await
        }
        Verb::Compromise { run, reason } => {
            let run = scene.find(run).await?;
            let rationale = keep(scene, reason).await?;
            give(scene, run, Intent::Compromise { rationale }).await?;
            show(scene, run).await
        }
        Verb::Supersede { run, job, artifacts, reason } => {
            let run = scene.find(run).await?;
            supersede(scene, run, job_id(job)?, artifacts, reason).await?;
            work::go_on(scene, run).await
        }
        Verb::Retry { run, job } => {
            let run = scene.find(run).await?;
            give(scene, run, Intent::Retry { job: job_id(job)? }).await?;
            work::go_on(scene, run).await
        }
        Verb::Pause { run, resume } => {
            let run = scene.find(run).await?;
            give(scene, run, if *resume { Intent::Resume } else { Intent::Pause }).await?;
            show(scene, run).await
        }
        Verb::Cancel { run, job } => {
            let run = scene.find(run).await?;
            let intent = match job {
                Some(job) => Intent::CancelJob { job: job_id(job)? },
                None => Intent::Cancel { reason: None },
            };
            give(scene, run, intent).await?;
            show(scene, run).await
        }
        Verb::Show { run: Some(run) } => {
            let run = scene.find(run).await?;
            show(scene, run).await
        }
        Verb::Show { run: None } => {
            report::print_runs(scene, scene.orchestrator.engine().store().as_ref()).await?;
            Ok(ExitCode::SUCCESS)
        }
        Verb::Generate(_) | Verb::Agent { .. } => Ok(ExitCode::SUCCESS),
        #[cfg(feature = "acp")]
        Verb::Serve { .. } | Verb::Bridge => Ok(ExitCode::SUCCESS),
    }
}

/// Keeps what a person says.
async fn keep(scene: &Scene, text: &str) -> Result<BlobRef, Failure> {
    Ok(scene.orchestrator.engine().blobs().put(Bytes::from(text.to_owned())).await?)
}

async fn give(scene: &Scene, run: RunId, intent: Intent) -> Result<(), Failure> {
    scene.orchestrator.command(run, scene.me.clone(), intent).await?;
    Ok(())
}

async fn show(scene: &Scene, run: RunId) -> Result<ExitCode, Failure> {
    let state = scene.orchestrator.load(run).await?.state;
    report::print_run(scene, &state).await?;
    Ok(ExitCode::SUCCESS)
}

async fn resolve(scene: &Scene, run: RunId, job: &JobId, how: &How) -> Result<(), Failure> {
    let state = scene.orchestrator.load(run).await?.state;
    let resolution = match how {
        How::Resume => Resolution::Resume,
        How::Cancel => Resolution::Cancel,
        How::Continue(given) => {
            let attempt = state.job(job).map_or(1, |job| job.attempt);
            let artifacts = publications(scene, &state, job, attempt, &given.artifacts).await?;
            Resolution::Continue { artifacts }
        }
        How::Override { reason } => {
            let rationale = keep(scene, reason).await?;
            let decision = u32::try_from(state.decisions().len()).unwrap_or(u32::MAX).saturating_add(1);
            // The decision and what it authorises stand or fall together.
            let intents = vec![
                Intent::Decide { job: job.clone(), ruling: Ruling::Accept, rationale },
                Intent::Resolve { job: job.clone(), resolution: Resolution::Override { decision } },
            ];
            scene.orchestrator.commands(run, &scene.me, intents).await?;
            say!("decision {decision} is recorded, in your name");
            return Ok(());
        }
    };
    give(scene, run, Intent::Resolve { job: job.clone(), resolution }).await
}

async fn supersede(
    scene: &Scene,
    run: RunId,
    job: JobId,
    given: &Artifacts,
    reason: &str,
) -> Result<(), Failure> {
    let state = scene.orchestrator.load(run).await?.state;
    let attempt = state.job(&job).map_or(1, |job| job.attempt);
    let artifacts = publications(scene, &state, &job, attempt + 1, &given.artifacts).await?;
    let rationale = keep(scene, reason).await?;
    let wanted = Supersede { job, attempt, artifacts, submission: None, rationale };
    scene.orchestrator.supersede(run, scene.me.clone(), wanted).await?;
    Ok(())
}

/// Keeps the files that the person publishes, under the names and paths that the workflow declares.
async fn publications(
    scene: &Scene,
    state: &State,
    job: &JobId,
    attempt: u32,
    given: &[String],
) -> Result<Vec<Publication>, Failure> {
    let mut publications = Vec::new();
    for pair in given {
        let wrong = |what: String| Failure::new("artifact_argument", what, "write --artifact NAME=FILE");
        let (name, file) = pair.split_once('=').ok_or_else(|| wrong(format!("{pair:?} is not NAME=FILE")))?;
        let declared = state.workflow().job(job).into_iter().flat_map(|job| &job.expected_artifacts);
        let declared = declared.map(|artifact| (artifact.name_at(attempt), artifact.path_at(attempt)));
        let found = declared
            .filter_map(|(declared, path)| Some((declared?, path)))
            .find(|(declared, _)| declared.as_str() == name);
        let (name, path) = found.ok_or_else(|| wrong(format!("job {job} expects no artifact {name:?}")))?;
        let bytes = fs::read(file).map_err(|error| Failure::io("read", Path::new(file), &error))?;
        let content = scene.orchestrator.engine().blobs().put(Bytes::from(bytes)).await?;
        publications.push(Publication { name, path, content });
    }
    Ok(publications)
}

fn job_id(text: &str) -> Result<JobId, Failure> {
    JobId::new(text)
        .map_err(|error| Failure::new("job_unknown", error.to_string(), "`show` lists the jobs of a run"))
}
