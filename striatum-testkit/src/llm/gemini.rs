//! Google's generated content: <https://ai.google.dev/api/generate-content>.

use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{
    Api, Conversation, Reply, Tool, Turn,
    conversation::{field, list, properties, text_of},
    refusal,
    stream::{Ending, Events},
};

pub(super) fn answer(path: &str, body: &Value, script: &dyn Fn(&Conversation) -> Reply) -> Response {
    let last = path.rsplit('/').next().unwrap_or_default();
    let (model, method) = last.split_once(':').unwrap_or((last, ""));
    let conversation = read(model, body);
    let (part, ending) = match script(&conversation) {
        Reply::Refuse { status, headers, body } => return refusal(status, &headers, body),
        Reply::Say(text) => (json!({"text": shaped(body, text)}), Ending::Whole),
        Reply::Hang(text) => (json!({"text": text}), Ending::Hangs),
        Reply::Cut(text) => (json!({"text": text}), Ending::Cut),
        Reply::Call { tool, arguments } => {
            (json!({"functionCall": {"name": tool.name, "args": arguments}}), Ending::Whole)
        }
    };
    let mut candidate = json!({"content": {"role": "model", "parts": [part]}, "index": 0});
    if ending == Ending::Whole {
        candidate["finishReason"] = json!("STOP");
    }
    let chunk = json!({
        "candidates": [candidate], "modelVersion": model,
        "responseId": format!("resp{}", conversation.turns.len()),
        "usageMetadata": {"promptTokenCount": 1000, "candidatesTokenCount": 20, "totalTokenCount": 1020},
    });
    if !method.starts_with("stream") {
        return axum::Json(chunk).into_response();
    }
    let mut events = Events::default();
    events.add(&chunk);
    events.send(ending)
}

/// Side questions of the agent (which model to use, who speaks next) want JSON, and take an answer that has the words they look for.
fn shaped(body: &Value, text: String) -> String {
    let wanted = body.pointer("/generationConfig/responseMimeType").and_then(Value::as_str);
    if wanted != Some("application/json") || text.starts_with('{') {
        return text;
    }
    json!({"reasoning": text, "model_choice": "flash", "next_speaker": "user", "complexity_score": 10,
           "complexity_reasoning": text})
    .to_string()
}

fn read(model: &str, body: &Value) -> Conversation {
    let theirs = list(body, "contents").filter(|content| content["role"] != "model");
    let turns = theirs.flat_map(|content| list(content, "parts")).filter_map(|part| {
        if let Some(answer) = part.get("functionResponse") {
            return Some(Turn::Result(text_of(answer)));
        }
        part.get("text").map(|text| Turn::Said(text_of(text)))
    });
    let declared = list(body, "tools").flat_map(|tool| list(tool, "functionDeclarations"));
    let tools = declared.map(|tool| Tool {
        name: field(tool, "name"),
        namespace: None,
        arguments: properties(tool.get("parameters").or_else(|| tool.get("parametersJsonSchema"))),
        is_freeform: false,
    });
    Conversation {
        api: Api::Gemini,
        model: model.to_owned(),
        instructions: text_of(&body["systemInstruction"]),
        turns: turns.collect(),
        tools: tools.collect(),
        schema: body.pointer("/generationConfig/responseSchema").cloned(),
    }
}
