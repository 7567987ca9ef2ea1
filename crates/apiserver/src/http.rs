//! HTTP/1.1 and HTTP/2 over TLS on one port: bytes to `Request`, `Response` to bytes. It verifies who calls, bounds what
//! they send, and knows nothing of Kubernetes beyond the shape of an error.
use crate::identity::User;
use crate::limits::{
    BODY_READ_MAX, CONNECTIONS_MAX, GZIP_BYTES_MIN, HANDSHAKE_MAX, HEADER_BYTES_MAX, HEADER_READ_MAX,
    PASSED_OVER_BYTES_MAX, PASSED_OVER_MAX, SHUTDOWN_MAX, STRANGE_BYTES_MAX, STRANGE_MAX, STREAMS_MAX,
};
use crate::request::{Content, Pieces, Request, Response};
use crate::server::ApiServer;
use api::limits::REQUEST_BYTES_MAX;
use api::status::Status;
use arc_swap::ArcSwap;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, HeaderValue, VARY};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::convert::Infallible;
use std::io::Write as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio_rustls::TlsAcceptor;

/// Who we are and whom we believe, all PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The server's certificate, then those between it and the authority.
    pub chain: Vec<u8>,
    pub key: Vec<u8>,
    /// The authority that signs client certificates.
    pub client_authority: Vec<u8>,
}

/// Why the server does not start.
#[derive(Debug)]
pub enum HttpError {
    /// The address cannot be listened on.
    Listen(SocketAddr, std::io::Error),
    /// The certificates are not usable; says which and why.
    Certificate(String),
}

impl std::fmt::Display for HttpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Listen(address, why) => {
                write!(f, "cannot listen on {address}: {why}; is another server running there?")
            }
            Self::Certificate(why) => write!(f, "the API server's certificates are not usable: {why}"),
        }
    }
}

impl std::error::Error for HttpError {}

/// A listening server.
pub struct Server {
    address: SocketAddr,
    tls: Arc<ArcSwap<ServerConfig>>,
    stop: Arc<Notify>,
    done: rt::JoinHandle<()>,
    api: ApiServer,
}

impl Server {
    /// Listens on `address` and serves `api` until `stop`.
    ///
    /// # Errors
    /// If the address is taken or the certificates are not usable.
    pub async fn start(address: SocketAddr, identity: &Identity, api: ApiServer) -> Result<Self, HttpError> {
        let tls = Arc::new(ArcSwap::from_pointee(server_config(identity)?));
        let listener = TcpListener::bind(address).await.map_err(|why| HttpError::Listen(address, why))?;
        let address = listener.local_addr().map_err(|why| HttpError::Listen(address, why))?;
        let stop = Arc::new(Notify::new());
        let done = rt::spawn("apiserver accepts", accept(listener, tls.clone(), stop.clone(), api.clone()));
        Ok(Self { address, tls, stop, done, api })
    }

    /// Where it listens: the port is the real one if 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections from now on see the new certificates.
    ///
    /// # Errors
    /// If they are not usable; the old ones then stay.
    pub fn replace_identity(&self, identity: &Identity) -> Result<(), HttpError> {
        self.tls.store(Arc::new(server_config(identity)?));
        Ok(())
    }

    /// Accepts nothing more, ends watches and streams, and waits a little for what is in flight.
    pub async fn stop(self) {
        self.stop.notify_one();
        self.api.end_streams();
        // A task that panicked has nothing left to wait for.
        let _ = self.done.await;
    }
}

fn server_config(identity: &Identity) -> Result<ServerConfig, HttpError> {
    let bad = |what: &str, why: &dyn std::fmt::Display| HttpError::Certificate(format!("{what}: {why}"));
    let certificates = |pem: &[u8], what: &str| {
        let list: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(pem).collect();
        list.map_err(|why| bad(what, &why))
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&identity.client_authority, "client authority")? {
        roots.add(certificate).map_err(|why| bad("client authority", &why))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .map_err(|why| bad("client authority", &why))?;
    let key = PrivateKeyDer::from_pem_slice(&identity.key).map_err(|why| bad("key", &why))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|why| bad("TLS versions", &why))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates(&identity.chain, "chain")?, key)
        .map_err(|why| bad("chain and key", &why))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// hyper's tasks are ours.
#[derive(Clone)]
struct Spawn;

impl<F> hyper::rt::Executor<F> for Spawn
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, future: F) {
        // Nobody waits for a task of hyper.
        drop(rt::spawn("apiserver stream", future));
    }
}

