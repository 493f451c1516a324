//! What is known of the interfaces that agents speak to their models.

use hyper::{HeaderMap, Method};
use serde::Deserialize;

/// Whose interface a model is asked by. Hosts that speak the same one are its upstream all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Provider {
    /// Anthropic's messages.
    Anthropic,
    /// OpenAI's responses and chat completions.
    OpenAi,
    /// Google's generated content.
    Gemini,
}

impl Provider {
    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "anthropic" => Some(Self::Anthropic),
            "openai" => Some(Self::OpenAi),
            "gemini" => Some(Self::Gemini),
            _ => None,
        }
    }

    /// Where the provider itself is found. Paths of requests begin with the version.
    pub const fn url(self) -> &'static str {
        match self {
            Self::Anthropic => "https://api.anthropic.com",
            Self::OpenAi => "https://api.openai.com",
            Self::Gemini => "https://generativelanguage.googleapis.com",
        }
    }

    /// The provider's own models that write text.
    pub(super) const fn models(self) -> &'static [&'static str] {
        match self {
            Self::Anthropic => &["claude-*"],
            Self::OpenAi => &["gpt-*", "codex-*", "o1*", "o3*", "o4*"],
            Self::Gemini => &["gemini-*"],
        }
    }

    /// The paths that are let through, with `*` for a name, and what a request for them is for.
    const fn routes(self) -> &'static [(&'static str, Asks)] {
        match self {
            Self::Anthropic => &[
                ("/v1/messages", Asks::Model),
                ("/v1/messages/count_tokens", Asks::Count),
                ("/v1/models", Asks::Models),
                ("/v1/models/*", Asks::Models),
            ],
            Self::OpenAi => &[
                ("/v1/responses", Asks::Model),
                ("/v1/responses/compact", Asks::Model),
                ("/v1/responses/input_tokens", Asks::Count),
                ("/v1/chat/completions", Asks::Model),
                ("/v1/models", Asks::Models),
                ("/v1/models/*", Asks::Models),
            ],
            Self::Gemini => &[
                ("/v1beta/models/*:generateContent", Asks::Model),
                ("/v1beta/models/*:streamGenerateContent", Asks::Model),
                ("/v1beta/models/*:countTokens", Asks::Count),
                ("/v1beta/models", Asks::Models),
                ("/v1beta/models/*", Asks::Models),
            ],
        }
    }

    /// The headers of a request that travel on; `*` stands for any end. Whatever else an agent says stays here: a header can name
    /// another method, another account or another host.
    pub(super) const fn headers(self) -> &'static [&'static str] {
        match self {
            Self::Anthropic => &[
                "accept",
                "content-type",
                "user-agent",
                "anthropic-version",
                "anthropic-beta",
                "x-app",
                "x-stainless-*",
            ],
            Self::OpenAi => &[
                "accept",
                "content-type",
                "user-agent",
                "openai-beta",
                "originator",
                "version",
                "session_id",
                "session-id",
                "conversation_id",
                "x-stainless-*",
                "x-codex-*",
                "x-client-request-id",
            ],
            Self::Gemini => &["accept", "content-type", "user-agent", "x-goog-api-client"],
        }
    }

    /// The parameters in the query of a request that travel on.
    pub(super) const fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Anthropic => &["beta", "limit", "after_id", "before_id"],
            Self::OpenAi => &["client_version"],
            Self::Gemini => &["alt", "pageSize", "pageToken"],
        }
    }

    /// The headers in which a credential may stand, and what goes before it.
    pub(super) const fn credentials(self) -> &'static [(&'static str, &'static str)] {
        const BEARER: (&str, &str) = ("authorization", "Bearer ");
        match self {
            Self::Anthropic => &[("x-api-key", ""), BEARER],
            Self::OpenAi => &[BEARER],
            Self::Gemini => &[("x-goog-api-key", "")],
        }
    }

    /// What may stand in `tools`: those that run where the agent runs. A tool that the provider runs reaches the network, where an
    /// agent behind walls may not.
    pub(super) const fn tools(self) -> &'static [&'static str] {
        match self {
            Self::Anthropic => {
                &["custom", "bash_*", "text_editor_*", "computer_*", "memory_*", "tool_search_*"]
            }
            Self::OpenAi => &["function", "custom", "namespace", "local_shell", "apply_patch", "tool_search"],
            Self::Gemini => &["functionDeclarations", "function_declarations"],
        }
    }

    /// Fields of a request that have the provider reach other hosts.
    pub(super) const fn reaching(self) -> &'static [&'static str] {
        match self {
            Self::Anthropic => &["mcp_servers"],
            Self::OpenAi => &["web_search_options"],
            Self::Gemini => &[],
        }
    }

    /// What this method and path are for, with the name that stands in the path.
    pub(super) fn route<'p>(self, method: &Method, path: &'p str) -> Option<(Asks, Option<&'p str>)> {
        let mut with_method = self.routes().iter().filter(|(_, asks)| asks.method() == *method);
        with_method.find_map(|(route, asks)| match route.split_once('*') {
            None => (*route == path).then_some((*asks, None)),
            Some((before, after)) => {
                let name = path.strip_prefix(before)?.strip_suffix(after)?;
                is_name(name).then_some((*asks, Some(name)))
            }
        })
    }

    /// Copies what may travel on.
    pub(super) fn pass(self, from: &HeaderMap, to: &mut HeaderMap) {
        for (name, value) in from {
            if matches_any(self.headers(), name.as_str()) {
                to.append(name.clone(), value.clone());
            }
        }
    }
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// It has a model read and write.
    Model,
    /// It has tokens counted.
    Count,
    /// It asks which models there are.
    Models,
}

