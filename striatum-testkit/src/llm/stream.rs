//! Server-sent events, to their end or not.

use axum::{
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt as _, stream};
use serde_json::Value;

/// How a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// As it should.
    Whole,
    /// Never.
    Hangs,
    /// In the middle.
    Cut,
}

/// Events of a stream, in order.
#[derive(Debug, Default)]
pub(super) struct Events(String);

impl Events {
    /// Adds an event under its own name.
    pub(super) fn named(&mut self, name: &str, data: &Value) {
        self.0.push_str(&format!("event: {name}\ndata: {data}\n\n"));
    }

    /// Adds an event.
    pub(super) fn add(&mut self, data: &Value) {
        self.0.push_str(&format!("data: {data}\n\n"));
    }

    /// Adds the line by which chat completions say that there is no more.
    pub(super) fn done(&mut self) {
        self.0.push_str("data: [DONE]\n\n");
    }

    pub(super) fn send(self, ending: Ending) -> Response {
        let sent = stream::iter([Ok(Bytes::from(self.0))]);
        let body = match ending {
            Ending::Whole => Body::from_stream(sent),
            Ending::Hangs => Body::from_stream(sent.chain(stream::pending())),
            Ending::Cut => {
                let cut = async {
                    // What was sent is on its way once the server has nothing to do.
                    tokio::task::yield_now().await;
                    Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
                };
                Body::from_stream(sent.chain(stream::once(cut)))
            }
        };
        ([(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")], body)
            .into_response()
    }
}
