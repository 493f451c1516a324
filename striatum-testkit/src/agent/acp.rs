//! The agent's side of the Agent Client Protocol, as much of it as a scripted agent needs.

use std::{
    io::{self, BufRead as _, Write as _},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use serde_json::{Value, json};

use super::{Said, Task, Tools};

/// What an agent says that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guise {
    /// The name of the program.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The model behind it, if it says.
    pub model: Option<String>,
}

impl Default for Guise {
    fn default() -> Self {
        Self { name: "scripted".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned(), model: None }
    }
}

/// What an agent has at hand during a turn.
#[derive(Debug)]
pub struct Hands<'a> {
    tools: Tools,
    wire: &'a Wire,
    cancelled: &'a AtomicBool,
}

impl Hands<'_> {
    /// Reads the task by its tool.
    ///
    /// # Errors
    /// If the tools cannot be reached.
    pub fn task(&mut self) -> io::Result<Task> {
        let said = self.call("get_packet", &json!({"format": "json"}))?;
        serde_json::from_str(&said.text).map(Task).map_err(io::Error::other)
    }

    /// Calls a tool, and lets those who watch see it.
    ///
    /// # Errors
    /// If the tools cannot be reached.
    pub fn call(&mut self, tool: &str, arguments: &Value) -> io::Result<Said> {
        let said = self.tools.call(tool, arguments)?;
        let status = if said.refused { "failed" } else { "completed" };
        self.wire.update(
            &json!({"sessionUpdate": "tool_call", "toolCallId": format!("{tool}-{}", self.wire.next()),
            "title": format!("mcp__striatum__{tool}"), "kind": "other", "status": status}),
        )?;
        if said.refused {
            self.say(&said.text)?;
        }
        Ok(said)
    }

    /// Says something.
    ///
    /// # Errors
    /// If nobody listens any more.
    pub fn say(&self, text: &str) -> io::Result<()> {
        let content = json!({"type": "text", "text": format!("{text}\n")});
        self.wire.update(&json!({"sessionUpdate": "agent_message_chunk", "content": content}))
    }

    /// Lets those who watch see an edit.
    ///
    /// # Errors
    /// If nobody listens any more.
    pub fn edited(&self, path: &str) -> io::Result<()> {
        self.wire.update(&json!({"sessionUpdate": "tool_call", "toolCallId": format!("edit-{}", self.wire.next()),
            "title": format!("Write {path}"), "kind": "edit", "status": "completed", "locations": [{"path": path}]}))
    }

    /// Whether the turn was cancelled meanwhile.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// Speaks the protocol over standard input and output until the input ends. Each task is worked on in the folder of its session.
///
/// # Errors
/// If the standard streams cannot be used.
pub fn serve(guise: &Guise, mut work: impl FnMut(&mut Hands<'_>) -> io::Result<()>) -> io::Result<()> {
    let cancelled = Arc::new(AtomicBool::new(false));
    let messages = listen(cancelled.clone());
    let wire = Wire::default();
    let mut server: Option<(String, String)> = None;
    for message in messages {
        let id = message["id"].clone();
        let params = &message["params"];
        match message["method"].as_str() {
            Some("initialize") => {
                let can = json!({"mcpCapabilities": {"http": true}});
                let info = json!({"name": guise.name, "version": guise.version});
                wire.answer(
                    &id,
                    &json!({"protocolVersion": 1, "agentInfo": info, "agentCapabilities": can}),
                )?;
            }
            Some("session/new") => {
                let folder: PathBuf = params["cwd"].as_str().unwrap_or_default().into();
                std::env::set_current_dir(folder)?;
                server = params["mcpServers"].as_array().and_then(|servers| reached(servers));
                let mut opened = json!({"sessionId": SESSION});
                if let Some(model) = &guise.model {
                    opened["models"] = json!({"currentModelId": model, "availableModels": [{"modelId": model, "name": model}]});
                }
                wire.answer(&id, &opened)?;
            }
            Some("session/prompt") => {
                cancelled.store(false, Ordering::Relaxed);
                let (url, bearer) = server.clone().ok_or_else(|| io::Error::other("there are no tools"))?;
                let worked = Tools::open(&url, &bearer)
                    .and_then(|tools| work(&mut Hands { tools, wire: &wire, cancelled: &cancelled }));
                match worked {
                    Ok(()) if cancelled.load(Ordering::Relaxed) => {
                        wire.answer(&id, &json!({"stopReason": "cancelled"}))?;
                    }
                    Ok(()) => wire.answer(&id, &json!({"stopReason": "end_turn"}))?,
                    Err(error) => wire.refuse(&id, -32603, &error.to_string())?,
                }
            }
            Some(_) if !id.is_null() => wire.refuse(&id, -32601, "there is no such method")?,
            _ => {}
        }
    }
    Ok(())
}

/// What this agent calls its one session.
const SESSION: &str = "scripted-session";

/// Reads messages in a thread of its own, so that a turn can be cancelled while it goes on.
fn listen(cancelled: Arc<AtomicBool>) -> mpsc::Receiver<Value> {
    let (tell, messages) = mpsc::channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(message) = line.map_err(drop).and_then(|line| serde_json::from_str(&line).map_err(drop))
            else {
                continue;
            };
            let message: Value = message;
            if message["method"] == "session/cancel" {
                cancelled.store(true, Ordering::Relaxed);
            }
            if tell.send(message).is_err() {
                return;
            }
        }
        // Whoever speaks for nobody stops.
        std::process::exit(0);
    });
    messages
}

/// The address and the token of the first server of tools that is reached over HTTP.
fn reached(servers: &[Value]) -> Option<(String, String)> {
    let server = servers.iter().find(|server| server["type"] == "http")?;
    let headers = server["headers"].as_array()?;
    let bearer = headers.iter().find(|header| header["name"] == "Authorization")?["value"].as_str()?;
    Some((server["url"].as_str()?.to_owned(), bearer.strip_prefix("Bearer ")?.to_owned()))
}

/// Standard output, one message a line.
#[derive(Debug, Default)]
struct Wire(Mutex<u64>);

impl Wire {
    fn next(&self) -> u64 {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last += 1;
        *last
    }

    fn answer(&self, id: &Value, result: &Value) -> io::Result<()> {
        self.send(&json!({"jsonrpc": "2.0", "id": id, "result": result}))
    }

    fn refuse(&self, id: &Value, code: i32, message: &str) -> io::Result<()> {
        self.send(&json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}))
    }

    fn update(&self, update: &Value) -> io::Result<()> {
        let params = json!({"sessionId": SESSION, "update": update});
        self.send(&json!({"jsonrpc": "2.0", "method": "session/update", "params": params}))
    }

    fn send(&self, message: &Value) -> io::Result<()> {
        let _alone = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = io::stdout().lock();
        writeln!(out, "{message}")?;
        out.flush()
    }
}
