//! The operators' interface, as a client sees it: JSON to ask and to steer, server-sent events to follow.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, Response, Uri, body::Incoming};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tokio::{
    sync::mpsc::Sender,
    time::{sleep, timeout},
};

/// Longer than a healthy server takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a server that is gone is left alone.
const AGAIN: Duration = Duration::from_secs(1);

pub(crate) type Failed = Box<dyn Error + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Interface {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
    token: String,
}

impl Interface {
    pub(crate) fn new(url: &str, token: &str) -> Result<Self, Failed> {
        let url = url.trim_end_matches('/').to_owned();
        url.parse::<Uri>()?;
        Ok(Self { client: Client::builder(TokioExecutor::new()).build_http(), url, token: token.to_owned() })
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failed> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, Failed> {
        self.ask(Method::POST, path, body.to_string().into()).await
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Value, Failed> {
        let response = timeout(PATIENCE, self.send(method, path, body, None)).await??;
        let body = timeout(PATIENCE, response.into_body().collect()).await??.to_bytes();
        let answer: Value = serde_json::from_slice(&body)?;
        match answer.get("error") {
            Some(error) => {
                let said = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
                Err(format!("{}: {} ({})", said("code"), said("message"), said("remedy")).into())
            }
            None => Ok(answer),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        last: Option<&str>,
    ) -> Result<Response<Incoming>, Failed> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        Ok(self.client.request(request.body(Full::new(body))?).await?)
    }

    /// Tells what happens from now on, until nobody listens. After an interruption it goes on behind the last event that it saw.
    pub(crate) async fn follow(self, told: Sender<Value>) {
        let mut last = None;
        while !told.is_closed() {
            // Whatever was wrong, the cursor is still good, or the server says that it is not.
            let _ = self.stream(&mut last, &told).await;
            sleep(AGAIN).await;
        }
    }

    async fn stream(&self, last: &mut Option<String>, told: &Sender<Value>) -> Result<(), Failed> {
        let response = self.send(Method::GET, "/v1/events?after=head", Bytes::new(), last.as_deref()).await?;
        if response.status().as_u16() == 409 {
            // The history is another one: it is begun with anew.
            *last = None;
        }
        let (mut body, mut text) = (response.into_body(), String::new());
        while let Some(frame) = timeout(PATIENCE, body.frame()).await? {
            if let Ok(data) = frame?.into_data() {
                text += std::str::from_utf8(&data)?;
            }
            while let Some((block, rest)) = text.split_once("\n\n") {
                for line in block.lines() {
                    match line.split_once(": ") {
                        Some(("id", id)) => *last = Some(id.to_owned()),
                        Some(("data", data)) => told.send(serde_json::from_str(data)?).await?,
                        _ => {}
                    }
                }
                text = rest.to_owned();
            }
        }
        Ok(())
    }
}
