//! What the tools of an agent do, while it is at work.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use striatum_acp::{FileError, TreeFiles};
use striatum_core::{
    digest::Digest,
    engine::EngineError,
    id::{ArtifactName, Fence},
    run::{
        Command, Intent, LeaseReport, Outcome, PacketArtifact, Publication, Rejection, State, Submit, Usage,
        decide,
    },
};
use striatum_server::{
    Refusal,
    agents::{Act, Conclusion, FollowUp, Mode, Receipt, Source, Task, Workbench},
};
use striatum_workspace::{FilesOnly, Tree};
use tokio::{sync::Mutex, time::Instant};

use crate::{
    adapter::Account,
    command::report::Report,
    fault, mint,
    orchestrator::{Error, ErrorKind, Shared, base::Bases, collect, desk, grant::Work, owed, place::Place},
};

/// The tools of one grant act on this. Each call is judged by the machine anew; what it refuses goes back to the agent as it said it.
#[derive(Debug)]
pub(crate) struct Bench {
    shared: Arc<Shared>,
    state: State,
    fence: Fence,
    tree: Tree,
    base: Bases,
    prompt: String,
    account: Account,
    begun: Instant,
    /// Held by the call that is under way.
    standing: Mutex<Standing>,
}

/// Whether the tools may still do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Open,
    /// An outcome is recorded.
    Recorded,
    /// The agent is gone.
    Closed,
}

impl Bench {
    pub(super) fn new(work: &Work<'_>, at: &Place, prompt: String, account: Account) -> Self {
        Self {
            shared: work.shared.clone(),
            state: work.state.clone(),
            fence: work.fence().clone(),
            tree: at.tree.clone(),
            base: at.base.clone(),
            prompt,
            account,
            begun: Instant::now(),
            standing: Mutex::new(Standing::Open),
        }
    }

    /// Lets nothing more be done, and tells whether an outcome was recorded.
    pub(super) async fn close(&self) -> Standing {
        let mut standing = self.standing.lock().await;
        if *standing == Standing::Open {
            *standing = Standing::Closed;
        }
        *standing
    }

    /// In the words of the machine.
    fn over(&self) -> Refusal {
        Refusal::from(&Rejection::StaleFence { job: self.fence.job.clone(), epoch: self.fence.epoch })
    }

    /// Refuses what belongs to a grant that is over, before anything is read or written for it.
    async fn expect_live(&self) -> Result<(), Refusal> {
        let view = self.shared.engine.load(self.fence.run).await;
        let state = view.map_err(|error| refusal(&Error::from(error)))?.state;
        if state.is_live(&self.fence) { Ok(()) } else { Err(self.over()) }
    }

    fn usage(&self) -> Usage {
        let wall_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Usage { wall_ms, ..self.account.told().usage }
    }

