//! The tools of a grant, as an MCP server.

use std::{io, sync::Arc};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
        ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
};
use striatum_core::transport::AgentIdentity;
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    Refusal,
    agents::{Conclusion, Mode, Receipt, session::Live},
    refusal::Code,
};

mod arguments;
mod catalogue;

use catalogue::{Call, PacketForm};

const INSTRUCTIONS: &str = "These tools are the only way to hand in your work. Read the task with get_packet. \
    End it with exactly one of complete_work, submit_review, report_failure, release_work, block_work or ask_human: only what a tool \
    has accepted counts, whatever you say otherwise. A call that is refused says what to do about it; do that and call again.";

/// The tools of one session, for one MCP session of it.
pub(super) struct Tools {
    live: Arc<Live>,
    _room: OwnedSemaphorePermit,
}

impl Tools {
    /// Takes one of the places that the session has.
    pub(super) fn take(live: &Arc<Live>) -> io::Result<Self> {
        let full = |_| io::Error::other("the token has as many MCP sessions open as it may");
        let room = live.room.clone().try_acquire_owned().map_err(full)?;
        Ok(Self { live: live.clone(), _room: room })
    }
}

impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        let mut info = ServerConfig::new(ServerCapabilities::builder().enable_tools().build());
        info.server_info = Implementation::new("striatum", env!("CARGO_PKG_VERSION"));
        info.with_instructions(INSTRUCTIONS)
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
        self.live.note_connected(client);
        Ok(ListToolsResult::with_all_items(catalogue::tools()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        catalogue::tools().into_iter().find(|tool| tool.name == name)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(call) = catalogue::read(&request.name, request.arguments.unwrap_or_default()) else {
            return Err(ErrorData::invalid_params(format!("there is no tool {:?}", request.name), None));
        };
        self.live.note_call();
        let live = self.live.clone();
        // In a task of its own: what has begun goes on when the agent no longer waits for it.
        let answer = tokio::spawn(async move { answer(&live, call?).await });
        let answer = answer
            .await
            .unwrap_or_else(|_| Err(Code::ServerDefect.because("the server contradicted itself")));
        Ok(match answer {
            Ok(text) => CallToolResult::success(vec![ContentBlock::text(text)]),
            Err(refusal) => CallToolResult::error(vec![ContentBlock::text(refusal.to_string())]),
        }
        .into())
    }
}

async fn answer(live: &Live, call: Call) -> Result<String, Refusal> {
    match call {
        Call::Packet(PacketForm::Text) => Ok(live.task().await?.prompt),
        Call::Packet(PacketForm::Json) => Ok(text(&live.task().await?.packet)),
        Call::Read(digest) => Ok(text(&live.read(&digest).await?)),
        Call::Act(act, mode) => Ok(said(&live.act(act, mode).await?, mode)),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn said(receipt: &Receipt, mode: Mode) -> String {
    let Receipt { sentence, conclusion } = receipt;
    match (mode, conclusion) {
        (Mode::DryRun, _) => format!("would be accepted: {sentence}. Nothing was done."),
        (Mode::Perform, Conclusion::GoesOn) => format!("accepted: {sentence}."),
        (Mode::Perform, Conclusion::Over) => {
            format!(
                "accepted: {sentence}. Your work on this task is over: stop now, and change nothing more."
            )
        }
    }
}
