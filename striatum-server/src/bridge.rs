//! A way to the tools for agents that speak the Model Context Protocol over standard input and output alone.

use std::{io, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header},
};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::Mutex,
    task::JoinSet,
    time::timeout,
};
use tokio_util::codec::{FramedRead, LinesCodec};

use crate::agents::Endpoint;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// No message is longer.
const MAX_BYTES: usize = 16 << 20;
/// How many requests may be under way.
const UNDER_WAY: usize = 16;
/// How long to wait for a connection, and for the end of what is under way once the agent has hung up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Carries messages between an agent, in lines, and an endpoint over HTTP, until the agent hangs up.
///
/// Requests are under way side by side. What the endpoint refuses reaches the agent as an error of the request.
///
/// # Errors
/// If the agent cannot be read from or written to, or writes a line of more than 16 MiB, or the endpoint's address is no
/// `http` address.
pub async fn bridge(
    endpoint: &Endpoint,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin + Send + 'static,
) -> io::Result<()> {
    let far = Arc::new(Far::new(endpoint)?);
    let output = Arc::new(Mutex::new(output));
    let mut lines = FramedRead::new(input, LinesCodec::new_with_max_length(MAX_BYTES));
    let mut under_way = JoinSet::new();
    while let Some(line) = lines.next().await {
        let line = line.map_err(io::Error::other)?;
        let Ok(message) = serde_json::from_str::<Value>(&line) else {
            if !line.trim().is_empty() {
                write(&output, &error(&Value::Null, -32700, "the line is no JSON")).await?;
            }
            continue;
        };
        let (far, output) = (far.clone(), output.clone());
        let is_request = message.get("id").is_some() && message.get("method").is_some();
        let opens = message.get("method").is_some_and(|method| method == "initialize");
        let carrying = async move { far.carry(&message, line, &output).await };
        // What comes behind these depends on them.
        if opens || !is_request {
            carrying.await?;
            continue;
        }
        while under_way.len() >= UNDER_WAY {
            finish(under_way.join_next().await)?;
        }
        under_way.spawn(carrying);
    }
    let rest = async {
        while let Some(ended) = under_way.join_next().await {
            finish(Some(ended))?;
        }
        Ok(())
    };
    let rested = timeout(PATIENCE, rest).await.unwrap_or(Ok(()));
    let _ = timeout(PATIENCE, far.hang_up()).await;
    rested
}

fn finish(ended: Option<Result<io::Result<()>, tokio::task::JoinError>>) -> io::Result<()> {
    ended.transpose().map_err(io::Error::other)?.unwrap_or(Ok(()))
}

/// The endpoint, and what it said of the session.
struct Far {
    uri: Uri,
    authority: String,
    bearer: HeaderValue,
    said: Mutex<HeaderMap>,
}

type Output<W> = Arc<Mutex<W>>;

