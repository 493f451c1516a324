//! Kimi Code.

use super::{Adapter, Endpoint, NODE, TERMINALS};
use crate::{FileAccess, ToolAccess, UsageMeaning, Version};

pub(super) static KIMI: Adapter = Adapter {
    name: "kimi",
    command: &["kimi", "acp"],
    install: "npm install -g @moonshot-ai/kimi-code",
    at_least: Version::new(2, 1, 0),
    runtime: Some((NODE, Version::new(22, 19, 0))),
    env: &[("KIMI_DISABLE_TELEMETRY", "1"), ("KIMI_CODE_NO_AUTO_UPDATE", "1")],
    walled: &[],
    credentials: &["KIMI_MODEL_API_KEY"],
    settings: &["KIMI_MODEL_NAME", "KIMI_MODEL_BASE_URL", "KIMI_MODEL_PROVIDER_TYPE", "KIMI_CODE_HOME"],
    endpoint: Some(Endpoint {
        provider: "openai",
        url: Some("KIMI_MODEL_BASE_URL"),
        host: Some("https://api.moonshot.ai"),
        variables: &[("KIMI_MODEL_BASE_URL", "http://{}/v1"), ("KIMI_MODEL_PROVIDER_TYPE", "openai")],
    }),
    home: Some(("KIMI_CODE_HOME", ".kimi-code")),
    auth_method: None,
    files: FileAccess::ReadWrite,
    terminals: TERMINALS,
    tools: ToolAccess::Http,
    mode: None,
    usage: UsageMeaning::Turn,
    notes: &[
        "the program of this name in the package `kimi-cli` is another, which is not kept any more and downloads things",
        "it heeds its key only where `KIMI_MODEL_NAME` names a model too; keys of other names it takes from its own file",
        "it tells of a permanent 429 as an empty turn that ended well",
        "it tells no tokens but those in its context",
    ],
};
