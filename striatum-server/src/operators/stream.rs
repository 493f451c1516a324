//! Events as they happen, as server-sent events.
//!
//! A reader's cursor is the sequence number of an event and its digest, so one that comes back misses nothing and sees nothing twice,
//! and one whose history was exchanged under it is told. Each reader has a small buffer; one that does not read is let go after a
//! while and comes back by its cursor.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::{Query, State, rejection::QueryRejection},
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use striatum_core::{
    chain::{Position, Sealed},
    digest::Digest,
    id::{ChainId, RunId},
    store::{Store, StoreError, StoreErrorKind},
};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, watch},
    time::{sleep, timeout},
};

use super::{
    Interface,
    caller::Caller,
    problem::{Fault, Problem},
    view::moment,
};
use crate::authority::Capability;

mod feed;

use feed::Feed;
pub(super) use feed::Feeds;

/// How many events are read at once.
const PAGE: usize = 256;
/// How many events wait for one reader.
const BUFFER: usize = 64;
/// How long a reader may leave its buffer full.
const STALLED: Duration = Duration::from_secs(30);
/// How often a reader hears that the stream lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a store that cannot be read is left alone.
const OUTAGE: Duration = Duration::from_secs(1);

/// Which events are wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    repository: Option<ChainId>,
    run: Option<RunId>,
    after: Option<String>,
}

pub(super) async fn events(
    State(interface): State<Arc<Interface>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    caller.expect(Capability::Read)?;
    let invalid = |what: String| Problem::new(Fault::Invalid, what);
    let Query(wanted) = query.map_err(|error| invalid(error.body_text()))?;
    let chain = interface.desk.chain(&caller, wanted.repository.as_ref())?;
    let store = interface.desk.engine.store().clone();
    let last = headers.get("last-event-id").map(|id| id.to_str().unwrap_or("?").to_owned());
    let cursor = match last.or(wanted.after).as_deref() {
        None | Some("") => Position::genesis(&chain),
        Some("head") => store.head(&chain).await?,
        Some(text) => {
            text.parse().map_err(|error: striatum_core::chain::InvalidPosition| invalid(error.to_string()))?
        }
    };
    // A history that has changed already is an answer, so that a browser does not come back with the same cursor.
    store.read(&chain, cursor, 1).await?;
    let full = |_| Problem::new(Fault::TooManyReaders, "as many readers as are allowed follow the events");
    let permit = interface.readers.clone().try_acquire_owned().map_err(full)?;
    interface.desk.audit.count_read(caller.token);

    let (sender, receiver) = mpsc::channel(BUFFER);
    let reader =
        Reader { store, chain, run: wanted.run, cursor, sender, caller, interface: interface.clone() };
    tokio::spawn(interface.closing.clone().run_until_cancelled_owned(reader.follow(permit)));
    let events = stream::unfold(receiver, |mut receiver| async move {
        let event = receiver.recv().await?;
        Some((Ok::<_, Infallible>(event), receiver))
    });
    Ok(Sse::new(events).into_response())
}

struct Reader {
    store: Arc<dyn Store>,
    chain: ChainId,
    run: Option<RunId>,
    cursor: Position,
    sender: mpsc::Sender<Event>,
    caller: Caller,
    interface: Arc<Interface>,
}

/// The reader is gone, or does not read.
struct Gone;

impl Reader {
    async fn follow(mut self, _permit: OwnedSemaphorePermit) {
        let (mut feed, mut growth) = self.feed();
        while self.is_allowed() {
            // Seen before anything is read: what is added meanwhile ends the next wait at once.
            growth.borrow_and_update();
            let events = match feed.after(self.cursor) {
                Some(events) => events,
                None => match self.read().await {
                    Ok(events) => events,
                    Err(error) => match self.outage(&error).await {
                        Ok(()) => continue,
                        Err(Gone) => return,
                    },
                },
            };
            let done = if !events.is_empty() {
                self.hand_on(&events).await
            } else if feed.is_over() {
                sleep(OUTAGE).await;
                (feed, growth) = self.feed();
                Ok(())
            } else {
                self.wait(&mut growth).await
            };
            if done.is_err() {
                return;
            }
        }
    }

