//! One line of an allow-list.

use std::{fmt, str::FromStr};

use hyper::Method;
use serde::Deserialize;

use super::{
    address::Network,
    error::{EgressError, EgressErrorKind as Kind},
    host::{Authority, Host, HostPattern},
    path::Prefix,
};

/// How a host is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP that anybody on the way can read.
    Http,
    /// HTTP within TLS.
    Https,
}

impl Scheme {
    pub(super) const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// What may be reached: a host at a port, and of it what methods and path prefixes say.
///
/// Its short form is `[scheme://]host[:port][/prefix]`; without a scheme it is `https`.
///
/// ```
/// use striatum_sandbox::egress::Rule;
///
/// let rule: Rule = "github.com/me/thing.git".parse()?;
/// assert_eq!(rule.to_string(), "https://github.com:443/me/thing.git");
/// # Ok::<(), striatum_sandbox::egress::EgressError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub(super) scheme: Scheme,
    pub(super) host: HostPattern,
    pub(super) port: u16,
    pub(super) prefix: Option<Prefix>,
    pub(super) methods: Vec<Method>,
    pub(super) secrets: Vec<String>,
    pub(super) addresses: Vec<Network>,
    inspect: bool,
}

/// The long form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Long {
    to: String,
    #[serde(default)]
    methods: Vec<String>,
    #[serde(default)]
    secrets: Vec<String>,
    #[serde(default)]
    addresses: Vec<String>,
    #[serde(default)]
    inspect: bool,
}

impl Rule {
    /// Lets these methods alone through.
    ///
    /// # Errors
    /// [`EgressErrorKind::Method`](Kind::Method).
    pub fn methods<'a>(mut self, methods: impl IntoIterator<Item = &'a str>) -> Result<Self, EgressError> {
        for name in methods {
            let invalid = || EgressError::new(Kind::Method, format!("{name:?} is no method of requests"));
            let method = Method::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
            if method == Method::CONNECT || name.bytes().any(|byte| byte.is_ascii_lowercase()) {
                return Err(invalid());
            }
            self.methods.push(method);
        }
        Ok(self)
    }

    /// Puts this secret into requests that carry its placeholder.
    ///
    /// # Errors
    /// [`EgressErrorKind::Exposed`](Kind::Exposed) if the rule is not about one named host, or not `https`.
    pub fn secret(mut self, name: impl Into<String>) -> Result<Self, EgressError> {
        let name = name.into();
        let exposed =
            |what| EgressError::new(Kind::Exposed, format!("the secret {name} would {what} by {self}"));
        if self.scheme == Scheme::Http {
            return Err(exposed("travel unencrypted"));
        }
        if matches!(self.host, HostPattern::Below(_)) {
            return Err(exposed("go to any host"));
        }
        self.secrets.push(name);
        Ok(self)
    }

    /// Lets the host's name lead to this address or range, and to no others: not even those of the open internet, which are what is
    /// allowed without this.
    ///
    /// # Errors
    /// [`EgressErrorKind::Address`](Kind::Address).
    pub fn address(mut self, network: &str) -> Result<Self, EgressError> {
        let invalid = |error| EgressError::new(Kind::Address, format!("{network:?} is {error}"));
        self.addresses.push(network.parse().map_err(invalid)?);
        Ok(self)
    }

    /// Looks into TLS although nothing of this rule needs it, so that the host within is checked as well.
    #[must_use]
    pub fn inspected(mut self) -> Self {
        self.inspect = true;
        self
    }

    /// Reads a text in short form, or an object with it under `to`.
    ///
    /// # Errors
    /// [`EgressError`] that says in which way it is wrong.
    pub fn read(value: serde_json::Value) -> Result<Self, EgressError> {
        if let serde_json::Value::String(text) = value {
            return text.parse();
        }
        let unreadable =
            |error| EgressError::new(Kind::Unreadable, "a rule is not in its format").because(error);
        let long: Long = serde_json::from_value(value).map_err(unreadable)?;
        let mut rule: Self = long.to.parse()?;
        rule = rule.methods(long.methods.iter().map(String::as_str))?;
        for network in &long.addresses {
            rule = rule.address(network)?;
        }
        for secret in long.secrets {
            rule = rule.secret(secret)?;
        }
        Ok(if long.inspect { rule.inspected() } else { rule })
    }

    pub(super) fn is_about(&self, scheme: Scheme, authority: &Authority) -> bool {
        self.scheme == scheme && self.port == authority.port && self.host.holds(&authority.host)
    }

    /// Whether what it allows can only be told from within the connection.
    pub(super) fn looks_inside(&self) -> bool {
        self.inspect || self.prefix.is_some() || !self.methods.is_empty() || !self.secrets.is_empty()
    }
}

