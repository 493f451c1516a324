//! Letting the session that did a job answer what a later job asks.
//!
//! It is no grant: nothing is claimed, and what is left in the folder is thrown away. The agent of the lane goes on with the conversation
//! in which the work was done, where it can, and else reads what was done. Whoever answers in time is recorded by `Reply`; whatever
//! goes wrong, a person is asked.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use striatum_core::{
    id::{CommandId, LaneId, RunId},
    run::{Intent, Packet, PacketQuestion, Rejection, State, Usage},
    sandbox::Mount,
    workflow::Lane,
};
use striatum_workspace::Grant;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    adapter::{Account, Assignment, End, Finished, Patience},
    orchestrator::{
        Error, Shared,
        assignment::{environment, report_path, updates},
        base::Base,
        collect, owed, used,
    },
    prompt::{self, By, Texts},
};

#[cfg(feature = "acp")]
mod bench;

/// In a session's folder, what its agent calls its conversation.
const CONVERSATION: &str = "conversation";

/// One question, and what it takes to answer it.
struct Interrogation<'a> {
    shared: &'a Arc<Shared>,
    state: &'a State,
    id: CommandId,
    packet: Packet,
    question: PacketQuestion,
    lane: &'a Lane,
    lane_id: &'a LaneId,
    /// The grant under which the work was done.
    grant: Grant,
}

/// What came of asking.
enum Came {
    /// The agent has recorded its answer, or that it has none.
    Recorded,
    /// The orchestrator stops: whoever starts next asks again.
    Stopped,
    Answer(String, Usage),
    Nothing(String, Usage),
}

/// Asks the session that is to answer, or else a person.
pub(super) async fn interrogate(
    shared: &Arc<Shared>,
    state: &State,
    number: u32,
    id: CommandId,
) -> Result<(), Error> {
    let Some(asking) = Interrogation::new(shared, state, number, id) else { return Ok(()) };
    let came = match asking.ask().await {
        Err(error) if error.is_retryable() => return Err(error),
        Err(error) => Came::Nothing(error.chain(), Usage::default()),
        Ok(came) => came,
    };
    match came {
        Came::Recorded | Came::Stopped => Ok(()),
        Came::Answer(text, usage) => asking.reply(text, usage).await,
        Came::Nothing(why, usage) => asking.refer(&why, usage).await,
    }
}

/// Asks a person what nobody has answered in time.
pub(super) async fn overdue(shared: &Shared, run: RunId, question: u32, id: CommandId) -> Result<(), Error> {
    let why = format!("nobody has answered within {} s", shared.limits.answer.as_secs());
    let reason = Some(shared.engine.blobs().put(Bytes::from(why)).await?);
    settled(shared.act(run, id, Intent::Refer { question, reason, usage: None }).await)
}

impl Shared {
    /// Keeps in mind what the agent of a grant calls its conversation, for whoever may have a question about its work.
    pub(super) fn remember(&self, grant: &Grant, account: &Account) {
        let Some(conversation) = account.told().conversation else { return };
        let file = self.session_folder(grant).join(CONVERSATION);
        if let Err(error) = fs::write(&file, conversation) {
            tracing::warn!(%error, file = %file.display(), "the conversation of an agent cannot be gone on with");
        }
    }
}

impl<'a> Interrogation<'a> {
    /// `None` if no session is to answer any more.
    fn new(shared: &'a Arc<Shared>, state: &'a State, number: u32, id: CommandId) -> Option<Self> {
        let packet = Packet::for_question(state, number)?;
        let question = packet.question.clone()?;
        let job = &packet.fence.job;
        let spec = state.workflow().job(job)?;
        let lane_id = &spec.lane_id;
        let lane = state.workflow().lanes.get(lane_id)?;
        let (granted_at, scope) = (state.begun_at().unwrap_or_default(), spec.write_scope.clone());
        let grant = Grant { fence: packet.fence.clone(), attempt: packet.attempt, granted_at, scope };
        Some(Self { shared, state, id, packet, question, lane, lane_id, grant })
    }

    fn folder(&self) -> PathBuf {
        let mut folder = self.shared.session_folder(&self.grant).into_os_string();
        folder.push(format!(".q{}", self.question.question));
        folder.into()
    }

    async fn ask(&self) -> Result<Came, Error> {
        self.shared.expect_fit(self.lane)?;
        let folder = self.folder();
        // An earlier process may have died while it asked.
        self.shared.sandbox.reap(&folder).await?;
        self.clear(&folder)?;
        let stop = self.shared.stopping.child_token();
        let came = tokio::select! {
            came = self.work(&folder, &stop) => came,
            // Somebody else has answered, or nobody wants to know any more.
            () = self.closed() => Ok(Came::Recorded),
        };
        self.shared.sandbox.reap(&folder).await?;
        self.clear(&folder)?;
        came
    }

