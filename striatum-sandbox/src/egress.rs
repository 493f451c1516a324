//! The way from behind walls to named hosts, without their secrets.
//!
//! An agent behind walls has no network. [`Egress`] is an HTTP proxy in the host program, which it reaches by a listener of its
//! sandbox. Nothing passes but what the [`EgressRules`] allow:
//!
//! - A destination is a host and a port that a rule names. Its name is resolved here and once for a connection, and may lead to the open
//!   internet only, or to where the rule says.
//! - After CONNECT nothing but TLS is passed on, in which the client names the same host. Where rules are about methods, paths or
//!   secrets the proxy speaks for the host, with an authority that is made for the session, and judges every request. Where they are
//!   about the host alone TLS goes through end to end.
//! - An agent has placeholders for secrets. In a request that a rule of the secret allows, the placeholder becomes the secret if it
//!   stands where a credential does; anywhere else it is refused. An answer that repeats the secret is broken off.
//! - Every message is taken apart and framed anew, so that no two readers read it differently.
//! - Of each request there is an [`EgressRecord`].

use std::{collections::BTreeMap, fs, io, path::Path, sync::Arc, time::SystemTime};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, ring},
    pki_types::CertificateDer,
};
use secrecy::SecretString;
use striatum_core::sandbox::{EnvVar, Listen};

mod address;
mod authority;
mod body;
mod encoding;
mod error;
mod forward;
mod head;
mod hello;
mod host;
mod limits;
mod link;
mod path;
mod placeholder;
mod record;
mod refusal;
mod resolve;
mod rule;
mod rules;
mod scan;
mod server;
mod trust;
mod tunnel;

pub use error::{EgressError, EgressErrorKind};
pub use limits::EgressLimits;
pub use record::{EgressAudit, EgressRecord, Fate, Traced};
pub use refusal::Refusal;
pub use resolve::{Resolve, SystemResolver};
pub use rule::{Rule, Scheme};
pub use rules::EgressRules;
pub use server::EgressServing;

use authority::Authority;
use placeholder::{Placeholder, Placeholders};
use server::Session;

/// The proxy of one session, with an authority and placeholders of its own.
#[derive(Debug)]
pub struct Egress {
    session: Arc<Session>,
    system_roots: Vec<CertificateDer<'static>>,
}

/// What a proxy is made of.
#[derive(Debug)]
pub struct EgressBuilder {
    rules: EgressRules,
    secrets: BTreeMap<String, SecretString>,
    roots: Vec<CertificateDer<'static>>,
    resolver: Arc<dyn Resolve>,
    audit: Arc<dyn EgressAudit>,
    limits: EgressLimits,
}

impl Egress {
    /// A proxy for these rules that uses the resolver and the certificates of the host, and tells `tracing` what happens.
    pub fn builder(rules: EgressRules) -> EgressBuilder {
        EgressBuilder {
            rules,
            secrets: BTreeMap::new(),
            roots: Vec::new(),
            resolver: Arc::new(SystemResolver),
            audit: Arc::new(Traced),
            limits: EgressLimits::default(),
        }
    }

    /// The listener for it, with the variables that tell programs where it is.
    pub fn listen(name: &str) -> Listen {
        trust::listen(name)
    }

    /// Writes the certificates that programs are to trust: the session's own authority, and those that the host trusts.
    ///
    /// # Errors
    /// [`io::Error`] if the file cannot be written.
    pub fn write_trust(&self, file: &Path) -> io::Result<()> {
        fs::write(file, trust::pem([self.session.authority.root()].into_iter().chain(&self.system_roots)))
    }

    /// The variables of a program that uses it: the file of certificates under its usual names, what is reached without a proxy, and a
    /// placeholder under the name of each secret.
    pub fn variables(&self, trust: &Path) -> Vec<EnvVar> {
        let placeholders = self.session.placeholders.iter();
        let placeholders = placeholders.map(|secret| EnvVar::new(&secret.name, &secret.token));
        trust::variables(trust).into_iter().chain(placeholders).collect()
    }

    /// Serves it on a listener until what is returned is dropped. Call it within a tokio runtime.
    ///
    /// # Errors
    /// [`io::Error`] if the listener cannot be used.
    pub fn serve(&self, listener: std::net::TcpListener) -> io::Result<EgressServing> {
        EgressServing::start(self.session.clone(), listener)
    }
}

impl EgressBuilder {
    /// Gives a secret of the rules its value.
    #[must_use]
    pub fn secret(mut self, name: impl Into<String>, value: SecretString) -> Self {
        self.secrets.insert(name.into(), value);
        self
    }

    /// Trusts this authority of hosts as well.
    #[must_use]
    pub fn root(mut self, certificate: CertificateDer<'static>) -> Self {
        self.roots.push(certificate);
        self
    }

    /// Resolves names by this.
    #[must_use]
    pub fn resolver(self, resolver: Arc<dyn Resolve>) -> Self {
        Self { resolver, ..self }
    }

    /// Gives the records to this.
    #[must_use]
    pub fn audit(self, audit: Arc<dyn EgressAudit>) -> Self {
        Self { audit, ..self }
    }

    /// Holds the agent to these limits.
    #[must_use]
    pub fn limits(self, limits: EgressLimits) -> Self {
        Self { limits, ..self }
    }

    /// Makes the session's authority and placeholders.
    ///
    /// # Errors
    /// [`EgressErrorKind::Secret`] if a secret of the rules has no value, or one that fits into no header;
    /// [`EgressErrorKind::Unavailable`] if the host gives no chance or no certificates.
    pub fn open(mut self) -> Result<Egress, EgressError> {
        let mut placeholders = Vec::new();
        for name in self.rules.secrets() {
            let missing =
                || EgressError::new(EgressErrorKind::Secret, format!("the secret {name} has no value"));
            placeholders.push(Placeholder::new(name, self.secrets.remove(name).ok_or_else(missing)?)?);
        }
        let provider = Arc::new(ring::default_provider());
        let system_roots = rustls_native_certs::load_native_certs().certs;
        let session = Session {
            placeholders: Placeholders::new(placeholders),
            authority: Authority::new(provider.clone(), SystemTime::now().into())?,
            upstream: Arc::new(upstream(provider, system_roots.iter().chain(&self.roots))?),
            rules: self.rules,
            resolver: self.resolver,
            audit: self.audit,
            limits: self.limits,
        };
        Ok(Egress { session: Arc::new(session), system_roots })
    }
}

/// How hosts are spoken to within TLS.
fn upstream<'a>(
    provider: Arc<CryptoProvider>,
    roots: impl Iterator<Item = &'a CertificateDer<'static>>,
) -> Result<ClientConfig, EgressError> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots.cloned());
    let unavailable =
        |error| EgressError::new(EgressErrorKind::Unavailable, "TLS cannot be spoken").because(error);
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unavailable)?
        .with_root_certificates(store);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
