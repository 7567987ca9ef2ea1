//! Exec and attach over WebSocket (KEP-4006 and its elders): channels in, frames of the node's stream out, and back.
use super::coding::Coding;
use super::exec::Asked;
use super::frames::{END, ERROR, Frames, MESSAGE_BYTES_MAX, RESIZE, STDERR, STDIN, STDOUT, Said, last_words, tell};
use super::pod::open;
use crate::call::Call;
use crate::request::{Duplex, Response};
use crate::websocket::Handshake;
use api::status::Status;
use futures::future::{BoxFuture, Either, select};
use futures::stream::SplitSink;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode};

/// In which the client may end its stdin; it goes before all others.
const NEWEST: &str = "v5.channel.k8s.io";
/// What else is spoken; the client's order counts. Versions 2 and 3 were never spoken over WebSocket.
const PROTOCOLS: [&str; 6] =
    [NEWEST, "v4.channel.k8s.io", "v4.base64.channel.k8s.io", "channel.k8s.io", "base64.channel.k8s.io", ""];

/// # Errors
/// 403 for a client that speaks none of our subprotocols.
pub(super) async fn channels(call: &Call, asked: Asked, handshake: &Handshake) -> Result<Response, Status> {
    let protocol = if handshake.offers(NEWEST) { NEWEST } else { handshake.choose(&PROTOCOLS)? };
    let speech = Speech {
        coding: Coding::of(protocol),
        json: protocol.starts_with('v'),
        ends: protocol == NEWEST,
        stdin: asked.stdin,
        stdout: asked.stdout,
        stderr: asked.stderr,
    };
    // A node's refusal is told on the error channel: a client whose handshake fails would try again in another protocol, and show
    // its user what that says instead.
    let node = open(call, &asked.object, &asked.pod, asked.what).await;
    let room = call.room.clone();
    let run = Box::new(move |client: Box<dyn Duplex>| {
        let pumping = async move {
            let served = std::pin::pin!(serve(client, node, &speech));
            select(served, std::pin::pin!(room.stopped())).await;
        };
        Box::pin(pumping) as BoxFuture<'static, ()>
    });
    Ok(handshake.answer(protocol, run))
}

/// How the negotiated protocol speaks, and of what.
struct Speech {
    coding: Coding,
    /// How a command ended is told as a Status.
    json: bool,
    /// The client may say that its stdin is at its end.
    ends: bool,
    stdin: bool,
    stdout: bool,
    stderr: bool,
}

impl Speech {
    /// Whether the node is to hear of it.
    fn hears(&self, channel: u8) -> bool {
        match channel {
            STDIN => self.stdin,
            RESIZE => true,
            END => self.ends,
            _ => false,
        }
    }

    /// Whether the client has asked for it.
    fn shows(&self, channel: u8) -> bool {
        match channel {
            STDOUT => self.stdout,
            STDERR => self.stderr,
            _ => false,
        }
    }

    /// The channel on which an empty message says that the stream stands.
    fn greeting(&self) -> u8 {
        match (self.stdout, self.stderr) {
            (true, _) => STDOUT,
            (false, true) => STDERR,
            (false, false) => ERROR,
        }
    }
}

type Sink = SplitSink<WebSocketStream<Box<dyn Duplex>>, Message>;

async fn serve(client: Box<dyn Duplex>, node: Result<Box<dyn Duplex>, Status>, speech: &Speech) {
    let config =
        WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES_MAX)).max_frame_size(Some(MESSAGE_BYTES_MAX));
    let socket = WebSocketStream::from_raw_socket(client, Role::Server, Some(config)).await;
    match node {
        Ok(node) => pump(socket, node, speech).await,
        Err(status) => farewell(&mut socket.split().0, speech, &status.to_value()).await,
    }
}

/// The last word: how it ended. A client that is gone needs none.
async fn farewell(client: &mut Sink, speech: &Speech, status: &Value) {
    let words = last_words(status, speech.json);
    if !words.is_empty() {
        let _ = client.send(speech.coding.message(ERROR, &words)).await;
    }
    let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    let _ = client.send(Message::Close(Some(frame))).await;
    let _ = client.close().await;
}

async fn pump(socket: WebSocketStream<Box<dyn Duplex>>, node: Box<dyn Duplex>, speech: &Speech) {
    let (mut to_client, mut from_client) = socket.split();
    let (from_node, mut to_node) = tokio::io::split(node);
    let inward = async {
        while let Some(Ok(message)) = from_client.next().await {
            if message.is_close() {
                break;
            }
            let Some((channel, bytes)) = speech.coding.read(message) else { continue };
            if speech.hears(channel) && tell(&mut to_node, channel, &bytes).await.is_err() {
                break;
            }
        }
        // Nothing more will come: the node closes the container's stdin.
        let _ = tokio::io::AsyncWriteExt::shutdown(&mut to_node).await;
    };
    let outward = async {
        if to_client.send(speech.coding.message(speech.greeting(), &[])).await.is_err() {
            return;
        }
        let mut frames = Frames::new(from_node);
        let status = loop {
            match frames.next().await {
                Said::Output { channel, bytes } if speech.shows(channel) => {
                    if to_client.send(speech.coding.message(channel, &bytes)).await.is_err() {
                        return;
                    }
                }
                Said::Output { .. } => {}
                Said::End(status) => break status,
            }
        };
        farewell(&mut to_client, speech, &status).await;
    };
    let (inward, outward) = (std::pin::pin!(inward), std::pin::pin!(outward));
    // The command's end ends the stream; the client's end leaves the command to finish what it writes.
    match select(outward, inward).await {
        Either::Left(_) => {}
        Either::Right(((), outward)) => outward.await,
    }
}
