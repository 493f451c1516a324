//! What goes from the connection to the session.

use striatum_core::transport::{AgentUpdate, Stream, TurnEnd};
use tokio::sync::oneshot;

use crate::{AcpError, permission::Leave};

/// No piece of text is longer, in bytes.
const PIECE: usize = 4096;

/// Something that the session shall know.
#[derive(Debug)]
pub(crate) enum Item {
    /// The agent wrote something, in a piece of bounded size.
    Said { stream: Stream, text: String },
    /// The agent asks for leave.
    Asked { title: String, reply: oneshot::Sender<Reply> },
    /// The model has so many tokens before it.
    Context(u64),
    /// The agent works with another model.
    Model(String),
    /// The session is another than that which was to be gone on with.
    Session(String),
    /// The turn is over.
    Turn(TurnEnd),
    /// The connection is of no more use.
    Broken(AcpError),
}

/// The answer of whoever was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    Decided(Leave),
    /// The turn was cancelled meanwhile.
    Withdrawn,
}

impl Item {
    pub(crate) fn into_update(self) -> Option<AgentUpdate> {
        match self {
            Self::Said { stream, text } => Some(AgentUpdate::Output { stream, text }),
            Self::Context(tokens) => Some(AgentUpdate::Context(tokens)),
            Self::Turn(end) => Some(AgentUpdate::TurnEnded(end)),
            Self::Asked { .. } | Self::Model(_) | Self::Session(_) | Self::Broken(_) => None,
        }
    }
}

/// Cuts a text into pieces, never through a character.
pub(crate) fn pieces(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let end = (0..=text.len().min(PIECE)).rev().find(|end| text.is_char_boundary(*end))?;
        let (piece, rest) = text.split_at(end);
        text = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// At most a kilobyte of a text.
pub(crate) fn brief(text: &str) -> String {
    let end = (0..=text.len().min(1024)).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        let text = "€".repeat(5000);
        assert_eq!(pieces(&text).collect::<String>(), text);
        assert!(pieces(&text).all(|piece| piece.len() <= PIECE));
        assert_eq!(pieces("").count(), 0);
        assert_eq!(brief(&text).len(), 1023);
    }
}
