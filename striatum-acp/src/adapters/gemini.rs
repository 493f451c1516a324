//! Gemini, and what was made of it.

use super::{Adapter, Endpoint, NODE, TERMINALS};
use crate::{FileAccess, ToolAccess, UsageMeaning, Version};

pub(super) static GEMINI: Adapter = Adapter {
    name: "gemini",
    command: &["gemini", "--acp"],
    install: "npm install -g @google/gemini-cli",
    at_least: Version::new(0, 61, 0),
    runtime: Some((NODE, Version::new(20, 0, 0))),
    env: &[
        // Else it starts itself again, and the child outlives it with its streams.
        ("GEMINI_CLI_NO_RELAUNCH", "true"),
        // Else it leaves out tools that we bring: to it every work tree is a folder that nobody has trusted yet.
        ("GEMINI_CLI_TRUST_WORKSPACE", "true"),
        ("GEMINI_TELEMETRY_ENABLED", "false"),
    ],
    walled: &[],
    credentials: &["GEMINI_API_KEY"],
    settings: &["GOOGLE_GEMINI_BASE_URL", "GEMINI_MODEL"],
    endpoint: Some(Endpoint {
        provider: "gemini",
        url: Some("GOOGLE_GEMINI_BASE_URL"),
        host: Some("https://generativelanguage.googleapis.com"),
        variables: &[("GOOGLE_GEMINI_BASE_URL", "http://{}")],
    }),
    home: None,
    auth_method: Some("gemini-api-key"),
    // It cannot make a new file through a client.
    files: FileAccess::Off,
    terminals: TERMINALS,
    tools: ToolAccess::Http,
    mode: None,
    usage: UsageMeaning::Turn,
    notes: &[
        "it asks for leave for tools that it never announces",
        "the code of an error may be the status that the model's host answered with",
    ],
};

pub(super) static QWEN: Adapter = Adapter {
    name: "qwen",
    // Else tools that we bring hide behind a tool that searches for tools.
    command: &["qwen", "--acp", "--exclude-tools", "tool_search"],
    install: "npm install -g @qwen-code/qwen-code",
    at_least: Version::new(0, 24, 4),
    runtime: Some((NODE, Version::new(22, 0, 0))),
    env: &[
        // Else it starts itself again, and the child outlives it with its streams.
        ("QWEN_CODE_NO_RELAUNCH", "true"),
        ("QWEN_USAGE_STATISTICS_ENABLED", "false"),
        // Else its first turn may begin before it knows the tools that we bring.
        ("QWEN_CODE_LEGACY_MCP_BLOCKING", "1"),
    ],
    walled: &[],
    credentials: &["OPENAI_API_KEY"],
    settings: &["OPENAI_BASE_URL", "OPENAI_MODEL", "QWEN_HOME"],
    endpoint: Some(Endpoint {
        provider: "openai",
        url: Some("OPENAI_BASE_URL"),
        host: Some("https://api.openai.com"),
        variables: &[("OPENAI_BASE_URL", "http://{}/v1")],
    }),
    home: Some(("QWEN_HOME", ".qwen")),
    auth_method: Some("openai"),
    files: FileAccess::ReadWrite,
    terminals: TERMINALS,
    tools: ToolAccess::Http,
    // It begins in `auto`, in which its model judges what it may do, and we are not asked.
    mode: Some("default"),
    usage: UsageMeaning::Turn,
    notes: &[
        "its model is the one that `OPENAI_MODEL` names",
        "it hides a limit behind retries that outlast every patience",
        "what it asks leave for has the arguments for a title",
        "it tells no tokens where the protocol has a place for them",
    ],
};
