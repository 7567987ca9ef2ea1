//! TLS to a pod behind the proxy. As a kube-apiserver's it checks no certificate (InsecureSkipVerify): the pod is known by its address, and
//! what proves the caller was taken off the request before.
use crate::request::Duplex;
use api::status::Status;
use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};
use tokio_rustls::TlsConnector;

/// TLS with whoever is at the other end of `stream`. It is asked for by `address`, so by no name.
///
/// # Errors
/// 503 if that one speaks no TLS.
pub(super) async fn shake(stream: Box<dyn Duplex>, address: &Value) -> Result<Box<dyn Duplex>, Status> {
    let broken = |why: String| Status::unavailable(format!("error trying to reach service: {why}"));
    let address = address.as_str().and_then(|address| address.parse().ok());
    let name = ServerName::from(address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    let connector = TlsConnector::from(CONFIG.clone().map_err(|why| broken(why.to_string()))?);
    let shaken = connector.connect(name, stream).await.map_err(|why| broken(why.to_string()))?;
    Ok(Box::new(shaken))
}

/// One for all: it knows nobody.
static CONFIG: LazyLock<Result<Arc<ClientConfig>, Error>> = LazyLock::new(|| config().map(Arc::new));

fn config() -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let anyone = Arc::new(Anyone(provider.clone()));
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.dangerous().with_custom_certificate_verifier(anyone).with_no_client_auth())
}

/// Believes every certificate whose key the other end has.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
