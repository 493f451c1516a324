//! What an agent tells its model, and what the model answers.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Api;

/// What an agent sent, whatever interface it speaks.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    /// The interface.
    pub api: Api,
    /// The model that it wants.
    pub model: String,
    /// What the agent tells every model, apart from the conversation.
    pub instructions: String,
    /// What was said so far, in order; what the model itself said is left out.
    pub turns: Vec<Turn>,
    /// The tools that the model may call.
    pub tools: Vec<Tool>,
    /// The JSON Schema that the answer must fit, where the agent wants such an answer.
    pub schema: Option<Value>,
}

/// Something that was said to the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// By whoever uses the agent, or by the agent itself.
    Said(String),
    /// By a tool.
    Result(String),
}

/// A tool on offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What its name stands in, where the interface has such a thing.
    pub namespace: Option<String>,
    /// The names of its arguments, as far as it says.
    pub arguments: BTreeSet<String>,
    /// Whether it takes one text instead of named arguments.
    pub is_freeform: bool,
}

impl Tool {
    /// Whether this is the tool `name`, perhaps as a server's: agents put the name of the server before it.
    pub fn is(&self, name: &str) -> bool {
        let rest = self.name.strip_suffix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with(['_', '-', '.']))
    }
}

/// What the model answers.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// Text, and its turn is over.
    Say(String),
    /// A tool is called.
    Call {
        /// Which one.
        tool: Tool,
        /// With what.
        arguments: Value,
    },
    /// The request is refused.
    Refuse {
        /// With this status.
        status: u16,
        /// And these headers.
        headers: Vec<(String, String)>,
        /// And this body; nothing for one that fits the status.
        body: Option<Value>,
    },
    /// Text, and then nothing more for as long as the agent waits.
    Hang(String),
    /// Text, and then the connection is cut.
    Cut(String),
}

impl Reply {
    /// Says something.
    pub fn say(text: impl Into<String>) -> Self {
        Self::Say(text.into())
    }

    /// Refuses.
    pub const fn refuse(status: u16) -> Self {
        Self::Refuse { status, headers: Vec::new(), body: None }
    }

    /// Refuses for so many seconds.
    pub fn limit(seconds: u32) -> Self {
        let headers = vec![("retry-after".to_owned(), seconds.to_string())];
        Self::Refuse { status: 429, headers, body: None }
    }
}

impl Conversation {
    /// How many tools have answered since the last text that holds these words; nothing if there is no such text.
    pub fn results_since(&self, words: &str) -> Option<usize> {
        let holds = |turn: &Turn| matches!(turn, Turn::Said(text) if text.contains(words));
        let last = self.turns.iter().rposition(holds)?;
        Some(self.turns[last..].iter().filter(|turn| matches!(turn, Turn::Result(_))).count())
    }

    /// What the last tool answered.
    pub fn last_result(&self) -> Option<&str> {
        self.turns.iter().rev().find_map(|turn| match turn {
            Turn::Result(text) => Some(text.as_str()),
            Turn::Said(_) => None,
        })
    }

    /// Calls the first of these tools that is on offer, with those of the arguments that it takes. Where none is, the reply says
    /// what there is.
    pub fn call(&self, candidates: &[(&str, Value)]) -> Reply {
        for (name, arguments) in candidates {
            let Some(tool) = self.tools.iter().find(|tool| tool.is(name)) else { continue };
            let mut arguments = arguments.clone();
            if let (Value::Object(arguments), false) = (&mut arguments, tool.arguments.is_empty()) {
                arguments.retain(|name, _| tool.arguments.contains(name));
            }
            return Reply::Call { tool: tool.clone(), arguments };
        }
        let offered: Vec<_> = self.tools.iter().map(|tool| tool.name.as_str()).collect();
        Reply::Say(format!("None of my tools is among {offered:?}."))
    }
}

/// The text of a value as the interfaces nest it: a string, a list, or an object with `text`, `content`, `parts` or `output`.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(text_of).collect::<Vec<_>>().join("\n"),
        Value::Object(fields) => {
            let inner = ["text", "content", "parts", "output", "response"];
            inner.iter().find_map(|key| fields.get(*key)).map(text_of).unwrap_or_default()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
    }
}

/// The names of the properties of a JSON Schema.
pub(super) fn properties(schema: Option<&Value>) -> BTreeSet<String> {
    let properties = schema.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    properties.into_iter().flat_map(|properties| properties.keys().cloned()).collect()
}

pub(super) fn list<'a>(body: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    body.get(key).and_then(Value::as_array).into_iter().flatten()
}

pub(super) fn field(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}
