//! How a session is opened: with which tools, and whether an earlier conversation goes on.

use agent_client_protocol::{
    schema::ProtocolVersion,
    v1::schema::{
        BooleanConfigOptionCapabilities, ClientCapabilities, ClientSessionCapabilities, EnvVariable,
        FileSystemCapabilities, HttpHeader, Implementation, InitializeRequest, InitializeResponse,
        LoadSessionRequest, McpServer, McpServerHttp, McpServerStdio, NewSessionRequest,
        ResumeSessionRequest, SessionConfigOptionsCapabilities,
    },
};
use serde::Serialize;
use serde_json::{Value, json};
use striatum_core::transport::{Bridge, Outcome, SessionSpec, ToolServer};

use super::{
    Connection, Meter, Offers,
    offered::{Offered, each},
};
use crate::{AcpError, FileAccess, ToolAccess};

/// What an agent can do of what we need.
#[derive(Debug, Clone, Copy)]
pub(super) struct Abilities {
    http: bool,
    load: bool,
    resume: bool,
}

impl Abilities {
    pub(super) fn of(told: &InitializeResponse, raw: &Value, tools: ToolAccess) -> Self {
        let capabilities = &told.agent_capabilities;
        let resume = raw.pointer("/agentCapabilities/sessionCapabilities/resume");
        Self {
            http: capabilities.mcp_capabilities.http && tools != ToolAccess::Bridge,
            load: capabilities.load_session,
            resume: resume.is_some_and(|resume| !resume.is_null()),
        }
    }

    /// Whether a conversation can be gone on with.
    pub(super) const fn remembers(self) -> bool {
        self.load || self.resume
    }

    /// The server of tools, in the way in which this agent reaches one.
    fn servers(self, tools: Option<&ToolServer>) -> Result<Vec<McpServer>, AcpError> {
        let Some(ToolServer { name, address, bridge }) = tools else { return Ok(Vec::new()) };
        let server = match bridge {
            _ if self.http => {
                let bearer = HttpHeader::new("Authorization", format!("Bearer {}", address.token.reveal()));
                McpServer::Http(McpServerHttp::new(name, &address.url).headers(vec![bearer]))
            }
            Some(Bridge { argv, env }) => {
                let mut words = argv.iter().map(|word| word.to_string_lossy().into_owned());
                let program = words.next().unwrap_or_default();
                let env =
                    env.iter().map(|var| EnvVariable::new(&var.name, var.value.to_string_lossy())).collect();
                McpServer::Stdio(McpServerStdio::new(name, program).args(words.collect()).env(env))
            }
            None => {
                return Err(AcpError::NoBridge { server: name.clone() });
            }
        };
        Ok(vec![server])
    }
}

/// What we say of ourselves.
pub(super) fn introduction(offers: Offers) -> InitializeRequest {
    let files = FileSystemCapabilities::new()
        .read_text_file(offers.files != FileAccess::Off)
        .write_text_file(offers.files == FileAccess::ReadWrite);
    let switches = SessionConfigOptionsCapabilities::new().boolean(BooleanConfigOptionCapabilities::new());
    let session = ClientSessionCapabilities::new().config_options(switches);
    let capabilities = ClientCapabilities::new().fs(files).terminal(offers.terminals).session(session);
    InitializeRequest::new(ProtocolVersion::V1)
        .client_capabilities(capabilities)
        .client_info(Implementation::new("striatum", env!("CARGO_PKG_VERSION")))
}

/// What a session is begun with; it is kept as long as it is not sure that an earlier one goes on.
#[derive(Debug, Clone)]
pub(crate) struct Beginning {
    pub(super) spec: SessionSpec,
    pub(super) abilities: Abilities,
    pub(super) authenticate: Option<String>,
}

impl Connection {
    /// Goes on with the conversation that is named, or begins one, and chooses what is to be chosen.
    pub(super) async fn begin(&self, beginning: &Beginning) -> Result<(String, Option<String>), AcpError> {
        let Beginning { spec, .. } = beginning;
        let mut offered = self.session(beginning).await?;
        let session = offered.session.clone();
        {
            let mut state = self.state.lock();
            state.session = Some(session.clone());
            (state.meter, state.doubt) = match offered.is_earlier {
                true => (Meter::of_earlier(), Some(beginning.clone())),
                false => (Meter::default(), None),
            };
        }
        let model = spec.choices.model.clone().or_else(|| offered.current_model());
        for choice in each(&spec.choices) {
            let (method, params) = offered.choose(choice)?;
            offered.renew(&self.call(method, params).await?);
        }
        Ok((session, model))
    }

    async fn session(&self, beginning: &Beginning) -> Result<Offered, AcpError> {
        let Beginning { spec, abilities, authenticate } = beginning;
        let authenticate = authenticate.as_deref();
        let servers = abilities.servers(spec.tools.as_ref())?;
        if let Some(earlier) = spec.resume.as_ref().filter(|_| abilities.remembers()) {
            let named = earlier.clone();
            // Resuming spares us the whole story once more.
            let opened = if abilities.resume {
                let request = ResumeSessionRequest::new(named, &spec.tree).mcp_servers(servers.clone());
                self.opened("session/resume", request, authenticate).await
            } else {
                let request = LoadSessionRequest::new(named, &spec.tree).mcp_servers(servers.clone());
                self.opened("session/load", request, authenticate).await
            };
            match opened {
                Ok(answer) => match Offered::again(answer, earlier) {
                    // What the lane chooses must hold, and a mode does not outlive its process everywhere.
                    Ok(offered) if offered.is_empty() && !spec.choices.is_empty() => {
                        tracing::debug!(
                            "an agent goes on with an earlier conversation, and offers nothing to choose from"
                        );
                    }
                    Ok(offered) => return Ok(offered),
                    Err(error) => {
                        tracing::debug!(%error, "what an agent says of an earlier conversation is unclear")
                    }
                },
                // It has forgotten, and what it must know stands in the task.
                Err(AcpError::Refused { message, .. }) => {
                    tracing::debug!(message, "an agent does not go on with an earlier conversation");
                }
                Err(error) => return Err(error),
            }
        }
        let request = NewSessionRequest::new(&spec.tree).mcp_servers(servers);
        Offered::read(self.opened("session/new", request, authenticate).await?)
    }

    /// Asks for a session, and once more after authenticating if that is what lacks.
    async fn opened(
        &self,
        method: &'static str,
        request: impl Serialize + Clone,
        authenticate: Option<&str>,
    ) -> Result<Value, AcpError> {
        match (self.call(method, request.clone()).await, authenticate) {
            (Err(AcpError::Refused { outcome: Outcome::AuthNeeded, .. }), Some(by)) => {
                self.call("authenticate", json!({ "methodId": by })).await?;
                self.call(method, request).await
            }
            (opened, _) => opened,
        }
    }
}
