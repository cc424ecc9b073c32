//! TLS: a room's own certificate, and clients that pin its digest.
//!
//! A room has no name that a public authority could sign, so its invitation carries the digest of its certificate. Pinning replaces
//! the chain of trust and nothing else: the server still proves in the TLS 1.3 handshake that it holds the certificate's key.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use thiserror::Error;

/// Why no TLS configuration could be made.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(String),
    /// Certificate and key do not make a configuration.
    #[error("cannot use certificate and key: {0}")]
    Config(String),
}

/// A certificate and its key, both as DER.
#[derive(Clone)]
pub struct Identity {
    /// X.509 certificate.
    pub certificate: Vec<u8>,
    /// PKCS#8 private key.
    pub key: Vec<u8>,
}

/// Digest of a certificate: BLAKE3 of its DER.
pub type CertDigest = [u8; 32];

impl Identity {
    /// A new self-signed certificate.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Self, TlsError> {
        let made = rcgen::generate_simple_self_signed(vec!["spinor.invalid".to_owned()])
            .map_err(|e| TlsError::Certificate(e.to_string()))?;
        Ok(Self { certificate: made.cert.der().to_vec(), key: made.signing_key.serialize_der() })
    }

    /// What clients pin.
    pub fn digest(&self) -> CertDigest {
        *blake3::hash(&self.certificate).as_bytes()
    }

    /// quinn's server configuration with TLS 1.3 only.
    ///
    /// # Errors
    /// When certificate and key do not fit together.
    pub fn server_config(&self) -> Result<quinn::ServerConfig, TlsError> {
        let config = |e: String| TlsError::Config(e);
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()));
        let mut tls = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|e| config(e.to_string()))?
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(self.certificate.clone())], key)
            .map_err(|e| config(e.to_string()))?;
        tls.alpn_protocols = vec![super::ALPN.to_vec()];
        let quic = quinn::crypto::rustls::QuicServerConfig::try_from(tls).map_err(|e| config(e.to_string()))?;
        Ok(quinn::ServerConfig::with_crypto(Arc::new(quic)))
    }
}

/// quinn's client configuration for a server with the certificate of `digest`.
///
/// # Errors
/// When TLS cannot be set up.
pub fn client_config(digest: CertDigest) -> Result<quinn::ClientConfig, TlsError> {
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| TlsError::Config(e.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned { digest, provider: provider() }))
        .with_no_client_auth();
    tls.alpn_protocols = vec![super::ALPN.to_vec()];
    let quic = quinn::crypto::rustls::QuicClientConfig::try_from(tls).map_err(|e| TlsError::Config(e.to_string()))?;
    Ok(quinn::ClientConfig::new(Arc::new(quic)))
}

/// Whether a connection died because the server's certificate is not the one pinned.
pub fn is_wrong_certificate(error: &quinn::ConnectionError) -> bool {
    // QUIC carries a TLS alert as 0x100 + its number; 42-49 are the alerts about certificates and who may not be trusted.
    match error {
        quinn::ConnectionError::TransportError(e) => (0x100 + 42..=0x100 + 49).contains(&u64::from(e.code)),
        _ => false,
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Accepts one certificate only, and checks the handshake's signatures like any other.
#[derive(Debug)]
struct Pinned {
    digest: CertDigest,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *blake3::hash(end_entity).as_bytes() == self.digest {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::InvalidCertificate(rustls::CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