    fn work(&self) -> Result<Work<'_>, Refusal> {
        Work::new(&self.shared, &self.state, &self.fence).ok_or_else(|| self.over())
    }

    async fn publish(
        &self,
        work: &Work<'_>,
        name: ArtifactName,
        source: Source,
        mode: Mode,
    ) -> Result<Done, Error> {
        let expected = work.packet.expected_artifacts.iter().find(|it| it.name == name.as_str());
        let Some(PacketArtifact { path, .. }) = expected else {
            let all: Vec<_> = work.packet.expected_artifacts.iter().map(|it| &*it.name).collect();
            let doing = format!("publish {name}: the task expects {}", all.join(", "));
            return Err(Error::new(ErrorKind::NotInTask, doing));
        };
        let root = work.desk().unwrap_or_else(|| self.tree.path().to_owned());
        let bytes = match source {
            Source::Text(text) => {
                if mode == Mode::Perform {
                    put(&root, path, text.as_bytes())?;
                }
                Bytes::from(text)
            }
            Source::Tree(from) => {
                let from = from.as_deref().unwrap_or(path);
                let bytes = take(&root, from)?;
                if mode == Mode::Perform && from != path {
                    put(&root, path, &bytes)?;
                }
                Bytes::from(bytes)
            }
        };
        let content = self.shared.engine.blobs().put(bytes).await?;
        let artifacts = vec![Publication { name: name.clone(), path: path.clone(), content }];
        let intent = Intent::Publish { fence: self.fence.clone(), artifacts };
        Ok(Done::new(intent, Conclusion::GoesOn, format!("{name} is published as {path}")))
    }

    /// All that is left in the tree, as a submission, and why the agent's commits are not in it, if so.
    async fn submission(
        &self,
        work: &Work<'_>,
        said: Report,
        mode: Mode,
    ) -> Result<(Submit, Option<FilesOnly>), Error> {
        let laid = at_desk(work)?;
        let saved = match mode {
            Mode::Perform => {
                self.clear_desk(laid)?;
                collect::commit(work, &self.tree).await?
            }
            Mode::DryRun => self.shared.repository.draft(&self.tree, &collect::message(work), &laid).await?,
        };
        fault::point("put_blobs.before");
        let (submit, _) = collect::take(work, &self.base, &saved.commit).await?;
        let outcome = match said.verdict {
            Some(_) => collect::outcome(work, &said).await?,
            None => Outcome::Done,
        };
        fault::point("put_blobs.after");
        Ok((Submit { outcome, usage: Some(self.usage()), ..submit }, saved.files_only))
    }

    /// Takes what lay at the desk into the tree, in place of what an earlier attempt left.
    fn clear_desk(&self, laid: BTreeMap<String, Option<Vec<u8>>>) -> Result<(), Error> {
        for (path, bytes) in laid {
            match bytes {
                Some(bytes) => put(self.tree.path(), &path, &bytes)?,
                // The machine says which of those that lack are required.
                None => {
                    let taken = desk::vacate(self.tree.path(), &path);
                    taken.map_err(|error| owed::folder_error(&self.shared, error))?;
                }
            }
        }
        Ok(())
    }

    /// The end of a grant without an outcome. What was left is set aside.
    async fn ended(&self, reason: Option<String>, mode: Mode) -> Result<LeaseReport, Error> {
        let reason = match reason {
            Some(reason) => Some(self.shared.engine.blobs().put(Bytes::from(reason)).await?),
            None => None,
        };
        let set_aside = match mode {
            Mode::Perform => self.shared.repository.set_aside(&self.tree).await?,
            Mode::DryRun => None,
        };
        let usage = Some(self.usage());
        Ok(LeaseReport { reason, set_aside, usage, ..LeaseReport::new(self.fence.clone()) })
    }

    async fn wanted(&self, work: &Work<'_>, act: Act, mode: Mode) -> Result<Done, Error> {
        let over = Conclusion::Over;
        Ok(match act {
            Act::Publish { name, source } => self.publish(work, name, source, mode).await?,
            Act::Complete => {
                let (submit, files_only) = self.submission(work, Report::default(), mode).await?;
                let sentence = match files_only {
                    Some(why) => format!("the work is handed in, your files without your commits, as {why}"),
                    None => "the work is handed in".to_owned(),
                };
                Done::new(Intent::Submit(submit), over, sentence)
            }
            Act::Judge { verdict, findings } => {
                let said = Report { verdict: Some(verdict), findings, ..Report::default() };
                // Work that is no review gets the machine's own refusal.
                let (mut submit, _) = self.submission(work, said, mode).await?;
                if submit.outcome == Outcome::Done {
                    submit.outcome = Outcome::Verdict { verdict, findings: None };
                }
                Done::new(Intent::Submit(submit), over, format!("the verdict {verdict} is recorded"))
            }
            Act::Fail { reason } => {
                let report = self.ended(Some(reason), mode).await?;
                Done::new(Intent::Fail(report), over, "the failure is recorded")
            }
            Act::Release { reason } => {
                let report = self.ended(Some(reason), mode).await?;
                Done::new(Intent::Release(report), over, "the work is given back")
            }
            Act::Block { reason, severity } => {
                let report = self.ended(Some(reason), mode).await?;
                Done::new(Intent::Block { report, severity }, over, "the blocker is recorded")
            }
            Act::Ask { question, resume, of } => {
                let report = self.ended(None, mode).await?;
                let question = self.shared.engine.blobs().put(Bytes::from(question)).await?;
                let resume = self.account.told().conversation.or(resume);
                let sentence = "the question is recorded, and whoever goes on is told the answer";
                Done::new(Intent::Ask { report, question, resume, of }, over, sentence)
            }
            Act::Propose(FollowUp { title, description }) => {
                let text = format!("{title}\n\n{description}");
                let proposal = self.shared.engine.blobs().put(Bytes::from(text)).await?;
                let intent = Intent::Propose { fence: self.fence.clone(), proposal };
                Done::new(intent, Conclusion::GoesOn, "the proposal is recorded and waits for a person")
            }
            Act::Answer { .. } => {
                return Err(Error::new(
                    ErrorKind::NotInTask,
                    "answer: nobody has asked this session anything",
                ));
            }
            _ => return Err(Error::new(ErrorKind::Defect, "do what a tool asks for")),
        })
    }

    /// Gives the command, or judges it by the state as it is now.
    async fn give(&self, work: &Work<'_>, done: Done, mode: Mode) -> Result<Receipt, Error> {
        let Done { intent, conclusion, sentence } = done;
        match (mode, conclusion) {
            (Mode::DryRun, _) => {
                let state = self.shared.engine.load(self.fence.run).await?.state;
                let command = Command { id: mint::command_id()?, actor: super::service(), intent };
                decide(&state, &command, self.shared.engine.clock().now()).map_err(EngineError::Rejected)?;
            }
            (Mode::Perform, Conclusion::GoesOn) => {
                self.shared.act(self.fence.run, mint::command_id()?, intent).await?;
            }
            (Mode::Perform, Conclusion::Over) => work.submit(intent).await?,
        }
        Ok(Receipt { sentence, conclusion })
    }
}

