//! How far a connection checks whom it speaks to.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::SetupError;

/// What is checked of a server's certificate; the file holds the roots, without it the system's are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tls {
    /// Nothing: an eavesdropper is kept out, an impostor is not.
    Unverified,
    /// That it was given out by somebody who is trusted.
    Authority(Option<PathBuf>),
    /// That, and that it names the host.
    Full(Option<PathBuf>),
}

impl Tls {
    pub(crate) fn connector(&self) -> Result<MakeRustlsConnect, SetupError> {
        let unsound = |error: Error| SetupError::Config(error.to_string());
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(unsound)?;
        let webpki = |file: &Option<PathBuf>| {
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots(file)?), Arc::clone(&provider))
                .build()
                .map_err(|error| SetupError::Config(error.to_string()))
        };
        let config = match self {
            Self::Unverified => {
                let lenient = Lenient { authority: None, provider: Arc::clone(&provider) };
                builder.dangerous().with_custom_certificate_verifier(Arc::new(lenient))
            }
            Self::Authority(file) => {
                let lenient = Lenient { authority: Some(webpki(file)?), provider: Arc::clone(&provider) };
                builder.dangerous().with_custom_certificate_verifier(Arc::new(lenient))
            }
            Self::Full(file) => builder.with_webpki_verifier(webpki(file)?),
        };
        Ok(MakeRustlsConnect::new(config.with_no_client_auth()))
    }
}

fn roots(file: &Option<PathBuf>) -> Result<RootCertStore, SetupError> {
    let unreadable =
        |error: String| SetupError::Config(format!("the root certificates cannot be read: {error}"));
    let mut roots = RootCertStore::empty();
    match file {
        Some(file) => {
            let certificates =
                CertificateDer::pem_file_iter(file).map_err(|error| unreadable(error.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
                roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
            }
        }
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    if roots.is_empty() {
        return Err(unreadable("there are none".to_owned()));
    }
    Ok(roots)
}

/// Checks less than a browser would: nothing, or all but the name of the host. Signatures of the handshake it does check.
#[derive(Debug)]
struct Lenient {
    authority: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        use rustls::CertificateError::{NotValidForName, NotValidForNameContext};
        let Some(authority) = &self.authority else { return Ok(ServerCertVerified::assertion()) };
        // The chain is checked before the name is.
        match authority.verify_server_cert(end_entity, intermediates, server, ocsp, now) {
            Err(Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
