//! What agents must know to use the proxy: its address, and whom to trust.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::pki_types::CertificateDer;
use striatum_core::sandbox::{EnvVar, Listen};

/// By these names programs look for a proxy. Several read them in capitals only, and curl reads one only in small letters.
const PROXY: [&str; 6] =
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "npm_config_proxy", "npm_config_https_proxy"];

/// By these names for a file of certificates that they trust: OpenSSL with Python, Ruby and Go, curl, requests, pip, git, cargo, Node,
/// npm, Deno, the AWS tools, and Nix.
const TRUST: [&str; 11] = [
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    // Beside a proxy npm heeds its own setting alone.
    "npm_config_cafile",
    "DENO_CERT",
    "AWS_CA_BUNDLE",
    "NIX_SSL_CERT_FILE",
];

/// What is reached without the proxy: the agent's other listeners.
const DIRECT: &str = "127.0.0.1,localhost,::1";

/// The listener of the proxy, with the variables that tell of it.
pub(super) fn listen(name: &str) -> Listen {
    PROXY.iter().fold(Listen::new(name), |listen, variable| listen.announced(*variable, "http://{}"))
}

/// The variables whose values do not depend on where the listener is.
pub(super) fn variables(bundle: &Path) -> Vec<EnvVar> {
    let trust = TRUST.iter().map(|name| EnvVar::new(*name, bundle));
    let direct = ["NO_PROXY", "no_proxy"].into_iter().map(|name| EnvVar::new(name, DIRECT));
    // Node's own fetch asks for this before it looks for a proxy.
    trust.chain(direct).chain([EnvVar::new("NODE_USE_ENV_PROXY", "1")]).collect()
}

/// Certificates as text, the way in which programs read them.
pub(super) fn pem<'a>(certificates: impl IntoIterator<Item = &'a CertificateDer<'a>>) -> String {
    let mut pem = String::new();
    for certificate in certificates {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in STANDARD.encode(certificate).as_bytes().chunks(64) {
            pem.extend(line.iter().map(|byte| char::from(*byte)));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    pem
}
