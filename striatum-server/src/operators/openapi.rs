//! The OpenAPI document, from the operations themselves.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::operation::Operation;

/// The document, in version 3.1, whose schemas are those of JSON Schema 2020-12.
pub(super) fn document(operations: &[Arc<Operation>]) -> Value {
    let mut paths = Map::new();
    for operation in operations {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method.as_str().to_lowercase()] = described(operation);
    }
    for (path, described) in others() {
        paths.insert(path.to_owned(), json!({ "get": described }));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Striatum for operators",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Runs of workflows, seen and steered. A token is sent as `Authorization: Bearer`; each operation says under \
                            `x-capability` what it has to allow.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": { "Refusal": refusal() },
        },
        "security": [{ "token": [] }],
    })
}

fn described(operation: &Operation) -> Value {
    let empty = Map::new();
    let keys = operation.input.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let required: Vec<&str> = match operation.input.get("required") {
        Some(Value::Array(required)) => required.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let in_path: Vec<&str> = operation.path_keys().collect();
    let parameter = |place: &str, key: &str, schema: &Value| json!({ "name": key, "in": place, "required": place == "path" || required.contains(&key), "schema": schema });
    let (path, rest): (Vec<_>, Vec<_>) = keys.iter().partition(|(key, _)| in_path.contains(&key.as_str()));
    let mut parameters: Vec<Value> =
        path.iter().map(|(key, schema)| parameter("path", key, schema)).collect();
    let mut described = json!({
        "operationId": operation.name,
        "summary": operation.summary,
        "x-capability": operation.capability.as_str(),
        "responses": {
            "200": { "description": "Done.", "content": { "application/json": { "schema": operation.output } } },
            "default": refused(),
        },
    });
    if operation.is_change() {
        let mut body = operation.input.clone();
        let properties: Map<String, Value> =
            rest.into_iter().map(|(key, schema)| (key.clone(), schema.clone())).collect();
        let required: Vec<&str> = required.into_iter().filter(|key| !in_path.contains(key)).collect();
        let is_required = !required.is_empty();
        body.insert("required".to_owned(), json!(required));
        body.insert("properties".to_owned(), Value::Object(properties));
        described["requestBody"] =
            json!({ "required": is_required, "content": { "application/json": { "schema": body } } });
    } else {
        parameters.extend(rest.iter().map(|(key, schema)| parameter("query", key, schema)));
    }
    described["parameters"] = Value::Array(parameters);
    described
}

/// What is no operation.
fn others() -> Vec<(&'static str, Value)> {
    let text = |name: &str, place: &str, description: &str| {
        json!({
            "name": name, "in": place, "required": place == "path", "description": description, "schema": { "type": "string" },
        })
    };
    let answer = |name: &str, capability: &str, summary: &str, kind: &str, parameters: Vec<Value>| {
        json!({
            "operationId": name, "summary": summary, "x-capability": capability, "parameters": parameters,
            "responses": {
                "200": { "description": "Done.", "content": { kind: { "schema": { "type": "string" } } } },
                "default": refused(),
            },
        })
    };
    let open = |name: &str, summary: &str| {
        json!({
            "operationId": name, "summary": summary, "security": [],
            "responses": { "200": { "description": "Yes." }, "503": { "description": "No." } },
        })
    };
    vec![
        (
            "/v1/events",
            answer(
                "follow_events",
                "read",
                "Follows the events of a repository, in their one gapless order, as server-sent events. Each has its `seq:digest` as id; \
                 with `Last-Event-ID` a reader goes on where it was. `history_changed` says that the stored history is another one.",
                "text/event-stream",
                vec![
                    text("repository", "query", "The repository; that of the token unless given."),
                    text("run", "query", "Only events of this run."),
                    text("after", "query", "Only events behind this `seq:digest`, or `head`: only new ones."),
                    text("Last-Event-ID", "header", "As `after`, and instead of it."),
                ],
            ),
        ),
        (
            "/v1/runs/{run}/blobs/{digest}",
            answer(
                "read_blob",
                "read",
                "Reads bytes that a run names.",
                "application/octet-stream",
                vec![text("run", "path", "The run."), text("digest", "path", "SHA-256 of the bytes.")],
            ),
        ),
        ("/v1/openapi.json", answer("openapi", "none", "This document.", "application/json", Vec::new())),
        ("/v1/health", open("health", "Whether the process is there.")),
        ("/v1/ready", open("ready", "Whether the store answers.")),
    ]
}

fn refused() -> Value {
    json!({
        "description": "Refused, with a code that `docs/errors.md` lists.",
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Refusal" } } },
    })
}

fn refusal() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "type": "object",
        "required": ["error"],
        "properties": { "error": {
            "type": "object",
            "required": ["code", "message", "remedy"],
            "properties": {
                "code": text("The stable code."),
                "message": text("What is wrong."),
                "remedy": text("What to do next."),
            },
        } },
    })
}
