//! Coding agents that are known to work, as data.

use crate::{AcpOptions, FileAccess, TerminalAccess, ToolAccess, UsageMeaning, Version};

mod claude;
mod codex;
mod copilot;
mod gemini;
mod kimi;
mod opencode;
mod python;

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
    /// How it reaches the tools of its grant.
    pub tools: ToolAccess,
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
    /// The variable in which a person gives it another endpoint, if there is one.
    pub url: Option<&'static str>,
    /// Where its credentials belong while nobody gives another endpoint; nothing if only a person knows that.
    pub host: Option<&'static str>,
    /// The variables that lead it elsewhere: in their values `{}` stands for an address such as `127.0.0.1:8931`, and `{variable}` for
    /// the name of the one that holds its credential.
    pub variables: &'static [(&'static str, &'static str)],
}

impl Adapter {
    /// All that are known, by name.
    pub const ALL: &'static [&'static Self] = &[
        &claude::CLAUDE,
        &codex::CODEX,
        &copilot::COPILOT,
        &python::FASTAGENT,
        &gemini::GEMINI,
        &python::HERMES,
        &opencode::KILO,
        &kimi::KIMI,
        &opencode::OPENCODE,
        &gemini::QWEN,
        &python::VIBE,
        &codex::ZEDCODEX,
    ];

    /// The program between the tools and an agent that reaches them only through one, where nothing else is given.
    pub const BRIDGE: &'static str = "striatum-mcp";

    /// The one with this name.
    ///
    /// ```
    /// use striatum_acp::Adapter;
    ///
    /// assert_eq!(Adapter::named("gemini").map(|adapter| adapter.command), Some(&["gemini", "--acp"][..]));
    /// assert_eq!(Adapter::named("nobody"), None);
    /// ```
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().copied().find(|adapter| adapter.name == name)
    }

    /// How it is spoken to.
    pub fn options(&self) -> AcpOptions {
        AcpOptions {
            files: self.files,
            terminals: self.terminals,
            tools: self.tools,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_adapter_can_be_found_and_holds_no_secret() {
        for &adapter in Adapter::ALL {
            assert_eq!(Adapter::named(adapter.name), Some(adapter));
            assert!(!adapter.command.is_empty() && !adapter.install.is_empty());
            assert!(!adapter.notes.is_empty(), "{}", adapter.name);
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
        for &adapter in Adapter::ALL {
            let Some(endpoint) = adapter.endpoint else { continue };
            assert!(!adapter.credentials.is_empty(), "{}", adapter.name);
            assert!(endpoint.url.is_some() || endpoint.host.is_some(), "{}", adapter.name);
            let leading = endpoint.variables.iter().filter(|(_, value)| value.contains("http://{}"));
            assert_eq!(leading.count(), 1, "{}", adapter.name);
            for (name, value) in endpoint.variables {
                assert!(value.matches("{}").count() <= 1, "{name}");
                assert!(!adapter.credentials.contains(name), "{name}");
                if value.starts_with(['{', '[']) {
                    let value = value.replace("{}", "127.0.0.1:1").replace("{variable}", "KEY");
                    serde_json::from_str::<serde_json::Value>(&value).expect(name);
                }
            }
        }
    }
}