/// A command that does what a tool asks for, and what is then said.
struct Done {
    intent: Intent,
    conclusion: Conclusion,
    sentence: String,
}

impl Done {
    fn new(intent: Intent, conclusion: Conclusion, sentence: impl Into<String>) -> Self {
        Self { intent, conclusion, sentence: sentence.into() }
    }
}

#[async_trait]
impl Workbench for Bench {
    async fn task(&self) -> Result<Task, Refusal> {
        self.expect_live().await?;
        let work = self.work()?;
        Ok(Task { prompt: self.prompt.clone(), packet: work.packet.bytes() })
    }

    async fn read(&self, document: &Digest) -> Result<Bytes, Refusal> {
        self.expect_live().await?;
        if !self.work()?.packet.names(document) {
            let doing = format!("read {document}: the task names no such document");
            return Err(refusal(&Error::new(ErrorKind::NotInTask, doing)));
        }
        self.shared.engine.blobs().get(document).await.map_err(|error| refusal(&Error::from(error)))
    }

    async fn act(&self, act: Act, mode: Mode) -> Result<Receipt, Refusal> {
        let mut standing = self.standing.lock().await;
        if *standing != Standing::Open {
            return Err(self.over());
        }
        self.expect_live().await?;
        let work = self.work()?;
        let acted = async {
            if mode == Mode::Perform {
                // What the agent is stands in the log before what it did.
                work.identify(&self.account.told().agent).await?;
            }
            let done = self.wanted(&work, act, mode).await?;
            self.give(&work, done, mode).await
        };
        let receipt = acted.await.map_err(|error| refusal(&error))?;
        if mode == Mode::Perform && receipt.conclusion == Conclusion::Over {
            *standing = Standing::Recorded;
            self.shared.leases.forget(&self.fence);
        }
        Ok(receipt)
    }
}

/// What an agent is told of an error. Whatever is ours is no fault of its own.
pub(super) fn refusal(error: &Error) -> Refusal {
    match error.rejection() {
        Some(rejection) => Refusal::from(rejection),
        None => Refusal::new(error.code(), error.chain(), error.remedy()),
    }
}

/// What lies where artifacts belong at the desk of a reviewer who sees nothing else. It may still be at work there, so nothing is reached
/// by a name alone.
fn at_desk(work: &Work<'_>) -> Result<BTreeMap<String, Option<Vec<u8>>>, Error> {
    let Some(desk) = work.desk() else { return Ok(BTreeMap::new()) };
    let read = |path: &String| match TreeFiles::new(&desk).read_bytes(&desk.join(path)) {
        Ok(bytes) => Ok((path.clone(), Some(bytes))),
        Err(FileError::NotFound) => Ok((path.clone(), None)),
        Err(error) => Err(unusable(path, error)),
    };
    work.packet.expected_artifacts.iter().map(|artifact| read(&artifact.path)).collect()
}

fn unusable(path: &str, error: FileError) -> Error {
    Error::new(ErrorKind::ReportInvalid, format!("use {path}")).because(error)
}

fn take(root: &Path, path: &str) -> Result<Vec<u8>, Error> {
    TreeFiles::new(root).read_bytes(&root.join(path)).map_err(|error| unusable(path, error))
}

fn put(root: &Path, path: &str, bytes: &[u8]) -> Result<(), Error> {
    TreeFiles::new(root).write(&root.join(path), bytes).map_err(|error| unusable(path, error))
}