impl Asks {
    const fn method(self) -> Method {
        match self {
            Self::Model | Self::Count => Method::POST,
            Self::Models => Method::GET,
        }
    }
}

/// One part of a path as it is, without anything that another reader could take for more.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(plain)
}

/// Whether one of the patterns is this name, or its beginning where it ends with `*`.
pub(super) fn matches_any<P: AsRef<str>>(patterns: &[P], name: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.as_ref().strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => pattern.as_ref() == name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_paths_are_routes() {
        let get = |provider: Provider, path: &str| {
            provider.route(&Method::GET, path).map(|(_, name)| name.map(str::to_owned))
        };
        let post = |provider: Provider, path: &str| {
            provider.route(&Method::POST, path).map(|(_, name)| name.map(str::to_owned))
        };
        assert_eq!(post(Provider::Anthropic, "/v1/messages"), Some(None));
        assert_eq!(get(Provider::OpenAi, "/v1/models/gpt-5"), Some(Some("gpt-5".to_owned())));
        assert_eq!(
            post(Provider::Gemini, "/v1beta/models/gemini-2.5-pro:streamGenerateContent"),
            Some(Some("gemini-2.5-pro".to_owned()))
        );
        for path in [
            "/v1/messages/",
            "/v1//messages",
            "/v1/messages/batches",
            "/v1/../v1/messages",
            "/v1/files",
            "/v1/organizations/api_keys",
            "/v1/%6dessages",
            "//v1/messages",
            "",
        ] {
            assert_eq!(post(Provider::Anthropic, path), None, "{path}");
        }
        for path in ["/v1/models/..", "/v1/models/a%2Fb", "/v1/models/a/b", "/v1/models/", "/v1/models/a?b"] {
            assert_eq!(get(Provider::OpenAi, path), None, "{path}");
        }
        for name in ["a/../b", "", "..", "%2e%2e", "a:generateContent/x", "a\\b"] {
            let path = format!("/v1beta/models/{name}:generateContent");
            assert_eq!(post(Provider::Gemini, &path), None, "{path}");
        }
    }

    #[test]
    fn patterns_are_names_or_beginnings() {
        let patterns = ["claude-*", "exact"];
        for (name, is_one) in
            [("claude-x", true), ("claude-", true), ("exact", true), ("exactly", false), ("xclaude-x", false)]
        {
            assert_eq!(matches_any(&patterns, name), is_one, "{name}");
        }
    }
}
