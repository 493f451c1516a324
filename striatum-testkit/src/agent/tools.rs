//! The tools of a grant, called as agents call them: the Model Context Protocol over HTTP.

use std::{
    io::{self, BufRead as _, BufReader},
    time::Duration,
};

use serde_json::{Value, json};

/// Longer than any call takes: what it asks for is done before the answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a tool answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// In words.
    pub text: String,
    /// Whether it was refused.
    pub refused: bool,
}

/// An open session with a server of tools.
#[derive(Debug)]
pub struct Tools {
    agent: ureq::Agent,
    url: String,
    bearer: String,
    session: Option<String>,
    requests: u64,
}

impl Tools {
    /// Opens a session, and asks which tools there are, as agents do.
    ///
    /// # Errors
    /// If the server cannot be reached, or refuses.
    pub fn open(url: &str, bearer: &str) -> io::Result<Self> {
        let config =
            ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false).build();
        let (url, bearer) = (url.to_owned(), bearer.to_owned());
        let mut tools = Self { agent: config.into(), url, bearer, session: None, requests: 0 };
        let client = json!({"name": "scripted", "version": env!("CARGO_PKG_VERSION")});
        let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client});
        tools.ask("initialize", &hello)?;
        tools.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}), None)?;
        tools.ask("tools/list", &json!({}))?;
        Ok(tools)
    }

    /// Calls a tool.
    ///
    /// # Errors
    /// If the server is gone or answers something else than MCP. That a call was refused is an answer.
    pub fn call(&mut self, tool: &str, arguments: &Value) -> io::Result<Said> {
        let result = self.ask("tools/call", &json!({"name": tool, "arguments": arguments}))?;
        let text = result["content"][0]["text"].as_str().unwrap_or_default().to_owned();
        Ok(Said { text, refused: result["isError"] == true })
    }

    fn ask(&mut self, method: &str, params: &Value) -> io::Result<Value> {
        self.requests += 1;
        let id = self.requests;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let mut answer = self.send(&request, Some(id))?.ok_or_else(|| io::Error::other("no answer"))?;
        match answer.get("error") {
            Some(error) => Err(io::Error::other(format!("{method}: {error}"))),
            None => Ok(answer["result"].take()),
        }
    }

    /// Sends a message, and waits for the answer to it if there is to be one.
    fn send(&mut self, message: &Value, id: Option<u64>) -> io::Result<Option<Value>> {
        let mut request = self
            .agent
            .post(&self.url)
            .header("authorization", format!("Bearer {}", self.bearer))
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json");
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session).header("mcp-protocol-version", "2025-06-18");
        }
        let mut answer = request.send(message.to_string()).map_err(io::Error::other)?;
        if !answer.status().is_success() {
            let said = answer.body_mut().read_to_string().unwrap_or_default();
            return Err(io::Error::other(format!("{}: {said}", answer.status())));
        }
        if let Some(session) = answer.headers().get("mcp-session-id").and_then(|it| it.to_str().ok()) {
            self.session = Some(session.to_owned());
        }
        let Some(id) = id else { return Ok(None) };
        // An answer comes as it is, or as an event of a stream among others.
        for line in BufReader::new(answer.body_mut().as_reader()).lines() {
            let line = line?;
            let text = line.strip_prefix("data:").unwrap_or(&line);
            if let Ok(message) = serde_json::from_str::<Value>(text.trim())
                && message["id"] == id
            {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }
}
