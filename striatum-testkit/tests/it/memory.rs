//! The store in memory passes.

use bytes::Bytes;
use striatum_core::{
    digest::{BlobRef, Digest},
    store::{BlobErrorKind, Blobs, MemoryBlobs},
};
use striatum_testkit::store::MemoryStores;

striatum_testkit::store_conformance!(MemoryStores::default());

#[tokio::test]
async fn blobs_come_back_by_their_digest() {
    let blobs = MemoryBlobs::default();
    let bytes = Bytes::from_static(b"a finding");
    for _ in 0..2 {
        assert_eq!(blobs.put(bytes.clone()).await.unwrap(), BlobRef::of(&bytes));
    }
    assert_eq!(blobs.get(&Digest::of(&bytes)).await.unwrap(), bytes);
    let missing = blobs.get(&Digest::of(b"another")).await.unwrap_err();
    assert_eq!(missing.kind, BlobErrorKind::NotFound);
}
