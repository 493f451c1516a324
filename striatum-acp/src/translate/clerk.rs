//! Answers what an agent asks of us. Nothing here waits in the SDK's loop: what takes time goes on beside it.

use std::path::Path;

use agent_client_protocol::{
    Error, ErrorCode,
    v1::{
        Responder,
        schema::{
            PermissionOption, PermissionOptionKind, ReadTextFileRequest, ReadTextFileResponse,
            RequestPermissionOutcome, RequestPermissionRequest, RequestPermissionResponse,
            SelectedPermissionOutcome, WriteTextFileRequest, WriteTextFileResponse,
        },
    },
};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{Served, update::of_call_update};
use crate::{
    AcpLimits, Decision, FileAccess, PermissionPolicy, Reach, ToolKind,
    files::{FileError, TreeFiles},
    item::{Item, Reply, brief},
    permission::{Leave, Offer, choose},
    state::Shared,
    terminals::Terminals,
};

#[derive(Debug, Clone)]
pub(super) struct Clerk {
    pub(super) state: Shared,
    pub(super) queue: mpsc::Sender<Item>,
    pub(super) policy: PermissionPolicy,
    pub(super) access: FileAccess,
    pub(super) files: TreeFiles,
    pub(super) terminals: Option<Terminals>,
    /// The server of tools that the session was given.
    pub(super) tools: Option<Served>,
    pub(super) limits: AcpLimits,
}

impl Clerk {
    pub(super) fn decide(
        &self,
        request: RequestPermissionRequest,
        responder: Responder<RequestPermissionResponse>,
    ) -> Result<(), Error> {
        // Some agents ask about calls that they never announce, or announce later.
        let (id, news) = of_call_update(request.tool_call);
        let (call, _) = self.state.lock().calls.learn(&id, news);
        let is_inside = call.paths.iter().flatten().all(|path| self.files.hold(path));
        let reach = if is_inside { Reach::Tree } else { Reach::Beyond };
        let options = request.options;
        let kind = call.kind.unwrap_or(ToolKind::Other);
        let mut titles = [&call.title, &call.name].into_iter().flatten();
        let decision = match &self.tools {
            // What these may do is decided where they are served.
            Some(served) if kind == ToolKind::Other && titles.any(|title| is_tool_of(served, title)) => {
                Decision::AllowOnce
            }
            _ => self.policy.decide(kind, reach),
        };
        let leave = match decision {
            Decision::AllowOnce => Leave::Once,
            Decision::AllowAlways => Leave::Always,
            Decision::Reject => Leave::No,
            Decision::Ask => {
                let title = brief(call.title.as_deref().unwrap_or("a tool of which it says nothing"));
                tokio::spawn(self.clone().ask(title, options, responder));
                return Ok(());
            }
        };
        responder.respond(answer(Reply::Decided(leave), &options))
    }

    async fn ask(
        self,
        title: String,
        options: Vec<PermissionOption>,
        responder: Responder<RequestPermissionResponse>,
    ) {
        let (reply, decided) = oneshot::channel();
        let Self { queue, limits, .. } = self;
        let asked = async {
            queue.send(Item::Asked { title, reply }).await.ok()?;
            // The session ends when nobody is left to tell it anything.
            drop(queue);
            decided.await.ok()
        };
        let reply = match timeout(limits.ask, asked).await {
            Ok(Some(reply)) => reply,
            Ok(None) | Err(_) => Reply::Decided(Leave::No),
        };
        if responder.respond(answer(reply, &options)).is_err() {
            tracing::debug!("an agent that asked is gone");
        }
    }

    pub(super) fn read(
        &self,
        request: ReadTextFileRequest,
        responder: Responder<ReadTextFileResponse>,
    ) -> Result<(), Error> {
        if self.access == FileAccess::Off {
            return responder.respond_with_error(Error::method_not_found());
        }
        let files = self.files.clone();
        tokio::task::spawn_blocking(move || {
            let ReadTextFileRequest { path, line, limit, .. } = request;
            let read = files.read(&path, line, limit);
            reply_with(responder, &path, read.map(ReadTextFileResponse::new));
        });
        Ok(())
    }

