//! Hosts that we speak to for agents, and whom we believe that they are these hosts.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response, Uri,
    header::{HOST, HeaderValue},
    http::uri::{Authority, PathAndQuery, Scheme},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};

mod lines;
mod tls;

pub(crate) use lines::Arriving;
use lines::Lines;

/// How long a host may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Connects to hosts, with TLS where their URL says so.
pub type Connector = HttpsConnector<HttpConnector>;

/// Whose certificates we believe.
#[derive(Debug, Clone)]
pub struct Trust {
    config: Arc<ClientConfig>,
    #[cfg_attr(
        not(feature = "egress"),
        expect(dead_code, reason = "agents behind a proxy are to believe the same")
    )]
    certificates: Arc<[CertificateDer<'static>]>,
}

impl Trust {
    /// The authorities that this host's user believes.
    ///
    /// # Errors
    /// [`UpstreamErrorKind::NoAuthorities`] if the host names none.
    pub fn of_this_host() -> Result<Self, UpstreamError> {
        Self::in_certificates(rustls_native_certs::load_native_certs().certs, || {
            UpstreamError::new(
                UpstreamErrorKind::NoAuthorities,
                "this host names no authority whose certificates could be believed",
                "install the package ca-certificates, or name a file of certificates in SSL_CERT_FILE",
            )
        })
    }

    /// These authorities and no others, as one PEM text.
    ///
    /// # Errors
    /// [`UpstreamErrorKind::NoAuthorities`] if there is no certificate in it.
    pub fn in_pem(pem: &[u8]) -> Result<Self, UpstreamError> {
        Self::in_certificates(CertificateDer::pem_slice_iter(pem).flatten().collect(), || {
            UpstreamError::new(
                UpstreamErrorKind::NoAuthorities,
                "there is no certificate of an authority in what was given",
                "give certificates in the PEM format",
            )
        })
    }

    /// Nobody, for hosts that are spoken to without TLS.
    ///
    /// # Errors
    /// [`UpstreamErrorKind::NoAuthorities`] if TLS cannot be spoken at all.
    pub fn of_nobody() -> Result<Self, UpstreamError> {
        Self::in_roots(RootCertStore::empty(), Arc::default())
    }

    /// What connects to hosts that are believed, and to those without TLS.
    pub fn connector(&self) -> Connector {
        let connector = HttpsConnectorBuilder::new().with_tls_config(self.config());
        connector.https_or_http().enable_http1().wrap_connector(tcp())
    }

    /// What a TLS client needs to know.
    pub(crate) fn config(&self) -> ClientConfig {
        ClientConfig::clone(&self.config)
    }

    /// The certificates of the authorities.
    #[cfg(feature = "egress")]
    pub(crate) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    fn in_certificates(
        certificates: Vec<CertificateDer<'static>>,
        none: impl FnOnce() -> UpstreamError,
    ) -> Result<Self, UpstreamError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates.iter().cloned());
        if roots.is_empty() { Err(none()) } else { Self::in_roots(roots, certificates.into()) }
    }

    fn in_roots(
        roots: RootCertStore,
        certificates: Arc<[CertificateDer<'static>]>,
    ) -> Result<Self, UpstreamError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(|error| {
            UpstreamError::new(
                UpstreamErrorKind::NoAuthorities,
                format!("TLS cannot be spoken: {error}"),
                "report it: this is a fault of Striatum",
            )
        })?;
        let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
        Ok(Self { config, certificates })
    }
}

/// One host, fixed by whoever runs Striatum. No request leads anywhere else.
#[derive(Debug, Clone)]
pub struct Upstream {
    authority: Authority,
    /// As requests name it.
    name: HeaderValue,
    /// What goes before each path, without a slash at its end.
    prefix: String,
    lines: Lines,
}

