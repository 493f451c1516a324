//! What an agent is given: its task in words, its packet, its environment.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use striatum_core::{
    id::Fence,
    run::Packet,
    sandbox::{EnvVar, Mount},
    transport::{AgentUpdate, Stream},
    workflow::{Constraint, Lane},
};
use tokio_util::sync::CancellationToken;

use crate::{
    adapter::{Account, Assignment, Updates},
    orchestrator::{Error, ErrorKind, Shared, grant::Work, owed, place::Place},
    progress::Progress,
    prompt::{self, By, Texts},
};

#[cfg(feature = "acp")]
use crate::{
    adapter::{Leave, Toolbox},
    orchestrator::{Office, bench::Bench},
};
#[cfg(feature = "acp")]
use std::sync::Arc;

/// What a grant's agent is given, and what its tools act on.
pub(super) struct Given {
    pub(super) assignment: Assignment,
    #[cfg(feature = "acp")]
    pub(super) bench: Arc<Bench>,
}

/// How much of an agent's output is kept in its session's folder, in bytes.
const LOG_BYTES: usize = 16 << 20;

/// The transcript in a session's folder.
pub(super) const LOG: &str = "agent.log";

impl Work<'_> {
    /// Writes the packet down and puts together what an adapter needs.
    pub(super) async fn assignment(&self, at: &Place, stop: CancellationToken) -> Result<Given, Error> {
        let folder = self.shared.session_folder(&self.grant);
        let account = Account::default();
        let texts = Texts::of(&self.packet, self.shared.engine.blobs().as_ref()).await?;
        let prompt = prompt::render(&self.packet, &texts, By::Files);
        let packet_path = folder.join("packet.json");
        let write = |error| owed::folder_error(self.shared, error);
        let report = report_path(&folder);
        // The agent may write what it likes here, and nowhere else in the folder.
        let outbox = report.parent().unwrap_or(&folder).to_owned();
        fs::create_dir_all(&outbox).map_err(write)?;
        fs::write(&packet_path, self.packet.bytes()).map_err(write)?;
        #[cfg(feature = "acp")]
        let (bench, toolbox) = {
            let prompt = prompt::render(&self.packet, &texts, By::Tools);
            let bench = Arc::new(Bench::new(self, at, prompt.clone(), account.clone()));
            let toolbox =
                Toolbox::new(self.shared.agents.clone(), self.fence().clone(), prompt, bench.clone());
            (bench, toolbox)
        };
        let assignment = Assignment {
            fence: self.fence().clone(),
            prompt,
            packet: self.packet.clone(),
            env: environment(self.fence(), &self.packet, self.lane, [&packet_path, &report])?,
            mounts: vec![Mount::read(packet_path), Mount::write(outbox)],
            report,
            resume: self.packet.answers.last().and_then(|answer| answer.resume.clone()),
            lane: self.lane.clone(),
            lane_id: self.lane_id.clone(),
            tree: self.desk().unwrap_or_else(|| at.tree.path().to_owned()),
            updates: updates(self.shared, self.fence(), self.lane, &folder)?,
            folder,
            sandbox: self.shared.sandbox.clone(),
            limits: self.shared.limits.session,
            patience: self.patience(),
            account,
            #[cfg(feature = "acp")]
            toolbox,
            #[cfg(feature = "acp")]
            leave: Leave::by(Office::new(self.shared.clone(), self.fence().clone())),
            stop,
        };
        Ok(Given {
            assignment,
            #[cfg(feature = "acp")]
            bench,
        })
    }
}

/// What tells an agent where it is, with what its lane names.
pub(super) fn environment(
    fence: &Fence,
    packet: &Packet,
    lane: &Lane,
    [packet_path, report]: [&Path; 2],
) -> Result<Vec<EnvVar>, Error> {
    let mut env = vec![
        EnvVar::new("STRIATUM_PACKET", packet_path),
        EnvVar::new("STRIATUM_REPORT", report),
        EnvVar::new("STRIATUM_RUN", fence.run.to_string()),
        EnvVar::new("STRIATUM_JOB", fence.job.to_string()),
        EnvVar::new("STRIATUM_ATTEMPT", packet.attempt.to_string()),
    ];
    env.extend(lane_environment(&lane.env)?);
    Ok(env)
}

/// Passes on what the agent does to those who watch, and keeps its output unless the lane forbids transcripts.
pub(super) fn updates(shared: &Shared, fence: &Fence, lane: &Lane, folder: &Path) -> Result<Updates, Error> {
    let keep = lane.constraints.get(&Constraint::Transcripts).is_none_or(|value| value != "off");
    let log = match keep {
        true => Some(File::create(folder.join(LOG)).map_err(|error| owed::folder_error(shared, error))?),
        false => None,
    };
    let log = Mutex::new((log, 0_usize));
    let (progress, fence) = (shared.progress.clone(), fence.clone());
    Ok(Updates::new(move |update| {
        if let AgentUpdate::Output { text, stream: Stream::Out | Stream::Err } = update {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            let (file, written) = &mut *log;
            if let Some(file) = file.as_mut().filter(|_| *written < LOG_BYTES) {
                *written += text.len();
                // A transcript is a convenience: a full disk must not end the agent.
                let _ = file.write_all(text.as_bytes());
            }
        }
        let _ = progress.send(Progress::Agent { fence: fence.clone(), update: update.clone() });
    }))
}

/// Where an agent may leave a report.
pub(super) fn report_path(folder: &Path) -> PathBuf {
    folder.join("out").join("report.json")
}

/// The variables that a lane names: values, or the host's.
pub(super) fn lane_environment(named: &BTreeMap<String, Option<String>>) -> Result<Vec<EnvVar>, Error> {
    let var = |(name, value): (&String, &Option<String>)| match value {
        Some(value) => Ok(EnvVar::new(name, value)),
        None => match std::env::var_os(name) {
            Some(value) => Ok(EnvVar::new(name, value)),
            None => Err(Error::new(ErrorKind::EnvMissing, format!("pass on {name}, which is not set"))),
        },
    };
    named.iter().map(var).collect()
}
