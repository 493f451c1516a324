//! The one place that knows the protocol's types and its SDK.

use std::collections::BTreeSet;

use agent_client_protocol::{
    Agent, Channel, Client, UntypedMessage,
    v1::{
        ConnectionTo,
        schema::{
            CancelNotification, ContentBlock, CreateTerminalRequest, InitializeResponse, KillTerminalRequest,
            PromptRequest, ReadTextFileRequest, ReleaseTerminalRequest, RequestPermissionRequest,
            TerminalOutputRequest, TextContent, WaitForTerminalExitRequest, WriteTextFileRequest,
        },
    },
};
use serde::Serialize;
use serde_json::Value;
use striatum_core::{
    sandbox::{Input, Output},
    transport::{AgentIdentity, Outcome, SessionSpec, TurnEnd},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use self::{
    clerk::Clerk,
    opening::{Abilities, introduction},
};
use crate::{
    AcpError, AcpLimits, AcpOptions, FileAccess, UsageMeaning, Version,
    files::TreeFiles,
    item::{Item, brief},
    outcome::{in_words, of_error, of_words},
    state::{Shared, Turn},
    terminals::Terminals,
};

mod clerk;
mod offered;
mod opening;
mod spend;
mod terminal;
mod update;
mod wire;

pub(crate) use opening::Beginning;
pub(crate) use spend::Meter;

/// What a connection needs of its session.
#[derive(Debug, Clone)]
pub(crate) struct Ends {
    pub(crate) state: Shared,
    pub(crate) queue: mpsc::Sender<Item>,
}

/// What a session is given.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) files: TreeFiles,
    /// The server of tools, if there is one.
    pub(crate) tools: Option<Served>,
    pub(crate) terminals: Option<Terminals>,
}

/// A server of tools, by what agents call it and what it offers.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) server: String,
    pub(crate) tools: BTreeSet<String>,
}

/// What an agent is told that it may ask of us.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offers {
    pub(crate) files: FileAccess,
    pub(crate) terminals: bool,
}

/// Serves a connection until the agent closes it or breaks it. `hand` gets what is needed to speak.
pub(crate) async fn serve(
    (input, output): (Input, Output),
    Ends { state, queue }: Ends,
    options: AcpOptions,
    given: Given,
    hand: oneshot::Sender<Connection>,
) {
    let (limits, usage) = (options.limits, options.usage);
    let clerk = Clerk {
        state: state.clone(),
        queue: queue.clone(),
        policy: options.policy,
        access: options.files,
        files: given.files,
        terminals: given.terminals,
        tools: given.tools,
        limits,
    };
    let [reader, writer] = [(); 2].map(|()| clerk.clone());
    let [creator, viewer, waiter, killer, releaser] = [(); 5].map(|()| clerk.clone());
    let (ours, theirs) = Channel::duplex();
    let (written, read) = theirs.into_parts();
    let known = state.clone();
    let client = Client
        .v1()
        .name("striatum")
        .on_receive_request(
            async move |request: RequestPermissionRequest, responder, _| clerk.decide(request, responder),
            agent_client_protocol::on_receive_request!(),
        )
        .on_receive_request(
            async move |request: ReadTextFileRequest, responder, _| reader.read(request, responder),
            agent_client_protocol::on_receive_request!(),
        )
        .on_receive_request(
            async move |request: WriteTextFileRequest, responder, _| writer.write(request, responder),
            agent_client_protocol::on_receive_request!(),
        )
        .on_receive_request(
            async move |request: CreateTerminalRequest, responder, _| creator.create(request, responder),
            agent_client_protocol::on_receive_request!(),
        )
        .on_receive_request(
            async move |request: TerminalOutputRequest, responder, _| viewer.output(request, responder),
            agent_client_protocol::on_receive_request!(),
        )
        .on_receive_request(
            async move |request: WaitForTerminalExitRequest, responder, _| waiter.wait(request, responder),
            agent_client_protocol::on_receive_request!(),
        )
        .on_receive_request(
            async move |request: KillTerminalRequest, responder, _| killer.kill(request, responder),
            agent_client_protocol::on_receive_request!(),
        )
        .on_receive_request(
            async move |request: ReleaseTerminalRequest, responder, _| releaser.release(request, responder),
            agent_client_protocol::on_receive_request!(),
        )
        .connect_with(ours, async move |to: ConnectionTo<Agent>| {
            drop(hand.send(Connection { to: to.clone(), state: known, limits, usage }));
            to.incoming_closed().await;
            Ok(())
        });
    let pass = move |frame| drop(read.unbounded_send(frame));
    let incoming = wire::incoming(output, pass, (state.clone(), queue.clone()), limits);
    let outgoing = wire::outgoing(input, written, state, limits);
    tokio::pin!(client, outgoing);
    let end = tokio::select! {
        end = incoming => end,
        deaf = &mut outgoing => Err(deaf),
        _ = &mut client => Err(AcpError::Gone),
    };
    match end {
        // What was read last is still with the SDK.
        Ok(()) => {
            let settle = timeout(limits.end, client);
            tokio::select! {
                _ = settle => {}
                _ = &mut outgoing => {}
            }
        }
        Err(error) => drop(queue.send(Item::Broken(error)).await),
    }
}