impl FromStr for Rule {
    type Err = EgressError;

    fn from_str(text: &str) -> Result<Self, EgressError> {
        let (scheme, rest) = match text.split_once("://") {
            None => (Scheme::Https, text),
            Some(("https", rest)) => (Scheme::Https, rest),
            Some(("http", rest)) => (Scheme::Http, rest),
            Some((other, _)) => {
                let message =
                    format!("the rule {text:?} is for {other:?}, and only https and http are spoken");
                return Err(EgressError::new(Kind::Unreadable, message));
            }
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let invalid_path =
            || EgressError::new(Kind::Path, format!("{path:?} can be the beginning of no path"));
        let prefix = match path {
            "" | "/" => None,
            path => Some(Prefix::parse(path).ok_or_else(invalid_path)?),
        };
        let (host, port) = split_port(authority, scheme)?;
        let invalid_host = |error| EgressError::new(Kind::Host, format!("{host:?} is {error}"));
        let host = HostPattern::parse(host).map_err(invalid_host)?;
        // Who writes an address out means it.
        let addresses = match &host {
            HostPattern::Only(Host::Address(address)) => vec![Network::only(*address)],
            _ => Vec::new(),
        };
        Ok(Self {
            scheme,
            host,
            port,
            prefix,
            methods: Vec::new(),
            secrets: Vec::new(),
            addresses,
            inspect: false,
        })
    }
}

/// The host, and the port or that of the scheme.
fn split_port(authority: &str, scheme: Scheme) -> Result<(&str, u16), EgressError> {
    let Some((host, port)) = authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) else {
        return Ok((authority, scheme.port()));
    };
    let invalid = || EgressError::new(Kind::Port, format!("{port:?} is no port that can be connected to"));
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let number = port.parse::<u16>().ok().filter(|number| is_number && *number > 0);
    Ok((host, number.ok_or_else(invalid)?))
}

/// As it stands in records: without what it swaps.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = self.prefix.as_ref().map_or("", Prefix::as_str);
        write!(f, "{}://{}:{}{prefix}", self.scheme, self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_has_a_short_form() {
        let shown = |text: &str| text.parse::<Rule>().map(|rule| rule.to_string()).expect("a rule");
        assert_eq!(shown("GitHub.com"), "https://github.com:443");
        assert_eq!(shown("http://a.test/"), "http://a.test:80");
        assert_eq!(shown("a.test:8443/x/"), "https://a.test:8443/x");
        assert_eq!(shown("*.example.com"), "https://*.example.com:443");
        assert_eq!(shown("[::1]:9"), "https://[::1]:9");
    }

    #[test]
    fn what_can_be_no_rule_is_told_by_its_code() {
        for (text, kind) in [
            ("", Kind::Host),
            ("not a host", Kind::Host),
            ("*", Kind::Host),
            ("a..b", Kind::Host),
            ("user@a.test", Kind::Host),
            ("127.1", Kind::Host),
            ("bücher.example", Kind::Host),
            ("a.test:0", Kind::Port),
            ("a.test:65536", Kind::Port),
            ("a.test:", Kind::Port),
            ("a.test:+1", Kind::Port),
            ("a.test/../x", Kind::Path),
            ("a.test/x?y", Kind::Path),
            ("ftp://a.test", Kind::Unreadable),
        ] {
            assert_eq!(text.parse::<Rule>().expect_err(text).kind, kind, "{text}");
        }
        let rule = || "a.test".parse::<Rule>().expect("a rule");
        for method in ["", "get", "CONNECT", "GE T"] {
            assert_eq!(rule().methods([method]).expect_err(method).kind, Kind::Method);
        }
        assert_eq!(rule().address("10.0.0.0/40").expect_err("a range").kind, Kind::Address);
        for open in ["*.example.com", "http://a.test"] {
            let rule: Rule = open.parse().expect("a rule");
            assert_eq!(rule.secret("TOKEN").expect_err(open).kind, Kind::Exposed);
        }
    }
}
