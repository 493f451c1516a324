//! A transport that breaks one rule.

use std::{collections::VecDeque, fmt, time::Duration};

use async_trait::async_trait;
use striatum_acp::{AcpOptions, AcpTransport};
use striatum_core::{
    sandbox::{Exit, Process},
    transport::{
        AgentIdentity, AgentSession, AgentTransport, AgentUpdate, Answer, Prompt, RequestId, SessionSpec,
        Stream, TransportError, TransportErrorKind,
    },
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Some of what an agent says does not arrive.
    LosesWords,
    /// Of two words the second comes first.
    SwapsWords,
    /// Whatever is written was said.
    MixesStreams,
    /// Nobody learns of complaints.
    DropsComplaints,
    /// Whoever complains has failed.
    TakesComplaintsForFailures,
    /// What is said in a turn comes at once.
    GluesPieces,
    /// A piece ends where it ends.
    CutsCharacters,
    /// What is no text is left out of a text.
    TidiesText,
    /// What was said just before the end is lost.
    ForgetsTheLastWord,
    /// Everything is read, whether it is wanted or not.
    ReadsAhead,
    /// White space around a task is none of it.
    TrimsTasks,
    /// A task has 64 KiB.
    CutsTasks,
    /// Nothing is no task.
    RefusesEmptyTasks,
    /// A task is taken once the agent did something.
    WaitsForTheReader,
    /// Another task is taken while there is one.
    TakesTwoTasks,
    /// A task is taken when nobody is there.
    GivesTasksToTheDead,
    /// There is one task to a session.
    TakesOneTask,
    /// A turn has no end.
    TellsOfNoTurn,
    /// The end is told twice.
    EndsTwice,
    /// The end is not told.
    TellsOfNoEnd,
    /// A status is 0 or 1.
    RoundsStatuses,
    /// A signal is a status.
    TakesSignalsForStatuses,
    /// Closing lets the process live.
    ForgetsToClose,
    /// Dropping lets the process live.
    LeaksWhenDropped,
    /// The agent does not learn that it is cancelled.
    IgnoresCancels,
    /// Cancelling again is an error.
    CancelsOnce,
    /// Cancelling nothing is an error.
    RefusesEarlyCancels,
    /// Cancelling after the end is an error.
    RefusesLateCancels,
    /// An agent may ignore that it was cancelled.
    WaitsForEver,
    /// What comes when nobody waits any more is lost.
    LosesWhatIsNotAwaited,
    /// What one agent says all say.
    MixesSessions,
    /// An answer to nothing is taken.
    AnswersAnything,
    /// What the agent is, is known until it has done something.
    ForgetsWhoItSpeaksTo,
    /// The conversation is called something else when it has begun.
    RenamesConversations,
    /// The token of the tools is shown.
    ShowsTokens,
    /// A failure is told twice.
    TellsOfFailuresTwice,
}

#[derive(Debug)]
pub(crate) struct BrokenTransport(Fault);

impl BrokenTransport {
    pub(crate) fn new(fault: Fault) -> Self {
        Self(fault)
    }
}

#[async_trait]
impl AgentTransport for BrokenTransport {
    async fn connect(
        &self,
        process: Process,
        spec: &SessionSpec,
    ) -> Result<Box<dyn AgentSession>, TransportError> {
        let mut options = AcpOptions::default();
        match self.0 {
            Fault::ReadsAhead => options.limits.updates = 1 << 20,
            Fault::WaitsForEver => options.limits.cancel = Duration::from_secs(1 << 30),
            _ => {}
        }
        let inner = AcpTransport::new(options).connect(process, spec).await?;
        Ok(Box::new(Broken {
            fault: self.0,
            token: spec.tools.as_ref().map(|tools| tools.address.token.reveal().to_owned()),
            inner: Some(inner),
            nobody: AgentIdentity::default(),
            ready: VecDeque::new(),
            held: None,
            prompts: 0,
            updates: 0,
            cancels: 0,
            is_over: false,
        }))
    }
}