    fn feed(&self) -> (Arc<Feed>, watch::Receiver<()>) {
        let Interface { feeds, closing, .. } = self.interface.as_ref();
        let feed = feeds.of(&self.chain, &self.store, closing);
        let growth = feed.growth();
        (feed, growth)
    }

    /// Reads what the feed does not have.
    async fn read(&self) -> Result<Vec<Arc<Shown>>, StoreError> {
        let events = self.store.read(&self.chain, self.cursor, PAGE).await?;
        Ok(events.iter().map(Shown::of).map(Arc::new).collect())
    }

    /// A token that was revoked or has expired shows nothing more.
    fn is_allowed(&self) -> bool {
        self.interface.desk.authority.expect_valid(self.caller.token, self.caller.expires_at).is_ok()
    }

    async fn hand_on(&mut self, events: &[Arc<Shown>]) -> Result<(), Gone> {
        for event in events {
            self.cursor = event.position;
            if self.run.is_none_or(|run| event.run == Some(run))
                && let Some(text) = &event.text
            {
                self.send(Event::default().data(text)).await?;
            }
        }
        Ok(())
    }

    /// Waits until there is more. Meanwhile the reader hears that the stream lives, and how far it has come: events that it did not
    /// want to see move its cursor too.
    async fn wait(&self, growth: &mut watch::Receiver<()>) -> Result<(), Gone> {
        let waited = tokio::select! {
            waited = timeout(HEARTBEAT, growth.changed()) => waited,
            () = self.sender.closed() => return Err(Gone),
        };
        match waited {
            Ok(_) => Ok(()),
            Err(_) => self.send(Event::default().comment("alive")).await,
        }
    }

    async fn outage(&self, error: &StoreError) -> Result<(), Gone> {
        if is_over(error) {
            let kind = error.kind();
            let refusal = crate::Refusal::new(kind.code(), error.to_string(), kind.remedy());
            let text = refusal.to_json().to_string();
            let name = if kind == StoreErrorKind::HistoryChanged { "history_changed" } else { "failed" };
            // No id: the cursor that the reader has is the one that is no good.
            let _ = timeout(STALLED, self.sender.send(Event::default().event(name).data(text))).await;
            return Err(Gone);
        }
        sleep(OUTAGE).await;
        self.send(Event::default().comment("the store is unavailable")).await
    }

    async fn send(&self, event: Event) -> Result<(), Gone> {
        let event = event.id(self.cursor.to_string());
        match timeout(STALLED, self.sender.send(event)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }
}

/// Whether a history cannot be read on, however often it is tried.
fn is_over(error: &StoreError) -> bool {
    error.kind() == StoreErrorKind::HistoryChanged || !error.is_retryable()
}

/// An event as its readers are sent it.
#[derive(Debug)]
struct Shown {
    before: Position,
    position: Position,
    run: Option<RunId>,
    /// Nothing if it cannot be shown: its body is no JSON.
    text: Option<String>,
}

impl Shown {
    fn of(event: &Sealed) -> Self {
        #[derive(Deserialize)]
        struct Body {
            run: RunId,
        }
        Self {
            before: Position { seq: event.seq.saturating_sub(1), digest: event.prev },
            position: event.position(),
            run: serde_json::from_slice(&event.body).ok().map(|body: Body| body.run),
            text: written(event),
        }
    }
}

/// An event with its body as it is stored: to the byte what was hashed.
fn written(event: &Sealed) -> Option<String> {
    #[derive(Serialize)]
    struct Written<'a> {
        seq: u64,
        at: String,
        at_us: u64,
        prev: Digest,
        digest: Digest,
        body: &'a RawValue,
    }
    let Sealed { seq, at, prev, digest, .. } = *event;
    let body = serde_json::from_slice(&event.body).ok()?;
    serde_json::to_string(&Written { seq, at: moment(at), at_us: at.as_micros(), prev, digest, body }).ok()
}
