//! opencode, and what was made of it.

use super::{Adapter, NODE, TERMINALS};
use crate::{FileAccess, ToolAccess, UsageMeaning, Version};

pub(super) static OPENCODE: Adapter = Adapter {
    name: "opencode",
    command: &["opencode", "acp"],
    install: "npm install -g opencode-ai",
    at_least: Version::new(1, 18, 33),
    runtime: None,
    env: &[
        ("OPENCODE_DISABLE_AUTOUPDATE", "1"),
        ("OPENCODE_DISABLE_MODELS_FETCH", "1"),
        ("OPENCODE_DISABLE_LSP_DOWNLOAD", "1"),
        ("OPENCODE_DISABLE_SHARE", "1"),
    ],
    walled: &[],
    // It reads the keys of dozens of providers, and its own file.
    credentials: &[],
    settings: &["OPENCODE_CONFIG"],
    endpoint: None,
    home: None,
    auth_method: None,
    files: FileAccess::ReadWrite,
    terminals: TERMINALS,
    tools: ToolAccess::Http,
    mode: None,
    usage: UsageMeaning::LastCall,
    notes: &[
        "it asks for leave only where its configuration says `\"permission\": {\"*\": \"ask\"}`",
        "a turn that is cancelled during a retry ends as if all were well",
        "its mode is an option",
    ],
};

pub(super) static KILO: Adapter = Adapter {
    name: "kilo",
    command: &["kilo", "acp"],
    install: "npm install -g @kilocode/cli",
    at_least: Version::new(7, 7, 7),
    // It starts a program of its own, by Node.
    runtime: Some((NODE, Version::new(20, 0, 0))),
    env: &[
        ("KILO_DISABLE_AUTOUPDATE", "1"),
        ("KILO_DISABLE_MODELS_FETCH", "1"),
        ("KILO_DISABLE_LSP_DOWNLOAD", "1"),
        ("KILO_DISABLE_SHARE", "1"),
        ("KILO_DISABLE_SESSION_INGEST", "1"),
    ],
    walled: &[],
    // It reads the keys of dozens of providers, and its own file.
    credentials: &[],
    settings: &["KILO_CONFIG", "KILO_CONFIG_CONTENT"],
    endpoint: None,
    home: None,
    auth_method: None,
    files: FileAccess::ReadWrite,
    terminals: TERMINALS,
    tools: ToolAccess::Http,
    mode: None,
    usage: UsageMeaning::LastCall,
    notes: &[
        "it asks for no leave unless its configuration says so",
        "its mode is an option",
        "the program ends with its group: the one that is started hands everything to another",
    ],
};
