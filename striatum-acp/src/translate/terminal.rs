//! Terminals, as the protocol has them. Each request is answered beside the SDK's loop.

use agent_client_protocol::{
    Error, ErrorCode, JsonRpcResponse,
    v1::{
        Responder,
        schema::{
            CreateTerminalRequest, CreateTerminalResponse, KillTerminalRequest, KillTerminalResponse,
            ReleaseTerminalRequest, ReleaseTerminalResponse, TerminalExitStatus, TerminalOutputRequest,
            TerminalOutputResponse, WaitForTerminalExitRequest, WaitForTerminalExitResponse,
        },
    },
};
use striatum_core::sandbox::{EnvVar, Exit, SandboxErrorKind};

use super::clerk::Clerk;
use crate::terminals::{Command, TerminalError, Terminals, View};

impl Clerk {
    pub(super) fn create(
        &self,
        request: CreateTerminalRequest,
        responder: Responder<CreateTerminalResponse>,
    ) -> Result<(), Error> {
        self.at_terminals(responder, async move |terminals: Terminals| {
            let CreateTerminalRequest { command: program, args, env, cwd: folder, output_byte_limit, .. } =
                request;
            let env = env.into_iter().map(|variable| EnvVar::new(variable.name, variable.value)).collect();
            let command = Command { program, args, env, folder, output_bytes: output_byte_limit };
            terminals.open(command).await.map(CreateTerminalResponse::new)
        })
    }

    pub(super) fn output(
        &self,
        request: TerminalOutputRequest,
        responder: Responder<TerminalOutputResponse>,
    ) -> Result<(), Error> {
        self.at_terminals(responder, async move |terminals: Terminals| {
            let View { output, is_truncated, end } = terminals.view(&request.terminal_id.0)?;
            Ok(TerminalOutputResponse::new(output, is_truncated).exit_status(end.map(status)))
        })
    }

    pub(super) fn wait(
        &self,
        request: WaitForTerminalExitRequest,
        responder: Responder<WaitForTerminalExitResponse>,
    ) -> Result<(), Error> {
        self.at_terminals(responder, async move |terminals: Terminals| {
            let end = terminals.wait(&request.terminal_id.0);
            // Whoever waits does not keep what it waits for.
            drop(terminals);
            end.await.map(status).map(WaitForTerminalExitResponse::new)
        })
    }

    pub(super) fn kill(
        &self,
        request: KillTerminalRequest,
        responder: Responder<KillTerminalResponse>,
    ) -> Result<(), Error> {
        self.at_terminals(responder, async move |terminals: Terminals| {
            terminals.kill(&request.terminal_id.0).await.map(|()| KillTerminalResponse::new())
        })
    }

    pub(super) fn release(
        &self,
        request: ReleaseTerminalRequest,
        responder: Responder<ReleaseTerminalResponse>,
    ) -> Result<(), Error> {
        self.at_terminals(responder, async move |terminals: Terminals| {
            terminals.release(&request.terminal_id.0).await.map(|()| ReleaseTerminalResponse::new())
        })
    }

    fn at_terminals<T, F>(
        &self,
        responder: Responder<T>,
        act: impl FnOnce(Terminals) -> F + Send + 'static,
    ) -> Result<(), Error>
    where
        T: JsonRpcResponse + Send + 'static,
        F: Future<Output = Result<T, TerminalError>> + Send + 'static,
    {
        let Some(terminals) = self.terminals.clone() else {
            return responder.respond_with_error(Error::method_not_found());
        };
        tokio::spawn(async move {
            let told = match act(terminals).await {
                Ok(answer) => responder.respond(answer),
                Err(error) => responder.respond_with_error(Error::new(code(&error), error.to_string())),
            };
            if told.is_err() {
                tracing::debug!("an agent that asked for a terminal is gone");
            }
        });
        Ok(())
    }
}

fn code(error: &TerminalError) -> i32 {
    let code = match error {
        TerminalError::Unknown(_) => ErrorCode::RESOURCE_NOT_FOUND,
        TerminalError::TooMany(_) | TerminalError::Empty | TerminalError::Folder { .. } => {
            ErrorCode::INVALID_PARAMS
        }
        TerminalError::Start(error) => match error.kind {
            SandboxErrorKind::NotFound | SandboxErrorKind::Denied | SandboxErrorKind::Unsupported => {
                ErrorCode::INVALID_PARAMS
            }
            _ => ErrorCode::INTERNAL_ERROR,
        },
    };
    code.into()
}

/// A signal is named by its number: what it is called differs from host to host.
fn status(exit: Option<Exit>) -> TerminalExitStatus {
    match exit {
        Some(Exit::Code(code)) => TerminalExitStatus::new().exit_code(u32::try_from(code).ok()),
        Some(Exit::Signal(signal)) => TerminalExitStatus::new().signal(signal.to_string()),
        None => TerminalExitStatus::new(),
    }
}
