//! The tools of a grant, called as agents call them: the Model Context Protocol over HTTP, or through a program between.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

/// Longer than any call takes: what it asks for is done before the answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a server of tools is reached, as the agent was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reached {
    /// Over HTTP.
    Http {
        /// The URL.
        url: String,
        /// What is shown with every request.
        bearer: String,
    },
    /// Over the standard streams of a program.
    Program {
        /// The program and its arguments.
        argv: Vec<String>,
        /// Variables that it gets beside the agent's own.
        env: Vec<(String, String)>,
    },
}

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
    line: Line,
    requests: u64,
}

impl Tools {
    /// Opens a session, and asks which tools there are, as agents do.
    ///
    /// # Errors
    /// If the server cannot be reached, or refuses.
    pub fn open(reached: &Reached) -> io::Result<Self> {
        let line = match reached {
            Reached::Http { url, bearer } => Line::Http(Http::new(url, bearer)),
            Reached::Program { argv, env } => Line::Program(Program::start(argv, env)?),
        };
        let mut tools = Self { line, requests: 0 };
        let client = json!({"name": "scripted", "version": env!("CARGO_PKG_VERSION")});
        let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client});
        tools.ask("initialize", &hello)?;
        tools.line.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}), None)?;
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
        let mut answer = self.line.send(&request, Some(id))?.ok_or_else(|| io::Error::other("no answer"))?;
        match answer.get("error") {
            Some(error) => Err(io::Error::other(format!("{method}: {error}"))),
            None => Ok(answer["result"].take()),
        }
    }
}

/// What messages travel over.
#[derive(Debug)]
enum Line {
    Http(Http),
    Program(Program),
}

impl Line {
    /// Sends a message, and waits for the answer to it if there is to be one.
    fn send(&mut self, message: &Value, id: Option<u64>) -> io::Result<Option<Value>> {
        match self {
            Self::Http(http) => http.send(message, id),
            Self::Program(program) => program.send(message, id),
        }
    }
}

/// The message among these lines that answers this. An answer over HTTP comes as it is, or as an event of a stream.
fn answer_to(id: u64, lines: impl Iterator<Item = io::Result<String>>) -> io::Result<Option<Value>> {
    for line in lines {
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

#[derive(Debug)]
struct Http {
    agent: ureq::Agent,
    url: String,
    bearer: String,
    session: Option<String>,
}

impl Http {
    fn new(url: &str, bearer: &str) -> Self {
        let config =
            ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false).build();
        Self { agent: config.into(), url: url.to_owned(), bearer: bearer.to_owned(), session: None }
    }

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
        answer_to(id, BufReader::new(answer.body_mut().as_reader()).lines())
    }
}

#[derive(Debug)]
struct Program {
    child: Child,
    /// Nothing once it is to end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Program {
    fn start(argv: &[String], env: &[(String, String)]) -> io::Result<Self> {
        let (program, arguments) =
            argv.split_first().ok_or_else(|| io::Error::other("the program has no name"))?;
        let mut command = Command::new(program);
        command.args(arguments).envs(env.iter().cloned());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let streams = child.stdin.take().zip(child.stdout.take());
        let (input, output) = streams.ok_or_else(|| io::Error::other("the program has no streams"))?;
        Ok(Self { child, input: Some(input), output: BufReader::new(output) })
    }

    fn send(&mut self, message: &Value, id: Option<u64>) -> io::Result<Option<Value>> {
        let input = self.input.as_mut().ok_or_else(|| io::Error::other("the program has ended"))?;
        writeln!(input, "{message}")?;
        input.flush()?;
        let Some(id) = id else { return Ok(None) };
        answer_to(id, self.output.by_ref().lines())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It ends with its input; who does not is not waited for.
        self.input = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
