//! TLS 1.3 for link: who must show which certificate, and how a joining machine knows the cluster by its token's pin.
use crate::authority::{Identity, Pin};
use crate::error::LinkError;
use crate::peer::MEMBER_SERVER_NAME;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::server::WebPkiClientVerifier;
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme, version::TLS13};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use std::sync::Arc;
use std::time::Duration;

/// The protocol's name in the handshake (ALPN); another version of link gets another.
const PROTOCOL: &[u8] = b"rutter/1";

/// The cryptography of every machine.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The time by which certificates hold.
#[derive(Debug)]
struct Wall;

impl TimeProvider for Wall {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(rt::wall())))
    }
}

fn unusable(why: impl std::fmt::Display) -> LinkError {
    LinkError::Certificate(why.to_string())
}

fn certificate(pem: &str) -> Result<CertificateDer<'static>, LinkError> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(unusable)
}

fn roots(authority: CertificateDer<'static>) -> Result<Arc<RootCertStore>, LinkError> {
    let mut roots = RootCertStore::empty();
    roots.add(authority).map_err(unusable)?;
    Ok(Arc::new(roots))
}

/// Chain and key. The authority's own certificate is sent along: a joining machine compares it with its pin.
fn chain(identity: &Identity) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), LinkError> {
    let chain = vec![certificate(&identity.certificate_pem)?, certificate(&identity.authority_pem)?];
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).map_err(unusable)?;
    Ok((chain, key))
}

/// The serving side: a certificate that a peer shows must be of this cluster; one that shows none may only ask to join.
pub(crate) fn server(identity: &Identity, provider: &Arc<CryptoProvider>) -> Result<QuicServerConfig, LinkError> {
    let roots = roots(certificate(&identity.authority_pem)?)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone()).allow_unauthenticated().build();
    let (chain, key) = chain(identity)?;
    let mut config = rustls::ServerConfig::builder_with_details(provider.clone(), Arc::new(Wall))
        .with_protocol_versions(&[&TLS13])
        .map_err(unusable)?
        .with_client_cert_verifier(verifier.map_err(unusable)?)
        .with_single_cert(chain, key)
        .map_err(unusable)?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    QuicServerConfig::try_from(config).map_err(unusable)
}

/// The dialling side of a member or node: the server must be a member of this cluster.
pub(crate) fn client(identity: &Identity, provider: &Arc<CryptoProvider>) -> Result<QuicClientConfig, LinkError> {
    let (chain, key) = chain(identity)?;
    let mut config = rustls::ClientConfig::builder_with_details(provider.clone(), Arc::new(Wall))
        .with_protocol_versions(&[&TLS13])
        .map_err(unusable)?
        .with_root_certificates(roots(certificate(&identity.authority_pem)?)?)
        .with_client_auth_cert(chain, key)
        .map_err(unusable)?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    QuicClientConfig::try_from(config).map_err(unusable)
}

/// The dialling side of a machine that has only a token: it shows no certificate, and trusts the authority that the token pins.
pub(crate) fn joining(pin: Pin) -> Result<QuicClientConfig, LinkError> {
    let verifier = Arc::new(Pinned { pin, provider: provider() });
    let mut config = rustls::ClientConfig::builder_with_details(provider(), Arc::new(Wall))
        .with_protocol_versions(&[&TLS13])
        .map_err(unusable)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    QuicClientConfig::try_from(config).map_err(unusable)
}

/// The name that every member must prove.
pub(crate) fn member_name() -> &'static str {
    MEMBER_SERVER_NAME
}

/// Takes for root only the certificate whose hash is the pin, then verifies as always.
#[derive(Debug)]
struct Pinned {
    pin: Pin,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let pinned = intermediates.iter().find(|certificate| blake3::hash(certificate) == self.pin);
        let Some(authority) = pinned else {
            return Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer));
        };
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone())
            .build()
            .map_err(|why| rustls::Error::General(why.to_string()))?;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("QUIC uses TLS 1.3 only".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
