//! A model's host of which each test says what it answers, byte by byte.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

/// A connection, with TLS or without.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// A request as it arrived.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) line: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(other, _)| other == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} stands there once");
        value
    }

    /// Reads one from a connection; `None` at its end.
    pub(super) async fn read(wire: &mut dyn Wire) -> Option<Self> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if wire.read(&mut byte).await.ok()? == 0 {
                return None;
            }
            head.extend(byte);
        }
        let text = String::from_utf8(head).expect("a head is text");
        let mut lines = text.trim_end().split("\r\n").map(str::to_owned);
        let line = lines.next().expect("a line");
        let headers = lines.map(|header| {
            let (name, value) = header.split_once(": ").expect("a header");
            (name.to_lowercase(), value.to_owned())
        });
        let mut asked = Self { line, headers: headers.collect(), body: String::new() };
        let length = asked.header("content-length").map_or(0, |length| length.parse().expect("a length"));
        let mut body = vec![0; length];
        wire.read_exact(&mut body).await.ok()?;
        asked.body = String::from_utf8(body).expect("a body is text");
        Some(asked)
    }
}

pub(super) struct Host {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    serving: JoinHandle<()>,
}

impl Host {
    /// Answers the nth request of all, on a connection of its own unless it is kept open, with what the test writes.
    pub(super) async fn start<A, F>(answer: A) -> Self
    where
        A: Fn(usize, Box<dyn Wire>) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self::behind(|stream| async move { Some(Box::new(stream) as Box<dyn Wire>) }, answer).await
    }

    /// The same, with something around each connection.
    pub(super) async fn behind<W, V, A, F>(wrap: W, answer: A) -> Self
    where
        W: Fn(tokio::net::TcpStream) -> V + Send + Sync + 'static,
        V: Future<Output = Option<Box<dyn Wire>>> + Send + 'static,
        A: Fn(usize, Box<dyn Wire>) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, wrap, answer) = (asked.clone(), Arc::new(wrap), Arc::new(answer));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, wrap, answer) = (seen.clone(), wrap.clone(), answer.clone());
                tokio::spawn(async move {
                    let Some(mut wire) = wrap(stream).await else { return };
                    let Some(request) = Asked::read(wire.as_mut()).await else { return };
                    let nth = {
                        let mut seen = seen.lock().expect("no test panicked");
                        seen.push(request);
                        seen.len() - 1
                    };
                    answer(nth, wire).await;
                });
            }
        });
        Self { address, asked, serving }
    }

    /// Answers every request with the same text, and hangs up.
    pub(super) async fn saying(text: impl Into<String>) -> Self {
        let text = text.into();
        Self::start(move |_, mut wire| {
            let text = text.clone();
            async move { say(wire.as_mut(), &text).await }
        })
        .await
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no test panicked").clone()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub(super) async fn say(wire: &mut dyn Wire, text: &str) {
    // The other end may have had enough.
    let _ = wire.write_all(text.as_bytes()).await;
    let _ = wire.flush().await;
}

/// An answer of this status with this body, after which the connection ends.
pub(super) fn response(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}")
}

/// A plain answer of a model that used these tokens.
pub(super) fn used(input: u64, output: u64) -> String {
    let body = format!("{{\"usage\":{{\"input_tokens\":{input},\"output_tokens\":{output}}}}}");
    response("200 OK", "content-type: application/json\r\n", &body)
}
