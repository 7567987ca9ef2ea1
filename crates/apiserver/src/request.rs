//! What comes in and what goes out, without sockets: a simulator or a test speaks these as well as HTTP does.
use crate::identity::User;
use crate::limits::{AGENT_BYTES_MAX, WARNING_BYTES, WARNINGS_BYTES_MAX};
use api::status::Status;
use bytes::Bytes;
use futures::Stream;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{HeaderMap, Method, StatusCode, Uri};
use serde_json::Value;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

/// One request, its body read.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Who asks, as the transport proved it; `None`: nobody proved anything.
    pub user: Option<User>,
    /// The other end of the connection; `None`: there is none.
    pub from: Option<IpAddr>,
}

impl Request {
    #[must_use]
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The program that asks, as it names itself.
    #[must_use]
    pub fn agent(&self) -> &str {
        agent(self.headers.get(USER_AGENT))
    }
}

/// A program's name for itself, as much of it as is kept.
#[must_use]
pub fn agent(header: Option<&HeaderValue>) -> &str {
    let agent = header.and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    agent.get(..agent.floor_char_boundary(AGENT_BYTES_MAX)).unwrap_or_default()
}

/// Bytes that come as they come: watch frames, log lines, the pieces of a long list.
pub type Pieces = Pin<Box<dyn Stream<Item = Bytes> + Send>>;

/// A connection that has left HTTP behind, and what is done with it.
pub type Upgrade = Box<dyn FnOnce(Box<dyn Duplex>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Bytes both ways.
pub trait Duplex: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Duplex for T {}

/// What a response carries.
pub enum Content {
    Whole(Bytes),
    Pieces(Pieces),
    Upgrade(Upgrade),
}

pub struct Response {
    pub code: StatusCode,
    pub headers: HeaderMap,
    pub content: Content,
}

pub const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub const PROTOBUF: HeaderValue = HeaderValue::from_static("application/vnd.kubernetes.protobuf");
pub const PROTOBUF_WATCH: HeaderValue = HeaderValue::from_static("application/vnd.kubernetes.protobuf;stream=watch");
pub const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

impl Response {
    #[must_use]
    pub fn new(code: u16, media_type: HeaderValue, content: Content) -> Self {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(CONTENT_TYPE, media_type);
        let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { code, headers, content }
    }

    #[must_use]
    pub fn json(code: u16, body: impl Into<Bytes>) -> Self {
        Self::new(code, JSON, Content::Whole(body.into()))
    }

    #[must_use]
    pub fn protobuf(code: u16, body: impl Into<Bytes>) -> Self {
        Self::new(code, PROTOBUF, Content::Whole(body.into()))
    }

    #[must_use]
    pub fn value(code: u16, value: &Value) -> Self {
        Self::json(code, text_of(value))
    }

    #[must_use]
    pub fn text(code: u16, body: impl Into<Bytes>) -> Self {
        Self::new(code, TEXT, Content::Whole(body.into()))
    }

    /// What Go's mux says of a path that nobody serves.
    #[must_use]
    pub fn page_not_found() -> Self {
        Self::text(404, "404 page not found\n")
    }

    #[must_use]
    pub fn with(mut self, name: HeaderName, value: &str) -> Self {
        // A value that is no header value came from an object's own text; leaving it out loses only the header.
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.append(name, value);
        }
        self
    }

    /// Adds a `Warning` header (RFC 7234, code 299) for each text, as long as there is room for it.
    #[must_use]
    pub fn warn(mut self, warnings: &[String]) -> Self {
        let had: usize = self.headers.get_all(hyper::header::WARNING).iter().map(HeaderValue::len).sum();
        let short = warnings.iter().map(String::len).sum::<usize>() > WARNINGS_BYTES_MAX;
        let mut room = WARNINGS_BYTES_MAX.saturating_sub(had);
        for warning in warnings {
            let mut end = if short { warning.len().min(WARNING_BYTES) } else { warning.len() };
            while !warning.is_char_boundary(end) {
                end -= 1;
            }
            let warning = &warning[..end];
            room = match room.checked_sub(warning.len()) {
                Some(left) => left,
                None => break,
            };
            let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
            self = self.with(hyper::header::WARNING, &format!("299 - \"{quoted}\""));
        }
        self
    }
}

impl From<Status> for Response {
    fn from(status: Status) -> Self {
        let response = Self::value(status.code, &status.to_value());
        if status.retry_after_seconds == 0 {
            return response;
        }
        response.with(RETRY_AFTER, &status.retry_after_seconds.to_string())
    }
}

/// A value as bytes, with the newline that Kubernetes ends its answers with.
#[must_use]
pub fn text_of(value: &Value) -> Bytes {
    // A value holds only strings as keys, so this cannot fail.
    let mut text = serde_json::to_vec(value).unwrap_or_default();
    text.push(b'\n');
    text.into()
}
