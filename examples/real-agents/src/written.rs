//! What stands in the settings of agents that are led to their model by nothing else.

use serde_json::{Value, json};

use crate::agents::PLACEHOLDER;

pub(crate) fn codex(model: &str) -> String {
    format!(
        "model = \"mock-model\"\nmodel_provider = \"mock\"\ncheck_for_update_on_startup = false\n\n\
         [analytics]\nenabled = false\n\n[feedback]\nenabled = false\n\n[otel]\nexporter = \"none\"\n\n\
         [model_providers.mock]\nname = \"mock\"\nbase_url = \"{model}/v1\"\nenv_key = \"OPENAI_API_KEY\"\n\
         wire_api = \"responses\"\nrequest_max_retries = 1\nstream_max_retries = 1\n"
    )
}

pub(crate) fn gemini() -> Value {
    json!({
        "general": {"disableAutoUpdate": true, "enableAutoUpdate": false, "disableUpdateNag": true},
        "privacy": {"usageStatisticsEnabled": false},
        "telemetry": {"enabled": false},
        "security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": false}},
        "model": {"name": "gemini-2.5-pro"},
    })
}

/// Kilo reads the same.
pub(crate) fn opencode(model: &str) -> Value {
    let limit = json!({"context": 100_000, "output": 8000});
    json!({
        "model": "mock/mock-model",
        "small_model": "mock/mock-model",
        "provider": {"mock": {
            "npm": "@ai-sdk/openai-compatible",
            "name": "Mock",
            "options": {"baseURL": format!("{model}/v1"), "apiKey": PLACEHOLDER},
            "models": {"mock-model": {"name": "Mock model", "limit": limit}},
        }},
    })
}

pub(crate) fn hermes(model: &str) -> String {
    format!(
        "model:\n  default: mock-model\n  provider: custom\n  base_url: {model}/v1\n  api_key: {PLACEHOLDER}\n"
    )
}
