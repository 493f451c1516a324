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
    asked::Asked,
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
        let asked = Asked::read(body)?;
        let model = match (&self.model, &asked.0.get("model")) {
            (Some(named), None) => named,
            (None, Some(Value::String(named))) => named,
            (None, _) => return Err(Refusal::Malformed("it names no model")),
            (Some(_), Some(_)) => return Err(Refusal::Malformed("it names its model twice")),
        };
        if !matches_any(&settings.models, model) {
            return Err(Refusal::Model(shortened(model)));
        }
        match settings.tools {
            ProviderTools::Refused => asked.stays(settings.provider),
            ProviderTools::Allowed => Ok(()),
        }
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

/// No name is told in full that an agent can make as long as it likes.
pub(super) fn shortened(name: &str) -> String {
    name.chars().take(100).collect()
}
