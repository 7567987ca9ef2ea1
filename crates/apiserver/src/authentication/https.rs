//! Questions to servers that know tokens: JSON over HTTPS, one connection a question, within bounds of time and size. It follows no
//! redirects, and believes the authorities that it was given and no other.
use crate::limits::{ISSUER_ANSWER_BYTES_MAX, ISSUER_ANSWER_MAX};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

#[derive(Clone)]
pub struct Client {
    tls: Arc<ClientConfig>,
}

/// With what a client proves itself, PEM: its certificate and its key.
pub type ClientIdentity<'a> = (&'a [u8], &'a [u8]);

impl Client {
    /// A client that believes whom the authorities in `authorities` (PEM) have signed.
    ///
    /// # Errors
    /// In words, if a certificate or a key cannot be read.
    pub fn new(authorities: &[u8], own: Option<ClientIdentity<'_>>) -> Result<Self, String> {
        let chain = |pem: &[u8]| -> Result<Vec<CertificateDer<'static>>, String> {
            CertificateDer::pem_slice_iter(pem)
                .collect::<Result<_, _>>()
                .map_err(|why| format!("a certificate cannot be read: {why}"))
        };
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(chain(authorities)?);
        if roots.is_empty() {
            return Err("no certificate authority is given".into());
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|why| why.to_string())?.with_root_certificates(roots);
        let mut tls = match own {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let key = PrivateKeyDer::from_pem_slice(key).map_err(|why| format!("a key cannot be read: {why}"))?;
                builder.with_client_auth_cert(chain(certificate)?, key).map_err(|why| why.to_string())?
            }
        };
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: Arc::new(tls) })
    }

    /// What the server answers: to a GET, or to a POST of `body`.
    ///
    /// # Errors
    /// In words, if it cannot be reached, takes too long, or answers something else than success and JSON.
    pub async fn ask(&self, url: &str, body: Option<&Value>, bearer: Option<&str>) -> Result<Value, String> {
        let asking = self.exchange(url, body, bearer);
        let answer = rt::timeout(ISSUER_ANSWER_MAX, asking).await;
        answer.unwrap_or_else(|| Err("no answer came in time".into())).map_err(|why| format!("{url}: {why}"))
    }

    async fn exchange(&self, url: &str, body: Option<&Value>, bearer: Option<&str>) -> Result<Value, String> {
        let told = |why: &dyn std::fmt::Display| why.to_string();
        let uri: Uri = url.parse().map_err(|why: hyper::http::uri::InvalidUri| told(&why))?;
        let host = uri.host().filter(|_| uri.scheme_str() == Some("https")).ok_or("it is no https URL")?;
        let plain = host.trim_matches(['[', ']']);
        let port = uri.port_u16().unwrap_or(443);
        let socket = TcpStream::connect((plain, port)).await.map_err(|why| told(&why))?;
        let name = ServerName::try_from(plain.to_owned()).map_err(|why| told(&why))?;
        let stream = TlsConnector::from(self.tls.clone()).connect(name, socket).await.map_err(|why| told(&why))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|why| told(&why))?;
        // It ends with the exchange: what went wrong is told to the one who asks.
        drop(rt::spawn("token question", async move { drop(connection.await) }));
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let authority = uri.authority().map_or(host, |authority| authority.as_str());
        let mut request = Request::builder().method(method).uri(path).header(HOST, authority);
        request = request.header(ACCEPT, "application/json").header(CONTENT_TYPE, "application/json");
        if let Some(bearer) = bearer {
            request = request.header(AUTHORIZATION, format!("Bearer {bearer}"));
        }
        let bytes = Bytes::from(body.map(Value::to_string).unwrap_or_default());
        let request = request.body(Full::new(bytes)).map_err(|why| told(&why))?;
        let answer = sender.send_request(request).await.map_err(|why| told(&why))?;
        let code = answer.status();
        let read = Limited::new(answer.into_body(), ISSUER_ANSWER_BYTES_MAX).collect().await;
        let bytes = read.map_err(|why| told(&why))?.to_bytes();
        if !code.is_success() {
            return Err(format!("it answered {code}"));
        }
        serde_json::from_slice(&bytes).map_err(|why| format!("its answer is no JSON: {why}"))
    }
}
