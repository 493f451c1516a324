//! The operators' interface, as a client sees it: JSON to ask and to steer, server-sent events to follow.

use std::{
    error::Error,
    io::{BufRead as _, BufReader},
    sync::mpsc::Sender,
    thread,
    time::Duration,
};

use serde_json::Value;
use ureq::{Agent, Body, Error as HttpError, http::Response};

/// Longer than a healthy server is silent: a stream says every 15 seconds that it lives.
const PATIENCE: Duration = Duration::from_secs(30);

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

    /// Reads what is at a path, or sends something there. What is refused is an error, in words.
    pub(crate) fn ask(&self, path: &str, body: Option<&Value>) -> Result<Value, Failed> {
        let mut answer: Value = serde_json::from_reader(self.send(path, body)?.body_mut().as_reader())?;
        let Some(error) = answer.get("error") else { return Ok(answer.take()) };
        let said = |key: &str| error[key].as_str().unwrap_or_default();
        Err(format!("{}: {} ({})", said("code"), said("message"), said("remedy")).into())
    }

    /// The first page of a list.
    pub(crate) fn list(&self, path: &str) -> Result<Vec<Value>, Failed> {
        let mut page = self.ask(path, None)?;
        Ok(page["items"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    /// Tells what happens from now on, until nobody listens: `null` when it begins to listen, then events. After an interruption it
    /// goes on behind the last event that it saw.
    pub(crate) fn follow(&self, told: &Sender<Value>) {
        let mut last = "head".to_owned();
        while told.send(Value::Null).is_ok() {
            // Whatever was wrong, the cursor is still good, or the server says that it is not.
            let _ = self.stream(&mut last, told);
            thread::sleep(Duration::from_secs(1));
        }
    }

    fn stream(&self, last: &mut String, told: &Sender<Value>) -> Result<(), Failed> {
        let mut response = self.send(&format!("/v1/events?after={last}"), None)?;
        if response.status() == 409 {
            // The history is another one: it is begun with anew.
            "head".clone_into(last);
        }
        told.send(Value::Null)?;
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

    fn send(&self, path: &str, body: Option<&Value>) -> Result<Response<Body>, HttpError> {
        let (url, bearer) = (format!("{}{path}", self.url), &self.bearer);
        match body {
            None => self.agent.get(url).header("authorization", bearer).call(),
            Some(body) => {
                let request = self.agent.post(url).header("authorization", bearer);
                request.content_type("application/json").send(body.to_string())
            }
        }
    }
}
