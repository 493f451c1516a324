//! How a store is opened.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use striatum_core::{
    store::{StoreError, StoreErrorKind},
    time::{Clock, Timestamp},
};
use tokio::sync::{oneshot, watch};

use crate::{
    SqliteStore,
    error::Fault,
    files,
    reader::Reader,
    writer::{Desk, Writer},
};

const OPEN: &str = "open the database";

/// Options of a [`SqliteStore`], made by [`SqliteStore::builder`].
#[derive(Clone)]
#[must_use = "a builder opens nothing until `open` is called"]
pub struct Builder {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    patience: Duration,
    max_bytes: Option<u64>,
}

impl Builder {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            clock: Arc::new(system_time),
            patience: Duration::from_secs(10),
            max_bytes: None,
        }
    }

    /// The clock that deadlines are counted on and that seals events. The default is the system's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// How long to wait while other processes write, before the store counts as unavailable. The default is 10 seconds.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// How large the database may grow. A batch that does not fit finds the store unavailable. The default is no limit but the
    /// disk's. It binds this store only, not others that have the same file open.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Opens the store, creating the file if there is none. The folder must exist.
    ///
    /// # Errors
    /// [`Corrupt`](StoreErrorKind::Corrupt) if the file is damaged or not a database; [`Schema`](StoreErrorKind::Schema) if it
    /// belongs to another application, which is left as it is, or to a newer version;
    /// [`Unavailable`](StoreErrorKind::Unavailable) if another process does not let go of it;
    /// [`Other`](StoreErrorKind::Other) if it lies on a network file system or may not be opened.
    pub async fn open(self) -> Result<SqliteStore, StoreError> {
        let Self { path, clock, patience, max_bytes } = self;
        let (report, opened) = oneshot::channel();
        let (grown, _) = watch::channel(());
        let (writer_clock, writer_grown) = (Arc::clone(&clock), grown.clone());
        let writer =
            Writer::spawn(move || match files::open(&path, patience, max_bytes, || writer_clock.now()) {
                Err(fault) => {
                    drop(report.send(Err(fault)));
                    None
                }
                Ok(files::Opened { path, file, lock, writer, reader }) => {
                    report.send(Ok(reader)).ok()?;
                    Some(Desk { connection: writer, lock, path, file, grown: writer_grown })
                }
            });
        let writer = writer.map_err(|fault| fault.during(OPEN))?;
        let reader = answer(opened.await).and_then(|reader| Reader::spawn(reader, grown.clone()));
        let reader = reader.map_err(|fault| fault.during(OPEN))?;
        Ok(SqliteStore { clock, writer: Some(writer), reader, grown })
    }

    /// Opens an existing file to read it and nothing else: no migration, and no log where none is. Meant for an auditor's copy.
    ///
    /// If a write-ahead log lies beside the file it is read too; where its index is missing, SQLite makes one (`-shm`).
    /// A copy without a log must not be written by anybody meanwhile.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`Schema`](StoreErrorKind::Schema) if the file has an older version.
    pub async fn open_read_only(self) -> Result<SqliteStore, StoreError> {
        let Self { path, clock, patience, .. } = self;
        let (report, opened) = oneshot::channel();
        let (grown, _) = watch::channel(());
        std::thread::Builder::new()
            .name("striatum-sqlite-open".to_owned())
            .spawn(move || drop(report.send(files::open_read_only(&path, patience))))
            .map_err(|error| Fault::from(error).during(OPEN))?;
        let reader = answer(opened.await).and_then(|reader| Reader::spawn(reader, grown.clone()));
        let reader = reader.map_err(|fault| fault.during(OPEN))?;
        Ok(SqliteStore { clock, writer: None, reader, grown })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("path", &self.path)
            .field("patience", &self.patience)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}

fn answer<T>(answer: Result<Result<T, Fault>, oneshot::error::RecvError>) -> Result<T, Fault> {
    answer.unwrap_or_else(|_| Err(Fault::rule(StoreErrorKind::Other, "the thread that opens has ended")))
}

fn system_time() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::default().after(since)
}
