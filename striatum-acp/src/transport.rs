//! From a process to a session.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use async_trait::async_trait;
use striatum_core::{
    sandbox::Process,
    transport::{AgentSession, AgentTransport, SessionSpec, TransportError, TransportErrorKind},
    workflow::WriteScope,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use crate::{
    AcpError, AcpLimits, Decision, Failure, FileAccess, PermissionPolicy, Spawner, TerminalAccess, Version,
    files::TreeFiles,
    item::Item,
    session::{AcpSession, Phase},
    state::Shared,
    stderr::Tail,
    terminals::Terminals,
    translate::{Ends, Given, Offers, Opened, Served, serve},
};

/// How agents are spoken to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AcpOptions {
    /// Which requests for leave are granted.
    pub policy: PermissionPolicy,
    /// Which files of the work tree an agent reaches through us.
    pub files: FileAccess,
    /// What of the work tree an agent may write through us; everything if nothing is said.
    pub scope: Option<WriteScope>,
    /// Whether an agent may have commands run by us.
    pub terminals: TerminalAccess,
    /// How an agent reaches the tools that it is given.
    pub tools: ToolAccess,
    /// The method by which an agent authenticates with what stands in its environment, if it says that it must. It is used
    /// only where the agent offers it.
    pub auth_method: Option<String>,
    /// The oldest version that will do. An agent that does not say its version is taken as it is.
    pub at_least: Option<Version>,
    /// The names of the tools that the session's server offers: some agents name one of them without its server when they ask for
    /// leave. What such a tool may do is decided where it is served, so it needs no leave.
    pub own_tools: BTreeSet<String>,
    /// What the numbers mean that the agent gives of its tokens.
    pub usage: UsageMeaning,
    /// What an agent may cost.
    pub limits: AcpLimits,
}

impl Default for AcpOptions {
    /// A person is asked for every leave within the work tree, and what leads out of it is rejected.
    fn default() -> Self {
        Self {
            policy: PermissionPolicy::uniform(Decision::Ask).beyond(Decision::Reject),
            files: FileAccess::default(),
            scope: None,
            terminals: TerminalAccess::default(),
            tools: ToolAccess::default(),
            auth_method: None,
            at_least: None,
            own_tools: BTreeSet::new(),
            usage: UsageMeaning::Turn,
            limits: AcpLimits::default(),
        }
    }
}

/// How an agent reaches a server of tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ToolAccess {
    /// Over HTTP where it says that it can, and else as by [`Bridge`](Self::Bridge).
    #[default]
    Http,
    /// Through a program that it starts, whatever it says: some cannot do what they say that they can.
    Bridge,
}

/// What the numbers mean that an agent gives of its tokens at the end of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum UsageMeaning {
    /// What the turn cost.
    #[default]
    Turn,
    /// What the session has cost so far.
    Session,
    /// What the last call of the model cost, which is the least that the turn can have cost.
    LastCall,
}

/// Speaks the Agent Client Protocol, version 1, over the standard input and output of a process.
///
/// - [`connect`](AgentTransport::connect) introduces us and opens a session in the work tree. What the agent says before the
///   first task is not passed on.
/// - [`prompt`](AgentSession::prompt) begins a turn. Each turn ends with one
///   [`TurnEnded`](striatum_core::transport::AgentUpdate::TurnEnded), unless the agent dies or breaks the protocol; then another
///   may begin.
/// - [`next`](AgentSession::next) yields what the agent says, and its tool calls as lines, on
///   [`Out`](striatum_core::transport::Stream::Out); what it thinks and what it writes beside the protocol on
///   [`Err`](striatum_core::transport::Stream::Err). An agent that breaks the protocol gives one error, whose source is a
///   [`Failure`](crate::Failure); its process is then ended, and that is the last update.
/// - [`cancel`](AgentSession::cancel) ends the turn, not the session. Open requests for leave are withdrawn.
/// - [`close`](AgentSession::close) ends the process.
///
/// Needs a tokio runtime with time enabled.
#[derive(Debug, Clone, Default)]
pub struct AcpTransport {
    options: AcpOptions,
    spawner: Option<Arc<dyn Spawner>>,
}

impl AcpTransport {
    /// A transport that offers no terminals, as there is nothing to run commands.
    pub const fn new(options: AcpOptions) -> Self {
        Self { options, spawner: None }
    }

    /// The same, which runs the commands of terminals by this.
    #[must_use]
    pub fn spawning(self, spawner: Arc<dyn Spawner>) -> Self {
        Self { spawner: Some(spawner), ..self }
    }
}

#[async_trait]
impl AgentTransport for AcpTransport {
    async fn connect(
        &self,
        process: Process,
        spec: &SessionSpec,
    ) -> Result<Box<dyn AgentSession>, TransportError> {
        const DOING: &str = "open a session with the agent";
        let Process { stdin: Some(input), stdout: Some(output), stderr, child, .. } = process else {
            let doing = "speak to an agent without an input and an output";
            return Err(TransportError::new(TransportErrorKind::Unsupported, doing));
        };
        let limits = self.options.limits;
        let (state, tail) = (Shared::new(&limits), Tail::new(limits.stderr_bytes));
        let (queue, mut items) = mpsc::channel(limits.updates.max(1));
        let (hand, connection) = oneshot::channel();
        let mut tasks = JoinSet::new();
        let weak = queue.downgrade();
        if let Some(stderr) = stderr {
            tasks.spawn(tail.clone().read(stderr, weak.clone()));
        }
        let named = &self.options.own_tools;
        let tools =
            spec.tools.as_ref().map(|tools| Served { server: tools.name.clone(), tools: named.clone() });
        let mut files = TreeFiles::new(&spec.tree);
        if let Some(scope) = self.options.scope.clone() {
            files = files.writing(scope);
        }
        let spawner = self.spawner.clone().filter(|_| self.options.terminals.offers(&self.options.policy));
        let terminals = spawner.map(|spawner| Terminals::new(spawner, files.clone(), limits));
        let offers = Offers { files: self.options.files, terminals: terminals.is_some() };
        let given = Given { files, tools, terminals };
        tasks.spawn(serve((input, output), Ends { state, queue }, self.options.clone(), given, hand));

        let opened = async {
            let connection = connection.await.map_err(|_| AcpError::Gone)?;
            let opened = connection.open(spec, &self.options, offers).await?;
            Ok((connection, opened))
        };
        let (connection, Opened { agent, session, remembers }) = match opened.await {
            Ok(opened) => opened,
            Err(error) => {
                let error = if error == AcpError::Gone { why_gone(&mut items).await } else { error };
                return Err(Failure::doing(DOING, error, tail.text()));
            }
        };
        Ok(Box::new(AcpSession {
            agent,
            name: session,
            remembers,
            child,
            connection,
            items,
            queue: weak,
            tasks,
            stderr: tail,
            limits,
            turn: None,
            asked: HashMap::new(),
            requests: 0,
            phase: Phase::Open,
        }))
    }
}

/// What broke a connection, where the agent did not just close it.
async fn why_gone(items: &mut mpsc::Receiver<Item>) -> AcpError {
    while let Some(item) = items.recv().await {
        if let Item::Broken(error) = item {
            return error;
        }
    }
    AcpError::Gone
}
