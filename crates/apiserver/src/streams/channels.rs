//! Exec and attach over WebSocket: subprotocols `v5.channel.k8s.io` and `v4.channel.k8s.io` (KEP-4006). Channels in, channel
//! frames of the node's stream out, and back.
use super::pod::{accept_key, container, open, pod};
use crate::call::Call;
use crate::limits::CHUNK_BYTES;
use crate::nodes::What;
use crate::request::{Content, Duplex, Response, TEXT};
use api::status::Status;
use bytes::Bytes;
use futures::stream::SplitSink;
use futures::{SinkExt as _, StreamExt as _};
use hyper::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode};

const STDIN: u8 = 0;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
const END: u8 = 255;
/// Bytes of one message of a client, and of one frame of a node.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// What we speak, best first.
const PROTOCOLS: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];

/// # Errors
/// 400 for a request that is no WebSocket upgrade or speaks none of our subprotocols, and what the node refuses with.
pub(super) async fn channels(call: &Call) -> Result<Response, Status> {
    let (key, protocol) = accept_key(call, &PROTOCOLS)?;
    let (object, value) = pod(call).await?;
    let query = &call.query;
    if matches!(value["status"]["phase"].as_str(), Some("Succeeded" | "Failed")) {
        let phase = value["status"]["phase"].as_str().unwrap_or_default();
        return Err(Status::bad_request(format!(
            "cannot exec into a container in a completed pod; current phase is {phase}"
        )));
    }
    let (container, stdin, tty) = (container(call, &value)?, query.flag("stdin"), query.flag("tty"));
    let what = if call.target.subresource == "exec" {
        let command: Vec<String> = query.all("command").map(str::to_owned).collect();
        if command.is_empty() {
            return Err(Status::bad_request("you must specify at least one command for the container"));
        }
        What::Exec { container, command, stdin, tty }
    } else {
        What::Attach { container, stdin, tty }
    };
    // A node's refusal is told on the error channel: a client whose handshake fails would try again in another protocol, and show
    // its user what that says instead.
    let node = open(call, &object, &value, what).await;
    let room = call.room.clone();
    let run = Box::new(move |client: Box<dyn Duplex>| {
        let pumping = async move {
            let served = async {
                match node {
                    Ok(node) => pump(client, node).await,
                    Err(status) => farewell(&mut socket(client).await.split().0, &status.to_value()).await,
                }
            };
            futures::future::select(std::pin::pin!(served), std::pin::pin!(room.stopped())).await;
        };
        Box::pin(pumping) as std::pin::Pin<Box<dyn Future<Output = ()> + Send>>
    });
    let mut response = Response::new(101, TEXT, Content::Upgrade(run));
    response.headers.remove(hyper::header::CONTENT_TYPE);
    Ok(response
        .with(UPGRADE, "websocket")
        .with(CONNECTION, "Upgrade")
        .with(SEC_WEBSOCKET_ACCEPT, &key)
        .with(SEC_WEBSOCKET_PROTOCOL, protocol))
}

async fn socket(client: Box<dyn Duplex>) -> WebSocketStream<Box<dyn Duplex>> {
    let config =
        WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES_MAX)).max_frame_size(Some(MESSAGE_BYTES_MAX));
    WebSocketStream::from_raw_socket(client, Role::Server, Some(config)).await
}

/// The last word: how it ended. A client that is gone needs none.
async fn farewell(client: &mut SplitSink<WebSocketStream<Box<dyn Duplex>>, Message>, status: &Value) {
    let message = [&[ERROR], status.to_string().as_bytes()].concat();
    let _ = client.send(Message::Binary(message.into())).await;
    let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    let _ = client.send(Message::Close(Some(frame))).await;
    let _ = client.close().await;
}

async fn pump(client: Box<dyn Duplex>, node: Box<dyn Duplex>) {
    let (mut to_client, mut from_client) = socket(client).await.split();
    let (mut from_node, mut to_node) = tokio::io::split(node);
    let inward = async {
        while let Some(Ok(message)) = from_client.next().await {
            let Message::Binary(bytes) = message else {
                if message.is_close() {
                    break;
                }
                continue;
            };
            let Some((channel, bytes)) = bytes.split_first() else { continue };
            if matches!(*channel, STDIN | RESIZE | END) && write_frame(&mut to_node, *channel, bytes).await.is_err() {
                break;
            }
        }
        // Nothing more will come: the node closes the container's stdin.
        let _ = to_node.shutdown().await;
    };
    let outward = async {
        let status = outward(&mut from_node, &mut to_client).await;
        farewell(&mut to_client, &status).await;
    };
    let (inward, outward) = (std::pin::pin!(inward), std::pin::pin!(outward));
    // The command's end ends the stream; the client's end leaves the command to finish what it writes.
    match futures::future::select(outward, inward).await {
        futures::future::Either::Left(_) => {}
        futures::future::Either::Right(((), outward)) => outward.await,
    }
}

async fn write_frame(
    node: &mut (impl tokio::io::AsyncWrite + Unpin),
    channel: u8,
    bytes: &[u8],
) -> std::io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(std::io::Error::other)?;
    let mut frame = Vec::with_capacity(bytes.len() + 5);
    frame.push(channel);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(bytes);
    node.write_all(&frame).await?;
    node.flush().await
}

/// Carries the node's frames to the client until its exit; gives the Status that ends the stream.
async fn outward(
    node: &mut (impl tokio::io::AsyncRead + Unpin),
    client: &mut SplitSink<WebSocketStream<Box<dyn Duplex>>, Message>,
) -> Value {
    let lost = |why: &str| json!({"metadata": {}, "status": "Failure", "reason": "InternalError", "message": why, "code": 500});
    loop {
        let Ok(channel) = node.read_u8().await else {
            return lost("the node closed the stream before the command ended");
        };
        let Ok(length) = node.read_u32().await else { return lost("the node's stream broke") };
        let mut left = usize::try_from(length).unwrap_or(usize::MAX);
        if channel == ERROR && left <= MESSAGE_BYTES_MAX {
            let mut text = vec![0; left];
            return match node.read_exact(&mut text).await {
                Ok(_) => exit(&text),
                Err(_) => lost("the node's stream broke"),
            };
        }
        while left > 0 {
            let mut message = vec![0; left.min(CHUNK_BYTES) + 1];
            message[0] = channel;
            if node.read_exact(&mut message[1..]).await.is_err() {
                return lost("the node's stream broke");
            }
            left -= message.len() - 1;
            if matches!(channel, 1 | 2) && client.send(Message::Binary(Bytes::from(message))).await.is_err() {
                return lost("the client is gone");
            }
        }
    }
}

/// How a command ended, as kubectl reads it: the exit code is a cause.
fn exit(text: &[u8]) -> Value {
    let exit: Value = serde_json::from_slice(text).unwrap_or_default();
    let (code, error) = (exit["code"].as_i64().unwrap_or(-1), exit["error"].as_str().unwrap_or_default());
    if !error.is_empty() {
        return json!({"metadata": {}, "status": "Failure", "reason": "InternalError", "message": error, "code": 500});
    }
    if code == 0 {
        return json!({"metadata": {}, "status": "Success"});
    }
    json!({"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
        "message": format!("command terminated with non-zero exit code: exit status {code}"),
        "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]}})
}
