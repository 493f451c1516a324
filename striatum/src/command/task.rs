//! The task on its way to an agent.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::AsyncWrite;
use striatum_core::{
    sandbox::Input,
    transport::{TransportError, TransportErrorKind},
};

/// Called when the whole task is written, before the input is closed: an agent that reads to the end of its input begins after it.
pub(crate) type Told = Box<dyn FnOnce() + Send>;

/// The input of an agent and what is still to be written to it.
pub(super) enum Task {
    /// No task yet.
    Awaited(Input, Told),
    /// On its way.
    Under { input: Input, text: Vec<u8>, written: usize, told: Option<Told> },
    /// Written, or the agent does not listen any more. The input is closed.
    Over,
}

impl Task {
    pub(super) fn new(input: Option<Input>, told: Told) -> Self {
        input.map_or(Self::Over, |input| Self::Awaited(input, told))
    }

    /// Takes the task, which [`poll_deliver`](Self::poll_deliver) then writes.
    pub(super) fn give(&mut self, text: &str) -> Result<(), TransportError> {
        match std::mem::replace(self, Self::Over) {
            Self::Awaited(input, told) => {
                *self = Self::Under { input, text: text.into(), written: 0, told: Some(told) };
                Ok(())
            }
            earlier => {
                *self = earlier;
                let doing = "give a second task to an agent whose input ends with the first";
                Err(TransportError::new(TransportErrorKind::Unsupported, doing))
            }
        }
    }

    /// Writes what can be written now.
    pub(super) fn poll_deliver(&mut self, cx: &mut Context<'_>) {
        let Self::Under { input, text, written, told } = self else { return };
        let delivered = loop {
            let rest = text.get(*written..).unwrap_or_default();
            let step = if rest.is_empty() {
                if let Some(told) = told.take() {
                    told();
                }
                input.as_mut().poll_close(cx).map_ok(|()| None)
            } else {
                Pin::new(&mut *input).poll_write(cx, rest).map_ok(Some)
            };
            match step {
                Poll::Pending => return,
                Poll::Ready(Ok(None)) => break Ok(()),
                Poll::Ready(Ok(Some(0))) => break Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(Some(more))) => *written += more,
                Poll::Ready(Err(e)) if e.kind() == io::ErrorKind::Interrupted => {}
                Poll::Ready(Err(e)) => break Err(e),
            }
        };
        if let Err(error) = delivered {
            // Its end will say whether it needed the rest.
            tracing::debug!(%error, "the agent did not read its whole task");
        }
        *self = Self::Over;
    }
}
