//! Codex, by two programs of the same name.

use super::{Adapter, Endpoint, NODE, TERMINALS};
use crate::{FileAccess, ToolAccess, UsageMeaning, Version};

pub(super) static CODEX: Adapter = Adapter {
    name: "codex",
    command: &["codex-acp"],
    install: "npm install -g @agentclientprotocol/codex-acp @openai/codex",
    at_least: Version::new(2, 6, 0),
    runtime: Some((NODE, Version::new(20, 0, 0))),
    env: &[("NO_BROWSER", "1")],
    walled: &[("INITIAL_AGENT_MODE", "agent-full-access")],
    credentials: &["OPENAI_API_KEY", "CODEX_API_KEY"],
    settings: &["CODEX_HOME", "INITIAL_AGENT_MODE", "OPENAI_BASE_URL"],
    endpoint: Some(Endpoint {
        provider: "openai",
        url: Some("OPENAI_BASE_URL"),
        host: Some("https://api.openai.com"),
        // The search is the provider's, and reaches further than its model.
        variables: &[(
            "CODEX_CONFIG",
            r#"{"model_provider":"striatum","web_search":"disabled","check_for_update_on_startup":false,"model_providers":{"striatum":{"name":"striatum","base_url":"http://{}/v1","env_key":"{variable}","wire_api":"responses"}}}"#,
        )],
    }),
    home: Some(("CODEX_HOME", ".codex")),
    auth_method: Some("api-key"),
    files: FileAccess::ReadWrite,
    terminals: TERMINALS,
    tools: ToolAccess::Http,
    mode: None,
    usage: UsageMeaning::Turn,
    notes: &[
        "it asks for leave only in the mode `read-only`",
        "a rejected request ends its turn as cancelled",
        "it tells of a permanent 429 as the text of a turn that ended well",
        "it may stay when its input ends: end its process group",
    ],
};

pub(super) static ZEDCODEX: Adapter = Adapter {
    name: "zedcodex",
    command: &["codex-acp"],
    install: "npm install -g @zed-industries/codex-acp",
    at_least: Version::new(0, 16, 0),
    runtime: None,
    env: &[("NO_BROWSER", "1")],
    walled: &[],
    credentials: &["OPENAI_API_KEY"],
    settings: &["CODEX_HOME", "OPENAI_BASE_URL"],
    endpoint: None,
    home: Some(("CODEX_HOME", ".codex")),
    auth_method: Some("openai-api-key"),
    files: FileAccess::ReadWrite,
    terminals: TERMINALS,
    tools: ToolAccess::Http,
    mode: None,
    usage: UsageMeaning::Turn,
    notes: &[
        "its program has the name of that of `codex`, which is another",
        "it begins in the mode `read-only`, in which it asks for leave; a lane may choose `auto` or `full-access`",
        "a rejected request ends its turn as cancelled",
        "it does not try again when its model's host refuses it, and tells no tokens",
        "it may stay when its input ends: end its process group",
    ],
};
