//! Agents that speak the Agent Client Protocol, and record what they do by tools.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use striatum_acp::{
    AcpOptions, AcpTransport, Adapter, Failure, Missing, PermissionPolicy, Spawner as _, Surroundings,
    TerminalAccess, ToolAccess, look_for, preflight,
};
use striatum_core::{
    run::Usage,
    sandbox::{EnvVar, Exec, Isolation, Level, Listen, Mount},
    transport::{Advice, AgentTransport, Bridge, Choices, SessionSpec, ToolServer, TransportError},
    workflow::{Lane, Offers, WriteScope},
};
use striatum_server::agents::{Endpoint, tool_names};

use self::{conversation::Conversation, room::Room};
use crate::{
    adapter::{
        AdapterError, Assignment, End, Finished, Gateway, LaneAdapter, OpenTools,
        gateway::Passages,
        process::{open, soon},
    },
    fault,
};

mod conversation;
mod life;
mod prompts;
mod room;

/// By what name the sandbox hands over the listener of the tools.
const TOOLS: &str = "tools";

/// Starts an agent in the sandbox, opens a session with it over its standard streams, and gives it its task in words and the tools
/// of its grant.
///
/// - What it does counts when it records it by a tool, and not when its turn ends. A turn that ends without an outcome is followed
///   by a nudge, as often as [`Pace`] and the budget allow.
/// - Turns, tokens and time are bounded while it works, by what is left of the budget.
/// - One that gives no sign of life is told of, then cancelled and nudged once, then ended.
/// - A limit of the model's host is waited for, with the lease held, as long as [`Pace::wait`] allows; what only a person can
///   mend blocks the job; anything else is a failure of the attempt.
/// - Its environment is what the lane names, and what is [known](Adapter::env) to make it fit to be driven.
/// - Commands that it has run in terminals run in the same sandbox, with the variables of its lane: neither its gateways nor its
///   temporary files are theirs. They are offered where commands need no leave, and can be [switched off](Self::terminals).
/// - Mode, model and options are what its [lane chooses](striatum_core::workflow::Lane::agent). What the agent does not offer is for
///   a person, who is told what it does offer.
/// - Which requests for leave are granted follows from what the sandbox enforces, unless a [policy](Self::policy) is given. What the
///   policy leaves to a person is asked and recorded, while the agent waits for as long as [`Pace::leave`]; then it is rejected.
#[derive(Debug, Clone, Default)]
pub struct AcpAdapter {
    known: Option<&'static Adapter>,
    options: Option<AcpOptions>,
    policy: Option<PermissionPolicy>,
    choices: Choices,
    terminals: Option<TerminalAccess>,
    pace: Pace,
    bridge: Option<Vec<OsString>>,
    gateways: Vec<Arc<dyn Gateway>>,
}

/// How patiently an agent is worked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pace {
    /// How often an agent is nudged that ended its turn without an outcome.
    pub nudges: u32,
    /// How long it is left alone before each nudge.
    pub nudge_wait: Duration,
    /// How long a limit of the model's host is waited for at most, each time.
    pub wait: Duration,
    /// How often one is waited for.
    pub waits: u32,
    /// How long is waited at first where nobody says until when; then twice as long each time.
    pub first_wait: Duration,
    /// How long a person may think about what the agent wants leave for. Nobody is asked if that is no time.
    pub leave: Duration,
}

impl Default for Pace {
    /// Three nudges, each after a second; four waits of at most a quarter of an hour, beginning with ten seconds; five minutes for a person.
    fn default() -> Self {
        Self {
            nudges: 3,
            nudge_wait: Duration::from_secs(1),
            wait: Duration::from_secs(900),
            waits: 4,
            first_wait: Duration::from_secs(10),
            leave: Duration::from_secs(300),
        }
    }
}

impl AcpAdapter {
    /// For an agent that is known: its command need not stand in the lane.
    pub fn of(known: &'static Adapter) -> Self {
        let choices = Choices { mode: known.mode.map(str::to_owned), ..Choices::default() };
        Self { known: Some(known), choices, ..Self::default() }
    }

