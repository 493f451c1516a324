//! Bytes by their digest.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    digest::{BlobRef, Digest},
    store::{BlobError, BlobErrorKind, Blobs},
};

/// [`Blobs`] that live as long as their value does.
#[derive(Default)]
pub struct MemoryBlobs {
    kept: Mutex<HashMap<Digest, Bytes>>,
}

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn put(&self, bytes: Bytes) -> Result<BlobRef, BlobError> {
        let blob = BlobRef::of(&bytes);
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(blob.digest, bytes);
        Ok(blob)
    }

    async fn get(&self, digest: &Digest) -> Result<Bytes, BlobError> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned();
        kept.ok_or_else(|| BlobError::new(BlobErrorKind::NotFound, format!("fetch {digest}")))
    }
}

impl fmt::Debug for MemoryBlobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).len();
        f.debug_struct("MemoryBlobs").field("kept", &kept).finish_non_exhaustive()
    }
}
