//! The operations as tools of the Model Context Protocol, so that an AI operator can drive what is its to drive. Whoever lists the tools
//! sees those that the token allows.

use std::sync::Arc;

use axum::http::request::Parts;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
        ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool, ToolAnnotations,
    },
    service::RequestContext,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use serde_json::Value;

use super::{
    Interface,
    caller::Caller,
    operation::Operation,
    problem::{Fault, Problem},
};
use crate::{Refusal, boundary::Boundary};

const INSTRUCTIONS: &str = "These tools see and steer runs of workflows. A run is prepared, its branch confirmed if the workflow leaves it \
open, and started; agents then do its jobs. list_checkpoints, list_questions and list_escalations of a run show what waits for you. Some of \
it is for a person alone: the answer then says so, and you tell a person. A refusal has a code, a sentence and what to do about it.";

/// One handler for every request: nothing is kept between two of them.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    interface: Arc<Interface>,
}

pub(super) fn service(
    interface: &Arc<Interface>,
    boundary: &Boundary,
) -> StreamableHttpService<Tools, LocalSessionManager> {
    let mut config = StreamableHttpServerConfig::default();
    config.legacy_session_mode = false;
    config.json_response = true;
    config.allowed_hosts = boundary.hosts.clone();
    config.max_request_body_bytes = boundary.max_body_bytes;
    config.cancellation_token = interface.closing.clone();
    let tools = Tools { interface: interface.clone() };
    StreamableHttpService::new(move || Ok(tools.clone()), Arc::default(), config)
}

impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        let mut config = ServerConfig::new(ServerCapabilities::builder().enable_tools().build());
        config.server_info = Implementation::new("striatum-operators", env!("CARGO_PKG_VERSION"));
        config.instructions = Some(INSTRUCTIONS.to_owned());
        config
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let caller = caller(&context)?;
        let allowed = |operation: &&Arc<Operation>| {
            operation.is_tool && caller.capabilities.allows(operation.capability)
        };
        let tools =
            self.interface.operations.iter().filter(allowed).map(|operation| tool(operation)).collect();
        Ok(ListToolsResult::with_all_items(tools))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let caller = caller(&context)?;
        let named = |operation: &&Arc<Operation>| operation.is_tool && operation.name == request.name;
        let Some(operation) = self.interface.operations.iter().find(named) else {
            return Err(ErrorData::invalid_params(format!("there is no tool {}", request.name), None));
        };
        let input = Value::Object(request.arguments.unwrap_or_default());
        let result = match self.interface.desk.serve(&caller, operation, input).await {
            Ok(answer) => CallToolResult::structured(answer),
            Err(problem) => refused(problem.refusal()),
        };
        Ok(result.into())
    }
}

/// What the model reads is the refusal in words; a program finds the code beside it.
fn refused(refusal: &Refusal) -> CallToolResult {
    let mut result = CallToolResult::error(vec![ContentBlock::text(refusal.to_string())]);
    result.structured_content = Some(refusal.to_json());
    result
}

fn caller(context: &RequestContext<RoleServer>) -> Result<Caller, ErrorData> {
    let caller = context.extensions.get::<Parts>().and_then(|parts| parts.extensions.get::<Caller>());
    let missing = || {
        let problem = Problem::new(Fault::Defect, "the request came here without authority");
        ErrorData::internal_error(problem.to_string(), None)
    };
    caller.cloned().ok_or_else(missing)
}

fn tool(operation: &Operation) -> Tool {
    let mut tool = Tool::new(operation.name, operation.summary, operation.input.clone());
    let annotations = ToolAnnotations::new()
        .read_only(!operation.is_change())
        .destructive(matches!(operation.name, "cancel_run" | "compromise_run"))
        .idempotent(!operation.is_change())
        .open_world(false);
    tool.annotations = Some(annotations);
    tool.output_schema = Some(Arc::new(operation.output.clone()));
    tool
}
