//! Blobs in a folder, to be read only.

use std::{io, path::PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use striatum_core::{
    digest::{BlobRef, Digest},
    store::{BlobError, BlobErrorKind, Blobs},
};

/// Files named `<first two digits>/<other digits>` of their digest.
#[derive(Debug)]
pub(crate) struct Folder(pub(crate) PathBuf);

#[async_trait]
impl Blobs for Folder {
    async fn put(&self, bytes: Bytes) -> Result<BlobRef, BlobError> {
        let doing = format!("keep {} in a folder that is only read", Digest::of(&bytes));
        Err(BlobError::new(BlobErrorKind::Unavailable, doing))
    }

    async fn get(&self, digest: &Digest) -> Result<Bytes, BlobError> {
        let doing = format!("fetch {digest}");
        let digits = digest.to_string();
        let (folder, name) = digits.split_at(2);
        match std::fs::read(self.0.join(folder).join(name)) {
            Ok(bytes) if Digest::of(&bytes) == *digest => Ok(bytes.into()),
            Ok(_) => Err(BlobError::new(BlobErrorKind::Corrupt, doing)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(BlobError::new(BlobErrorKind::NotFound, doing))
            }
            Err(error) => Err(BlobError::new(BlobErrorKind::Unavailable, doing).because(error)),
        }
    }
}
