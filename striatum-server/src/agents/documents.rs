//! Work that consists of texts alone, and needs no tree.

use std::{fmt::Write as _, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use striatum_core::{
    digest::{BlobRef, Digest},
    engine::{Engine, EngineError},
    id::{ArtifactName, CommandId, Fence},
    run::{
        Actor, Command, Intent, LeaseReport, Outcome, Packet, PacketText, Publication, Rejection, State,
        Submit, decide,
    },
};

use crate::{
    Refusal,
    agents::{Act, FollowUp, Mode, Receipt, Source, Task, Workbench, Workshop},
    authority,
    refusal::Code,
};

/// A [`Workshop`] whose agents have no tree: what they publish they give as texts, and what they hand in has no commit. It needs
/// nothing but an engine.
#[derive(Debug, Clone)]
pub struct Documents {
    engine: Arc<Engine>,
}

impl Documents {
    /// A workshop on an engine.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }
}

#[async_trait]
impl Workshop for Documents {
    async fn open(&self, _state: &State, fence: &Fence) -> Result<Arc<dyn Workbench>, Refusal> {
        Ok(Arc::new(Papers { engine: self.engine.clone(), fence: fence.clone() }))
    }

    async fn close(&self, fence: &Fence) -> Result<(), Refusal> {
        let commands = [closing(fence)?];
        self.engine.execute_all(fence.run, &commands).await?;
        Ok(())
    }
}

/// The workbench of one grant.
#[derive(Debug)]
struct Papers {
    engine: Arc<Engine>,
    fence: Fence,
}

#[async_trait]
impl Workbench for Papers {
    async fn task(&self) -> Result<Task, Refusal> {
        let packet = self.packet().await?;
        Ok(Task { prompt: self.prompt(&packet).await?, packet: packet.bytes() })
    }

    async fn read(&self, document: &Digest) -> Result<Bytes, Refusal> {
        if !self.packet().await?.names(document) {
            return Err(Code::DocumentUnknown.because(format!("the task does not name {document}")));
        }
        Ok(self.engine.blobs().get(document).await.map_err(EngineError::from)?)
    }

    async fn act(&self, act: Act, mode: Mode) -> Result<Receipt, Refusal> {
        let (intent, receipt) = self.meant(act).await?;
        let command = Command { id: command_id()?, actor: Actor::Session(self.fence.session), intent };
        if mode == Mode::DryRun {
            let state = self.state().await?;
            decide(&state, &command, self.engine.clock().now())?;
            return Ok(receipt);
        }
        let mut commands = vec![command];
        if receipt.conclusion == super::Conclusion::Over {
            commands.push(closing(&self.fence)?);
        }
        self.engine.execute_all(self.fence.run, &commands).await?;
        Ok(receipt)
    }
}

impl Papers {
    async fn state(&self) -> Result<State, Refusal> {
        Ok(self.engine.load(self.fence.run).await?.state)
    }

    async fn packet(&self) -> Result<Packet, Refusal> {
        let Fence { job, epoch, .. } = &self.fence;
        let stale = Rejection::StaleFence { job: job.clone(), epoch: *epoch };
        Packet::of(&self.state().await?, &self.fence).ok_or_else(|| Refusal::from(&stale))
    }

    /// What an act wants of the run, and what is said if it gets it.
    async fn meant(&self, act: Act) -> Result<(Intent, Receipt), Refusal> {
        let fence = self.fence.clone();
        Ok(match act {
            Act::Publish { name, source } => {
                let artifacts = vec![self.publication(name, source).await?];
                (Intent::Publish { fence, artifacts }, Receipt::goes_on("the artifact is published"))
            }
            Act::Judge { verdict, findings } => {
                let findings = match findings.is_empty() {
                    true => None,
                    false => Some(self.keep(findings.join("\n")).await?),
                };
                let outcome = Outcome::Verdict { verdict, findings };
                (Intent::Submit(Submit::new(fence, outcome)), Receipt::over("the verdict is recorded"))
            }
            Act::Complete => {
                let submit = Submit::new(fence, Outcome::Done);
                (Intent::Submit(submit), Receipt::over("the work is handed in"))
            }
            Act::Fail { reason } => {
                (Intent::Fail(self.report(reason).await?), Receipt::over("the attempt counts as failed"))
            }
            Act::Release { reason } => {
                (Intent::Release(self.report(reason).await?), Receipt::over("the work is given back"))
            }
            Act::Block { reason, severity } => {
                let report = self.report(reason).await?;
                (Intent::Block { report, severity }, Receipt::over("the work is blocked"))
            }
            Act::Ask { question, resume, of } => {
                let question = self.keep(question).await?;
                let report = LeaseReport::new(fence);
                (Intent::Ask { report, question, resume, of }, Receipt::over("the question is asked"))
            }
            Act::Answer { .. } => {
                return Err(Code::NothingAsked.because("nobody has asked anything of this task"));
            }
            Act::Propose(FollowUp { title, description }) => {
                let proposal = self.keep(format!("{title}\n\n{description}")).await?;
                (Intent::Propose { fence, proposal }, Receipt::goes_on("the proposal waits for a person"))
            }
        })
    }

    /// An artifact that was given as a text, at the place where it belongs.
    async fn publication(&self, name: ArtifactName, source: Source) -> Result<Publication, Refusal> {
        let Source::Text(text) = source else {
            return Err(Code::TreeMissing.because("there is no work tree here to take a file from"));
        };
        let packet = self.packet().await?;
        let expected = packet.expected_artifacts.iter().find(|it| it.name == name.as_str());
        // What is not expected is for the machine to refuse.
        let path = expected.map_or_else(|| name.to_string(), |it| it.path.clone());
        Ok(Publication { name, path, content: self.keep(text).await? })
    }

    async fn report(&self, reason: String) -> Result<LeaseReport, Refusal> {
        let reason = Some(self.keep(reason).await?);
        Ok(LeaseReport { reason, ..LeaseReport::new(self.fence.clone()) })
    }

    async fn keep(&self, text: String) -> Result<BlobRef, Refusal> {
        Ok(self.engine.blobs().put(Bytes::from(text)).await.map_err(EngineError::from)?)
    }

    async fn prompt(&self, packet: &Packet) -> Result<String, Refusal> {
        let mut prompt = format!("# {}\n\n{}\n", packet.title, packet.objective);
        match &*packet.prompt {
            Some(PacketText::Inline(text)) => {
                let _ = write!(prompt, "\n## Task\n\n{text}\n");
            }
            Some(PacketText::File { content, .. }) => {
                let text = self.read(&content.digest).await?;
                let _ = write!(prompt, "\n## Task\n\n{}\n", String::from_utf8_lossy(&text));
            }
            _ => {}
        }
        prompt.push_str("\n## Artifacts to publish, each as a text\n\n");
        for artifact in &packet.expected_artifacts {
            let need = if artifact.required { "required" } else { "optional" };
            let _ = writeln!(prompt, "- {} ({}, {need})", artifact.name, artifact.kind);
        }
        prompt.push_str(
            "\nget_packet with the format json tells what this builds on or judges, and what was said of earlier attempts; \
             read_document returns each text that it names.\n",
        );
        Ok(prompt)
    }
}

/// The confirmation that nothing is left of a grant: there was no tree.
fn closing(fence: &Fence) -> Result<Command, Refusal> {
    let intent = Intent::TreeClosed { fence: fence.clone(), kept: None };
    Ok(Command { id: command_id()?, actor: Actor::Service("server".to_owned()), intent })
}

pub(super) fn command_id() -> Result<CommandId, Refusal> {
    authority::random()
        .map(CommandId::from_bytes)
        .map_err(|_| Code::ServerDefect.because("there is no chance to draw from"))
}
