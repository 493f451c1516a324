//! Blobs in a folder.

use std::fs;

use bytes::Bytes;
use striatum_core::{
    digest::{BlobRef, Digest},
    store::{BlobErrorKind, Blobs},
};
use striatum_workspace::ObjectBlobs;

use crate::fixture::Outcome;

#[tokio::test]
async fn bytes_are_kept_under_their_digest_and_checked() -> Outcome {
    let folder = tempfile::tempdir()?;
    let blobs = ObjectBlobs::local(&folder.path().join("blobs"))?;
    let blob = blobs.put(Bytes::from_static(b"abc")).await?;
    assert_eq!(blob, BlobRef::of(b"abc"));
    assert_eq!(blobs.put(Bytes::from_static(b"abc")).await?, blob);
    let digits = blob.digest.to_string();
    let path = folder.path().join("blobs").join(&digits[..2]).join(&digits[2..]);
    assert_eq!(fs::read(&path)?, b"abc");
    assert_eq!(blobs.get(&blob.digest).await?, Bytes::from_static(b"abc"));
    fs::write(&path, b"abd")?;
    let kind =
        |result: Result<Bytes, striatum_core::store::BlobError>| result.map_err(|error| error.kind).err();
    assert_eq!(kind(blobs.get(&blob.digest).await), Some(BlobErrorKind::Corrupt));
    blobs.put(Bytes::from_static(b"abc")).await?;
    assert_eq!(blobs.get(&blob.digest).await?, Bytes::from_static(b"abc"));
    assert_eq!(kind(blobs.get(&Digest::of(b"never put")).await), Some(BlobErrorKind::NotFound));
    assert_eq!(blobs.put(Bytes::new()).await?, BlobRef::of(b""));
    assert_eq!(blobs.get(&Digest::of(b"")).await?, Bytes::new());
    Ok(())
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_unavailable() -> Outcome {
    let folder = tempfile::tempdir()?;
    let blobs = ObjectBlobs::local(folder.path())?;
    let digits = Digest::of(b"abc").to_string();
    // A file where the folder was: also root cannot write there.
    fs::remove_dir(folder.path().join(&digits[..2]))?;
    fs::write(folder.path().join(&digits[..2]), "in the way")?;
    let refused = blobs.put(Bytes::from_static(b"abc")).await;
    assert_eq!(refused.map_err(|error| error.kind), Err(BlobErrorKind::Unavailable));
    Ok(())
}

#[cfg(feature = "cloud")]
#[tokio::test]
async fn a_url_names_a_bucket_or_a_folder() -> Outcome {
    let folder = tempfile::tempdir()?;
    let none = Vec::new();
    let file = format!("file://{}", folder.path().join("blobs").display());
    for url in ["memory:///below", &file] {
        let blobs = ObjectBlobs::from_url(url, none.clone())?;
        let blob = blobs.put(Bytes::from_static(b"abc")).await?;
        assert_eq!(blobs.get(&blob.digest).await?, Bytes::from_static(b"abc"), "{url}");
    }
    assert!(folder.path().join("blobs/ba").is_dir());
    let keys = ["aws_access_key_id", "aws_secret_access_key", "aws_region"];
    let options = keys.map(|key| (key.to_owned(), "x".to_owned()));
    ObjectBlobs::from_url("s3://bucket/prefix", options)?;
    for url in ["", "no url", "nothing://x"] {
        assert!(ObjectBlobs::from_url(url, none.clone()).is_err(), "{url:?}");
    }
    Ok(())
}
