//! GitHub Copilot.

use super::{Adapter, Endpoint, NODE, TERMINALS};
use crate::{FileAccess, ToolAccess, UsageMeaning, Version};

pub(super) static COPILOT: Adapter = Adapter {
    name: "copilot",
    command: &["copilot", "--acp"],
    install: "npm install -g @github/copilot",
    at_least: Version::new(1, 0, 102),
    runtime: Some((NODE, Version::new(22, 0, 0))),
    env: &[("COPILOT_AUTO_UPDATE", "false")],
    walled: &[],
    // A token of GitHub is none: it is for GitHub's own models, and nothing that a broker could take to another host.
    credentials: &["COPILOT_PROVIDER_API_KEY"],
    settings: &[
        "COPILOT_PROVIDER_BASE_URL",
        "COPILOT_PROVIDER_TYPE",
        "COPILOT_MODEL",
        "COPILOT_OFFLINE",
        "COPILOT_HOME",
    ],
    endpoint: Some(Endpoint {
        provider: "openai",
        url: Some("COPILOT_PROVIDER_BASE_URL"),
        // Whose key it is only the person knows.
        host: None,
        variables: &[
            ("COPILOT_PROVIDER_BASE_URL", "http://{}/v1"),
            ("COPILOT_PROVIDER_TYPE", "openai"),
            // GitHub itself is out of reach.
            ("COPILOT_OFFLINE", "true"),
        ],
    }),
    home: Some(("COPILOT_HOME", ".copilot")),
    auth_method: None,
    files: FileAccess::ReadWrite,
    terminals: TERMINALS,
    tools: ToolAccess::Http,
    mode: None,
    usage: UsageMeaning::Session,
    notes: &[
        "with a key of its own provider it needs the name of a model, in `COPILOT_MODEL`",
        "it tells of every error of its model as the text of a turn that ended well",
        "its child goes on when it is killed alone: end its process group",
        "what it asks leave for has another title than what it announced",
    ],
};
