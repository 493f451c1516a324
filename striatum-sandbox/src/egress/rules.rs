//! An allow-list.

use std::{cmp::Reverse, collections::BTreeSet, net::IpAddr, sync::Arc};

use hyper::{Method, Uri};
use serde::Deserialize;

use super::{
    address::is_public,
    error::{EgressError, EgressErrorKind as Kind},
    host::Authority,
    path::is_straight,
    refusal::Refusal,
    rule::{Rule, Scheme},
};

/// What may be reached. Whatever no rule allows is refused.
///
/// ```
/// use striatum_sandbox::egress::EgressRules;
///
/// let rules = EgressRules::parse(r#"{"allow": [
///     "registry.npmjs.org",
///     {"to": "github.com/me/thing.git", "methods": ["GET", "POST"], "secrets": ["GITHUB_TOKEN"]}
/// ]}"#)?;
/// assert_eq!(rules.secrets().collect::<Vec<_>>(), ["GITHUB_TOKEN"]);
/// # Ok::<(), striatum_sandbox::egress::EgressError>(())
/// ```
#[derive(Debug, Clone)]
pub struct EgressRules(Arc<[Rule]>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    allow: Vec<serde_json::Value>,
}

impl EgressRules {
    /// These rules.
    ///
    /// # Errors
    /// [`EgressErrorKind::Empty`](Kind::Empty).
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Result<Self, EgressError> {
        let rules: Arc<[Rule]> = rules.into_iter().collect();
        if rules.is_empty() {
            return Err(EgressError::new(Kind::Empty, "no rule allows anything"));
        }
        Ok(Self(rules))
    }

    /// Reads `{"allow": […]}`: each entry is the short form of a [`Rule`], or an object with it under `to`, and with `methods`,
    /// `secrets`, `addresses` and `inspect` where these are wanted.
    ///
    /// # Errors
    /// [`EgressError`] that says which rule is wrong, and in which way.
    pub fn parse(json: &str) -> Result<Self, EgressError> {
        let unreadable =
            |error| EgressError::new(Kind::Unreadable, "the rules are not in their format").because(error);
        let text: Text = serde_json::from_str(json).map_err(unreadable)?;
        Self::read(text.allow)
    }

    /// The same of entries that were read already.
    ///
    /// # Errors
    /// [`EgressError`] that says which rule is wrong, and in which way.
    pub fn read(entries: impl IntoIterator<Item = serde_json::Value>) -> Result<Self, EgressError> {
        let rules: Result<Vec<_>, _> = entries.into_iter().map(Rule::read).collect();
        Self::new(rules?)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter()
    }

    /// The names of the secrets that they put into requests.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let names: BTreeSet<&str> =
            self.0.iter().flat_map(|rule| &rule.secrets).map(String::as_str).collect();
        names.into_iter()
    }

    /// What is said of a host at a port.
    pub(super) fn door(&self, scheme: Scheme, authority: &Authority) -> Result<Door, Refusal> {
        let rules: Vec<Rule> =
            self.0.iter().filter(|rule| rule.is_about(scheme, authority)).cloned().collect();
        if rules.is_empty() { Err(Refusal::DestinationNotAllowed) } else { Ok(Door { rules }) }
    }
}

/// The rules about one host at one port; at least one.
#[derive(Debug, Clone)]
pub(super) struct Door {
    rules: Vec<Rule>,
}

impl Door {
    /// Whether every connection is allowed, so that there is nothing to be looked at within.
    pub(super) fn is_open(&self) -> bool {
        !self.rules.iter().any(Rule::looks_inside)
    }

    /// Whether the host's name may lead to this address.
    pub(super) fn admits(&self, address: IpAddr) -> bool {
        self.rules.iter().any(|rule| match rule.addresses.as_slice() {
            [] => is_public(address),
            networks => networks.iter().any(|network| network.contains(address)),
        })
    }

