//! The routes: one for each operation, and those that are no operations.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{
        ConnectInfo, DefaultBodyLimit, Path, Query, RawPathParams, Request, State,
        rejection::{BytesRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter, get, on},
};
use serde_json::{Map, Value};
use striatum_core::{digest::Digest, id::RunId};

use super::{
    Interface, blobs,
    caller::Caller,
    openapi,
    operation::{self, Operation},
    problem::{Fault, Problem},
    stream, tools,
};
use crate::{
    authority::{Capability, Denied},
    boundary::{self, Boundary},
};

/// How long the store has to say that it is there.
const READINESS: Duration = Duration::from_secs(2);

/// Where the tools are.
pub(super) const TOOLS: &str = "/mcp";

pub(super) fn router(interface: &Arc<Interface>, boundary: &Boundary) -> Router {
    let mut routes = Router::new();
    for operation in &interface.operations {
        routes = routes.route(operation.path, route(operation.clone()));
    }
    let guarded = routes
        .route("/v1/events", get(stream::events))
        .route("/v1/runs/{run}/blobs/{digest}", get(blob))
        .route("/v1/openapi.json", get(document))
        .nest_service(TOOLS, tools::service(interface, boundary))
        .layer(middleware::from_fn_with_state(interface.clone(), authenticate));
    Router::new()
        .route("/v1/health", get(health))
        .route("/v1/ready", get(ready))
        .merge(guarded)
        .fallback(nothing)
        .method_not_allowed_fallback(other_method)
        .layer(DefaultBodyLimit::max(boundary.max_body_bytes))
        .layer(middleware::from_fn_with_state(boundary.clone(), boundary::enforce))
        .with_state(interface.clone())
}

fn route(operation: Arc<Operation>) -> MethodRouter<Arc<Interface>> {
    let filter = if operation.is_change() { MethodFilter::POST } else { MethodFilter::GET };
    let perform = move |State(interface): State<Arc<Interface>>,
                        Extension(caller): Extension<Caller>,
                        path: RawPathParams,
                        query: Result<Query<Vec<(String, String)>>, QueryRejection>,
                        headers: HeaderMap,
                        body: Result<Bytes, BytesRejection>| async move {
        let input = input(&operation, &path, query, &headers, body)?;
        let answer = interface.desk.serve(&caller, &operation, input).await?;
        Ok::<_, Problem>(Json(answer))
    };
    on(filter, perform)
}

/// Joins the parts of a request to the one object that an operation takes.
fn input(
    operation: &Operation,
    path: &RawPathParams,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Value, Problem> {
    let invalid = |what: String| Problem::new(Fault::Invalid, what);
    let Query(query) = query.map_err(|error| invalid(error.body_text()))?;
    let body = body.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Fault::TooLarge, "the body is too large"),
        _ => invalid(error.body_text()),
    })?;
    let mut input = if operation.is_change() { object(headers, &body)? } else { Map::new() };
    if operation.is_change() && !query.is_empty() {
        return Err(invalid("what is changed is said in the body, not in the query".to_owned()));
    }
    for (key, text) in query.iter().map(|(key, text)| (key.as_str(), text.as_str())).chain(path) {
        if input.insert(key.to_owned(), operation.value_of(key, text)).is_some() {
            return Err(invalid(format!("{key} is said twice")));
        }
    }
    Ok(Value::Object(input))
}

fn object(headers: &HeaderMap, body: &Bytes) -> Result<Map<String, Value>, Problem> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(Fault::Invalid, "a body is JSON, with the content type application/json"));
    }
    serde_json::from_slice(body)
        .map_err(|error| Problem::new(Fault::Invalid, format!("the body is no JSON object: {error}")))
}

/// Finds out who asks. Without an operator's token nothing behind this is reached.
async fn authenticate(State(interface): State<Arc<Interface>>, mut request: Request, next: Next) -> Response {
    let checked = bearer(request.headers())
        .and_then(|token| interface.desk.authority.check(token))
        .and_then(Caller::try_from);
    match checked {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(denied) => {
            let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
            let source = peer.map_or_else(|| "unknown".to_owned(), |ConnectInfo(peer)| peer.ip().to_string());
            interface.desk.audit.count_stranger(&source);
            Problem::from(denied).into_response()
        }
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, Denied> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().and_then(|value| value.to_str().ok()).ok_or(Denied::Missing)?;
    let (scheme, token) = value.split_once(' ').ok_or(Denied::Missing)?;
    match values.next() {
        None if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(Denied::Missing),
    }
}

async fn blob(
    State(interface): State<Arc<Interface>>,
    Extension(caller): Extension<Caller>,
    Path((run, digest)): Path<(String, String)>,
) -> Result<Response, Problem> {
    caller.expect(Capability::Read)?;
    let invalid = |what: String| Problem::new(Fault::Invalid, what);
    let run: RunId = run.parse().map_err(|error: striatum_core::id::IdError| invalid(error.to_string()))?;
    let digest: Digest =
        digest.parse().map_err(|error: striatum_core::digest::InvalidDigest| invalid(error.to_string()))?;
    let id = striatum_core::id::CommandId::from_bytes(operation::bits()?);
    let request = operation::Request { desk: interface.desk.clone(), caller, id };
    let bytes = blobs::read(&request, run, &digest).await?;
    interface.desk.audit.count_read(request.caller.token);
    Ok(blobs::answer(bytes, &digest))
}

async fn document(State(interface): State<Arc<Interface>>) -> Json<Value> {
    Json(openapi::document(&interface.operations))
}

/// The process is there.
async fn health() -> Json<Value> {
    Json(serde_json::json!({ "status": "ok" }))
}

/// The store answers too.
async fn ready(State(interface): State<Arc<Interface>>) -> Response {
    let now = tokio::time::timeout(READINESS, interface.desk.engine.store().now()).await;
    let (status, word) = match now {
        Ok(Ok(_)) => (StatusCode::OK, "ready"),
        Ok(Err(_)) | Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"),
    };
    (status, Json(serde_json::json!({ "status": word }))).into_response()
}

async fn nothing() -> Problem {
    Problem::new(Fault::NotFound, "there is nothing at this path")
}

async fn other_method() -> Problem {
    Problem::new(Fault::Method, "the path does not take this method")
}
