//! Coding agents that are known to work, as data.

use crate::{AcpOptions, FileAccess, TerminalAccess, UsageMeaning, Version};

/// A coding agent that speaks the protocol: what it needs, and what is odd about it.
///
/// Nothing in it is a secret: credentials are names of variables.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Adapter {
    /// What it is called in a lane.
    pub name: &'static str,
    /// The program and its arguments.
    pub command: &'static [&'static str],
    /// The package that brings the program, for people.
    pub install: &'static str,
    /// The oldest version that is known to work, as the agent reports it.
    pub at_least: Version,
    /// The runtime that the program needs, and the oldest version of it.
    pub runtime: Option<(&'static str, Version)>,
    /// Variables that make it fit to be driven.
    pub env: &'static [(&'static str, &'static str)],
    /// More of them for where a sandbox holds it to its tree, and walls of its own would not fit in.
    pub walled: &'static [(&'static str, &'static str)],
    /// Variables of which one must hold its credentials, where it does not keep them in a file of its own.
    pub credentials: &'static [&'static str],
    /// Other variables that it heeds: where its model's host is, where its settings are. They are passed on where they are set.
    pub settings: &'static [&'static str],
    /// How it is led to another endpoint of its model than its provider's, if it can be.
    pub endpoint: Option<Endpoint>,
    /// The variable that names the folder in which it keeps its settings and its login, and that folder below a person's home.
    pub home: Option<(&'static str, &'static str)>,
    /// The method by which it takes the credentials from its environment, if it must be told.
    pub auth_method: Option<&'static str>,
    /// What it may reach through us.
    pub files: FileAccess,
    /// Whether it is offered terminals.
    pub terminals: TerminalAccess,
    /// The mode that fits work without a person, if it must be chosen.
    pub mode: Option<&'static str>,
    /// What its numbers of tokens mean.
    pub usage: UsageMeaning,
    /// What is odd about it, for people.
    pub notes: &'static [&'static str],
}

/// How an agent is told where its model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoint {
    /// Whose interface it speaks: `anthropic`, `openai`, `gemini`.
    pub provider: &'static str,
    /// The variable in which a person gives it another endpoint.
    pub url: &'static str,
    /// The variables that lead it elsewhere: in each value `{}` stands for an address such as `127.0.0.1:8931`, and `{variable}` for
    /// the name of the one that holds its credential.
    pub variables: &'static [(&'static str, &'static str)],
}

impl Adapter {
    /// All that are known, by name.
    pub const ALL: [&'static Self; 5] = [&CLAUDE, &CODEX, &GEMINI, &OPENCODE, &ZEDCODEX];

    /// The one with this name.
    ///
    /// ```
    /// use striatum_acp::Adapter;
    ///
    /// assert_eq!(Adapter::named("gemini").map(|adapter| adapter.command), Some(&["gemini", "--acp"][..]));
    /// assert_eq!(Adapter::named("nobody"), None);
    /// ```
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::ALL.into_iter().find(|adapter| adapter.name == name)
    }

    /// How it is spoken to.
    pub fn options(&self) -> AcpOptions {
        AcpOptions {
            files: self.files,
            terminals: self.terminals,
            auth_method: self.auth_method.map(str::to_owned),
            at_least: Some(self.at_least),
            usage: self.usage,
            ..AcpOptions::default()
        }
    }
}

const NODE: &str = "node";

/// These run commands by themselves, in the room in which they are: with their `/tmp`, and with the way out that they were given.
const TERMINALS: TerminalAccess = TerminalAccess::Off;

static CLAUDE: Adapter = Adapter {
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
        url: "ANTHROPIC_BASE_URL",
        variables: &[("ANTHROPIC_BASE_URL", "http://{}")],
    }),
    home: Some(("CLAUDE_CONFIG_DIR", ".claude")),
    auth_method: None,
    files: FileAccess::ReadWrite,
    terminals: TERMINALS,
    mode: None,
    usage: UsageMeaning::Turn,
    notes: &[
        "its child goes on when it is killed alone: end its process group",
        "the last answer may be cut without a word",
    ],
};

static CODEX: Adapter = Adapter {
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
        url: "OPENAI_BASE_URL",
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
    mode: None,
    usage: UsageMeaning::Turn,
    notes: &[
        "it asks for leave only in the mode `read-only`",
        "a rejected request ends its turn as cancelled",
        "it tells of a permanent 429 as the text of a turn that ended well",
        "it may stay when its input ends: end its process group",
    ],
};

static GEMINI: Adapter = Adapter {
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
        url: "GOOGLE_GEMINI_BASE_URL",
        variables: &[("GOOGLE_GEMINI_BASE_URL", "http://{}")],
    }),
    home: None,
    auth_method: Some("gemini-api-key"),
    // It cannot make a new file through a client.
    files: FileAccess::Off,
    terminals: TERMINALS,
    mode: None,
    usage: UsageMeaning::Turn,
    notes: &[
        "it asks for leave for tools that it never announces",
        "the code of an error may be the status that the model's host answered with",
    ],
};

static OPENCODE: Adapter = Adapter {
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
    mode: None,
    usage: UsageMeaning::LastCall,
    notes: &[
        "it asks for leave only where its configuration says `\"permission\": {\"*\": \"ask\"}`",
        "a turn that is cancelled during a retry ends as if all were well",
        "its mode is an option",
    ],
};

static ZEDCODEX: Adapter = Adapter {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_adapter_can_be_found_and_holds_no_secret() {
        for adapter in Adapter::ALL {
            assert_eq!(Adapter::named(adapter.name), Some(adapter));
            assert!(!adapter.command.is_empty() && !adapter.install.is_empty());
            for (name, _) in adapter.env {
                assert!(!adapter.credentials.contains(name), "{name}");
                assert!(!name.contains("KEY") && !name.contains("TOKEN"), "{name}");
            }
            let options = adapter.options();
            assert_eq!(options.at_least, Some(adapter.at_least));
            assert_eq!(options.auth_method.as_deref(), adapter.auth_method);
        }
    }

    #[test]
    fn an_agent_is_led_elsewhere_by_its_address_alone() {
        for adapter in Adapter::ALL {
            let Some(endpoint) = adapter.endpoint else { continue };
            assert!(!adapter.credentials.is_empty(), "{}", adapter.name);
            for (name, value) in endpoint.variables {
                assert_eq!(value.matches("http://{}").count(), 1, "{name}");
                assert!(!adapter.credentials.contains(name), "{name}");
                if value.starts_with('{') {
                    let value = value.replace("{}", "127.0.0.1:1").replace("{variable}", "KEY");
                    serde_json::from_str::<serde_json::Value>(&value).expect(name);
                }
            }
        }
    }
}
