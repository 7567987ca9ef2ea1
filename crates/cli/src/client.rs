//! An HTTPS client for the API server: what the operator's commands and the benchmarks speak. One connection, requests one after another.
use crate::failure::Failure;
use crate::kubeconfig::Kubeconfig;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use link::anyone::Anyone;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;
use std::sync::Arc;
use tokio::net::TcpStream;

/// How to reach one API server.
#[derive(Clone)]
pub(crate) struct Target {
    tls: Option<Arc<rustls::ClientConfig>>,
    host: String,
    port: u16,
    token: Option<String>,
}

/// One connection.
pub(crate) struct Connection {
    send: SendRequest<Full<Bytes>>,
    target: Target,
}

const NEXT: &str = "start the cluster with `rutter up`, or name another kubeconfig";

impl Target {
    pub(crate) fn new(config: &Kubeconfig) -> Result<Self, Failure> {
        let (scheme, rest) = config.server.split_once("://").unwrap_or(("https", &config.server));
        let authority = rest.split('/').next().unwrap_or(rest);
        let default = if scheme == "http" { 80 } else { 443 };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => {
                let port = port
                    .parse()
                    .map_err(|_| Failure::new(format!("{}: no such port", config.server), "mend the kubeconfig"))?;
                (host.trim_matches(['[', ']']).to_owned(), port)
            }
            None => (authority.to_owned(), default),
        };
        let tls = if scheme == "http" { None } else { Some(Arc::new(tls(config)?)) };
        Ok(Self { tls, host, port, token: config.token.clone() })
    }

    pub(crate) async fn connect(&self) -> Result<Connection, Failure> {
        let unreachable = |why: &dyn std::fmt::Display| {
            Failure::new(format!("{}:{} cannot be reached: {why}", self.host, self.port), NEXT)
        };
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(|why| unreachable(&why))?;
        tcp.set_nodelay(true).map_err(|why| unreachable(&why))?;
        let send = match &self.tls {
            None => open(TokioIo::new(tcp)).await,
            Some(tls) => {
                let name = ServerName::try_from(self.host.clone()).map_err(|why| unreachable(&why))?;
                let stream = tokio_rustls::TlsConnector::from(tls.clone())
                    .connect(name, tcp)
                    .await
                    .map_err(|why| unreachable(&why))?;
                open(TokioIo::new(stream)).await
            }
        };
        Ok(Connection { send: send.map_err(|why| unreachable(&why))?, target: self.clone() })
    }
}

async fn open<T>(io: T) -> Result<SendRequest<Full<Bytes>>, hyper::Error>
where
    T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (send, connection) = hyper::client::conn::http1::handshake(io).await?;
    rt::spawn("http connection", async move {
        // The request that waits on the connection is told of its end.
        let _ = connection.await;
    });
    Ok(send)
}

fn tls(config: &Kubeconfig) -> Result<rustls::ClientConfig, Failure> {
    let bad = |why: &dyn std::fmt::Display| {
        Failure::new(format!("the kubeconfig's certificates: {why}"), "write it anew with `rutter up`")
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|why| bad(&why))?;
    let builder = if config.insecure {
        builder.dangerous().with_custom_certificate_verifier(Anyone::verifier())
    } else {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(config.authority.as_deref().unwrap_or_default()) {
            roots.add(certificate.map_err(|why| bad(&why))?).map_err(|why| bad(&why))?;
        }
        builder.with_root_certificates(roots)
    };
    let (Some(certificate), Some(key)) = (&config.certificate, &config.key) else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>().map_err(|why| bad(&why))?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|why| bad(&why))?;
    builder.with_client_auth_cert(chain, key).map_err(|why| bad(&why))
}

impl Connection {
    /// Sends a request and gives the response as it comes: for watches.
    pub(crate) async fn open(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Response<Incoming>, Failure> {
        self.open_with(method, path, body, "application/json").await
    }

    async fn open_with(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        content_type: &str,
    ) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", format!("{}:{}", self.target.host, self.target.port));
        request = request
            .header("user-agent", concat!("rutter/", env!("CARGO_PKG_VERSION")))
            .header("accept", "application/json");
        if let Some(token) = &self.target.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header("content-type", content_type);
        }
        let request = request
            .body(Full::new(body.unwrap_or_default()))
            .map_err(|why| Failure::new(why, "mend the server's address in the kubeconfig"))?;
        let cut = |why: hyper::Error| {
            Failure::new(format!("the connection to {}:{} broke: {why}", self.target.host, self.target.port), NEXT)
        };
        self.send.ready().await.map_err(cut)?;
        self.send.send_request(request).await.map_err(cut)
    }

    /// Sends a request and reads the whole response: its HTTP status and body.
    pub(crate) async fn call(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<(u16, Bytes), Failure> {
        self.call_with(method, path, body, "application/json").await
    }

    /// As `call`, with a body that is no plain JSON: a patch of some kind.
    pub(crate) async fn call_with(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        content_type: &str,
    ) -> Result<(u16, Bytes), Failure> {
        let response = self.open_with(method, path, body, content_type).await?;
        let status = response.status().as_u16();
        let whole = response
            .into_body()
            .collect()
            .await
            .map_err(|why| Failure::new(format!("the response broke off: {why}"), NEXT))?;
        Ok((status, whole.to_bytes()))
    }

    /// As `call`, but a JSON value in and out, and a Kubernetes `Status` becomes a failure.
    pub(crate) async fn json(&mut self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let (status, bytes) = self.call(method, path, body.map(|body| Bytes::from(body.to_string()))).await?;
        let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if status < 300 {
            return Ok(value);
        }
        let message =
            value.get("message").and_then(Value::as_str).map_or_else(|| format!("HTTP status {status}"), str::to_owned);
        let next = match status {
            401 | 403 => "use the kubeconfig that `rutter up` wrote",
            404 => "see `rutter status` for what there is",
            429 | 500.. => "try again in a moment, or see `rutter status`",
            _ => "mend what was asked for, see `rutter help`",
        };
        Err(Failure::new(message, next))
    }
}
