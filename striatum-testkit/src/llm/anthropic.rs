//! Anthropic's messages: <https://docs.anthropic.com/en/api/messages>.

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
    let (content, stop, ending) = match script(&conversation) {
        Reply::Refuse { status, headers, body } => return refusal(status, &headers, body),
        Reply::Say(text) => (json!({"type": "text", "text": text}), "end_turn", Ending::Whole),
        Reply::Hang(text) => (json!({"type": "text", "text": text}), "end_turn", Ending::Hangs),
        Reply::Cut(text) => (json!({"type": "text", "text": text}), "end_turn", Ending::Cut),
        Reply::Call { tool, arguments } => {
            let id = format!("toolu_{}", conversation.turns.len());
            let call = json!({"type": "tool_use", "id": id, "name": tool.name, "input": arguments});
            (call, "tool_use", Ending::Whole)
        }
    };
    let usage = json!({"input_tokens": 1000, "output_tokens": 20, "cache_read_input_tokens": 300,
                       "cache_creation_input_tokens": 40});
    let mut message = json!({
        "id": format!("msg_{}", conversation.turns.len()), "type": "message", "role": "assistant",
        "model": conversation.model, "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage,
    });
    if body.get("stream") != Some(&Value::Bool(true)) {
        message["content"] = json!([content]);
        message["stop_reason"] = json!(stop);
        return axum::Json(message).into_response();
    }
    let mut events = Events::default();
    events.named("message_start", &json!({"type": "message_start", "message": message}));
    block(&mut events, &content);
    if ending == Ending::Whole {
        events.named("content_block_stop", &json!({"type": "content_block_stop", "index": 0}));
        let delta = json!({"stop_reason": stop, "stop_sequence": null});
        events.named("message_delta", &json!({"type": "message_delta", "delta": delta, "usage": usage}));
        events.named("message_stop", &json!({"type": "message_stop"}));
    }
    events.send(ending)
}

/// A block of content begins empty and is filled by a delta.
fn block(events: &mut Events, content: &Value) {
    let (empty, delta) = if content["type"] == "tool_use" {
        let json = content["input"].to_string();
        let empty = json!({"type": "tool_use", "id": content["id"], "name": content["name"], "input": {}});
        (empty, json!({"type": "input_json_delta", "partial_json": json}))
    } else {
        (json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": content["text"]}))
    };
    let start = json!({"type": "content_block_start", "index": 0, "content_block": empty});
    events.named("content_block_start", &start);
    events.named("content_block_delta", &json!({"type": "content_block_delta", "index": 0, "delta": delta}));
}

fn read(body: &Value) -> Conversation {
    let mut turns = Vec::new();
    // What agents tell their models in the middle of a conversation comes as a message, too.
    let told = list(body, "messages").filter(|message| message["role"] == "system");
    let instructions: Vec<String> = [&body["system"]].into_iter().chain(told).map(text_of).collect();
    for message in list(body, "messages").filter(|message| message["role"] == "user") {
        match &message["content"] {
            Value::Array(parts) => turns.extend(parts.iter().map(|part| match &part["type"] {
                kind if kind == "tool_result" => Turn::Result(text_of(part)),
                _ => Turn::Said(text_of(part)),
            })),
            text => turns.push(Turn::Said(text_of(text))),
        }
    }
    let tools = list(body, "tools").map(|tool| Tool {
        name: field(tool, "name"),
        namespace: None,
        arguments: properties(tool.get("input_schema")),
        is_freeform: false,
    });
    Conversation {
        api: Api::Anthropic,
        model: field(body, "model"),
        instructions: instructions.join("\n"),
        turns,
        tools: tools.collect(),
        schema: body.pointer("/output_config/format/schema").cloned(),
    }
}
