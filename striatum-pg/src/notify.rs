//! How far the chains have grown, as this process knows it: from its own appends, and from a connection that listens.

use std::{
    collections::HashMap,
    future::poll_fn,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use striatum_core::{
    id::ChainId,
    store::{Mark, StoreError, Wait},
};
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
    time,
};
use tokio_postgres::{AsyncMessage, Client};

use crate::{
    config::Config,
    error::Fault,
    link::{self, Link},
    read, row,
};

/// How often the heads are looked at when nothing is heard: a net, should a notification be lost.
const NET: Duration = Duration::from_secs(30);

/// The pauses between attempts to listen again.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(2);

/// What the listener tells those who wait.
#[derive(Debug, Default)]
pub(crate) struct Growth {
    heads: watch::Sender<Heads>,
    requests: watch::Sender<()>,
    listening: OnceLock<()>,
}

#[derive(Debug, Default)]
struct Heads {
    /// Whether all chains are in here.
    are_complete: bool,
    of: HashMap<String, u64>,
}

impl Heads {
    /// One more than the number of events, so that the default mark is behind an empty log; nothing if that is not known.
    fn mark(&self, chain: Option<&ChainId>) -> Option<Mark> {
        let events = match chain {
            Some(chain) => *self.of.get(chain.as_str())?,
            None if self.are_complete => self.of.values().sum(),
            None => return None,
        };
        Some(Mark(events.saturating_add(1)))
    }
}

impl Growth {
    /// An append of this process made a chain grow.
    pub(crate) fn advance(&self, chain: &ChainId, seq: u64) {
        self.heads.send_if_modified(|heads| match heads.of.get_mut(chain.as_str()) {
            Some(head) if *head >= seq => false,
            Some(head) => {
                *head = seq;
                true
            }
            // Somebody waits for it who has asked for its head, or nobody does.
            None => false,
        });
    }

    /// Waits until a chain, or everything, has grown past a mark.
    pub(crate) async fn changed(
        self: &Arc<Self>,
        link: &Link,
        config: &Arc<Config>,
        runtime: &Handle,
        wait: &Wait,
    ) -> Result<Mark, StoreError> {
        let mut heads = self.heads.subscribe();
        self.listen(config, runtime);
        loop {
            let known = heads.borrow_and_update().mark(wait.chain.as_ref());
            match (known, &wait.chain) {
                (Some(mark), _) if mark > wait.after => return Ok(mark),
                (Some(_), _) => {}
                (None, Some(chain)) => {
                    let head = read::head(link, chain).await?;
                    self.learn(chain.as_str(), head.seq);
                    continue;
                }
                (None, None) => {
                    let found = read::heads(link).await?;
                    self.learn_all(found, Trust::Newest);
                    continue;
                }
            }
            // The sender lives as long as the store, which lives as long as this call.
            if heads.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits until somebody asks for a run.
    pub(crate) fn requests(self: &Arc<Self>, config: &Arc<Config>, runtime: &Handle) -> watch::Receiver<()> {
        self.listen(config, runtime);
        self.requests.subscribe()
    }

    fn listen(self: &Arc<Self>, config: &Arc<Config>, runtime: &Handle) {
        self.listening.get_or_init(|| {
            let listener = Listener { growth: Arc::downgrade(self), config: Arc::clone(config) };
            runtime.spawn(listener.run());
        });
    }

    fn learn(&self, chain: &str, seq: u64) {
        self.heads.send_if_modified(|heads| {
            let head = heads.of.entry(chain.to_owned()).or_default();
            let grows = seq >= *head;
            *head = seq.max(*head);
            grows
        });
    }

    fn learn_all(&self, found: HashMap<String, u64>, trust: Trust) {
        self.heads.send_if_modified(|heads| {
            let mut moved = !heads.are_complete;
            heads.are_complete = true;
            for (chain, seq) in found {
                let head = heads.of.get(&chain).copied();
                if trust == Trust::Found && head != Some(seq) || head.is_none_or(|head| head < seq) {
                    heads.of.insert(chain, seq);
                    moved = true;
                }
            }
            moved
        });
    }

    fn is_behind(&self, chain: &str, seq: u64) -> bool {
        self.heads.borrow().of.get(chain).is_none_or(|head| *head < seq)
    }
}

/// Which of two heads of a chain counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// The greater: an append of this process may be newer than what was read.
    Newest,
    /// The one that was read: after a reconnection it may be another server, with an older history.
    Found,
}

struct Listener {
    growth: Weak<Growth>,
    config: Arc<Config>,
}

impl Listener {
    /// Listens for as long as the store lives, through any number of connections.
    async fn run(self) {
        let mut pause = SHORTEST;
        while self.growth.strong_count() > 0 {
            let mut has_listened = false;
            if let Err(fault) = self.hear(&mut has_listened).await {
                tracing::debug!(error = &fault as &dyn std::error::Error, "the listening connection broke");
            }
            time::sleep(pause).await;
            pause = if has_listened { SHORTEST } else { (pause * 2).min(LONGEST) };
        }
    }

