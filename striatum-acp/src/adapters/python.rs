//! Agents that Python's packages bring.

use super::{Adapter, Endpoint, TERMINALS};
use crate::{FileAccess, ToolAccess, UsageMeaning, Version};

pub(super) static FASTAGENT: Adapter = Adapter {
    name: "fastagent",
    command: &["fast-agent-acp"],
    install: "uv tool install fast-agent-mcp",
    at_least: Version::new(0, 10, 46),
    runtime: None,
    // Else it keeps sessions and a log in the tree.
    env: &[("FAST_AGENT_HOME", "~/.fast-agent")],
    walled: &[],
    credentials: &["OPENAI_API_KEY"],
    settings: &["FAST_AGENT_MODEL", "OPENAI_BASE_URL"],
    endpoint: Some(Endpoint {
        provider: "openai",
        url: Some("OPENAI_BASE_URL"),
        host: Some("https://api.openai.com"),
        variables: &[("OPENAI_BASE_URL", "http://{}/v1")],
    }),
    home: None,
    auth_method: None,
    // Its own tools for files are the client's.
    files: FileAccess::ReadWrite,
    terminals: TERMINALS,
    tools: ToolAccess::Http,
    mode: None,
    usage: UsageMeaning::Turn,
    notes: &[
        "its model is the one that `FAST_AGENT_MODEL` names, with the provider before it, such as `openai.gpt-5.5`",
        "it tells of every error of its model as a refusal, after half a minute",
        "it tells tokens only in a line of text",
    ],
};

pub(super) static HERMES: Adapter = Adapter {
    name: "hermes",
    command: &["hermes-acp"],
    install: "uv tool install 'hermes-agent[acp,mcp]'",
    at_least: Version::new(0, 19, 0),
    runtime: None,
    // Else it fetches a program that judges commands.
    env: &[("TIRITH_ENABLED", "false")],
    walled: &[],
    // It reads the keys of dozens of providers, and its own file.
    credentials: &[],
    settings: &["HERMES_HOME"],
    endpoint: None,
    home: Some(("HERMES_HOME", ".hermes")),
    auth_method: None,
    files: FileAccess::ReadWrite,
    terminals: TERMINALS,
    tools: ToolAccess::Bridge,
    mode: None,
    usage: UsageMeaning::Session,
    notes: &[
        "its model, and where that is, stand in its own `config.yaml` alone",
        "it tells of every error of its model as the text of a turn that ended well",
        "a cancel while it waits for leave ends its turn with an internal error",
        "it asks for leave for edits alone, under an id that no tool call has",
    ],
};

pub(super) static VIBE: Adapter = Adapter {
    name: "vibe",
    command: &["vibe-acp"],
    install: "uv tool install mistral-vibe",
    at_least: Version::new(3, 0, 2),
    runtime: None,
    env: &[
        ("VIBE_ENABLE_TELEMETRY", "false"),
        ("VIBE_ENABLE_UPDATE_CHECKS", "false"),
        ("VIBE_ENABLE_AUTO_UPDATE", "false"),
    ],
    walled: &[],
    credentials: &["MISTRAL_API_KEY"],
    settings: &["VIBE_ACTIVE_MODEL", "VIBE_MODELS", "VIBE_PROVIDERS", "VIBE_HOME"],
    endpoint: Some(Endpoint {
        // Mistral speaks it too.
        provider: "openai",
        url: None,
        host: Some("https://api.mistral.ai"),
        variables: &[(
            "VIBE_PROVIDERS",
            r#"[{"name":"mistral","api_base":"http://{}/v1","api_key_env_var":"{variable}","backend":"generic"}]"#,
        )],
    }),
    home: Some(("VIBE_HOME", ".vibe")),
    auth_method: None,
    files: FileAccess::ReadWrite,
    terminals: TERMINALS,
    tools: ToolAccess::Bridge,
    mode: None,
    usage: UsageMeaning::Session,
    notes: &[
        "it says what the user said, too",
        "it asks for leave for commands and for tools that we bring, and names neither in what it asks",
        "it hides a limit behind retries that outlast every patience",
    ],
};