/// What is needed to speak to an agent.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    to: ConnectionTo<Agent>,
    state: Shared,
    limits: AcpLimits,
    usage: UsageMeaning,
}

/// What an agent said when a session was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) agent: AgentIdentity,
    pub(crate) session: String,
    /// Whether it can go on with the session another time.
    pub(crate) remembers: bool,
}

impl Connection {
    /// Introduces us, authenticates where that is needed and possible, and opens a session.
    pub(crate) async fn open(
        &self,
        spec: &SessionSpec,
        options: &AcpOptions,
        offers: Offers,
    ) -> Result<Opened, AcpError> {
        let told = self.call("initialize", introduction(offers)).await;
        let version = self.state.lock().version.clone();
        if let Some(version) = version.filter(|version| *version != 1) {
            return Err(AcpError::Version { version: brief(&version.to_string()) });
        }
        let raw = told?;
        let told: InitializeResponse = parse("initialize", raw.clone())?;

        let abilities = Abilities::of(&told, &raw, options.tools);
        let (name, version) = told.agent_info.map(|agent| (agent.name, agent.version)).unzip();
        let found: Option<Version> = version.as_deref().and_then(|version| version.parse().ok());
        if let (Some(found), Some(at_least)) = (found, options.at_least)
            && found < at_least
        {
            return Err(AcpError::TooOld { found, at_least });
        }

        let is_offered = |by: &&str| told.auth_methods.iter().any(|offered| *offered.id().0 == **by);
        let authenticate = options.auth_method.as_deref().filter(is_offered);
        let authenticate = authenticate.map(str::to_owned);
        let beginning = Beginning { spec: spec.clone(), abilities, authenticate };
        let (session, model) = self.begin(&beginning).await?;
        let remembers = abilities.remembers();
        Ok(Opened { agent: AgentIdentity { name, version, model }, session, remembers })
    }

    /// Hands over a task. What is returned waits for the end of the turn and tells the session of it.
    pub(crate) fn prompt(
        &self,
        text: &str,
        mut cancelled: oneshot::Receiver<()>,
        queue: mpsc::Sender<Item>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let doubt = self.state.lock().doubt.take();
        let task = self.give(text);
        let (this, text) = (self.clone(), text.to_owned());
        async move {
            let (mut answer, mut is_cancelled) = this.answered(task, &mut cancelled).await;
            if let Some(mut beginning) = doubt.filter(|_| !is_cancelled && this.has_forgotten(&answer)) {
                beginning.spec.resume = None;
                match this.begin(&beginning).await {
                    Ok((session, _)) => {
                        drop(queue.send(Item::Session(session)).await);
                        (answer, is_cancelled) = this.answered(this.give(&text), &mut cancelled).await;
                    }
                    Err(error) => answer = Err(error),
                }
            }
            let (spend, turn) = {
                let mut state = this.state.lock();
                let turn = state.turn.clone().unwrap_or_default();
                let told = answer.as_ref().ok().and_then(spend::told);
                let told = told.map(|told| state.meter.read(told, this.usage));
                // What was told call by call stands in no answer.
                (told.unwrap_or(turn.spend), turn)
            };
            let item = match turn_end(answer, is_cancelled, &turn) {
                Ok(end) => Item::Turn(end.costing(spend)),
                // Whoever reads the connection tells why it is gone.
                Err(AcpError::Gone) => return,
                Err(error) => Item::Broken(error),
            };
            drop(queue.send(item).await);
        }
    }

