//! The MCP sessions of one token: as many as it may have, the latest used.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures_util::Stream;
use rmcp::{
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::streamable_http_server::session::{
        ServerSseMessage, SessionId, SessionManager, local::LocalSessionManager,
    },
};

type Inner = LocalSessionManager;
type Error = <Inner as SessionManager>::Error;

/// Sessions in memory. Where one more would be too many, that which was used longest ago makes room: many clients come
/// back under a new session and never close the old one.
pub(crate) struct Sessions {
    inner: Inner,
    room: usize,
    /// The latest used is the last.
    used: Mutex<VecDeque<SessionId>>,
}

impl Sessions {
    pub(super) fn new(room: usize) -> Self {
        let mut inner = Inner::default();
        // An agent may work for hours between two calls. Its sessions end with the token, or for a later one, and never by idling.
        inner.session_config.keep_alive = None;
        // It would come in an event without data, which some clients take for a message.
        inner.session_config.sse_retry = None;
        Self { inner, room: room.max(1), used: Mutex::default() }
    }

    fn touch(&self, id: &SessionId) {
        let mut used = self.used();
        if let Some(at) = used.iter().position(|known| known == id) {
            used.remove(at);
            used.push_back(id.clone());
        }
    }

    /// Those that make room for one more.
    fn displaced(&self, by: &SessionId) -> Vec<SessionId> {
        let mut used = self.used();
        used.push_back(by.clone());
        let surplus = used.len().saturating_sub(self.room);
        used.drain(..surplus).collect()
    }

    fn used(&self) -> MutexGuard<'_, VecDeque<SessionId>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionManager for Sessions {
    type Error = Error;
    type Transport = <Inner as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Error> {
        let created = self.inner.create_session().await?;
        for displaced in self.displaced(&created.0) {
            self.inner.close_session(&displaced).await?;
        }
        Ok(created)
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Error> {
        self.inner.initialize_session(id, message).await
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Error> {
        self.touch(id);
        self.inner.has_session(id).await
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Error> {
        self.used().retain(|known| known != id);
        self.inner.close_session(id).await
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Error> {
        self.inner.create_stream(id, message).await
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Error> {
        self.inner.accept_message(id, message).await
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Error> {
        self.inner.create_standalone_stream(id).await
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Error> {
        self.inner.resume(id, last_event_id).await
    }
}