    async fn work(&self, folder: &Path, stop: &CancellationToken) -> Result<Came, Error> {
        let tree = folder.join("tree");
        let commit = match self.state.job(&self.grant.fence.job).and_then(|job| job.submission.as_ref()) {
            Some(submission) => submission.commit.clone(),
            None => match self.shared.base(self.state, &self.grant.fence.job).await? {
                Base::Commit(bases) => bases.start,
                Base::Conflict(paths) => {
                    return Ok(Came::Nothing(
                        format!("it does not merge: {}", paths.join(", ")),
                        Usage::default(),
                    ));
                }
            },
        };
        self.shared.repository.lay_out(&commit, &tree).await?;
        let (packet_path, report) = (folder.join("packet.json"), report_path(folder));
        let outbox = report.parent().unwrap_or(folder).to_owned();
        let write = |error| owed::folder_error(self.shared, error);
        fs::create_dir_all(&outbox).map_err(write)?;
        fs::write(&packet_path, self.packet.bytes()).map_err(write)?;
        let texts = Texts::of(&self.packet, self.shared.engine.blobs().as_ref()).await?;
        let account = Account::default();
        #[cfg(feature = "acp")]
        let bench = {
            let prompt = prompt::question(&self.packet, &self.question, &texts, By::Tools);
            Arc::new(bench::Answering::new(self, prompt, account.clone()))
        };
        let assignment = Assignment {
            fence: self.grant.fence.clone(),
            prompt: prompt::question(&self.packet, &self.question, &texts, By::Files),
            packet: self.packet.clone(),
            env: environment(&self.grant.fence, &self.packet, self.lane, [&packet_path, &report])?,
            mounts: vec![Mount::read(packet_path), Mount::write(outbox)],
            report,
            resume: self.conversation(),
            lane: self.lane.clone(),
            lane_id: self.lane_id.clone(),
            limits: self.shared.limits.session,
            tree,
            updates: updates(self.shared, &self.grant.fence, self.lane, folder)?,
            folder: folder.to_owned(),
            sandbox: self.shared.sandbox.clone(),
            patience: self.patience(),
            account: account.clone(),
            #[cfg(feature = "acp")]
            toolbox: bench.toolbox(),
            // It reads and answers; there is nothing to give leave for.
            #[cfg(feature = "acp")]
            leave: crate::adapter::Leave::nobody(),
            stop: stop.clone(),
        };
        // An adapter that does not come to an end when it must is left alone.
        let within = assignment.patience.wall + self.shared.limits.grace;
        let finished = timeout(within, self.shared.adapters.of(self.lane)?.work(assignment)).await;
        #[cfg(feature = "acp")]
        if bench.close().await {
            return Ok(Came::Recorded);
        }
        let finished = match finished {
            Ok(finished) => finished?,
            Err(_) => Finished::new(End::TimedOut, None, Usage::default()),
        };
        if finished.end == End::Stopped && self.shared.stopping.is_cancelled() {
            return Ok(Came::Stopped);
        }
        self.came(folder, &finished, account.told().usage)
    }

    /// What an agent that speaks no protocol has left.
    fn came(&self, folder: &Path, finished: &Finished, told: Usage) -> Result<Came, Error> {
        let report = collect::report_in(self.shared, folder)?;
        let usage = used::total(used::total(finished.usage, &told), &report.usage);
        Ok(match (report.answer, report.failure) {
            (Some(answer), _) if !answer.trim().is_empty() => Came::Answer(answer, usage),
            (_, Some(failure)) => Came::Nothing(failure, usage),
            _ => Came::Nothing(finished.said("the agent has ended without an answer"), usage),
        })
    }

    /// What the agent that did the work called its conversation, if it was here and said so.
    fn conversation(&self) -> Option<String> {
        fs::read_to_string(self.shared.session_folder(&self.grant).join(CONVERSATION)).ok()
    }

    fn clear(&self, folder: &Path) -> Result<(), Error> {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(owed::folder_error(self.shared, error))
            }
            _ => Ok(()),
        }
    }

    /// Returns when the question is no longer open.
    async fn closed(&self) {
        loop {
            sleep(self.shared.limits.poll).await;
            let now = self.shared.engine.load(self.state.run()).await;
            if now.is_ok_and(|view| Packet::for_question(&view.state, self.question.question).is_none()) {
                return;
            }
        }
    }

    fn patience(&self) -> Patience {
        let patience = self.shared.patience(self.lane.adapter_timeout_seconds);
        let wall = patience.wall.min(self.shared.limits.answer);
        Patience { wall, silence: patience.silence.min(wall) }
    }

    async fn reply(&self, text: String, usage: Usage) -> Result<(), Error> {
        settled(self.record(text, usage).await)
    }

    async fn record(&self, text: String, usage: Usage) -> Result<(), Error> {
        let answer = self.shared.engine.blobs().put(Bytes::from(text)).await?;
        let (question, session) = (self.question.question, self.grant.fence.session);
        let intent = Intent::Reply { question, session, answer, usage: Some(usage) };
        self.shared.act(self.state.run(), self.id, intent).await.map(drop)
    }

    async fn refer(&self, why: &str, usage: Usage) -> Result<(), Error> {
        let reason = Some(self.shared.engine.blobs().put(Bytes::copy_from_slice(why.as_bytes())).await?);
        let intent = Intent::Refer { question: self.question.question, reason, usage: Some(usage) };
        settled(self.shared.act(self.state.run(), self.id, intent).await.map(drop))
    }
}

/// Whether a command was refused because the question is no longer open: then there is nothing left to say.
fn settled<T>(given: Result<T, Error>) -> Result<(), Error> {
    use Rejection::{CommandReused, QuestionUnknown, RunStatus};
    match given {
        Err(error)
            if matches!(
                error.rejection(),
                Some(QuestionUnknown { .. } | RunStatus { .. } | CommandReused { .. })
            ) =>
        {
            Ok(())
        }
        other => other.map(drop),
    }
}
