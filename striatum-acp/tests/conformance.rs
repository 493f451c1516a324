//! The suite that every transport passes.

use std::io;

use serde_json::{Value, json};
use striatum_acp::AcpTransport;
use striatum_core::{sandbox::Exit, transport::AgentTransport};
use striatum_testkit::transport::{Deed, Playing, Puppet, TransportFactory, Turns};

pub(crate) struct Acp;

impl TransportFactory for Acp {
    fn transport(&self) -> Box<dyn AgentTransport> {
        Box::new(AcpTransport::default())
    }

    fn turns(&self) -> Turns {
        Turns::Many
    }

    fn play(&self, puppet: Puppet, script: Vec<Deed>) -> Playing {
        Box::pin(
            async move { Actor { puppet, task: Value::Null }.play(script).await.unwrap_or(Exit::Code(0)) },
        )
    }
}

struct Actor {
    puppet: Puppet,
    /// The task that it works on.
    task: Value,
}

impl Actor {
    async fn play(mut self, script: Vec<Deed>) -> io::Result<Exit> {
        for deed in script {
            match deed {
                Deed::Meet => {
                    let hello = self.hear("initialize").await?;
                    let can = json!({"mcpCapabilities": {"http": true}, "loadSession": true});
                    let info = json!({"name": "puppet", "version": "1.0.0"});
                    let told = json!({"protocolVersion": 1, "agentInfo": info, "agentCapabilities": can});
                    self.answer(&hello, told).await?;
                    let new = self.hear("session/new").await?;
                    self.answer(&new, json!({"sessionId": "s"})).await?;
                }
                Deed::HearTask => self.task = self.hear("session/prompt").await?,
                Deed::Echo => {
                    let text = self.task["params"]["prompt"][0]["text"].as_str().unwrap_or_default();
                    self.say(text.to_owned()).await?;
                }
                Deed::Say(text) => self.say(text).await?,
                Deed::Complain(text) => self.puppet.complain(text.as_bytes()).await?,
                Deed::Raw(bytes) => self.puppet.write(&bytes).await?,
                Deed::EndTurn => self.end_turn("end_turn").await?,
                Deed::HeedCancel => {
                    self.hear("session/cancel").await?;
                    self.end_turn("cancelled").await?;
                }
                Deed::CloseOutputs => self.puppet.close_outputs(),
                Deed::Linger => return Ok(self.puppet.linger().await),
                Deed::End(exit) => return Ok(exit),
            }
        }
        // As agents do, it stays for another task.
        while self.puppet.line().await?.is_some() {}
        Ok(Exit::Code(0))
    }

    async fn hear(&mut self, method: &str) -> io::Result<Value> {
        while let Some(line) = self.puppet.line().await? {
            let message: Value = serde_json::from_str(&line)?;
            if message["method"] == method {
                return Ok(message);
            }
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    async fn end_turn(&mut self, reason: &str) -> io::Result<()> {
        let task = self.task.take();
        self.answer(&task, json!({"stopReason": reason})).await
    }

    async fn answer(&mut self, to: &Value, result: Value) -> io::Result<()> {
        self.send(&json!({"jsonrpc": "2.0", "id": to["id"], "result": result})).await
    }

    async fn say(&mut self, text: String) -> io::Result<()> {
        let update =
            json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}});
        let params = json!({"sessionId": "s", "update": update});
        self.send(&json!({"jsonrpc": "2.0", "method": "session/update", "params": params})).await
    }

    async fn send(&mut self, message: &Value) -> io::Result<()> {
        self.puppet.write(format!("{message}\n").as_bytes()).await
    }
}

striatum_testkit::transport_conformance!(Acp);
