//! A way to the server that breaks at a chosen message of the protocol, or loses it, or says something else instead.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use tokio::{
    io::{self, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::Notify,
};

/// Listens on a socket in a folder of its own, which is the address.
pub(crate) struct Proxy {
    pub(crate) address: String,
    fate: Fate,
    folder: PathBuf,
}

impl Proxy {
    /// A way to the server at this address, whole for now.
    pub(crate) fn new(address: &str) -> Self {
        let config: tokio_postgres::Config = address.parse().unwrap();
        let [tokio_postgres::config::Host::Unix(server)] = config.get_hosts() else {
            panic!("no socket: {address}")
        };
        let server = server.join(".s.PGSQL.5432");
        let place = striatum_testkit::store::Place::unused();
        let folder = std::path::Path::new("/tmp").join(format!("striatum-proxy-{place}"));
        std::fs::create_dir_all(&folder).unwrap();
        let listener = UnixListener::bind(folder.join(".s.PGSQL.5432")).unwrap();
        let fate = Fate::default();
        fate.budget.store(i64::MAX, Ordering::SeqCst);
        let shared = fate.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&server).await.unwrap();
                tokio::spawn(carry(client, server, shared.clone()));
            }
        });
        let address = address.replace(&config_host(address), &folder.display().to_string());
        Self { address, fate, folder }
    }

    /// Breaks after this many messages more, whichever way they go; what comes later passes.
    pub(crate) fn cut_after(&self, messages: i64) {
        self.fate.budget.store(messages, Ordering::SeqCst);
    }

    /// Breaks all connections that there are.
    pub(crate) fn break_all(&self) {
        self.fate.all.notify_waiters();
    }

    /// Breaks at the next message of this kind, a letter of the protocol behind `>` (to the server) or `<` (from it); the
    /// first message of all is `>start`. What comes later passes.
    pub(crate) fn cut_at(&self, message: &'static str) {
        *self.fate.message.lock().unwrap() = Some(message);
    }

    /// Loses every message of this kind from now on; the connection stays whole.
    pub(crate) fn lose(&self, message: &'static str) {
        *self.fate.lost.lock().unwrap() = Some(message);
    }

    /// Waits until a message was lost.
    pub(crate) async fn has_lost(&self) {
        self.fate.loss.notified().await;
    }

    /// Puts other bytes into the place of these whenever the server says them.
    pub(crate) fn falsify<const N: usize>(&self, said: [u8; N], instead: [u8; N]) {
        *self.fate.lie.lock().unwrap() = Some(Lie { said: said.to_vec(), instead: instead.to_vec() });
    }

    /// How many messages of this kind have come.
    pub(crate) fn count(&self, message: &str) -> usize {
        self.fate.seen.lock().unwrap().get(message).copied().unwrap_or_default()
    }

    /// Whether it has broken since.
    pub(crate) fn was_cut(&self) -> bool {
        self.fate.budget.load(Ordering::SeqCst) < 0
    }

    /// Whether the message has come at which it is to break.
    pub(crate) fn was_cut_at(&self) -> bool {
        self.fate.message.lock().unwrap().is_none()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn config_host(address: &str) -> String {
    address.split(' ').find_map(|option| option.strip_prefix("host=")).unwrap().to_owned()
}

/// What is done to messages, and what was.
#[derive(Clone, Default)]
struct Fate {
    budget: Arc<AtomicI64>,
    message: Arc<Mutex<Option<&'static str>>>,
    all: Arc<Notify>,
    lost: Arc<Mutex<Option<&'static str>>>,
    loss: Arc<Notify>,
    lie: Arc<Mutex<Option<Lie>>>,
    seen: Arc<Mutex<HashMap<String, usize>>>,
}

struct Lie {
    said: Vec<u8>,
    instead: Vec<u8>,
}

/// What becomes of one message.
enum Passage {
    Passes,
    IsLost,
    Breaks,
}

impl Fate {
    fn of(&self, direction: char, kind: Option<u8>) -> Passage {
        let kind = kind.map_or("start".to_owned(), |kind| char::from(kind).to_string());
        let name = format!("{direction}{kind}");
        *self.seen.lock().unwrap().entry(name.clone()).or_default() += 1;
        if *self.lost.lock().unwrap() == Some(name.as_str()) {
            self.loss.notify_one();
            return Passage::IsLost;
        }
        let wanted = self.message.lock().unwrap().take_if(|wanted| *wanted == name);
        match self.budget.fetch_sub(1, Ordering::SeqCst) {
            0 => return Passage::Breaks,
            // The cut was elsewhere.
            spent if spent < 0 => drop(self.budget.fetch_add(1, Ordering::SeqCst)),
            _ => {}
        }
        if wanted.is_none() { Passage::Passes } else { Passage::Breaks }
    }

    /// What is passed on in the place of what the server said.
    fn lie(&self, mut message: Vec<u8>) -> Vec<u8> {
        if let Some(Lie { said, instead }) = &*self.lie.lock().unwrap()
            && let Some(place) = message.windows(said.len()).position(|bytes| bytes == said)
        {
            message[place..place + said.len()].copy_from_slice(instead);
        }
        message
    }
}

async fn carry(client: UnixStream, server: UnixStream, fate: Fate) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // Whichever way ends first takes the other with it.
    tokio::select! {
        _ = pump(from_client, to_server, '>', &fate) => {}
        _ = pump(from_server, to_client, '<', &fate) => {}
        () = fate.all.notified() => {}
    }
}

/// Carries messages one way. The first of a client's does not say what it is.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    direction: char,
    fate: &Fate,
) -> io::Result<()> {
    let mut is_typed = direction == '<';
    loop {
        let kind = if is_typed { Some(from.read_u8().await?) } else { None };
        let mut message: Vec<u8> = kind.into_iter().collect();
        let length = from.read_u32().await?;
        message.extend_from_slice(&length.to_be_bytes());
        let header = message.len();
        message.resize(header + usize::try_from(length).unwrap() - 4, 0);
        from.read_exact(&mut message[header..]).await?;
        is_typed = true;
        if direction == '<' {
            message = fate.lie(message);
        }
        match fate.of(direction, kind) {
            Passage::Passes => to.write_all(&message).await?,
            Passage::IsLost => {}
            Passage::Breaks => return Ok(()),
        }
    }
}
