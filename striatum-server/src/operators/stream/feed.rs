//! The latest events of a chain, read and written down once for all who follow it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use striatum_core::{
    chain::Position,
    id::ChainId,
    store::{Mark, Store, StoreError, Wait},
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{HEARTBEAT, OUTAGE, PAGE, Shown, is_over};

/// How many events are kept. Who is further behind reads by itself until it is not.
const KEPT: usize = 4 * PAGE;

/// The feeds of those chains that somebody follows.
#[derive(Debug, Default)]
pub(in crate::operators) struct Feeds(Mutex<HashMap<ChainId, Weak<Feed>>>);

impl Feeds {
    /// The feed of a chain. It reads as long as somebody has it, and until `closing`; call this within a tokio runtime.
    pub(super) fn of(
        &self,
        chain: &ChainId,
        store: &Arc<dyn Store>,
        closing: &CancellationToken,
    ) -> Arc<Feed> {
        let mut feeds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(feed) = feeds.get(chain).and_then(Weak::upgrade).filter(|feed| !feed.is_over()) {
            return feed;
        }
        let feed = Arc::new(Feed { window: Mutex::default(), grown: watch::Sender::new(()) });
        feeds.retain(|_, feed| feed.strong_count() > 0);
        feeds.insert(chain.clone(), Arc::downgrade(&feed));
        let filling = fill(Arc::downgrade(&feed), store.clone(), chain.clone());
        tokio::spawn(closing.clone().run_until_cancelled_owned(filling));
        feed
    }
}

/// The latest events of one chain.
#[derive(Debug)]
pub(super) struct Feed {
    window: Mutex<Window>,
    grown: watch::Sender<()>,
}

/// Events one behind the other.
#[derive(Debug, Default)]
struct Window {
    shown: VecDeque<Arc<Shown>>,
    /// The last of them, or where the first will be added. Nothing while the feed has not begun.
    end: Option<Position>,
    /// Nothing will be added.
    is_over: bool,
}

impl Feed {
    /// What is behind this position, at most a page of it. `None` if that is not known here: ask the store.
    pub(super) fn after(&self, cursor: Position) -> Option<Vec<Arc<Shown>>> {
        self.window().after(cursor)
    }

    /// Sees when the feed grows, or ends.
    pub(super) fn growth(&self) -> watch::Receiver<()> {
        self.grown.subscribe()
    }

    /// Whether it ended before its time, since its history cannot be read on.
    pub(super) fn is_over(&self) -> bool {
        self.window().is_over
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Window)) {
        change(&mut self.window());
        self.grown.send_replace(());
    }
}

impl Window {
    fn after(&self, cursor: Position) -> Option<Vec<Arc<Shown>>> {
        if self.is_over {
            return None;
        }
        if self.end == Some(cursor) {
            return Some(Vec::new());
        }
        let first = self.shown.front()?.before.seq;
        let from = usize::try_from(cursor.seq.checked_sub(first)?).ok()?;
        let is_here = self.shown.get(from).is_some_and(|next| next.before == cursor);
        is_here.then(|| self.shown.iter().skip(from).take(PAGE).cloned().collect())
    }

    fn push(&mut self, shown: Vec<Arc<Shown>>) {
        let Some(last) = shown.last() else { return };
        self.end = Some(last.position);
        self.shown.extend(shown);
        let excess = self.shown.len().saturating_sub(KEPT);
        self.shown.drain(..excess);
    }
}

/// Adds to a feed whatever is appended, from the present head on, until nobody has it or its history is no more.
async fn fill(feed: Weak<Feed>, store: Arc<dyn Store>, chain: ChainId) {
    let mut filling = Filling { store, chain, end: None, mark: Mark::default() };
    while let Some(feed) = feed.upgrade() {
        match filling.read().await {
            Ok(Read::Began(end)) => feed.change(|window| window.end = Some(end)),
            Ok(Read::More(shown)) => feed.change(|window| window.push(shown)),
            Ok(Read::Nothing) => {
                drop(feed);
                filling.wait().await;
            }
            Err(error) if is_over(&error) => return feed.change(|window| window.is_over = true),
            Err(_) => {
                drop(feed);
                sleep(OUTAGE).await;
            }
        }
    }
}

/// How far a feed has come.
struct Filling {
    store: Arc<dyn Store>,
    chain: ChainId,
    end: Option<Position>,
    mark: Mark,
}

enum Read {
    Began(Position),
    More(Vec<Arc<Shown>>),
    Nothing,
}

impl Filling {
    async fn read(&mut self) -> Result<Read, StoreError> {
        let Some(end) = self.end else {
            let head = self.store.head(&self.chain).await?;
            self.end = Some(head);
            return Ok(Read::Began(head));
        };
        let events = self.store.read(&self.chain, end, PAGE).await?;
        let Some(last) = events.last() else { return Ok(Read::Nothing) };
        self.end = Some(last.position());
        Ok(Read::More(events.iter().map(Shown::of).map(Arc::new).collect()))
    }

    /// Returns now and then without a reason, so that a feed that nobody has comes to its end.
    async fn wait(&mut self) {
        let wait = Wait { chain: Some(self.chain.clone()), after: self.mark };
        match timeout(HEARTBEAT, self.store.changed(&wait)).await {
            Ok(Ok(seen)) => self.mark = seen,
            Ok(Err(_)) => sleep(OUTAGE).await,
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use striatum_core::digest::Digest;

    use super::*;

    fn position(seq: u64) -> Position {
        Position { seq, digest: Digest::of(&seq.to_be_bytes()) }
    }

    fn shown(seq: u64) -> Arc<Shown> {
        Arc::new(Shown { before: position(seq - 1), position: position(seq), run: None, text: None })
    }

    fn seqs(window: &Window, cursor: Position) -> Option<Vec<u64>> {
        let after = window.after(cursor)?;
        Some(after.iter().map(|shown| shown.position.seq).collect())
    }

    #[test]
    fn what_is_behind_a_cursor_is_known_from_the_first_event_that_is_kept() {
        let mut window = Window::default();
        assert_eq!(seqs(&window, position(6)), None, "it has not begun");
        window.end = Some(position(6));
        assert_eq!(seqs(&window, position(6)), Some(vec![]));
        window.push(vec![shown(7), shown(8)]);
        assert_eq!(seqs(&window, position(5)), None);
        assert_eq!(seqs(&window, position(6)), Some(vec![7, 8]));
        assert_eq!(seqs(&window, position(7)), Some(vec![8]));
        assert_eq!(seqs(&window, position(8)), Some(vec![]));
        assert_eq!(seqs(&window, position(9)), None);
        window.is_over = true;
        assert_eq!(seqs(&window, position(7)), None);
    }

    #[test]
    fn a_cursor_of_another_history_is_not_known() {
        let other = |seq| Position { seq, digest: Digest::ZERO };
        let window = Window { shown: [shown(7), shown(8)].into(), end: Some(position(8)), is_over: false };
        for seq in 5..10 {
            assert_eq!(seqs(&window, other(seq)), None, "{seq}");
        }
    }

    #[test]
    fn so_many_events_are_kept_and_a_page_of_them_is_given() {
        let mut window = Window::default();
        let many = KEPT as u64 + 10;
        window.push((1..=many).map(shown).collect());
        assert_eq!(window.shown.len(), KEPT);
        assert_eq!(seqs(&window, position(9)), None);
        let page = seqs(&window, position(10)).unwrap();
        assert_eq!((page.len(), page[0]), (PAGE, 11));
    }
}
