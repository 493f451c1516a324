//! The operators' interface, as a client sees it: JSON to ask and to steer, server-sent events to follow.

use std::{
    error::Error,
    io::{BufRead as _, BufReader},
    sync::mpsc::Sender,
    thread,
    time::Duration,
};

use serde_json::Value;
use ureq::{Agent, Body, http::Response};

/// Longer than a healthy server is silent: a stream says every 15 seconds that it lives.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a server that is gone is left alone.
const AGAIN: Duration = Duration::from_secs(1);

pub(crate) type Failed = Box<dyn Error + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Interface {
    agent: Agent,
    url: String,
    bearer: String,
}

impl Interface {
    pub(crate) fn new(url: &str, token: &str) -> Self {
        let config = Agent::config_builder().timeout_connect(Some(PATIENCE)).timeout_per_read(Some(PATIENCE));
        let agent = config.timeout_per_write(Some(PATIENCE)).http_status_as_error(false).build().into();
        Self { agent, url: url.trim_end_matches('/').to_owned(), bearer: format!("Bearer {token}") }
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value, Failed> {
        let request = self.agent.get(format!("{}{path}", self.url));
        answer(request.header("authorization", &self.bearer).call()?)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, Failed> {
        let request = self.agent.post(format!("{}{path}", self.url)).content_type("application/json");
        answer(request.header("authorization", &self.bearer).send(body.to_string())?)
    }

    /// Tells what happens from now on. After an interruption it goes on behind the last event that it saw.
    pub(crate) fn follow(&self, told: &Sender<Value>) {
        let mut last = "head".to_owned();
        loop {
            // Whatever was wrong, the cursor is still good, or the server says that it is not.
            let _ = self.stream(&mut last, told);
            thread::sleep(AGAIN);
        }
    }

    fn stream(&self, last: &mut String, told: &Sender<Value>) -> Result<(), Failed> {
        let request = self.agent.get(format!("{}/v1/events?after={last}", self.url));
        let mut response = request.header("authorization", &self.bearer).call()?;
        if response.status() == 409 {
            // The history is another one: it is begun with anew.
            "head".clone_into(last);
        }
        let (mut id, mut data) = (None, None);
        for line in BufReader::new(response.body_mut().as_reader()).lines() {
            let line = line?;
            match line.split_once(": ") {
                Some(("id", text)) => id = Some(text.to_owned()),
                Some(("data", text)) => data = Some(serde_json::from_str(text)?),
                _ if line.is_empty() => {
                    data.take().map(|event| told.send(event)).transpose()?;
                    *last = id.take().unwrap_or_else(|| last.clone());
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// What was answered, or in words why not.
fn answer(mut response: Response<Body>) -> Result<Value, Failed> {
    let answer: Value = serde_json::from_reader(response.body_mut().as_reader())?;
    let said = |key: &str| answer["error"][key].as_str().unwrap_or_default();
    match answer.get("error") {
        Some(_) => Err(format!("{}: {} ({})", said("code"), said("message"), said("remedy")).into()),
        None => Ok(answer),
    }
}
