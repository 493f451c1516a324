//! What an agent writes to its standard error: shown where there is room, and the end of it kept.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::AsyncReadExt;
use striatum_core::{sandbox::Output, transport::Stream};
use tokio::sync::mpsc;

use crate::item::Item;

#[derive(Debug, Clone)]
pub(crate) struct Tail {
    bytes: Arc<Mutex<VecDeque<u8>>>,
    limit: usize,
}

impl Tail {
    pub(crate) fn new(limit: usize) -> Self {
        Self { bytes: Arc::default(), limit }
    }

    /// What was kept, decoded leniently.
    pub(crate) fn text(&self) -> String {
        let bytes: Vec<u8> =
            self.bytes.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn keep(&self, news: &[u8]) {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.extend(news);
        let excess = bytes.len().saturating_sub(self.limit);
        bytes.drain(..excess);
    }

    /// Reads to the end, whoever listens: an agent shall never wait for somebody to read its complaints.
    pub(crate) async fn read(self, mut output: Output, queue: mpsc::WeakSender<Item>) {
        let mut space = [0; 4096];
        loop {
            let read = match output.read(&mut space).await {
                Ok(0) | Err(_) => return,
                Ok(length) => space.get(..length).unwrap_or_default(),
            };
            self.keep(read);
            let text = String::from_utf8_lossy(read).into_owned();
            if let Some(queue) = queue.upgrade()
                && queue.try_send(Item::Said { stream: Stream::Err, text }).is_err()
            {
                tracing::debug!("an agent's standard error is not shown: nobody keeps up");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept() {
        let tail = Tail::new(5);
        for news in ["abc", "defghij", "k"] {
            tail.keep(news.as_bytes());
        }
        assert_eq!(tail.text(), "ghijk");
    }
}