impl Upstream {
    /// The host at a URL such as `https://api.anthropic.com`, by whose path those of requests begin. Without TLS it must be this
    /// machine.
    ///
    /// # Errors
    /// [`UpstreamErrorKind::Url`]; for `https` without `trust` as [`Trust::of_this_host`].
    pub fn at(url: &str, trust: Option<&Trust>) -> Result<Self, UpstreamError> {
        let refused = |why: &str| {
            // A password in it is not repeated.
            UpstreamError::new(
                UpstreamErrorKind::Url,
                format!("the URL of a model's host cannot be used: {why}"),
                "give it like https://api.example.com, or http://127.0.0.1:8080 for this machine",
            )
        };
        let uri: Uri = url.parse().map_err(|_| refused("it is no URL"))?;
        let parts = uri.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(refused("it has no scheme or no host"));
        };
        if authority.as_str().contains('@') {
            return Err(refused("it holds a user or a password"));
        }
        let path = parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        if path.query().is_some() {
            return Err(refused("it has a query"));
        }
        let tls = match scheme.as_str() {
            "https" => {
                let trust = match trust {
                    Some(trust) => trust.clone(),
                    None => Trust::of_this_host()?,
                };
                let name = ServerName::try_from(bare(authority.host()).to_owned());
                let name = name.map_err(|_| refused("its host can have no certificate"))?;
                Some((trust.config, name))
            }
            "http" if is_this_machine(authority.host()) => None,
            "http" => return Err(refused("without TLS only this machine is spoken to")),
            _ => return Err(refused("its scheme is neither https nor http")),
        };
        let prefix = path.path().trim_end_matches('/').to_owned();
        let usual = if scheme == Scheme::HTTPS { 443 } else { 80 };
        let is_usual = authority.port_u16().is_none_or(|port| port == usual);
        let name = if is_usual { authority.host() } else { authority.as_str() };
        let name = HeaderValue::from_str(name).map_err(|_| refused("its host can stand in no request"))?;
        let host = Uri::builder().scheme(scheme).authority(authority.clone()).path_and_query("/").build();
        let host = host.map_err(|_| refused("it is no URL"))?;
        Ok(Self { authority, name, prefix, lines: Lines::to(host, tcp(), tls) })
    }

    /// The host, with its port if it is named.
    pub fn host(&self) -> &str {
        self.authority.as_str()
    }

    /// Asks for a path, which begins with a slash. Redirects are not followed.
    pub(crate) async fn ask(
        &self,
        path: &str,
        mut request: Request<Full<Bytes>>,
    ) -> io::Result<Response<Arriving>> {
        *request.uri_mut() = format!("{}{path}", self.prefix).parse().map_err(io::Error::other)?;
        request.headers_mut().insert(HOST, self.name.clone());
        self.lines.send(request).await
    }
}

/// What connects to hosts.
fn tcp() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT));
    tcp
}

/// An address without what encloses it in a URL.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

fn is_this_machine(host: &str) -> bool {
    let host = bare(host);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What kind of failure keeps us from a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UpstreamErrorKind {
    /// The URL does not name a host that may be spoken to.
    Url,
    /// There is nobody whose certificates could be believed.
    NoAuthorities,
}

impl UpstreamErrorKind {
    /// The stable code of this kind.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Url => "upstream_url",
            Self::NoAuthorities => "upstream_no_authorities",
        }
    }
}

/// A host cannot be spoken to as it is configured.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
#[non_exhaustive]
pub struct UpstreamError {
    /// What kind of failure this is.
    pub kind: UpstreamErrorKind,
    /// What to do about it.
    pub remedy: String,
    why: String,
}

impl UpstreamError {
    fn new(kind: UpstreamErrorKind, why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { kind, why: why.into(), remedy: remedy.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_fixed_by_a_url_and_without_tls_it_is_this_machine() {
        for (url, host) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://127.0.0.1:8080/some/where/", "127.0.0.1:8080"),
            ("http://[::1]:80", "[::1]:80"),
            ("http://localhost:1", "localhost:1"),
        ] {
            assert_eq!(Upstream::at(url, None).expect(url).host(), host);
        }
        for url in [
            "",
            "api.example.com",
            "/v1",
            "http://api.example.com",
            "http://10.0.0.1",
            "http://localhost.example.com",
            "ftp://127.0.0.1",
            "https://user:hunter2@api.example.com",
            "http://127.0.0.1/?key=hunter2",
        ] {
            let error = Upstream::at(url, None).expect_err(url);
            assert_eq!(error.kind, UpstreamErrorKind::Url, "{url}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
