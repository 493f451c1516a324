//! Why something is not passed on.

use std::{error::Error, fmt};

use hyper::StatusCode;

macro_rules! refusals {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $status:ident, $remedy:literal;)+) => {
        /// Why a proxy did not pass something on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Refusal { $($(#[doc = $doc])+ $name,)+ }

        impl Refusal {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Its stable code.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// What it means, as a sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc,)+).trim_ascii(),)+ }
            }

            /// What to do about it.
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)+ }
            }

            /// The status of the answer that says so, where one can be given.
            pub(super) const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)+ }
            }
        }
    };
}

refusals! {
    /// The request is not one that a proxy can understand.
    Malformed = "malformed", BAD_REQUEST, "Send a plain HTTP/1.1 request to the proxy.";
    /// No rule allows this host and port in this way.
    DestinationNotAllowed = "destination_not_allowed", FORBIDDEN, "Ask for a rule for the host and port, or do without.";
    /// No rule for this host allows the path.
    PathNotAllowed = "path_not_allowed", FORBIDDEN, "Ask for a rule for the path, or do without.";
    /// The path could be read in more than one way.
    PathAmbiguous = "path_ambiguous", FORBIDDEN, "Write the path without dots that lead up, backslashes and double encoding.";
    /// No rule for this host and path allows the method.
    MethodNotAllowed = "method_not_allowed", FORBIDDEN, "Ask for a rule for the method, or do without.";
    /// The name cannot be resolved.
    NameUnknown = "name_unknown", BAD_GATEWAY, "Check the name, and the network of the host.";
    /// The name leads to an address that the rule does not allow.
    AddressNotAllowed = "address_not_allowed", FORBIDDEN, "Name the address in the rule if it is meant.";
    /// The host cannot be reached, or not in time.
    Unreachable = "unreachable", BAD_GATEWAY, "Check the host and its port, and try again.";
    /// The certificate of the host is not valid for its name.
    UpstreamUntrusted = "upstream_untrusted", BAD_GATEWAY, "Mend the certificate, or add its issuer to the proxy's roots.";
    /// The host answered with something that is no answer.
    UpstreamBroken = "upstream_broken", BAD_GATEWAY, "Try again, or look at the host.";
    /// The host did not answer in time.
    UpstreamSilent = "upstream_silent", GATEWAY_TIMEOUT, "Try again later.";
    /// What followed CONNECT was not the beginning of a TLS connection.
    NotTls = "not_tls", FORBIDDEN, "Speak TLS through CONNECT; other protocols are not tunnelled.";
    /// The name within TLS is not the one that CONNECT named, or is missing.
    ServerNameDisagrees = "server_name_disagrees", FORBIDDEN, "Name one host in CONNECT and in TLS.";
    /// The name within TLS is encrypted, so that nobody can say whether it agrees.
    ServerNameHidden = "server_name_hidden", FORBIDDEN, "Switch encrypted hellos off, or have the rule look inside.";
    /// The client broke the TLS connection off; it may not trust the session's authority.
    ClientTls = "client_tls", BAD_REQUEST, "Let the program trust the file that SSL_CERT_FILE names.";
    /// The request names another host than its connection is for.
    HostDisagrees = "host_disagrees", FORBIDDEN, "Name the same host and port in the request, in Host and in CONNECT.";
    /// A header would have the server take the request for another one.
    OverrideRefused = "override_refused", FORBIDDEN, "Leave out headers that replace the method, the path or the host.";
    /// The request asks for another protocol.
    UpgradeRefused = "upgrade_refused", FORBIDDEN, "Speak HTTP/1.1 without upgrades.";
    /// The body is framed in a way that two readers could read differently.
    FramingRefused = "framing_refused", BAD_REQUEST, "Frame the body by its length, or by chunks alone.";
    /// A placeholder stands where its secret does not belong.
    PlaceholderMisplaced = "placeholder_misplaced", FORBIDDEN, "Use the placeholder alone in Authorization or another header of its secret, for its own hosts.";
    /// The secret of the placeholder cannot be read now.
    SecretUnavailable = "secret_unavailable", BAD_GATEWAY, "Mend the source of the secret, which the records of the host program name.";
    /// The answer contained the secret of the request.
    SecretReflected = "secret_reflected", BAD_GATEWAY, "Ask the host for something that does not repeat credentials.";
    /// The request is larger than it may be.
    TooLarge = "too_large", PAYLOAD_TOO_LARGE, "Send less, or have the limit raised.";
    /// The head of the request is larger than it may be.
    HeadTooLarge = "head_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE, "Send fewer or shorter headers.";
    /// The records of requests cannot be kept, so nothing passes.
    Unrecorded = "unrecorded", SERVICE_UNAVAILABLE, "See the log of the host program, and make room where it keeps the records of the session.";
    /// The client was too slow.
    TooSlow = "too_slow", REQUEST_TIMEOUT, "Send the whole request without pauses.";
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl Error for Refusal {}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_has_a_code_of_its_own() {
        let codes: HashSet<_> = Refusal::ALL.iter().map(|refusal| refusal.code()).collect();
        assert_eq!(codes.len(), Refusal::ALL.len());
        assert!(Refusal::ALL.iter().all(|refusal| refusal.meaning().ends_with('.')));
    }
}
