//! The handshake of a WebSocket (RFC 6455, section 4), and streams that only send: logs and watches. It knows nothing of what the
//! messages mean.
use crate::authentication::bearer;
use crate::request::{Content, Duplex, Request, Response, TEXT, Upgrade};
use api::status::Status;
use futures::future::{BoxFuture, select};
use futures::stream::BoxStream;
use futures::{SinkExt as _, StreamExt as _};
use hyper::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode};

/// Bytes of a message of a client that is only listened to.
const HEARD_BYTES_MAX: usize = 64 * 1024;

/// What a client offers that wants a WebSocket.
pub struct Handshake {
    accept: String,
    offered: Vec<String>,
}

impl Handshake {
    /// `None`: the request asks for no WebSocket.
    #[must_use]
    pub fn of(request: &Request) -> Option<Self> {
        let websocket = request.header(UPGRADE).is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"));
        let key = request.headers.get(SEC_WEBSOCKET_KEY).filter(|_| websocket)?;
        let offered = request
            .headers
            .get_all(SEC_WEBSOCKET_PROTOCOL)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            // A token may stand among the subprotocols; it is none.
            .filter(|protocol| !protocol.is_empty() && !protocol.starts_with(bearer::PROTOCOL))
            .map(str::to_owned);
        Some(Self { accept: derive_accept_key(key.as_bytes()), offered: offered.collect() })
    }

    #[must_use]
    pub fn offers(&self, protocol: &str) -> bool {
        self.offered.iter().any(|offered| offered == protocol)
    }

    /// What the client names first.
    #[must_use]
    pub fn first(&self) -> &str {
        self.offered.first().map_or("", String::as_str)
    }

    /// The first of the client's that is one of `ours`. A client that offers none speaks `""`.
    ///
    /// # Errors
    /// 403 as kube-apiserver answers if nothing is common to both.
    pub fn choose(&self, ours: &[&'static str]) -> Result<&'static str, Status> {
        let known = |offered: &str| ours.iter().find(|own| **own == offered).copied();
        let chosen =
            if self.offered.is_empty() { known("") } else { self.offered.iter().find_map(|offered| known(offered)) };
        chosen.ok_or_else(|| {
            let message = format!("requested protocol(s) are not supported: {:?}; supports {ours:?}", self.offered);
            Status::new(403, "Forbidden", message)
        })
    }

    /// The answer that ends HTTP; `run` speaks from then on.
    #[must_use]
    pub fn answer(&self, protocol: &str, run: Upgrade) -> Response {
        let mut response = Response::new(101, TEXT, Content::Upgrade(run));
        response.headers.remove(hyper::header::CONTENT_TYPE);
        let response =
            response.with(UPGRADE, "websocket").with(CONNECTION, "Upgrade").with(SEC_WEBSOCKET_ACCEPT, &self.accept);
        if protocol.is_empty() { response } else { response.with(SEC_WEBSOCKET_PROTOCOL, protocol) }
    }
}

/// Sends `messages`, then closes; ends early when the client closes. What the client says is not heard.
#[must_use]
pub fn sends(messages: BoxStream<'static, Message>) -> Upgrade {
    Box::new(move |client: Box<dyn Duplex>| Box::pin(send(client, messages)) as BoxFuture<'static, ()>)
}

async fn send(client: Box<dyn Duplex>, mut messages: BoxStream<'static, Message>) {
    let config =
        WebSocketConfig::default().max_message_size(Some(HEARD_BYTES_MAX)).max_frame_size(Some(HEARD_BYTES_MAX));
    let socket = WebSocketStream::from_raw_socket(client, Role::Server, Some(config)).await;
    let (mut sink, mut stream) = socket.split();
    let telling = async {
        while let Some(message) = messages.next().await {
            if sink.send(message).await.is_err() {
                return;
            }
        }
        // Whoever is gone needs no farewell.
        let _ = sink.send(Message::Close(Some(CloseFrame { code: CloseCode::Normal, reason: "".into() }))).await;
        let _ = sink.close().await;
    };
    let listening = async {
        while let Some(Ok(message)) = stream.next().await {
            if message.is_close() {
                return;
            }
        }
    };
    select(std::pin::pin!(telling), std::pin::pin!(listening)).await;
}
