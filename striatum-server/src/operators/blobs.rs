//! Bytes that a run names. A digest alone opens nothing: the store of blobs is shared by repositories, a run belongs to one.

use axum::{
    body::Bytes,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use striatum_core::{
    digest::Digest,
    id::RunId,
    run::State,
    store::{RunHead, Store},
};

use super::{
    operation::Request,
    problem::{Fault, Problem},
};

/// How many events are looked through at once.
const PAGE: usize = 256;

/// Fetches bytes that a run names.
pub(super) async fn read(request: &Request, run: RunId, digest: &Digest) -> Result<Bytes, Problem> {
    let state = request.load(run).await?;
    let engine = &request.desk.engine;
    if !names(engine.store().as_ref(), &state, digest).await? {
        return Err(Problem::new(Fault::BlobNotNamed, format!("run {run} names no bytes {digest}")));
    }
    Ok(engine.blobs().get(digest).await?)
}

/// Whether the snapshot of a run, or one of its events, names these bytes.
async fn names(store: &dyn Store, state: &State, digest: &Digest) -> Result<bool, Problem> {
    let snapshot = state.snapshot();
    if snapshot.blob().digest == *digest || snapshot.files().iter().any(|file| file.content.digest == *digest)
    {
        return Ok(true);
    }
    // In a body a digest stands as a text of its own: nothing else there has 64 hexadecimal digits between quotation marks.
    let wanted = format!("\"{digest}\"");
    let mut head = RunHead::START;
    loop {
        let events = store.read_run(&state.run(), head, PAGE).await?;
        let is_last = events.len() < PAGE;
        for event in &events {
            if event.body.windows(wanted.len()).any(|part| part == wanted.as_bytes()) {
                return Ok(true);
            }
            head = RunHead { version: head.version + 1, digest: event.digest };
        }
        if is_last {
            return Ok(false);
        }
    }
}

/// The bytes as an answer. They are never shown by a browser as what an agent says they are.
pub(super) fn answer(bytes: Bytes, digest: &Digest) -> Response {
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{digest}\"")) {
        headers.insert(header::ETAG, tag);
    }
    response
}
