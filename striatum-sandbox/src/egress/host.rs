//! Names and addresses of hosts, in the one form in which they are compared.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

/// A host: a name in lower case, or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Host {
    /// A name of letters, digits and hyphens, without a final dot.
    Name(String),
    /// An address, as it was written out.
    Address(IpAddr),
}

/// The text is neither the name of a host nor an address in plain form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no name of a host, and no address")]
pub(super) struct NoHost;

impl FromStr for Host {
    type Err = NoHost;

    fn from_str(text: &str) -> Result<Self, NoHost> {
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return inner
                .parse::<Ipv6Addr>()
                .map(|address| Self::Address(address.into()))
                .map_err(|_| NoHost);
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            // Without brackets its end could not be told from a port.
            return if address.is_ipv4() { Ok(Self::Address(address)) } else { Err(NoHost) };
        }
        let name = text.to_ascii_lowercase();
        if is_name(&name) { Ok(Self::Name(name)) } else { Err(NoHost) }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.pad(name),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
        }
    }
}

/// Whether this can be the name of a host. A last label of digits is refused: some programs take `127.1` or `0x7f.1` for an address.
fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_numeric = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
    name.len() <= 253 && name.split('.').all(is_label) && !is_numeric
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Authority {
    pub(super) host: Host,
    pub(super) port: u16,
}

impl Authority {
    /// Reads `host` or `host:port`.
    pub(super) fn parse(text: &str, default_port: u16) -> Result<Self, NoHost> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let port = match port {
            None => default_port,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| NoHost)?
            }
            Some(_) => return Err(NoHost),
        };
        Ok(Self { host: host.parse()?, port })
    }
}

/// The hosts that a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HostPattern {
    Only(Host),
    /// Every name that ends in a dot and this.
    Below(String),
}

impl HostPattern {
    pub(super) fn parse(text: &str) -> Result<Self, NoHost> {
        let Some(parent) = text.strip_prefix("*.") else { return text.parse().map(Self::Only) };
        match parent.parse()? {
            // All of `com` is nobody's to allow.
            Host::Name(parent) if parent.contains('.') => Ok(Self::Below(parent)),
            _ => Err(NoHost),
        }
    }

    pub(super) fn holds(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Only(only), host) => only == host,
            (Self::Below(parent), Host::Name(name)) => {
                name.strip_suffix(parent.as_str()).is_some_and(|rest| rest.ends_with('.'))
            }
            (Self::Below(_), Host::Address(_)) => false,
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Only(host) => host.fmt(f),
            Self::Below(parent) => write!(f, "*.{parent}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_form() {
        assert_eq!("GitHub.COM".parse(), Ok(Host::Name("github.com".into())));
        assert_eq!("[::1]".parse(), Ok(Host::Address(Ipv6Addr::LOCALHOST.into())));
        for odd in [
            "",
            ".",
            "a..b",
            "a.",
            "-a.b",
            "a_b",
            "a b",
            "user@host",
            "127.1",
            "0x7f.0x1",
            "2130706433",
            "0x7f000001",
            "::1",
            "höst.example",
            "a/b",
            "a%2eb",
            "[::1",
            "[1.2.3.4]",
            "a\u{0}b",
        ] {
            assert_eq!(odd.parse::<Host>(), Err(NoHost), "{odd:?}");
        }
    }

    #[test]
    fn a_port_is_digits_or_absent() {
        let port = |text| Authority::parse(text, 443).map(|authority| authority.port);
        assert_eq!(port("a.test"), Ok(443));
        assert_eq!(port("a.test:8443"), Ok(8443));
        assert_eq!(port("[::1]:1"), Ok(1));
        assert_eq!(port("[::1]"), Ok(443));
        for odd in ["a.test:+1", "a.test:65536", "a.test: 1", "a.test:1:2"] {
            assert_eq!(port(odd), Err(NoHost), "{odd:?}");
        }
    }

    #[test]
    fn a_pattern_holds_names_below_it_alone() {
        let pattern = HostPattern::parse("*.example.com").expect("a pattern");
        let holds = |name: &str| pattern.holds(&name.parse().expect("a host"));
        assert!(holds("a.example.com") && holds("a.b.example.com"));
        assert!(!holds("example.com") && !holds("badexample.com") && !holds("example.com.evil.test"));
        for odd in ["*", "*.com", "*.127.0.0.1", "a.*.com", "*a.example.com"] {
            assert_eq!(HostPattern::parse(odd), Err(NoHost), "{odd:?}");
        }
    }
}