    /// Sends a task at once; what is returned waits for the end of the turn.
    fn give(&self, text: &str) -> impl Future<Output = Result<Value, AcpError>> + Send + 'static {
        let session = {
            let mut state = self.state.lock();
            state.turn = Some(Turn::default());
            state.session.clone().unwrap_or_default()
        };
        let text = ContentBlock::Text(TextContent::new(text));
        self.send("session/prompt", PromptRequest::new(session, vec![text]))
    }

    /// How a turn was answered, and whether it was cancelled before.
    async fn answered(
        &self,
        task: impl Future<Output = Result<Value, AcpError>>,
        cancelled: &mut oneshot::Receiver<()>,
    ) -> (Result<Value, AcpError>, bool) {
        tokio::pin!(task);
        let after = self.limits.cancel;
        tokio::select! {
            answer = &mut task => (answer, false),
            Ok(()) = &mut *cancelled, if !cancelled.is_terminated() => match timeout(after, &mut task).await {
                Ok(answer) => (answer, true),
                Err(_) => (Err(AcpError::Late { method: "session/cancel", after }), true),
            },
        }
    }

    /// Whether the first turn of an earlier session ended like that of an agent which no longer knows it: several say so only now.
    fn has_forgotten(&self, answer: &Result<Value, AcpError>) -> bool {
        let is_no = match answer {
            Ok(answer) => answer.get("stopReason").is_some_and(|reason| reason == "refusal"),
            Err(AcpError::Refused { outcome, .. }) => *outcome == Outcome::Failed,
            Err(_) => false,
        };
        let state = self.state.lock();
        is_no && state.turn.as_ref().is_none_or(Turn::is_empty)
    }

    pub(crate) fn cancel(&self) -> Result<(), AcpError> {
        let session = self.state.lock().session.clone().unwrap_or_default();
        self.to.send_notification(CancelNotification::new(session)).map_err(|_| AcpError::Gone)
    }

    async fn call(&self, method: &'static str, params: impl Serialize) -> Result<Value, AcpError> {
        let after = self.limits.start;
        timeout(after, self.send(method, params)).await.unwrap_or(Err(AcpError::Late { method, after }))
    }

    /// Sends at once; what is returned waits for the answer.
    fn send(
        &self,
        method: &'static str,
        params: impl Serialize,
    ) -> impl Future<Output = Result<Value, AcpError>> + Send + 'static {
        let message = UntypedMessage::new(method, params);
        let sent = message.map(|message| self.to.send_request(message));
        let state = self.state.clone();
        async move {
            let Ok(sent) = sent else { return Err(AcpError::Gone) };
            let id = wire::key(sent.raw_id());
            sent.block_task().await.map_err(|error| {
                // The SDK makes errors of its own where the connection ends.
                if !state.lock().ledger.is_answered(&id) {
                    return AcpError::Gone;
                }
                let code = error.code.value();
                let outcome = of_error(code, &error.message, error.data.as_ref());
                let message = brief(&in_words(&error.message, error.data.as_ref()));
                AcpError::Refused { method, code, message, outcome }
            })
        }
    }
}

fn parse<T: serde::de::DeserializeOwned>(method: &'static str, value: Value) -> Result<T, AcpError> {
    serde_json::from_value(value).map_err(|_| AcpError::Malformed { method })
}

fn turn_end(answer: Result<Value, AcpError>, is_cancelled: bool, turn: &Turn) -> Result<TurnEnd, AcpError> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(AcpError::Refused { message, .. }) if is_cancelled => {
            return Ok(TurnEnd::new(Outcome::Cancelled).because(message));
        }
        Err(AcpError::Refused { outcome, message, .. }) => return Ok(TurnEnd::new(outcome).because(message)),
        Err(error) => return Err(error),
    };
    let reason = answer.get("stopReason").and_then(Value::as_str);
    Ok(match reason.ok_or(AcpError::Malformed { method: "session/prompt" })? {
        // Some agents end a cancelled turn as if nothing were the matter.
        "end_turn" | "cancelled" if is_cancelled => TurnEnd::new(Outcome::Cancelled),
        "cancelled" => TurnEnd::new(Outcome::Cancelled),
        "end_turn" if turn.is_empty() => TurnEnd::new(Outcome::Idle),
        "end_turn" if turn.calls == 0 => match of_words(&turn.tail) {
            Some(outcome) => TurnEnd::new(outcome).because(brief(turn.tail.trim())),
            None => TurnEnd::new(Outcome::Finished),
        },
        "end_turn" => TurnEnd::new(Outcome::Finished),
        "refusal" => TurnEnd::new(Outcome::Refused),
        "max_turn_requests" => TurnEnd::new(Outcome::OutOfTurns),
        "max_tokens" => TurnEnd::new(Outcome::ContextOverflow),
        _ => return Err(AcpError::Malformed { method: "session/prompt" }),
    })
}
