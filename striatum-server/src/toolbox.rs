//! Tools over the Model Context Protocol, whoever they are for.

use std::sync::Arc;

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
        ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
    transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService},
};
use striatum_core::transport::AgentIdentity;
use tokio_util::sync::CancellationToken;

use crate::{Refusal, refusal::Code};

mod entry;
mod sessions;

use sessions::Sessions;

pub(crate) use entry::{Effect, Entry, entry, invalid, parse};

/// Tools, and what they act on.
pub(crate) trait Toolbox: Send + Sync + 'static {
    /// A call that was understood.
    type Call: Send + 'static;

    /// Which tools there are.
    fn catalogue() -> &'static [Entry<Self::Call>];

    /// What a model is told of all of them.
    fn instructions() -> &'static str;

    /// Somebody asked which tools there are.
    fn note_connected(&self, _client: Option<AgentIdentity>) {}

    /// A tool was called, whatever comes of it.
    fn note_call(&self) {}

    /// Answers a call. It goes on when nobody waits for its answer any more, unless it heeds `gone`.
    fn answer(
        self: Arc<Self>,
        call: Self::Call,
        gone: CancellationToken,
    ) -> impl Future<Output = Result<String, Refusal>> + Send;
}

/// The MCP server of one token.
pub(crate) type Server<T> = StreamableHttpService<Tools<T>, Sessions>;

/// Serves a toolbox until `over` is cancelled, to at most `room` MCP sessions at a time.
pub(crate) fn server<T: Toolbox>(
    toolbox: &Arc<T>,
    over: &CancellationToken,
    max_body_bytes: usize,
    room: usize,
) -> Server<T> {
    let config = StreamableHttpServerConfig::default()
        .with_cancellation_token(over.clone())
        .with_max_request_body_bytes(max_body_bytes)
        // It would come in an event without data, which some clients take for a message.
        .with_sse_retry(None)
        // The boundary has judged both, with lists of its own.
        .disable_allowed_hosts()
        .disable_allowed_origins();
    let toolbox = toolbox.clone();
    let sessions = Arc::new(Sessions::new(room));
    StreamableHttpService::new(move || Ok(Tools { toolbox: toolbox.clone() }), sessions, config)
}

/// A toolbox, for one MCP session.
pub(crate) struct Tools<T> {
    toolbox: Arc<T>,
}

impl<T: Toolbox> ServerHandler for Tools<T> {
    fn get_info(&self) -> ServerConfig {
        let mut info = ServerConfig::new(ServerCapabilities::builder().enable_tools().build());
        info.server_info = Implementation::new("striatum", env!("CARGO_PKG_VERSION"));
        info.with_instructions(T::instructions())
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let client = context.peer.peer_info().map(|info| AgentIdentity {
            name: Some(info.client_info.name.clone()),
            version: Some(info.client_info.version.clone()),
            model: None,
        });
        self.toolbox.note_connected(client);
        Ok(ListToolsResult::with_all_items(entry::tools(T::catalogue())))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        entry::tools(T::catalogue()).into_iter().find(|tool| tool.name == name)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let Some(call) = entry::read(T::catalogue(), &request.name, arguments) else {
            return Err(ErrorData::invalid_params(format!("there is no tool {:?}", request.name), None));
        };
        self.toolbox.note_call();
        let (toolbox, gone) = (self.toolbox.clone(), context.ct.clone());
        // In a task of its own: what has begun goes on when the agent no longer waits for it.
        let answer = tokio::spawn(async move { toolbox.answer(call?, gone).await });
        let answer = answer
            .await
            .unwrap_or_else(|_| Err(Code::ServerDefect.because("the server contradicted itself")));
        Ok(match answer {
            Ok(text) => CallToolResult::success(vec![ContentBlock::text(text)]),
            // Not as a protocol error: clients show those to nobody.
            Err(refusal) => CallToolResult::error(vec![ContentBlock::text(refusal.to_string())]),
        }
        .into())
    }
}
