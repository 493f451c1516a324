//! Claude Code.

use super::{Adapter, Endpoint, NODE, TERMINALS};
use crate::{FileAccess, ToolAccess, UsageMeaning, Version};

pub(super) static CLAUDE: Adapter = Adapter {
    name: "claude",
    command: &["claude-agent-acp"],
    install: "npm install -g @agentclientprotocol/claude-agent-acp",
    at_least: Version::new(0, 100, 0),
    runtime: Some((NODE, Version::new(22, 0, 0))),
    env: &[
        // Else tools that we bring hide behind a tool that searches for tools.
        ("ENABLE_TOOL_SEARCH", "false"),
        // Else it hides a limit behind retries that outlast every patience.
        ("CLAUDE_CODE_MAX_RETRIES", "1"),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
        ("DISABLE_AUTOUPDATER", "1"),
        ("DISABLE_TELEMETRY", "1"),
    ],
    walled: &[],
    credentials: &["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"],
    settings: &["ANTHROPIC_BASE_URL", "ANTHROPIC_MODEL", "CLAUDE_CONFIG_DIR"],
    endpoint: Some(Endpoint {
        provider: "anthropic",
        url: Some("ANTHROPIC_BASE_URL"),
        host: Some("https://api.anthropic.com"),
        variables: &[("ANTHROPIC_BASE_URL", "http://{}")],
    }),
    home: Some(("CLAUDE_CONFIG_DIR", ".claude")),
    auth_method: None,
    files: FileAccess::ReadWrite,
    terminals: TERMINALS,
    tools: ToolAccess::Http,
    mode: None,
    usage: UsageMeaning::Turn,
    notes: &[
        "its child goes on when it is killed alone: end its process group",
        "the last answer may be cut without a word",
    ],
};
