//! What can be wrong with rules, and with what they need.

use std::error::Error;

/// In which way a proxy cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EgressErrorKind {
    /// The rules are not in their format.
    Unreadable,
    /// There is not one rule.
    Empty,
    /// The host of a rule cannot exist.
    Host,
    /// The port of a rule cannot be connected to.
    Port,
    /// The path prefix of a rule can be the beginning of no path.
    Path,
    /// The method of a rule is none.
    Method,
    /// An address or a range of a rule is none.
    Address,
    /// A secret would go to hosts that nobody named, or over a connection that anybody can read.
    Exposed,
    /// A secret is not declared, or has no value.
    Secret,
    /// Rules are for a lane that there is not.
    Lane,
    /// Something of this machine is missing: certificates, chance, a folder that can be written.
    Unavailable,
}

impl EgressErrorKind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Unreadable,
        Self::Empty,
        Self::Host,
        Self::Port,
        Self::Path,
        Self::Method,
        Self::Address,
        Self::Exposed,
        Self::Secret,
        Self::Lane,
        Self::Unavailable,
    ];

    /// The stable code of this kind.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unreadable => "egress_rules_unreadable",
            Self::Empty => "egress_rules_empty",
            Self::Host => "egress_host_invalid",
            Self::Port => "egress_port_invalid",
            Self::Path => "egress_path_invalid",
            Self::Method => "egress_method_invalid",
            Self::Address => "egress_address_invalid",
            Self::Exposed => "egress_secret_exposed",
            Self::Secret => "egress_secret_missing",
            Self::Lane => "egress_lane_unknown",
            Self::Unavailable => "egress_unavailable",
        }
    }

    /// What to do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Unreadable => {
                "write {\"allow\": [\"host[:port][/prefix]\", {\"to\": \"…\", \"methods\": […], \"secrets\": […]}], \"secrets\": {…}}"
            }
            Self::Empty => "name at least one host, or give agents no proxy at all",
            Self::Host => {
                "write a name of letters, digits and hyphens (xn--… for others), an IPv4 address, an IPv6 address in brackets, or *.example.com"
            }
            Self::Port => "write a port from 1 to 65535",
            Self::Path => "begin it with /, and leave out queries, dots that lead up and control characters",
            Self::Method => "write methods in capitals, such as GET; CONNECT is none that can be allowed",
            Self::Address => "write an address or a range, such as 10.1.0.0/16",
            Self::Exposed => "give the secret to https rules with one named host each",
            Self::Secret => "declare it under secrets, and see that its source has a value of one line",
            Self::Lane => "name a lane of the workflow, or put the rule under allow, for all lanes",
            Self::Unavailable => "see the cause",
        }
    }
}

/// A proxy that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct EgressError {
    /// In which way.
    pub kind: EgressErrorKind,
    message: String,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl EgressError {
    /// Such a failure; the message is a sentence without a stop.
    pub fn new(kind: EgressErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// The same with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}
