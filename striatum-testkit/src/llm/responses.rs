//! OpenAI's responses: <https://platform.openai.com/docs/api-reference/responses>.

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
    let (item, ending) = match script(&conversation) {
        Reply::Refuse { status, headers, body } => return refusal(status, &headers, body),
        Reply::Say(text) => (message(nth, &text), Ending::Whole),
        Reply::Hang(text) => (message(nth, &text), Ending::Hangs),
        Reply::Cut(text) => (message(nth, &text), Ending::Cut),
        Reply::Call { tool, arguments } => (call(nth, &tool, &arguments), Ending::Whole),
    };
    let usage = json!({
        "input_tokens": 1000, "input_tokens_details": {"cached_tokens": 300}, "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 5}, "total_tokens": 1020,
    });
    let response = json!({
        "id": format!("resp_{nth}"), "object": "response", "created_at": 1_700_000_000, "status": "in_progress",
        "model": conversation.model, "output": [], "usage": null, "error": null, "incomplete_details": null,
        "instructions": null, "metadata": {}, "parallel_tool_calls": false, "tool_choice": "auto", "tools": [],
    });
    let mut completed = response.clone();
    completed["status"] = json!("completed");
    completed["output"] = json!([item]);
    completed["usage"] = usage;
    if body.get("stream") != Some(&Value::Bool(true)) {
        return axum::Json(completed).into_response();
    }
    let mut sent = Sent::default();
    sent.event("response.created", json!({"response": response}));
    output(&mut sent, &item, ending);
    if ending == Ending::Whole {
        sent.event("response.completed", json!({"response": completed}));
    }
    sent.events.send(ending)
}

fn message(nth: usize, text: &str) -> Value {
    let content = json!([{"type": "output_text", "text": text, "annotations": []}]);
    json!({"type": "message", "id": format!("msg_{nth}"), "role": "assistant", "status": "completed", "content": content})
}

fn call(nth: usize, tool: &Tool, arguments: &Value) -> Value {
    let call_id = format!("call_{nth}");
    let mut item = if tool.is_freeform {
        let input = arguments.get("input").cloned().unwrap_or_default();
        json!({"type": "custom_tool_call", "id": format!("ctc_{nth}"), "input": input})
    } else {
        json!({"type": "function_call", "id": format!("fc_{nth}"), "arguments": arguments.to_string()})
    };
    item["call_id"] = json!(call_id);
    item["name"] = json!(tool.name);
    item["status"] = json!("completed");
    if let Some(namespace) = &tool.namespace {
        item["namespace"] = json!(namespace);
    }
    item
}

/// Numbered events.
#[derive(Default)]
struct Sent {
    events: Events,
    number: u64,
}

impl Sent {
    fn event(&mut self, kind: &str, mut data: Value) {
        data["type"] = json!(kind);
        data["sequence_number"] = json!(self.number);
        self.number += 1;
        self.events.named(kind, &data);
    }
}

fn output(sent: &mut Sent, item: &Value, ending: Ending) {
    let mut begun = item.clone();
    begun["status"] = json!("in_progress");
    if item["type"] == "message" {
        begun["content"] = json!([]);
        sent.event("response.output_item.added", json!({"output_index": 0, "item": begun}));
        let (id, part) = (&item["id"], &item["content"][0]);
        let at = json!({"item_id": id, "output_index": 0, "content_index": 0});
        let with = |key: &str, value: Value| {
            let mut data = at.clone();
            data[key] = value;
            data
        };
        let empty = json!({"type": "output_text", "text": "", "annotations": []});
        sent.event("response.content_part.added", with("part", empty));
        sent.event("response.output_text.delta", with("delta", part["text"].clone()));
        if ending != Ending::Whole {
            return;
        }
        sent.event("response.output_text.done", with("text", part["text"].clone()));
        sent.event("response.content_part.done", with("part", part.clone()));
    } else {
        sent.event("response.output_item.added", json!({"output_index": 0, "item": begun}));
    }
    sent.event("response.output_item.done", json!({"output_index": 0, "item": item}));
}

fn read(body: &Value) -> Conversation {
    let turns = match body.get("input") {
        Some(Value::String(text)) => vec![Turn::Said(text.clone())],
        _ => list(body, "input").filter_map(turn).collect(),
    };
    let tools = list(body, "tools").flat_map(|tool| {
        let inside: Vec<Tool> =
            list(tool, "tools").map(|it| offered(it, Some(field(tool, "name")))).collect();
        if inside.is_empty() { vec![offered(tool, None)] } else { inside }
    });
    Conversation {
        api: Api::Responses,
        model: field(body, "model"),
        instructions: text_of(&body["instructions"]),
        turns,
        tools: tools.collect(),
        schema: body.pointer("/text/format/schema").cloned(),
    }
}

fn turn(item: &Value) -> Option<Turn> {
    let kind = field(item, "type");
    if kind.ends_with("_output") {
        return Some(Turn::Result(text_of(item)));
    }
    (item["role"] == "user").then(|| Turn::Said(text_of(item)))
}

fn offered(tool: &Value, namespace: Option<String>) -> Tool {
    let kind = field(tool, "type");
    let name = Some(field(tool, "name")).filter(|name| !name.is_empty());
    Tool {
        // A tool of the interface itself has a type and no name.
        name: name.unwrap_or_else(|| kind.clone()),
        namespace,
        arguments: properties(tool.get("parameters")),
        is_freeform: kind == "custom",
    }
}
