//! A way to the server that breaks at a chosen message of the protocol.

use std::{
    path::PathBuf,
    sync::{
        Arc,
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
    budget: Arc<AtomicI64>,
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
        let budget = Arc::new(AtomicI64::new(i64::MAX));
        let cut = Arc::clone(&budget);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, cut) = (UnixStream::connect(&server).await.unwrap(), Arc::clone(&cut));
                tokio::spawn(carry(client, server, cut));
            }
        });
        let address = address.replace(&config_host(address), &folder.display().to_string());
        Self { address, budget, folder }
    }

    /// Breaks after this many messages more, whichever way they go; what comes later passes.
    pub(crate) fn cut_after(&self, messages: i64) {
        self.budget.store(messages, Ordering::SeqCst);
    }

    /// Whether it has broken since.
    pub(crate) fn was_cut(&self) -> bool {
        self.budget.load(Ordering::SeqCst) < 0
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

async fn carry(client: UnixStream, server: UnixStream, budget: Arc<AtomicI64>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let cut = Arc::new(Notify::new());
    // Whichever way ends first takes the other with it.
    tokio::select! {
        _ = pump(from_client, to_server, Opening::Untyped, &budget, &cut) => {}
        _ = pump(from_server, to_client, Opening::Typed, &budget, &cut) => {}
        () = cut.notified() => {}
    }
}

/// Whether the first message says what it is.
#[derive(PartialEq)]
enum Opening {
    Typed,
    Untyped,
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    opening: Opening,
    budget: &AtomicI64,
    cut: &Notify,
) -> io::Result<()> {
    let mut typed = opening == Opening::Typed;
    loop {
        let mut message = Vec::new();
        if typed {
            message.push(from.read_u8().await?);
        }
        let length = from.read_u32().await?;
        message.extend_from_slice(&length.to_be_bytes());
        let header = message.len();
        message.resize(header + usize::try_from(length).unwrap() - 4, 0);
        from.read_exact(&mut message[header..]).await?;
        typed = true;
        match budget.fetch_sub(1, Ordering::SeqCst) {
            0 => {
                cut.notify_one();
                return Ok(());
            }
            // The cut was elsewhere.
            spent if spent < 0 => {
                budget.fetch_add(1, Ordering::SeqCst);
            }
            _ => {}
        }
        to.write_all(&message).await?;
    }
}
