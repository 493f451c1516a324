//! The tools of a session that is to answer.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use striatum_core::{
    digest::Digest,
    engine::EngineError,
    id::{CommandId, Fence},
    run::{Command, Intent, Packet, PacketQuestion, Rejection, Usage, decide},
};
use striatum_server::{
    Refusal,
    agents::{Act, Mode, Receipt, Task, Workbench},
};
use tokio::{sync::Mutex, time::Instant};

use super::Interrogation;
use crate::{
    adapter::{Account, Toolbox},
    mint,
    orchestrator::{Error, ErrorKind, Shared, bench::refusal, service},
};

/// It reads its task and answers, or says that it cannot.
#[derive(Debug)]
pub(super) struct Answering {
    shared: Arc<Shared>,
    id: CommandId,
    fence: Fence,
    packet: Packet,
    question: PacketQuestion,
    prompt: String,
    account: Account,
    begun: Instant,
    standing: Mutex<Standing>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Open,
    Recorded,
    Closed,
}

impl Answering {
    pub(super) fn new(asking: &Interrogation<'_>, prompt: String, account: Account) -> Self {
        Self {
            shared: asking.shared.clone(),
            id: asking.id,
            fence: asking.grant.fence.clone(),
            packet: asking.packet.clone(),
            question: asking.question.clone(),
            prompt,
            account,
            begun: Instant::now(),
            standing: Mutex::new(Standing::Open),
        }
    }

    pub(super) fn toolbox(self: &Arc<Self>) -> Toolbox {
        Toolbox::new(self.shared.agents.clone(), self.fence.clone(), self.prompt.clone(), self.clone())
    }

    /// Lets nothing more be said, and tells whether something was recorded.
    pub(super) async fn close(&self) -> bool {
        let mut standing = self.standing.lock().await;
        if *standing == Standing::Open {
            *standing = Standing::Closed;
        }
        *standing == Standing::Recorded
    }

    async fn wanted(&self, act: Act) -> Result<(Intent, &'static str), Error> {
        let blobs = self.shared.engine.blobs();
        let wall_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let usage = Some(Usage { wall_ms, ..self.account.told().usage });
        let question = self.question.question;
        match act {
            Act::Answer { answer } => {
                let (session, answer) = (self.fence.session, blobs.put(Bytes::from(answer)).await?);
                Ok((Intent::Reply { question, session, answer, usage }, "the answer is recorded"))
            }
            Act::Fail { reason } | Act::Release { reason } | Act::Block { reason, .. } => {
                let reason = Some(blobs.put(Bytes::from(reason)).await?);
                Ok((Intent::Refer { question, reason, usage }, "a person is asked instead"))
            }
            _ => {
                let doing = "do that: all that is wanted is an answer, or `report_failure` if there is none";
                Err(Error::new(ErrorKind::NotInTask, doing))
            }
        }
    }

    async fn give(&self, intent: Intent, mode: Mode) -> Result<(), Error> {
        let run = self.fence.run;
        if mode == Mode::Perform {
            return self.shared.act(run, self.id, intent).await.map(drop);
        }
        let state = self.shared.engine.load(run).await?.state;
        let command = Command { id: mint::command_id()?, actor: service(), intent };
        decide(&state, &command, self.shared.engine.clock().now()).map_err(EngineError::Rejected)?;
        Ok(())
    }
}

#[async_trait]
impl Workbench for Answering {
    async fn task(&self) -> Result<Task, Refusal> {
        Ok(Task { prompt: self.prompt.clone(), packet: self.packet.bytes() })
    }

    async fn read(&self, document: &Digest) -> Result<Bytes, Refusal> {
        if !self.packet.names(document) {
            let doing = format!("read {document}: the task names no such document");
            return Err(refusal(&Error::new(ErrorKind::NotInTask, doing)));
        }
        self.shared.engine.blobs().get(document).await.map_err(|error| refusal(&Error::from(error)))
    }

    async fn act(&self, act: Act, mode: Mode) -> Result<Receipt, Refusal> {
        let mut standing = self.standing.lock().await;
        if *standing != Standing::Open {
            let question = self.question.question;
            return Err(Refusal::from(&Rejection::QuestionUnknown { question }));
        }
        let acted = async {
            let (intent, sentence) = self.wanted(act).await?;
            self.give(intent, mode).await?;
            Ok::<_, Error>(sentence)
        };
        let sentence = acted.await.map_err(|error| refusal(&error))?;
        if mode == Mode::Perform {
            *standing = Standing::Recorded;
        }
        Ok(Receipt::over(sentence))
    }
}