    async fn hear(&self, has_listened: &mut bool) -> Result<(), Fault> {
        let connector = self.config.tls.connector();
        let connector = connector
            .map_err(|error| Fault::rule(striatum_core::store::StoreErrorKind::Other, error.to_string()))?;
        let (client, mut connection) =
            self.config.server.connect(connector).await.map_err(Fault::connecting)?;
        let (heard, mut news) = mpsc::unbounded_channel();
        let drive = async move {
            while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
                if let AsyncMessage::Notification(notification) = message {
                    drop(heard.send(notification.payload().to_owned()));
                }
            }
        };
        let listen = async {
            client.batch_execute(&link::session(&self.config)).await?;
            client.batch_execute(&format!("LISTEN \"striatum.{}\"", self.config.schema)).await?;
            self.refresh(&client, Trust::Found).await?;
            *has_listened = true;
            if let Some(growth) = self.growth.upgrade() {
                growth.requests.send_replace(());
            }
            loop {
                let first = tokio::select! {
                    first = news.recv() => first,
                    () = time::sleep(NET) => Some(String::new()),
                    () = self.gone() => return Ok(()),
                };
                let Some(first) = first else { return Ok(()) };
                let mut payloads = vec![first];
                while let Ok(payload) = news.try_recv() {
                    payloads.push(payload);
                }
                self.digest(&client, &payloads).await?;
            }
        };
        tokio::select! {
            () = drive => Ok(()),
            ended = listen => ended,
        }
    }

    /// A payload is `chain seq`, or empty: somebody asks for a run, or it is time to look anyway. Anybody may notify, so a
    /// payload is only a reason to look.
    async fn digest(&self, client: &Client, payloads: &[String]) -> Result<(), Fault> {
        let Some(growth) = self.growth.upgrade() else { return Ok(()) };
        let mut look = false;
        for payload in payloads {
            match payload.split_once(' ').map(|(chain, seq)| (chain, seq.parse())) {
                Some((chain, Ok(seq))) => look |= growth.is_behind(chain, seq),
                _ => {
                    look = true;
                    growth.requests.send_replace(());
                }
            }
        }
        if look { self.refresh(client, Trust::Newest).await } else { Ok(()) }
    }

    async fn refresh(&self, client: &Client, trust: Trust) -> Result<(), Fault> {
        let look = time::timeout(NET, client.query(read::HEADS, &[])).await;
        let rows = look.map_err(|_| Fault::Silent)??;
        let heads = rows.iter().map(|row| Ok((row.try_get(0)?, row::uint(row, 1)?)));
        let heads = heads.collect::<Result<_, Fault>>()?;
        if let Some(growth) = self.growth.upgrade() {
            growth.learn_all(heads, trust);
        }
        Ok(())
    }

    /// Ends when the store has gone: nobody is left who could wait.
    async fn gone(&self) {
        let receiver = self.growth.upgrade().map(|growth| growth.heads.subscribe());
        if let Some(mut receiver) = receiver {
            while receiver.changed().await.is_ok() {}
        }
    }
}
