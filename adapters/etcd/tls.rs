//! TLS to an existing cluster.

use crate::record::system::{SystemError, Tls};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use std::path::Path;
use std::sync::Arc;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

/// The endpoint with these settings.
///
/// # Errors
/// If a file cannot be read or holds no certificate, or a certificate comes without its key.
pub(super) fn secure(endpoint: Endpoint, tls: &Tls) -> Result<Endpoint, SystemError> {
    let mut config = ClientTlsConfig::new();
    match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => {
            config = config.identity(Identity::from_pem(read(certificate)?, read(key)?));
        }
        (None, None) => {}
        _ => return Err(SystemError::Other("a client certificate and its key belong together: give both".into())),
    }
    let secured = if tls.insecure {
        endpoint.tls_config_with_verifier(config, Arc::new(AnyCertificate::new()))
    } else {
        let config = match &tls.ca {
            Some(ca) => config.ca_certificate(Certificate::from_pem(read(ca)?)),
            None => config.with_native_roots(),
        };
        endpoint.tls_config(config)
    };
    secured.map_err(|error| SystemError::Other(format!("TLS settings: {}", super::failure::in_words(&error))))
}

fn read(file: &Path) -> Result<Vec<u8>, SystemError> {
    std::fs::read(file).map_err(SystemError::io(format!("reading {}", file.display())))
}

/// Accepts every server certificate, as the user asked; that the server holds its key is still checked.
#[derive(Debug)]
struct AnyCertificate {
    algorithms: WebPkiSupportedAlgorithms,
}

impl AnyCertificate {
    fn new() -> Self {
        Self { algorithms: ring::default_provider().signature_verification_algorithms }
    }
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
