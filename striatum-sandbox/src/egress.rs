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
//! - Of each request there is an [`EgressRecord`]. While these cannot be kept nothing passes.

use std::{collections::BTreeMap, fs, io, path::Path, sync::Arc, time::SystemTime};

use rustls::crypto::ring;
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
use record::Records;
use server::Session;

use crate::{credential::Credential, upstream::Trust};

/// The proxy of one session, with an authority and placeholders of its own.
#[derive(Debug)]
pub struct Egress {
    session: Arc<Session>,
    trust: Trust,
}

/// What a proxy is made of.
#[derive(Debug)]
pub struct EgressBuilder {
    rules: EgressRules,
    secrets: BTreeMap<String, Credential>,
    trust: Option<Trust>,
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
            trust: None,
            resolver: Arc::new(SystemResolver),
            audit: Arc::new(Traced),
            limits: EgressLimits::default(),
        }
    }

    /// The listener for it, with the variables that tell programs where it is.
    pub fn listen(name: &str) -> Listen {
        trust::listen(name)
    }

    /// Writes the certificates that programs are to trust: the session's own authority, and those that the proxy itself believes.
    ///
    /// # Errors
    /// [`io::Error`] if the file cannot be written.
    pub fn write_trust(&self, file: &Path) -> io::Result<()> {
        fs::write(
            file,
            trust::pem([self.session.authority.root()].into_iter().chain(self.trust.certificates())),
        )
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
    pub fn secret(mut self, name: impl Into<String>, value: Credential) -> Self {
        self.secrets.insert(name.into(), value);
        self
    }

    /// Believes these authorities of hosts, and not those of this host.
    #[must_use]
    pub fn trust(self, trust: Trust) -> Self {
        Self { trust: Some(trust), ..self }
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

    /// Makes the session's authority and placeholders, and reads each secret once, so that a missing one is noticed now.
    ///
    /// # Errors
    /// [`EgressErrorKind::Secret`] if a secret of the rules has no value; [`EgressErrorKind::Unavailable`] if this machine gives no
    /// chance or no certificates.
    pub async fn open(mut self) -> Result<Egress, EgressError> {
        let mut placeholders = Vec::new();
        for name in self.rules.secrets() {
            let missing =
                || EgressError::new(EgressErrorKind::Secret, format!("the secret {name} has no value"));
            let secret = self.secrets.remove(name).ok_or_else(missing)?;
            secret.get().await.map_err(|error| missing().because(error))?;
            placeholders.push(Placeholder::new(name, secret)?);
        }
        let unbelieving = |error| {
            EgressError::new(EgressErrorKind::Unavailable, "nobody's certificates could be believed")
                .because(error)
        };
        let trust = self.trust.map_or_else(Trust::of_this_host, Ok).map_err(unbelieving)?;
        let mut upstream = trust.config();
        upstream.alpn_protocols = vec![b"http/1.1".to_vec()];
        let session = Session {
            placeholders: Placeholders::new(placeholders),
            authority: Authority::new(Arc::new(ring::default_provider()), SystemTime::now().into())?,
            upstream: Arc::new(upstream),
            rules: self.rules,
            resolver: self.resolver,
            records: Arc::new(Records::new(self.audit)),
            limits: self.limits,
        };
        Ok(Egress { session: Arc::new(session), trust })
    }
}
