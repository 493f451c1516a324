//! What is let through, and as what.

use hyper::{
    HeaderMap, Uri,
    header::{HeaderValue, UPGRADE},
    http::request::Parts,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use subtle::ConstantTimeEq as _;

use super::{
    ProviderTools, Settings,
    provider::{Asks, Provider, matches_any},
    refusal::Refusal,
};

/// A request whose head was let through.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) asks: Asks,
    /// Where to ask: the path, with what of the query travels on.
    pub(super) place: String,
    /// The headers in which the placeholder stood, and what went before it.
    holders: Vec<(&'static str, &'static str)>,
    /// The model, where the path names it.
    model: Option<String>,
}

impl Admitted {
    /// Judges the head of a request: who asks, and what for.
    pub(super) fn head(provider: Provider, placeholder: &str, head: &Parts) -> Result<Self, Refusal> {
        let (query, is_held) = query(provider, placeholder, &head.uri)?;
        let holders = holders(provider, placeholder, &head.headers)?;
        if holders.is_empty() && !is_held {
            return Err(Refusal::Stranger);
        }
        // A key in a query would be written down on its way.
        let holders = if holders.is_empty() { provider.credentials().to_vec() } else { holders };
        if head.headers.contains_key(UPGRADE) {
            return Err(Refusal::Upgrade);
        }
        let path = head.uri.path();
        // An agent that takes us for a proxy names a host.
        let found = if head.uri.authority().is_none() { provider.route(&head.method, path) } else { None };
        let (asks, model) = found.ok_or(Refusal::Path)?;
        Ok(Self { asks, place: format!("{path}{query}"), holders, model: model.map(str::to_owned) })
    }

    /// Judges its body: which model is asked, and whether anything in it reaches further than the model.
    pub(super) fn body(&self, settings: &Settings, body: &[u8]) -> Result<(), Refusal> {
        if self.asks == Asks::Models {
            return Ok(());
        }
        let asked: Asked = serde_json::from_slice(body).map_err(|_| {
            Refusal::Malformed("its body is not one JSON object in which each field stands once")
        })?;
        let model = match (&self.model, &asked.model) {
            (Some(named), None) => named,
            (None, Some(Value::String(named))) => named,
            (None, _) => return Err(Refusal::Malformed("it names no model")),
            (Some(_), Some(_)) => return Err(Refusal::Malformed("it names its model twice")),
        };
        if !matches_any(&settings.models, model) {
            return Err(Refusal::Model(model.chars().take(100).collect()));
        }
        if settings.tools == ProviderTools::Refused {
            asked.stays(settings.provider)?;
        }
        Ok(())
    }

    /// Puts the credential where the placeholder stood.
    ///
    /// # Errors
    /// If it can stand in no header, which those that were read can.
    pub(super) fn authorise(&self, secret: &SecretString, headers: &mut HeaderMap) -> Result<(), Refusal> {
        for (name, before) in &self.holders {
            let value = format!("{before}{}", secret.expose_secret());
            let mut value = HeaderValue::try_from(value).map_err(|_| Refusal::Credential)?;
            value.set_sensitive(true);
            headers.insert(*name, value);
        }
        Ok(())
    }
}

/// The headers that hold the placeholder. One that holds something else is a credential of somebody's, which stays here.
fn holders(
    provider: Provider,
    placeholder: &str,
    headers: &HeaderMap,
) -> Result<Vec<(&'static str, &'static str)>, Refusal> {
    let mut holders = Vec::new();
    for (name, before) in provider.credentials() {
        let mut values = headers.get_all(*name).iter();
        let Some(value) = values.next() else { continue };
        let (prefix, rest) = value.as_bytes().split_at_checked(before.len()).ok_or(Refusal::Stranger)?;
        let is_ours = prefix.eq_ignore_ascii_case(before.as_bytes()) && is_same(rest, placeholder);
        if !is_ours || values.next().is_some() {
            return Err(Refusal::Stranger);
        }
        holders.push((*name, *before));
    }
    Ok(holders)
}

/// What of a query travels on, and whether the placeholder stood in it, as Google has it.
fn query(provider: Provider, placeholder: &str, uri: &Uri) -> Result<(String, bool), Refusal> {
    let mut kept = String::new();
    let mut is_held = false;
    for part in uri.query().unwrap_or_default().split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        if provider == Provider::Gemini && name == "key" {
            is_held = is_same(value.as_bytes(), placeholder).then_some(true).ok_or(Refusal::Stranger)?;
        } else if provider.parameters().contains(&name) {
            kept.push(if kept.is_empty() { '?' } else { '&' });
            kept.push_str(part);
        } else {
            return Err(Refusal::Parameter);
        }
    }
    Ok((kept, is_held))
}

/// Compares in a time that tells nothing but the length.
fn is_same(given: &[u8], placeholder: &str) -> bool {
    given.ct_eq(placeholder.as_bytes()).into()
}

/// What is looked at in a request. A field that stands there twice might be read differently by who answers.
#[derive(Debug, Default)]
struct Asked {
    model: Option<Value>,
    tools: Option<Value>,
    others: Vec<String>,
}

impl<'de> serde::Deserialize<'de> for Asked {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

struct Fields;

impl<'de> serde::de::Visitor<'de> for Fields {
    type Value = Asked;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: serde::de::MapAccess<'de>>(self, mut fields: M) -> Result<Asked, M::Error> {
        let mut asked = Asked::default();
        let mut seen = std::collections::BTreeSet::new();
        while let Some(name) = fields.next_key::<String>()? {
            if !seen.insert(name.clone()) {
                return Err(serde::de::Error::custom("a field stands there twice"));
            }
            match name.as_str() {
                "model" => asked.model = Some(fields.next_value()?),
                "tools" => asked.tools = Some(fields.next_value()?),
                _ => {
                    fields.next_value::<serde::de::IgnoredAny>()?;
                    asked.others.push(name);
                }
            }
        }
        Ok(asked)
    }
}

impl Asked {
    /// Refuses what has the provider reach other hosts.
    fn stays(&self, provider: Provider) -> Result<(), Refusal> {
        if let Some(field) = self.others.iter().find(|field| provider.reaching().contains(&field.as_str())) {
            return Err(Refusal::Reach(field.clone()));
        }
        let tools = match &self.tools {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::Array(tools)) => tools,
            Some(_) => return Err(Refusal::Malformed("its tools are no list")),
        };
        for tool in tools {
            let Value::Object(tool) = tool else { return Err(Refusal::Malformed("a tool is no object")) };
            let kinds: Vec<&str> = match provider {
                Provider::Gemini => tool.keys().map(String::as_str).collect(),
                Provider::Anthropic | Provider::OpenAi => match tool.get("type") {
                    None | Some(Value::Null) => Vec::new(),
                    Some(Value::String(kind)) => vec![kind],
                    Some(_) => return Err(Refusal::Malformed("the type of a tool is no name")),
                },
            };
            if let Some(kind) = kinds.into_iter().find(|kind| !matches_any(provider.tools(), kind)) {
                return Err(Refusal::Reach(format!(
                    "the tool {:?}",
                    kind.chars().take(100).collect::<String>()
                )));
            }
        }
        Ok(())
    }
}