    /// Speaks to agents in this way, in place of what is known of them: by which method they authenticate, which files they reach
    /// through us, what their numbers of tokens mean, how old they may be, what they may cost. The scope of a grant and the policy
    /// for its walls are put in for each grant, so what stands here of both does not matter; a policy of one's own is given by
    /// [`policy`](Self::policy).
    ///
    /// ```
    /// use striatum::{acp::AcpOptions, adapter::AcpAdapter};
    ///
    /// // An agent of ours, which takes its key from its environment if it is told to.
    /// let mut options = AcpOptions::default();
    /// options.auth_method = Some("api-key".to_owned());
    /// let adapter = AcpAdapter::default().speaking(options);
    /// # drop(adapter);
    /// ```
    #[must_use]
    pub fn speaking(self, options: AcpOptions) -> Self {
        Self { options: Some(options), ..self }
    }

    /// Decides requests for leave by this policy, whatever the sandbox enforces.
    #[must_use]
    pub fn policy(self, policy: PermissionPolicy) -> Self {
        Self { policy: Some(policy), ..self }
    }

    /// Offers terminals or does not, whatever is known of the agent.
    #[must_use]
    pub fn terminals(self, access: TerminalAccess) -> Self {
        Self { terminals: Some(access), ..self }
    }

    /// Chooses this of what agents offer, where their lane chooses nothing.
    #[must_use]
    pub fn choosing(self, choices: Choices) -> Self {
        Self { choices, ..self }
    }

    /// Works with agents as patiently as this.
    #[must_use]
    pub fn pace(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// Puts this program between an agent that reaches tools only as programs that it starts, and the tools: `striatum-mcp`, or one
    /// that finds their address in `STRIATUM_MCP_URL` and the token in `STRIATUM_MCP_TOKEN` like it. Without one, `striatum-mcp` is
    /// looked up where an agent runs that is [known](Adapter::tools) to need it, and any other such agent is refused.
    #[must_use]
    pub fn bridge<A: Into<OsString>>(self, argv: impl IntoIterator<Item = A>) -> Self {
        Self { bridge: Some(argv.into_iter().map(Into::into).collect()), ..self }
    }

    /// Lets agents reach this beside their tools.
    #[must_use]
    pub fn gateway(mut self, gateway: Arc<dyn Gateway>) -> Self {
        self.gateways.push(gateway);
        self
    }

    /// How an agent reaches the tools.
    fn server(&self, tools: &OpenTools) -> ToolServer {
        let server = tools.server();
        let needed = self.known.filter(|known| known.tools == ToolAccess::Bridge);
        let found = || needed.map(|_| vec![OsString::from(Adapter::BRIDGE)]);
        let Some(argv) = self.bridge.clone().or_else(found) else { return server };
        let [url, token] = Endpoint::VARIABLES;
        let env =
            vec![EnvVar::new(url, &server.address.url), EnvVar::new(token, server.address.token.reveal())];
        server.with_bridge(Bridge { argv, env })
    }

    fn options(&self, assignment: &Assignment) -> AcpOptions {
        let known = || self.known.map(Adapter::options);
        let mut options = self.options.clone().or_else(known).unwrap_or_default();
        options.scope = Some(WriteScope::clone(&assignment.packet.write_scope));
        options.own_tools.extend(tool_names().map(str::to_owned));
        options.terminals = self.terminals.unwrap_or(options.terminals);
        options.policy =
            self.policy.clone().unwrap_or_else(|| PermissionPolicy::within(&assignment.sandbox.offers()));
        options
    }

    /// The lane's command, or the one that is known.
    fn exec(&self, assignment: &Assignment) -> Exec {
        let lane = &assignment.lane;
        let known = self.known.map(|known| known.command).unwrap_or_default();
        let exec = match lane.command.is_empty() {
            true => Exec::new(known.iter().copied()),
            false => Exec::new(&lane.command),
        };
        let fit = self.known.map(|known| known.env).unwrap_or_default();
        let is_walled = assignment.sandbox.offers().file_system == Level::Enforced;
        let walled = self.known.filter(|_| is_walled).map(|known| known.walled).unwrap_or_default();
        let unnamed = fit.iter().chain(walled).filter(|(name, _)| !lane.env.contains_key(*name));
        let env = unnamed.map(|(name, value)| EnvVar::new(*name, *value)).collect();
        Exec { env, ..exec.listening(Listen::new(TOOLS)) }
    }

    /// What an agent that is known would lack.
    async fn lacked(&self, known: &Adapter, lane: &Lane, path: &OsStr) -> Vec<Missing> {
        let brought = self.gateways.iter().flat_map(|gateway| gateway.brings());
        let variables = lane.env.keys().cloned().chain(brought).collect();
        // It may keep a login of its own there.
        let has_home = known.home.is_some_and(|(variable, _)| lane.env.contains_key(variable));
        let mut missing = preflight(known, &Surroundings { path: path.to_owned(), variables }).await;
        let is_brought = |missing: &Missing| {
            (has_home && missing.is_credentials()) || (self.bridge.is_some() && missing.is_bridge())
        };
        missing.retain(|missing| !is_brought(missing));
        missing
    }

    /// What the lane chooses, and else what this adapter chooses.
    fn choices(&self, assignment: &Assignment) -> Choices {
        assignment.lane.agent.clone().or(&self.choices)
    }

    async fn talk(
        &self,
        room: &Room,
        passages: &mut Passages,
        assignment: &Assignment,
    ) -> Result<Finished, AdapterError> {
        fault::point("spawn.before");
        let exec = passages.equip(self.exec(assignment));
        let door = room.door();
        let mut process = soon("start the agent", door.spawn(&exec)).await?;
        fault::point("spawn.after");
        passages.open(&mut process)?;
        let listener = process
            .take_listener(TOOLS)
            .ok_or_else(|| AdapterError::new("serve tools to an agent whose sandbox gives no listener"))?;
        // Beyond the time that an agent has, what it calls is no use to anybody.
        let tools = assignment.toolbox.open(listener, assignment.patience.wall)?;
        let mut spec = SessionSpec::new(assignment.fence.clone(), &assignment.tree)
            .with_tools(self.server(&tools))
            .choosing(self.choices(assignment));
        spec.resume.clone_from(&assignment.resume);

        let transport = AcpTransport::new(self.options(assignment));
        let transport = transport.spawning(Arc::new(door));
        let opened = tokio::select! {
            () = assignment.stop.cancelled() => return Ok(finished(End::Stopped)),
            opened = transport.connect(process, &spec) => opened,
        };
        let talked = match opened {
            Ok(mut session) => {
                assignment.mark().begin();
                assignment.account.identify(session.agent());
                assignment.account.converse(session.conversation());
                let conversation =
                    Conversation::new(session.as_mut(), assignment, &tools, passages, self.pace);
                let talked = conversation.lead().await;
                assignment.account.identify(session.agent());
                soon("end the agent", session.close()).await?;
                talked
            }
            Err(error) => given_up(&error),
        };
        tools.close().await;
        Ok(talked)
    }
}

#[async_trait]
impl LaneAdapter for AcpAdapter {
    fn offers(&self, sandbox: &Isolation) -> Offers {
        Offers::process().within(sandbox)
    }

