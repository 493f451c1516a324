//! Blobs on an object store: a local folder, or any bucket.

use std::{path::Path as Folder, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, local::LocalFileSystem, path::Path};
use striatum_core::{
    digest::{BlobRef, Digest},
    store::{BlobError, BlobErrorKind, Blobs},
};

use crate::{disk, error::WorkspaceError};

/// Keeps blobs as objects named `<first two digits>/<other digits>` of their digest.
#[derive(Debug, Clone)]
pub struct ObjectBlobs {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
}

impl ObjectBlobs {
    /// Keeps blobs in a folder of this machine, which is made if need be, with all 256 folders in it. File and folder are
    /// synced before `put` returns.
    ///
    /// # Errors
    /// [`WorkspaceError::Io`] if the folder cannot be made.
    pub fn local(folder: &Folder) -> Result<Self, WorkspaceError> {
        // Made and synced beforehand: a put that finds its folder made by another, which is not done syncing, would return
        // too early.
        for first in 0..=u8::MAX {
            disk::folder(&folder.join(format!("{first:02x}")))?;
        }
        disk::sync(folder)?;
        let store = LocalFileSystem::new_with_prefix(folder).map_err(|error| {
            WorkspaceError::io(disk::doing("open the folder", folder), std::io::Error::other(error))
        })?;
        Ok(Self::new(Arc::new(store.with_fsync(true)), Path::default()))
    }

    /// Keeps blobs in any object store, below a prefix. Blobs are as durable as a `put` of that store is.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: Path) -> Self {
        Self { store, prefix }
    }

    /// Keeps blobs in the bucket that a URL names: `s3://bucket/prefix`, `gs://…`, `az://…`, or a local `file:///folder`.
    /// Options are those of `object_store`, such as `aws_access_key_id`.
    ///
    /// The first call installs ring as the process's default TLS provider, unless there is one.
    ///
    /// # Errors
    /// [`BlobErrorKind::Unavailable`] if the URL names no such store or the options are wrong. Nothing is sent yet.
    #[cfg(feature = "cloud")]
    pub fn from_url(
        url: &str,
        options: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, BlobError> {
        let unavailable = |cause: Box<dyn std::error::Error + Send + Sync>| {
            BlobError::new(BlobErrorKind::Unavailable, format!("open the blobs at {url}")).because(cause)
        };
        let parsed = url::Url::parse(url).map_err(|error| unavailable(error.into()))?;
        if parsed.scheme() == "file" {
            let folder = parsed.to_file_path().map_err(|()| unavailable("no path of this machine".into()))?;
            return Self::local(&folder).map_err(|error| unavailable(error.into()));
        }
        // It fails only where another provider stands already, which will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (store, prefix) =
            object_store::parse_url_opts(&parsed, options).map_err(|error| unavailable(error.into()))?;
        Ok(Self::new(Arc::from(store), prefix))
    }

    fn place(&self, digest: &Digest) -> Path {
        let digits = digest.to_string();
        let (folder, name) = digits.split_at(2);
        self.prefix.clone().join(folder).join(name)
    }
}

#[async_trait]
impl Blobs for ObjectBlobs {
    async fn put(&self, bytes: Bytes) -> Result<BlobRef, BlobError> {
        let blob = BlobRef::of(&bytes);
        // Written even if it is there: so a damaged copy is repaired by whoever has the bytes.
        match self.store.put(&self.place(&blob.digest), PutPayload::from_bytes(bytes)).await {
            Ok(_) => Ok(blob),
            Err(error) => Err(failed(format!("keep {}", blob.digest), error)),
        }
    }

    async fn get(&self, digest: &Digest) -> Result<Bytes, BlobError> {
        let doing = || format!("fetch {digest}");
        let read = async { self.store.get(&self.place(digest)).await?.bytes().await };
        let bytes = read.await.map_err(|error| failed(doing(), error))?;
        if Digest::of(&bytes) == *digest {
            Ok(bytes)
        } else {
            Err(BlobError::new(BlobErrorKind::Corrupt, doing()))
        }
    }
}

fn failed(doing: String, error: object_store::Error) -> BlobError {
    let kind = match error {
        object_store::Error::NotFound { .. } => BlobErrorKind::NotFound,
        _ => BlobErrorKind::Unavailable,
    };
    BlobError::new(kind, doing).because(error)
}