async fn accept(listener: TcpListener, tls: Arc<ArcSwap<ServerConfig>>, stop: Arc<Notify>, api: ApiServer) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let next = async {
            // The semaphore is never closed.
            let place = places.clone().acquire_owned().await.ok();
            (listener.accept().await, place)
        };
        let stopped = std::pin::pin!(stop.notified());
        let (accepted, place) = match futures::future::select(stopped, std::pin::pin!(next)).await {
            futures::future::Either::Left(_) => break,
            futures::future::Either::Right((next, _)) => next,
        };
        match accepted {
            Ok((socket, peer)) => {
                let acceptor = TlsAcceptor::from(tls.load_full());
                let (api, watcher) = (api.clone(), graceful.watcher());
                drop(rt::spawn("apiserver connection", async move {
                    connection(socket, peer, acceptor, api, watcher).await;
                    drop(place);
                }));
            }
            Err(why) => {
                // Out of file descriptors, most likely: what is open goes on, and a pause lets some end.
                tracing::warn!(%why, "cannot accept a connection");
                rt::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
    // Nobody waits at a door that will not be opened.
    drop(listener);
    if rt::timeout(SHUTDOWN_MAX, graceful.shutdown()).await.is_none() {
        tracing::info!("requests were still running when the API server stopped");
    }
}

async fn connection(
    socket: TcpStream,
    peer: SocketAddr,
    acceptor: TlsAcceptor,
    api: ApiServer,
    watcher: hyper_util::server::graceful::Watcher,
) {
    // Small answers must not wait for an acknowledgement; a socket that refuses this only answers later.
    let _ = socket.set_nodelay(true);
    let stream = match rt::timeout(HANDSHAKE_MAX, acceptor.accept(socket)).await {
        Some(Ok(stream)) => stream,
        Some(Err(why)) => return tracing::debug!(%peer, %why, "TLS handshake failed"),
        None => return tracing::debug!(%peer, "TLS handshake took too long"),
    };
    let user = stream.get_ref().1.peer_certificates().and_then(|chain| User::from_certificate(chain.first()?));
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let (api, user) = (api.clone(), user.clone());
        // hyper keeps a place as large as this for as long as the connection or stream lasts: in a box it goes with the answer.
        Box::pin(async move { Ok::<_, Infallible>(serve(&api, user, peer, request).await) })
    });
    let mut builder = auto::Builder::new(Spawn);
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_READ_MAX).max_buf_size(HEADER_BYTES_MAX);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(STREAMS_MAX);
    builder.http2().max_header_list_size(u32::try_from(HEADER_BYTES_MAX).unwrap_or(u32::MAX));
    let serving = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    if let Err(why) = watcher.watch(serving).await {
        tracing::debug!(%peer, %why, "connection ended");
    }
}

async fn serve(
    api: &ApiServer,
    user: Option<User>,
    peer: SocketAddr,
    mut incoming: hyper::Request<Incoming>,
) -> hyper::Response<Outgoing> {
    let upgrade = incoming.headers().contains_key(hyper::header::UPGRADE).then(|| hyper::upgrade::on(&mut incoming));
    let (head, body) = incoming.into_parts();
    let gzip = head
        .headers
        .get(ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|text| text.contains("gzip"));
    // What is open to everybody takes no body, and nothing else is answered to who is not known: theirs is not kept.
    let user = match user {
        Some(user) => Some(user),
        None => api.known(&head.headers).await,
    };
    let body = match user {
        Some(_) => read_body(body).await,
        None => {
            if !body.is_end_stream() {
                pass_over(body, STRANGE_BYTES_MAX, STRANGE_MAX).await;
            }
            Ok(Bytes::new())
        }
    };
    let body = match body {
        Ok(body) => body,
        Err(status) => return outgoing(status.into(), gzip, None),
    };
    let request =
        Request { method: head.method, uri: head.uri, headers: head.headers, body, user, from: Some(peer.ip()) };
    outgoing(api.handle(request).await, gzip, upgrade)
}

async fn read_body(mut body: Incoming) -> Result<Bytes, Status> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let read = rt::timeout(BODY_READ_MAX, Limited::new(&mut body, REQUEST_BYTES_MAX).collect()).await;
    match read {
        Some(Ok(collected)) => Ok(collected.to_bytes()),
        Some(Err(why)) if why.is::<http_body_util::LengthLimitError>() => {
            pass_over(body, PASSED_OVER_BYTES_MAX, PASSED_OVER_MAX).await;
            let message = format!("Request entity too large: limit is {REQUEST_BYTES_MAX}");
            Err(Status::new(413, "RequestEntityTooLarge", message))
        }
        Some(Err(why)) => Err(Status::bad_request(format!("the body of the request could not be read: {why}"))),
        None => Err(Status::new(408, "Timeout", "the body of the request did not come in time")),
    }
}

/// Lets the rest of a body that nobody reads come, within bounds: a client that is still sending may not read an answer.
async fn pass_over(mut body: Incoming, bytes_max: usize, time_max: Duration) {
    let reading = async {
        let mut passed = 0;
        while passed < bytes_max
            && let Some(Ok(frame)) = body.frame().await
        {
            passed += frame.data_ref().map_or(0, Bytes::len);
        }
    };
    // What does not come in time is cut off with the answer.
    let _ = rt::timeout(time_max, reading).await;
}

fn outgoing(response: Response, gzip: bool, upgrade: Option<hyper::upgrade::OnUpgrade>) -> hyper::Response<Outgoing> {
    let Response { code, mut headers, content } = response;
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache, private"));
    let body = match content {
        Content::Whole(bytes) if gzip && bytes.len() >= GZIP_BYTES_MIN => match compress(&bytes) {
            Some(small) => {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
                Outgoing::Whole(Some(small))
            }
            None => Outgoing::Whole(Some(bytes)),
        },
        Content::Whole(bytes) => Outgoing::Whole(Some(bytes)),
        Content::Pieces(pieces) => Outgoing::Pieces(pieces),
        Content::Upgrade(run) => {
            if let Some(upgrade) = upgrade {
                drop(rt::spawn("apiserver stream", async move {
                    match upgrade.await {
                        Ok(upgraded) => run(Box::new(TokioIo::new(upgraded))).await,
                        Err(why) => tracing::debug!(%why, "a connection was not upgraded"),
                    }
                }));
            }
            Outgoing::Whole(None)
        }
    };
    let mut response = hyper::Response::new(body);
    *response.status_mut() = code;
    *response.headers_mut() = headers;
    response
}

fn compress(bytes: &[u8]) -> Option<Bytes> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(bytes.len() / 4), flate2::Compression::new(1));
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// The body of a response: one piece, or pieces as they come.
enum Outgoing {
    Whole(Option<Bytes>),
    Pieces(Pieces),
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(bytes) => {
                Poll::Ready(bytes.take().filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(Frame::data(bytes))))
            }
            Self::Pieces(pieces) => {
                pieces.as_mut().poll_next(context).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.as_ref().is_none_or(Bytes::is_empty))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}