    async fn missing(&self, lane: &Lane, path: &OsStr) -> Vec<String> {
        // What a program of its own needs is not known.
        let missing = match (lane.command.first(), self.known) {
            (Some(program), _) => look_for(program.as_ref(), path).into_iter().collect(),
            (None, Some(known)) => self.lacked(known, lane, path).await,
            (None, None) => return vec!["there is no command; let the lane name one".to_owned()],
        };
        missing.iter().map(ToString::to_string).collect()
    }

    async fn work(&self, mut assignment: Assignment) -> Result<Finished, AdapterError> {
        let begun = Instant::now();
        let program = self.bridge.iter().flatten().next().map(Path::new);
        assignment.mounts.extend(program.filter(|program| program.is_absolute()).map(Mount::read));
        let mut limits = assignment.limits;
        // A conversation goes on for hours; the transport bounds what is kept of it.
        limits.output_bytes = u64::MAX;
        let mut passages = Passages::prepare(&self.gateways, &assignment).await?;
        let room = Room::new(open(&assignment, &passages, limits).await?);
        let talked = self.talk(&room, &mut passages, &assignment).await;
        // Whatever happened, nothing is left running.
        let closed = soon("end the agent", room.close()).await;
        let mut finished = talked?;
        closed?;
        finished.usage.wall_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(finished)
    }
}

/// An end of which nothing more is known.
fn finished(end: End) -> Finished {
    Finished::new(end, None, Usage::default())
}

/// An agent with which there is nothing more to say.
fn given_up(error: &TransportError) -> Finished {
    let failure = error.source.as_deref().and_then(|source| source.downcast_ref::<Failure>());
    let advice = match failure.map(|failure| failure.error.advice()) {
        Some(Advice::Checkpoint) => Advice::Checkpoint,
        // A session that was never opened, or broke, is not waited for: the next attempt has a wait of its own.
        _ => Advice::Retry,
    };
    let cause = error.source.as_ref().map(|source| format!(": {source}")).unwrap_or_default();
    finished(End::Unfinished(advice)).because(format!("{error}{cause}"))
}
