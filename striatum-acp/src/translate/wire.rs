//! Lines on one side, the SDK's frames on the other.
//!
//! The SDK puts whatever it is given into queues without bounds. So nothing reaches it here that it would keep: updates are
//! taken out and wait in a bounded queue, behind which the agent is not read any more; requests are counted until they are
//! answered; answers must belong to a request of ours.

use agent_client_protocol::{
    RawJsonRpcId, RawJsonRpcMessage, RawJsonRpcParams, RawJsonRpcResponse, TransportFrame,
};
use futures_util::{AsyncWriteExt, Stream as Frames, StreamExt};
use striatum_core::{
    sandbox::{Input, Output},
    transport::Stream,
};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::{
    codec::{FramedRead, LinesCodec, LinesCodecError},
    compat::FuturesAsyncReadCompatExt,
};

use super::update::{Seen, see};
use crate::{
    AcpError, AcpLimits,
    item::{Item, pieces},
    state::Shared,
};

/// Reads the agent until it closes its output. `pass` gives a frame to the SDK.
pub(super) async fn incoming(
    output: Output,
    pass: impl Fn(TransportFrame),
    (state, queue): (Shared, mpsc::Sender<Item>),
    limits: AcpLimits,
) -> Result<(), AcpError> {
    let codec = LinesCodec::new_with_max_length(limits.line_bytes);
    let mut lines = FramedRead::new(output.compat(), codec);
    let mut stray = 0;
    while let Some(line) = lines.next().await {
        let line = match line {
            Ok(line) => line,
            Err(LinesCodecError::MaxLineLengthExceeded) => {
                return Err(AcpError::LineTooLong { limit: limits.line_bytes });
            }
            Err(LinesCodecError::Io(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
                return Err(AcpError::Garbage { count: stray + 1 });
            }
            Err(LinesCodecError::Io(error)) => {
                tracing::debug!(%error, "an agent's output cannot be read");
                return Ok(());
            }
        };
        let message = match TransportFrame::parse_json(&line) {
            TransportFrame::Single(message) => message,
            _ if line.trim().is_empty() => continue,
            _ => {
                stray += 1;
                if stray > limits.stray_lines {
                    return Err(AcpError::Garbage { count: stray });
                }
                say(&queue, Stream::Err, &line).await;
                continue;
            }
        };
        match message {
            RawJsonRpcMessage::Response(answer) => {
                let id = answer.id();
                if *id == RawJsonRpcId::Null {
                    // To something of ours that it could not even read.
                    return Err(AcpError::UnknownId { id: key(id) });
                }
                let mut state = state.lock();
                state.ledger.settle(key(id))?;
                if let RawJsonRpcResponse::Result { result, .. } = &answer
                    && state.version.is_none()
                {
                    state.version = Some(result.get("protocolVersion").cloned().unwrap_or_default());
                }
                pass(TransportFrame::Single(answer.into()));
            }
            RawJsonRpcMessage::Request(request) => {
                own_session(&state, request.params.as_ref())?;
                state.lock().ledger.ask(key(&request.id))?;
                pass(TransportFrame::Single(request.into()));
            }
            RawJsonRpcMessage::Notification(note) if &*note.method == "session/update" => {
                own_session(&state, note.params.as_ref())?;
                let Some(seen) = note.params.and_then(|params| see(params, &state)) else { continue };
                match seen {
                    Seen::Said(stream, text) => say(&queue, stream, &text).await,
                    Seen::Spent(text, tokens) => {
                        say(&queue, Stream::Out, &text).await;
                        drop(queue.send(Item::Context(tokens)).await);
                    }
                    Seen::Model(model) => drop(queue.send(Item::Model(model)).await),
                    Seen::Context(tokens, model) => {
                        if let Some(model) = model {
                            drop(queue.send(Item::Model(model)).await);
                        }
                        drop(queue.send(Item::Context(tokens)).await);
                    }
                }
            }
            RawJsonRpcMessage::Notification(note) => {
                tracing::debug!(method = %note.method, "an agent's notification is passed over");
            }
        }
    }
    Ok(())
}

/// Writes to the agent. Ends only if the agent does not read.
pub(super) async fn outgoing(
    mut input: Input,
    mut frames: impl Frames<Item = TransportFrame> + Unpin,
    state: Shared,
    limits: AcpLimits,
) -> AcpError {
    while let Some(frame) = frames.next().await {
        let TransportFrame::Single(message) = frame else { continue };
        match &message {
            RawJsonRpcMessage::Request(request) => state.lock().ledger.send(key(&request.id)),
            RawJsonRpcMessage::Response(answer) => state.lock().ledger.reply(&key(answer.id())),
            RawJsonRpcMessage::Notification(_) => {}
        }
        let Ok(mut line) = TransportFrame::Single(message).to_json() else { continue };
        line.push('\n');
        let write = async {
            input.write_all(line.as_bytes()).await?;
            input.flush().await
        };
        match timeout(limits.write, write).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                // Its end, or the lack of an answer, will tell.
                tracing::debug!(%error, "an agent cannot be written to");
                break;
            }
            Err(_) => return AcpError::Deaf,
        }
    }
    std::future::pending().await
}

pub(super) fn key(id: &RawJsonRpcId) -> String {
    match id {
        // As on the wire: the number 1 and the text "1" are two ids.
        RawJsonRpcId::Str(text) => format!("{text:?}"),
        RawJsonRpcId::Number(_) | RawJsonRpcId::Null => id.to_string(),
    }
}

async fn say(queue: &mpsc::Sender<Item>, stream: Stream, text: &str) {
    for piece in pieces(text) {
        // Nobody listens once the session is closed.
        drop(queue.send(Item::Said { stream, text: piece.to_owned() }).await);
    }
}

/// Whoever speaks of a session speaks of the one that is open.
fn own_session(state: &Shared, params: Option<&RawJsonRpcParams>) -> Result<(), AcpError> {
    let Some(RawJsonRpcParams::Object(fields)) = params else { return Ok(()) };
    let Some(named) = fields.get("sessionId") else { return Ok(()) };
    let state = state.lock();
    let Some(own) = &state.session else { return Ok(()) };
    if named.as_str() == Some(own) { Ok(()) } else { Err(AcpError::ForeignSession) }
}