impl Far {
    fn new(endpoint: &Endpoint) -> io::Result<Self> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
        let uri: Uri = endpoint.url.parse().map_err(|_| invalid("the endpoint is no address"))?;
        let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http"));
        let authority = authority.ok_or_else(|| invalid("the endpoint is no http address"))?.to_string();
        let bearer = format!("Bearer {}", endpoint.bearer.expose_secret());
        let mut bearer = HeaderValue::try_from(bearer).map_err(|_| invalid("the token cannot be sent"))?;
        bearer.set_sensitive(true);
        Ok(Self { uri, authority, bearer, said: Mutex::default() })
    }

    /// Sends one message, and writes whatever comes of it.
    async fn carry<W: AsyncWrite + Unpin>(
        &self,
        message: &Value,
        line: String,
        output: &Output<W>,
    ) -> io::Result<()> {
        let id = message.get("id").filter(|_| message.get("method").is_some());
        let response = match self.send(Method::POST, Body::from(line)).await {
            Ok(response) => response,
            Err(failed) => {
                return refuse(id, &format!("the tools cannot be reached: {failed}"), output).await;
            }
        };
        if let Some(session) = response.headers().get(SESSION) {
            self.said.lock().await.insert(SESSION, session.clone());
        }
        let status = response.status();
        let is_stream = response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        if status == StatusCode::ACCEPTED {
            return Ok(());
        }
        let body = Body::new(response.into_body());
        if !status.is_success() {
            let said = axum::body::to_bytes(body, MAX_BYTES).await.unwrap_or_default();
            let said = String::from_utf8_lossy(&said);
            return refuse(id, &format!("the tools refuse with {status}: {said}"), output).await;
        }
        if !is_stream {
            let said = axum::body::to_bytes(body, MAX_BYTES).await.map_err(io::Error::other)?;
            return self.pass(&said, output).await;
        }
        let mut stream = body.into_data_stream().map_err(io::Error::other);
        let mut events = Events::default();
        while let Some(bytes) = stream.try_next().await? {
            for data in events.push(&bytes)? {
                self.pass(&data, output).await?;
            }
        }
        Ok(())
    }

    /// Passes on a message of the endpoint's.
    async fn pass<W: AsyncWrite + Unpin>(&self, data: &[u8], output: &Output<W>) -> io::Result<()> {
        let Ok(message) = serde_json::from_slice::<Value>(data) else { return Ok(()) };
        if let Some(Ok(version)) = message["result"]["protocolVersion"].as_str().map(HeaderValue::try_from) {
            self.said.lock().await.insert(VERSION, version);
        }
        write(output, &message).await
    }

    async fn hang_up(&self) {
        if self.said.lock().await.contains_key(SESSION) {
            let _ = self.send(Method::DELETE, Body::empty()).await;
        }
    }

    async fn send(&self, method: Method, body: Body) -> io::Result<Response<Incoming>> {
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().map_err(io::Error::other)?;
        let headers = request.headers_mut();
        headers.extend(self.said.lock().await.clone());
        headers.insert(header::HOST, HeaderValue::try_from(&self.authority).map_err(io::Error::other)?);
        headers.insert(header::AUTHORIZATION, self.bearer.clone());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let accepted = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(header::ACCEPT, accepted);

        let connecting = TcpStream::connect(&self.authority);
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        let stream = timeout(PATIENCE, connecting).await.map_err(late)??;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(io::Error::other)
    }
}

/// Events in a stream: the data of each.
#[derive(Default)]
struct Events {
    rest: Vec<u8>,
    data: Vec<u8>,
}

impl Events {
    /// The data of those that these bytes complete.
    fn push(&mut self, bytes: &Bytes) -> io::Result<Vec<Vec<u8>>> {
        self.rest.extend_from_slice(bytes);
        if self.rest.len() + self.data.len() > MAX_BYTES {
            return Err(io::Error::other("the tools sent an event without end"));
        }
        let mut complete = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = line.trim_ascii_end();
            if let Some(data) = line.strip_prefix(b"data:") {
                self.data.extend_from_slice(data.trim_ascii_start());
                self.data.push(b'\n');
            } else if line.is_empty() && !self.data.trim_ascii().is_empty() {
                complete.push(std::mem::take(&mut self.data));
            }
        }
        Ok(complete)
    }
}

async fn refuse<W: AsyncWrite + Unpin>(id: Option<&Value>, why: &str, output: &Output<W>) -> io::Result<()> {
    match id {
        Some(id) => write(output, &error(id, -32000, why)).await,
        None => Ok(()),
    }
}

fn error(id: &Value, code: i32, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}

async fn write<W: AsyncWrite + Unpin>(output: &Output<W>, message: &Value) -> io::Result<()> {
    let line = format!("{message}\n");
    let mut output = output.lock().await;
    output.write_all(line.as_bytes()).await?;
    output.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_whole_however_it_is_cut() {
        let text = b": hello\r\nid: 0\r\ndata:\r\n\r\ndata: {\"a\":1}\n\ndata: {\ndata: \"b\":2}\n\n";
        for size in [1, 2, 7, text.len()] {
            let mut events = Events::default();
            let cut = text.chunks(size).map(Bytes::copy_from_slice);
            let found: Vec<_> = cut.flat_map(|bytes| events.push(&bytes).expect("it is short")).collect();
            let values: Vec<Value> =
                found.iter().map(|data| serde_json::from_slice(data).expect("JSON")).collect();
            assert_eq!(values, [json!({"a": 1}), json!({"b": 2})], "{size}");
        }
    }
}
