//! The authority of one session, which vouches for the hosts into whose connections the proxy looks.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::{
    ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use time::{Duration, OffsetDateTime};

use super::{
    error::{EgressError, EgressErrorKind as Kind},
    host::Host,
};

/// For how long it is valid. No session lasts longer.
const VALID: Duration = Duration::days(30);
/// For how many hosts certificates are kept. Another one takes a fraction of a millisecond.
const MOST_HOSTS: usize = 1024;
/// Clocks of agents and hosts differ.
const SKEW: Duration = Duration::days(1);

/// A key that signs certificates, which never leaves this process, and the certificates that it signed.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    /// One key for all hosts: whoever trusts the authority trusts it for all of them.
    leaf_key: KeyPair,
    provider: Arc<CryptoProvider>,
    begun: OffsetDateTime,
    issued: Mutex<HashMap<Host, Arc<ServerConfig>>>,
}

impl Authority {
    /// Makes one whose certificates are valid from now on.
    pub(super) fn new(provider: Arc<CryptoProvider>, now: OffsetDateTime) -> Result<Self, EgressError> {
        let mut params = lasting(CertificateParams::default(), now);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "Striatum egress, this session only");
        let key = KeyPair::generate().map_err(failed)?;
        let root = params.self_signed(&key).map_err(failed)?.der().clone();
        Ok(Self {
            issuer: Issuer::new(params, key),
            root,
            leaf_key: KeyPair::generate().map_err(failed)?,
            provider,
            begun: now,
            issued: Mutex::default(),
        })
    }

    /// Its own certificate, which agents are to trust.
    pub(super) fn root(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// How to speak TLS in the name of a host.
    pub(super) fn vouch(&self, host: &Host) -> Result<Arc<ServerConfig>, EgressError> {
        let known = self.issued.lock().unwrap_or_else(PoisonError::into_inner).get(host).cloned();
        if let Some(config) = known {
            return Ok(config);
        }
        let config = Arc::new(self.issue(host)?);
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        // A rule may stand for any number of names.
        if issued.len() >= MOST_HOSTS {
            issued.clear();
        }
        issued.insert(host.clone(), config.clone());
        Ok(config)
    }

    fn issue(&self, host: &Host) -> Result<ServerConfig, EgressError> {
        let mut params = lasting(CertificateParams::default(), self.begun);
        params.subject_alt_names = vec![match host {
            Host::Name(name) => SanType::DnsName(name.as_str().try_into().map_err(failed)?),
            Host::Address(address) => SanType::IpAddress(*address),
        }];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.distinguished_name.push(DnType::CommonName, "A host, vouched for by Striatum");
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&self.leaf_key, &self.issuer).map_err(failed)?.der().clone();
        let key = PrivateKeyDer::try_from(self.leaf_key.serialize_der()).map_err(failed)?;
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_no_client_auth()
            .with_single_cert(vec![leaf], key)
            .map_err(failed)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

fn lasting(mut params: CertificateParams, now: OffsetDateTime) -> CertificateParams {
    params.not_before = now - SKEW;
    params.not_after = now + VALID;
    params
}

fn failed(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> EgressError {
    EgressError::new(Kind::Unavailable, "a certificate cannot be made").because(cause)
}