    pub(super) fn write(
        &self,
        request: WriteTextFileRequest,
        responder: Responder<WriteTextFileResponse>,
    ) -> Result<(), Error> {
        if self.access != FileAccess::ReadWrite {
            return responder.respond_with_error(Error::method_not_found());
        }
        let files = self.files.clone();
        tokio::task::spawn_blocking(move || {
            let written = files.write(&request.path, request.content.as_bytes());
            reply_with(responder, &request.path, written.map(|()| WriteTextFileResponse::new()));
        });
        Ok(())
    }
}

fn reply_with<T: agent_client_protocol::JsonRpcResponse>(
    responder: Responder<T>,
    path: &Path,
    answer: Result<T, FileError>,
) {
    let told = match answer {
        Ok(answer) => responder.respond(answer),
        Err(error) => {
            let code = match &error {
                FileError::NotFound => ErrorCode::RESOURCE_NOT_FOUND,
                FileError::Outside
                | FileError::OutOfScope
                | FileError::Git
                | FileError::NotPlain
                | FileError::NotText => ErrorCode::INVALID_PARAMS,
                FileError::Io(_) => ErrorCode::INTERNAL_ERROR,
            };
            let message = format!("{}: {error}", path.display());
            responder.respond_with_error(Error::new(code, message))
        }
    };
    if told.is_err() {
        tracing::debug!("an agent that asked for a file is gone");
    }
}

fn answer(reply: Reply, options: &[PermissionOption]) -> RequestPermissionResponse {
    let chosen = match reply {
        Reply::Withdrawn => None,
        Reply::Decided(leave) => {
            // An option of a kind that we do not know is none.
            let known: Vec<_> = options.iter().filter_map(|o| Some((offer(o.kind)?, o))).collect();
            let offers: Vec<_> = known.iter().map(|(offer, _)| *offer).collect();
            choose(leave, &offers).and_then(|at| known.get(at)).map(|(_, option)| option.option_id.clone())
        }
    };
    RequestPermissionResponse::new(match chosen {
        Some(id) => RequestPermissionOutcome::Selected(SelectedPermissionOutcome::new(id)),
        None => RequestPermissionOutcome::Cancelled,
    })
}

/// Whether a title is the name of a tool of this server: agents write `mcp__server__tool`, `mcp.server.tool`, `server_tool`, or
/// `tool (server MCP Server)`, and nothing else beside it; or the bare name of one that is known.
fn is_tool_of(served: &Served, title: &str) -> bool {
    let name = title.strip_suffix(" MCP Server)").unwrap_or(title);
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-./:".contains(c);
    let (tool, of) = name.split_once(" (").unwrap_or((name, name));
    let mut words =
        of.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty() && *word != "mcp");
    let is_named = tool.chars().all(is_name) && of.chars().all(is_name);
    (is_named && words.next() == Some(&*served.server)) || served.tools.contains(title)
}

fn offer(kind: PermissionOptionKind) -> Option<Offer> {
    Some(match kind {
        PermissionOptionKind::AllowOnce => Offer::AllowOnce,
        PermissionOptionKind::AllowAlways => Offer::AllowAlways,
        PermissionOptionKind::RejectOnce => Offer::RejectOnce,
        PermissionOptionKind::RejectAlways => Offer::RejectAlways,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_of_ours_is_known_by_its_name_alone() {
        let ours = [
            "mcp__striatum__complete_work",
            "mcp.striatum.ask_human",
            "striatum_get_packet",
            "get_packet (striatum MCP Server)",
            "striatum-get_packet",
            "mcp_striatum_get_packet",
            "get_packet",
        ];
        let served =
            Served { server: "striatum".to_owned(), tools: ["get_packet".to_owned()].into_iter().collect() };
        for title in ours {
            assert!(is_tool_of(&served, title), "{title}");
        }
        let others = [
            "",
            "rm -rf / # striatum",
            "cat striatum",
            "mcp__tiny__striatum",
            "striatum (evil MCP Server)",
            "Write striatum/file",
            "ask_human",
            "get_packet now",
        ];
        for title in others {
            assert!(!is_tool_of(&served, title), "{title}");
        }
    }
}