struct Broken {
    fault: Fault,
    token: Option<String>,
    inner: Option<Box<dyn AgentSession>>,
    nobody: AgentIdentity,
    /// What comes next, whatever the agent does.
    ready: VecDeque<Result<AgentUpdate, TransportError>>,
    held: Option<AgentUpdate>,
    prompts: u32,
    updates: u32,
    cancels: u32,
    is_over: bool,
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.as_ref().filter(|_| self.fault == Fault::ShowsTokens);
        f.debug_struct("Broken").field("fault", &self.fault).field("token", &token).finish_non_exhaustive()
    }
}

impl Drop for Broken {
    fn drop(&mut self) {
        if self.fault == Fault::LeaksWhenDropped {
            std::mem::forget(self.inner.take());
        }
    }
}

fn refused() -> TransportError {
    TransportError::new(TransportErrorKind::Other, "do what is asked")
}

impl Broken {
    fn inner(&mut self) -> &mut Box<dyn AgentSession> {
        self.inner.as_mut().expect("it is open")
    }

    /// What becomes of an update; nothing if nobody is told.
    fn told(&mut self, update: AgentUpdate) -> Option<AgentUpdate> {
        self.updates += 1;
        self.is_over |= matches!(update, AgentUpdate::Ended(_));
        match (self.fault, update) {
            (Fault::LosesWords, AgentUpdate::Output { .. }) if self.updates.is_multiple_of(10) => None,
            (Fault::SwapsWords | Fault::ForgetsTheLastWord, word @ AgentUpdate::Output { .. })
                if self.held.is_none() =>
            {
                self.held = Some(word);
                None
            }
            (Fault::SwapsWords, update) => {
                self.ready.extend(self.held.take().map(Ok));
                Some(update)
            }
            (Fault::ForgetsTheLastWord, update @ AgentUpdate::Ended(_)) => {
                self.held = None;
                Some(update)
            }
            (Fault::ForgetsTheLastWord, update) => self.held.replace(update),
            (Fault::MixesStreams, AgentUpdate::Output { text, .. }) => {
                Some(AgentUpdate::Output { stream: Stream::Out, text })
            }
            (Fault::DropsComplaints, AgentUpdate::Output { stream: Stream::Err, .. }) => None,
            (Fault::TakesComplaintsForFailures, AgentUpdate::Output { stream: Stream::Err, .. }) => {
                self.ready.push_back(Err(refused()));
                None
            }
            (Fault::GluesPieces, AgentUpdate::Output { stream, text }) => {
                match &mut self.held {
                    Some(AgentUpdate::Output { text: held, .. }) => held.push_str(&text),
                    _ => self.held = Some(AgentUpdate::Output { stream, text }),
                }
                None
            }
            (Fault::GluesPieces, update) => {
                self.ready.extend(self.held.take().into_iter().chain([update]).map(Ok));
                None
            }
            (Fault::CutsCharacters, AgentUpdate::Output { stream, text }) => {
                let pieces = text.as_bytes().chunks(1000);
                let pieces = pieces.map(|piece| String::from_utf8_lossy(piece).into_owned());
                self.ready.extend(pieces.map(|text| Ok(AgentUpdate::Output { stream, text })));
                None
            }
            (Fault::TidiesText, AgentUpdate::Output { stream, text }) => {
                let text = text.chars().filter(|c| !c.is_control() || *c == '\n').collect();
                Some(AgentUpdate::Output { stream, text })
            }
            (Fault::TellsOfNoTurn, AgentUpdate::TurnEnded(_)) => None,
            (Fault::EndsTwice, AgentUpdate::Ended(exit)) => {
                self.ready.push_back(Ok(AgentUpdate::Ended(exit)));
                Some(AgentUpdate::Ended(exit))
            }
            (Fault::TellsOfNoEnd, AgentUpdate::Ended(_)) => None,
            (Fault::RoundsStatuses, AgentUpdate::Ended(Exit::Code(code))) => {
                Some(AgentUpdate::Ended(Exit::Code(code.min(1))))
            }
            (Fault::TakesSignalsForStatuses, AgentUpdate::Ended(Exit::Signal(signal))) => {
                Some(AgentUpdate::Ended(Exit::Code(128 + signal)))
            }
            (Fault::MixesSessions, AgentUpdate::Output { stream, .. }) => {
                Some(AgentUpdate::Output { stream, text: "one".to_owned() })
            }
            (_, update) => Some(update),
        }
    }
}

