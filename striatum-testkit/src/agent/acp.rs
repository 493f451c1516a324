//! The agent's side of the Agent Client Protocol, as much of it as a scripted agent needs.

use std::{
    cell::RefCell,
    fs,
    io::{self, BufRead as _, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::{Reached, Said, Task, Tools};

/// How long an answer to a request may take: no test has a command run for so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What an agent says that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guise {
    /// The name of the program.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The model behind it, if it says.
    pub model: Option<String>,
    /// How it reaches tools.
    pub reach: Reach,
    /// The file in which it keeps its sessions, one of which it can then go on with in another process. For each that it begins it
    /// adds a line `new NAME`, for each that it goes on with `load NAME`, and `forgot NAME` for one that does not stand there.
    pub remembers: Option<PathBuf>,
}

/// How an agent reaches tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// Over HTTP.
    #[default]
    Http,
    /// Only as programs that it starts.
    Programs,
}

impl Default for Guise {
    fn default() -> Self {
        let (name, version) = ("scripted".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        Self { name, version, model: None, reach: Reach::default(), remembers: None }
    }
}

/// What an agent has at hand during a turn.
#[derive(Debug)]
pub struct Hands<'a> {
    tools: Tools,
    wire: &'a Wire,
    /// What is answered to requests of ours.
    answers: &'a mpsc::Receiver<Value>,
    cancelled: &'a AtomicBool,
    /// The task that is worked on, until it is answered.
    task: &'a RefCell<Option<Value>>,
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

    /// Ends the turn for this reason. Whatever is done afterwards is done beside the protocol.
    ///
    /// # Errors
    /// If nobody listens any more.
    pub fn end(&self, reason: &str) -> io::Result<()> {
        let Some(task) = self.task.take() else { return Ok(()) };
        self.wire.answer(&task, &json!({"stopReason": reason}))
    }

    /// Ends the turn as one that has failed so. Whatever is done afterwards is done beside the protocol.
    ///
    /// # Errors
    /// If nobody listens any more.
    pub fn fail(&self, message: &str) -> io::Result<()> {
        let Some(task) = self.task.take() else { return Ok(()) };
        self.wire.refuse(&task, -32603, message)
    }

    /// Lets those who watch see an edit.
    ///
    /// # Errors
    /// If nobody listens any more.
    pub fn edited(&self, path: &str) -> io::Result<()> {
        self.wire.update(&json!({"sessionUpdate": "tool_call", "toolCallId": format!("edit-{}", self.wire.next()),
            "title": format!("Write {path}"), "kind": "edit", "status": "completed", "locations": [{"path": path}]}))
    }

    /// Has a line run by the shell in a terminal, and tells what it wrote and the status with which it ended, if it did so by itself.
    ///
    /// # Errors
    /// If whoever speaks to this agent runs nothing.
    pub fn run(&self, line: &str) -> io::Result<(String, Option<i64>)> {
        let created = self.ask("terminal/create", json!({"command": line}))?;
        let at = |method: &str| self.ask(method, json!({"terminalId": created["terminalId"]}));
        let ended = at("terminal/wait_for_exit")?;
        let seen = at("terminal/output")?;
        at("terminal/release")?;
        Ok((seen["output"].as_str().unwrap_or_default().to_owned(), ended["exitCode"].as_i64()))
    }

    /// Asks for leave to run a line in the shell, and tells whether it was given.
    ///
    /// # Errors
    /// If nobody answers.
    pub fn may_run(&self, line: &str) -> io::Result<bool> {
        let option = |id: &str| json!({"optionId": id, "name": id, "kind": format!("{id}_once")});
        let call =
            json!({"toolCallId": format!("run-{}", self.wire.next()), "title": line, "kind": "execute"});
        let params = json!({"toolCall": call, "options": [option("allow"), option("reject")]});
        let answer = self.ask("session/request_permission", params)?;
        Ok(answer["outcome"]["optionId"] == "allow")
    }

