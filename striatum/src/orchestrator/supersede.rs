//! A person puts something else in the place of what a job published.

use bytes::Bytes;
use striatum_core::{
    digest::Digest,
    engine::{Applied, EngineError},
    id::RunId,
    run::{Actor, ArtifactPublished, Command, Event, Intent, State, Submission, Supersede, decide},
    time::Timestamp,
};
use striatum_workspace::BranchName;

use crate::{
    mint,
    orchestrator::{Error, Orchestrator},
};

impl Orchestrator {
    /// Completes a job once more by what a person publishes for it, whose bytes are blobs already. It is committed on top of the
    /// job's work; every verdict on the job stops counting, and everything behind it is done again. A submission that is given
    /// is not looked at.
    ///
    /// # Errors
    /// [`Error`]; what the machine refuses is refused before anything is committed.
    pub async fn supersede(&self, run: RunId, actor: Actor, wanted: Supersede) -> Result<Applied, Error> {
        let wanted = self.amended(run, &actor, wanted).await?;
        self.command(run, actor, Intent::Supersede(wanted)).await
    }

    /// The same with the commit that holds it, which is made.
    pub(crate) async fn amended(
        &self,
        run: RunId,
        actor: &Actor,
        wanted: Supersede,
    ) -> Result<Supersede, Error> {
        let state = self.load(run).await?.state;
        let artifacts = published(&state, actor, &wanted)?;
        let had_one = state.job(&wanted.job).is_some_and(|job| job.submission.is_some());
        let submission = if had_one { Some(self.amend(&state, &wanted, &artifacts).await?) } else { None };
        Ok(Supersede { submission, ..wanted })
    }

    async fn amend(
        &self,
        state: &State,
        wanted: &Supersede,
        artifacts: &[ArtifactPublished],
    ) -> Result<Submission, Error> {
        let shared = &self.shared;
        // What was put in place by a command that then lost a race is on a branch of its own.
        let mark = Digest::of(format!("{artifacts:?}").as_bytes()).to_string();
        let (job, attempt) = (&wanted.job, wanted.attempt + 1);
        let branch = format!("striatum/{}/{job}/{attempt}.{}", state.run(), mark.get(..8).unwrap_or(&mark));
        let amended = shared.amend(state, job, artifacts, &BranchName::new(branch)?).await?;
        let manifest = shared.repository.manifest(&amended.upstream, &amended.commit).await?;
        let manifest = shared.engine.blobs().put(Bytes::from(manifest.to_bytes())).await?;
        Ok(Submission { base: amended.base, commit: amended.commit, manifest })
    }
}

/// Everything that stands at the job after the command, as the machine says.
fn published(state: &State, actor: &Actor, wanted: &Supersede) -> Result<Vec<ArtifactPublished>, Error> {
    let intent = Intent::Supersede(wanted.clone());
    let command = Command { id: mint::command_id()?, actor: actor.clone(), intent };
    let events = decide(state, &command, Timestamp::default()).map_err(EngineError::from)?;
    let artifacts = events.into_iter().filter_map(|event| match event {
        Event::ArtifactPublished(artifact) => Some(artifact),
        _ => None,
    });
    Ok(artifacts.collect())
}
