//! OpenAI's chat completions: <https://platform.openai.com/docs/api-reference/chat>. What most providers and local models speak.

use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{
    Api, Conversation, Reply, Tool, Turn,
    conversation::{field, list, properties, text_of},
    refusal,
    stream::{Ending, Events},
};

pub(super) fn answer(body: &Value, script: &dyn Fn(&Conversation) -> Reply) -> Response {
    let conversation = read(body);
    let nth = conversation.turns.len();
    let (message, ending) = match script(&conversation) {
        Reply::Refuse { status, headers, body } => return refusal(status, &headers, body),
        Reply::Say(text) => (json!({"content": text}), Ending::Whole),
        Reply::Hang(text) => (json!({"content": text}), Ending::Hangs),
        Reply::Cut(text) => (json!({"content": text}), Ending::Cut),
        Reply::Call { tool, arguments } => {
            let function = json!({"name": tool.name, "arguments": arguments.to_string()});
            let call =
                json!({"index": 0, "id": format!("call_{nth}"), "type": "function", "function": function});
            (json!({"content": null, "tool_calls": [call]}), Ending::Whole)
        }
    };
    let reason = if message.get("tool_calls").is_some() { "tool_calls" } else { "stop" };
    let usage = json!({
        "prompt_tokens": 1000, "completion_tokens": 20, "total_tokens": 1020,
        "prompt_tokens_details": {"cached_tokens": 300}, "completion_tokens_details": {"reasoning_tokens": 5},
    });
    let head =
        json!({"id": format!("chatcmpl-{nth}"), "created": 1_700_000_000, "model": conversation.model});
    if body.get("stream") != Some(&Value::Bool(true)) {
        let mut whole = head;
        let mut message = message;
        message["role"] = json!("assistant");
        whole["object"] = json!("chat.completion");
        whole["choices"] =
            json!([{"index": 0, "message": message, "finish_reason": reason, "logprobs": null}]);
        whole["usage"] = usage;
        return axum::Json(whole).into_response();
    }
    let mut sent = Sent { events: Events::default(), head };
    sent.delta(&json!({"role": "assistant", "content": ""}), None);
    sent.delta(&message, None);
    if ending == Ending::Whole {
        sent.delta(&json!({}), Some(reason));
        if body.pointer("/stream_options/include_usage") == Some(&Value::Bool(true)) {
            sent.chunk(&json!([]), Some(usage));
        }
        sent.events.done();
    }
    sent.events.send(ending)
}

/// Chunks of one answer.
struct Sent {
    events: Events,
    head: Value,
}

impl Sent {
    fn delta(&mut self, delta: &Value, reason: Option<&str>) {
        self.chunk(&json!([{"index": 0, "delta": delta, "finish_reason": reason}]), None);
    }

    fn chunk(&mut self, choices: &Value, usage: Option<Value>) {
        let mut chunk = self.head.clone();
        chunk["object"] = json!("chat.completion.chunk");
        chunk["choices"] = choices.clone();
        if let Some(usage) = usage {
            chunk["usage"] = usage;
        }
        self.events.add(&chunk);
    }
}

fn read(body: &Value) -> Conversation {
    let by = |roles: &'static [&str]| {
        list(body, "messages").filter(|message| roles.contains(&field(message, "role").as_str()))
    };
    let instructions: Vec<String> =
        by(&["system", "developer"]).map(|message| text_of(&message["content"])).collect();
    let turns = by(&["user", "tool"]).map(|message| {
        let text = text_of(&message["content"]);
        if message["role"] == "tool" { Turn::Result(text) } else { Turn::Said(text) }
    });
    let tools = list(body, "tools").filter_map(|tool| tool.get("function")).map(|function| Tool {
        name: field(function, "name"),
        namespace: None,
        arguments: properties(function.get("parameters")),
        is_freeform: false,
    });
    Conversation {
        api: Api::Chat,
        model: field(body, "model"),
        instructions: instructions.join("\n"),
        turns: turns.collect(),
        tools: tools.collect(),
        schema: body.pointer("/response_format/json_schema/schema").cloned(),
    }
}