    /// Asks whoever speaks to this agent.
    fn ask(&self, method: &str, mut params: Value) -> io::Result<Value> {
        let id = self.wire.next();
        params["sessionId"] = json!(self.wire.session());
        self.wire.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))?;
        let mut answer = self.answers.recv_timeout(PATIENCE).map_err(io::Error::other)?;
        match answer.get("error") {
            Some(error) => Err(io::Error::other(format!("{method}: {error}"))),
            None => Ok(answer["result"].take()),
        }
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
    let (messages, answers) = listen(cancelled.clone());
    let wire = Wire::default();
    let mut server: Option<Reached> = None;
    for message in messages {
        let id = message["id"].clone();
        let params = &message["params"];
        match message["method"].as_str() {
            Some("initialize") => {
                let can = json!({"mcpCapabilities": {"http": guise.reach == Reach::Http},
                    "loadSession": guise.remembers.is_some()});
                let info = json!({"name": guise.name, "version": guise.version});
                wire.answer(
                    &id,
                    &json!({"protocolVersion": 1, "agentInfo": info, "agentCapabilities": can}),
                )?;
            }
            Some("session/load") if guise.remembers.is_some() => {
                let name = params["sessionId"].as_str().unwrap_or_default();
                if !remembered(guise, name)? {
                    wire.refuse(&id, -32002, "there is no such session")?;
                    continue;
                }
                wire.begin(name);
                server = settle(params)?;
                // As the SDKs of agents do it.
                wire.answer(&id, &Value::Null)?;
            }
            Some("session/new") => {
                wire.begin(&begun(guise)?);
                server = settle(params)?;
                let mut opened = json!({"sessionId": wire.session()});
                if let Some(model) = &guise.model {
                    opened["models"] = json!({"currentModelId": model, "availableModels": [{"modelId": model, "name": model}]});
                }
                wire.answer(&id, &opened)?;
            }
            Some("session/prompt") => {
                cancelled.store(false, Ordering::Relaxed);
                let server = server.as_ref().ok_or_else(|| io::Error::other("there are no tools"))?;
                let task = RefCell::new(Some(id));
                let (answers, cancelled) = (&answers, &*cancelled);
                let hands = |tools| Hands { tools, wire: &wire, answers, cancelled, task: &task };
                let worked = Tools::open(server).and_then(|tools| work(&mut hands(tools)));
                let Some(task) = task.take() else { continue };
                match worked {
                    Ok(()) if cancelled.load(Ordering::Relaxed) => {
                        wire.answer(&task, &json!({"stopReason": "cancelled"}))?;
                    }
                    Ok(()) => wire.answer(&task, &json!({"stopReason": "end_turn"}))?,
                    Err(error) => wire.refuse(&task, -32603, &error.to_string())?,
                }
            }
            Some(_) if !id.is_null() => wire.refuse(&id, -32601, "there is no such method")?,
            _ => {}
        }
    }
    Ok(())
}

/// Goes where a session is to be worked on, and learns how its tools are reached.
fn settle(params: &Value) -> io::Result<Option<Reached>> {
    let folder: PathBuf = params["cwd"].as_str().unwrap_or_default().into();
    std::env::set_current_dir(folder)?;
    Ok(params["mcpServers"].as_array().and_then(|servers| reached(servers)))
}

/// What this agent calls its sessions.
const SESSION: &str = "scripted-session";

/// The name of a new session.
fn begun(guise: &Guise) -> io::Result<String> {
    let Some(file) = &guise.remembers else { return Ok(SESSION.to_owned()) };
    let known = fs::read_to_string(file).unwrap_or_default();
    let name = format!("{SESSION}-{}", known.lines().filter(|line| line.starts_with("new ")).count() + 1);
    note(file, "new", &name)?;
    Ok(name)
}

/// Whether an earlier process began a session of this name.
fn remembered(guise: &Guise, name: &str) -> io::Result<bool> {
    let Some(file) = &guise.remembers else { return Ok(false) };
    let known = fs::read_to_string(file).unwrap_or_default();
    let is_known = known.lines().any(|line| line.strip_prefix("new ") == Some(name));
    note(file, if is_known { "load" } else { "forgot" }, name)?;
    Ok(is_known)
}

fn note(file: &Path, what: &str, name: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(file)?;
    writeln!(file, "{what} {name}")
}

/// Reads messages, and answers apart from them, in a thread of its own, so that a turn can be cancelled while it goes on.
fn listen(cancelled: Arc<AtomicBool>) -> (mpsc::Receiver<Value>, mpsc::Receiver<Value>) {
    let (tell, messages) = mpsc::channel();
    let (reply, answers) = mpsc::channel();
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
            let to = if message["method"].is_null() { &reply } else { &tell };
            if to.send(message).is_err() {
                return;
            }
        }
        // Whoever speaks for nobody stops.
        std::process::exit(0);
    });
    (messages, answers)
}

/// How the first server of tools is reached.
fn reached(servers: &[Value]) -> Option<Reached> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let server = servers.first()?;
    if server["type"] == "http" {
        let headers = server["headers"].as_array()?;
        let bearer = headers.iter().find(|header| header["name"] == "Authorization")?["value"].as_str()?;
        let bearer = bearer.strip_prefix("Bearer ")?.to_owned();
        return Some(Reached::Http { url: text(&server["url"])?, bearer });
    }
    let arguments = server["args"].as_array()?.iter().filter_map(text);
    let argv = text(&server["command"]).into_iter().chain(arguments).collect();
    let env = server["env"].as_array()?.iter();
    let env =
        env.filter_map(|variable| Some((text(&variable["name"])?, text(&variable["value"])?))).collect();
    Some(Reached::Program { argv, env })
}

/// Standard output, one message a line.
#[derive(Debug, Default)]
struct Wire {
    last: Mutex<u64>,
    /// The name of the session that is open.
    session: Mutex<String>,
}

impl Wire {
    fn begin(&self, session: &str) {
        session.clone_into(&mut self.session.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn session(&self) -> String {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn next(&self) -> u64 {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
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
        let params = json!({"sessionId": self.session(), "update": update});
        self.send(&json!({"jsonrpc": "2.0", "method": "session/update", "params": params}))
    }

    fn send(&self, message: &Value) -> io::Result<()> {
        let _alone = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = io::stdout().lock();
        writeln!(out, "{message}")?;
        out.flush()
    }
}