#[async_trait]
impl AgentSession for Broken {
    fn agent(&self) -> &AgentIdentity {
        match &self.inner {
            Some(inner) if self.fault != Fault::ForgetsWhoItSpeaksTo || self.updates == 0 => inner.agent(),
            _ => &self.nobody,
        }
    }

    fn conversation(&self) -> Option<&str> {
        match self.fault {
            Fault::RenamesConversations if self.prompts > 0 => Some("another"),
            _ => self.inner.as_ref()?.conversation(),
        }
    }

    async fn prompt(&mut self, prompt: &Prompt) -> Result<(), TransportError> {
        self.prompts += 1;
        let mut text = prompt.text.clone();
        match self.fault {
            Fault::TrimsTasks => {
                text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0').to_owned()
            }
            Fault::CutsTasks => text = text.chars().take(64 << 10).collect(),
            Fault::RefusesEmptyTasks if text.is_empty() => return Err(refused()),
            Fault::TakesOneTask if self.prompts > 1 => return Err(refused()),
            _ => {}
        }
        let given = self.inner().prompt(&Prompt { text }).await;
        let is_over = self.is_over;
        match (self.fault, given.as_ref().map_err(|error| error.kind)) {
            (Fault::GivesTasksToTheDead, Err(_)) if is_over => Ok(()),
            (Fault::TakesTwoTasks, Err(TransportErrorKind::Unsupported)) => Ok(()),
            (Fault::WaitsForTheReader, Ok(())) => {
                let update = self.inner().next().await?;
                self.ready.extend(update.map(Ok));
                Ok(())
            }
            _ => given,
        }
    }

    async fn next(&mut self) -> Result<Option<AgentUpdate>, TransportError> {
        loop {
            if let Some(update) = self.ready.pop_front() {
                return update.map(Some);
            }
            let update = match self.inner().next().await {
                Ok(Some(update)) => update,
                Ok(None) => return Ok(None),
                Err(error) => {
                    if self.fault == Fault::TellsOfFailuresTwice {
                        self.ready.push_back(Err(refused()));
                    }
                    return Err(error);
                }
            };
            if self.fault == Fault::LosesWhatIsNotAwaited {
                tokio::task::yield_now().await;
            }
            if let Some(update) = self.told(update) {
                return Ok(Some(update));
            }
        }
    }

    async fn answer(&mut self, request: RequestId, answer: Answer) -> Result<(), TransportError> {
        let answered = self.inner().answer(request, answer).await;
        if self.fault == Fault::AnswersAnything { Ok(()) } else { answered }
    }

    async fn cancel(&mut self) -> Result<(), TransportError> {
        self.cancels += 1;
        match self.fault {
            Fault::IgnoresCancels => Ok(()),
            Fault::CancelsOnce if self.cancels > 1 => Err(refused()),
            Fault::RefusesEarlyCancels if self.prompts == 0 => Err(refused()),
            Fault::RefusesLateCancels if self.is_over => Err(refused()),
            _ => self.inner().cancel().await,
        }
    }

    async fn close(mut self: Box<Self>) -> Result<(), TransportError> {
        let inner = self.inner.take().expect("it is open");
        if self.fault == Fault::ForgetsToClose {
            std::mem::forget(inner);
            return Ok(());
        }
        inner.close().await
    }
}
