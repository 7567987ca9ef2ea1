//! The TLS of an HTTPS probe. As a kubelet's it checks no certificate: the pod is known by its address, and nothing secret is sent.
use link::anyone::Anyone;
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use std::sync::{Arc, LazyLock};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// One for all probes: it is made of nothing that differs between them.
static CONFIG: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("the provider has the default versions");
    let builder = builder.dangerous().with_custom_certificate_verifier(Anyone::verifier());
    Arc::new(builder.with_no_client_auth())
});

/// TLS with whoever is at the other end of `stream`, asked for as `host`.
///
/// # Errors
/// In words.
pub(super) async fn shake(host: &str, stream: TcpStream) -> Result<TlsStream<TcpStream>, String> {
    let name = ServerName::try_from(host.to_owned()).map_err(|why| why.to_string())?;
    TlsConnector::from(CONFIG.clone()).connect(name, stream).await.map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::CertificateDer;
    use tokio_rustls::TlsAcceptor;

    #[tokio::test]
    async fn a_certificate_that_nobody_knows_is_good_enough_and_what_is_no_tls_is_an_error() {
        let authority = link::authority::Authority::found("c1", api::revision::Millis(rt::wall())).expect("founds");
        let holder = link::authority::Holder::ApiServer { names: Vec::new() };
        let own = authority.issue(&holder, api::revision::Millis(rt::wall())).expect("a certificate");
        let pem = |text: &str| {
            use rustls::pki_types::pem::PemObject;
            (
                CertificateDer::from_pem_slice(text.as_bytes()),
                rustls::pki_types::PrivateKeyDer::from_pem_slice(own.key_pem.as_bytes()),
            )
        };
        let (certificate, key) = pem(&own.certificate_pem);
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.expect("a certificate")], key.expect("a key"))
            .expect("an identity");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("an address");
        drop(rt::spawn("server", async move {
            let acceptor = TlsAcceptor::from(Arc::new(config));
            let (stream, _) = listener.accept().await.expect("one comes");
            let held = acceptor.accept(stream).await.expect("shakes hands");
            let (stream, _) = listener.accept().await.expect("another comes");
            drop((held, stream));
        }));
        let stream = TcpStream::connect(address).await.expect("connects");
        assert!(shake("127.0.0.1", stream).await.is_ok());
        let stream = TcpStream::connect(address).await.expect("connects");
        assert!(shake("127.0.0.1", stream).await.is_err());
    }
}