    /// The rules that allow a request, the one with the longest prefix first.
    pub(super) fn judge(&self, method: &Method, uri: &Uri) -> Result<Vec<&Rule>, Refusal> {
        let path = uri.path();
        if self.rules.iter().any(|rule| rule.prefix.is_some()) && !is_straight(path) {
            return Err(Refusal::PathAmbiguous);
        }
        let leads_there = |rule: &&Rule| rule.prefix.as_ref().is_none_or(|prefix| prefix.holds(path));
        let mut rules: Vec<&Rule> = self.rules.iter().filter(leads_there).collect();
        if rules.is_empty() {
            return Err(Refusal::PathNotAllowed);
        }
        rules.retain(|rule| rule.methods.is_empty() || rule.methods.contains(method));
        if rules.is_empty() {
            return Err(Refusal::MethodNotAllowed);
        }
        rules.sort_by_key(|rule| Reverse(rule.prefix.as_ref().map_or(0, |prefix| prefix.as_str().len())));
        Ok(rules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(rules: &[&str], to: &str) -> Result<Door, Refusal> {
        let rules = EgressRules::read(rules.iter().map(|rule| serde_json::from_str(rule).expect("JSON")));
        rules.expect("rules").door(Scheme::Https, &Authority::parse(to, 443).expect("an authority"))
    }

    fn judge(door: &Door, method: &str, path: &str) -> Result<String, Refusal> {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let rules = door.judge(&method, &path.parse().expect("a path"))?;
        Ok(rules.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn what_no_rule_names_is_refused() {
        let rules = [r#""a.test""#, r#""http://b.test:443""#];
        assert!(door(&rules, "a.test").is_ok_and(|door| door.is_open()));
        for other in ["b.test", "a.test:8443", "sub.a.test", "127.0.0.1"] {
            assert_eq!(door(&rules, other).expect_err(other), Refusal::DestinationNotAllowed);
        }
    }

    #[test]
    fn every_rule_that_allows_a_request_counts_the_closest_first() {
        let rules =
            [r#"{"to": "a.test/read", "methods": ["GET"]}"#, r#"{"to": "a.test/write", "methods": ["PUT"]}"#];
        let door = door(&rules, "a.test").expect("a door");
        assert!(!door.is_open());
        assert_eq!(judge(&door, "GET", "/read/x?y").as_deref(), Ok("https://a.test:443/read"));
        assert_eq!(judge(&door, "PUT", "/write").as_deref(), Ok("https://a.test:443/write"));
        let all = [r#""a.test""#, rules[0]]
            .map(|rule| super::Rule::read(serde_json::from_str(rule).expect("JSON")));
        let all = EgressRules::new(all.map(|rule| rule.expect("a rule"))).expect("rules");
        let wide =
            all.door(Scheme::Https, &Authority::parse("a.test", 443).expect("a host")).expect("a door");
        assert_eq!(judge(&wide, "GET", "/read").as_deref(), Ok("https://a.test:443/read https://a.test:443"));
        assert_eq!(judge(&door, "PUT", "/read"), Err(Refusal::MethodNotAllowed));
        assert_eq!(judge(&door, "GET", "/"), Err(Refusal::PathNotAllowed));
        assert_eq!(judge(&door, "GET", "/read/%2e%2e/write"), Err(Refusal::PathAmbiguous));
    }

    #[test]
    fn addresses_of_a_rule_stand_instead_of_the_open_internet() {
        let admits = |rule: &str, address: &str| {
            door(&[rule], "a.test").expect("a door").admits(address.parse().expect("an address"))
        };
        assert!(admits(r#""a.test""#, "1.1.1.1") && !admits(r#""a.test""#, "127.0.0.1"));
        let inner = r#"{"to": "a.test", "addresses": ["10.1.0.0/16", "::1"]}"#;
        assert!(admits(inner, "10.1.2.3") && admits(inner, "::1"));
        assert!(!admits(inner, "10.2.0.1") && !admits(inner, "1.1.1.1") && !admits(inner, "::ffff:10.1.2.3"));
    }

    #[test]
    fn rules_that_say_nothing_are_refused() {
        for (json, kind) in [
            (r#"{"allow": []}"#, Kind::Empty),
            ("{}", Kind::Unreadable),
            (r#"{"allow": ["a.test"], "deny": []}"#, Kind::Unreadable),
            (r#"{"allow": [{"to": "a.test", "method": "GET"}]}"#, Kind::Unreadable),
            (r#"{"allow": [7]}"#, Kind::Unreadable),
        ] {
            assert_eq!(EgressRules::parse(json).expect_err(json).kind, kind, "{json}");
        }
    }
}
