//! Port-forward over WebSocket channels, as the Python, JavaScript and Rust clients speak it: for the i-th port, channel 2i carries data
//! both ways and 2i+1 the errors. It knows no SPDY.
use super::carry::carry;
use super::coding::Coding;
use super::pod::{open, pod};
use crate::call::Call;
use crate::limits::FORWARD_PORTS_MAX;
use crate::nodes::What;
use crate::request::{Duplex, Response};
use crate::websocket::Handshake;
use api::status::Status;
use bytes::Bytes;
use futures::future::{BoxFuture, select};
use futures::{SinkExt as _, StreamExt as _};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

const PROTOCOLS: [&str; 3] = ["v4.channel.k8s.io", "v4.base64.channel.k8s.io", ""];
/// Messages that wait for the client, and for one port.
const WAITING_MAX: usize = 64;

/// Whether the client wants channels: it offers our protocol, and not SPDY in messages alone.
pub(super) fn is(call: &Call) -> bool {
    Handshake::of(&call.request).is_some_and(|handshake| handshake.choose(&PROTOCOLS).is_ok())
}

/// # Errors
/// 400 without ports or for a pod that does not run.
pub(super) async fn forward(call: Call) -> Result<Response, Status> {
    let required = || Status::bad_request("Upgrade request required");
    let handshake = Handshake::of(&call.request).ok_or_else(required)?;
    let protocol = handshake.choose(&PROTOCOLS)?;
    let ports = ports(&call)?;
    let (object, value) = pod(&call).await?;
    if value["status"]["phase"] != "Running" {
        let phase = value["status"]["phase"].as_str().unwrap_or("unknown");
        return Err(Status::bad_request(format!(
            "unable to forward port because pod is not running. Current status={phase}"
        )));
    }
    let call = Arc::new(call);
    let room = call.room.clone();
    let run = Box::new(move |client: Box<dyn Duplex>| {
        let running = async move {
            let mut ways = Vec::new();
            for port in ports {
                ways.push((port, open(&call, &object, &value, What::Forward { port }).await));
            }
            let serving = std::pin::pin!(serve(client, ways, Coding::of(protocol)));
            select(serving, std::pin::pin!(room.stopped())).await;
        };
        Box::pin(running) as BoxFuture<'static, ()>
    });
    Ok(handshake.answer(protocol, run))
}

/// The ports of `ports=80&ports=443` or `ports=80,443`.
fn ports(call: &Call) -> Result<Vec<u16>, Status> {
    let texts = call.query.all("ports").flat_map(|text| text.split(','));
    let port = |text: &str| match text.trim().parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(Status::bad_request(format!("unable to parse {text:?} as a port"))),
    };
    let ports = texts.map(port).collect::<Result<Vec<_>, _>>()?;
    match ports.len() {
        0 => Err(Status::bad_request("query parameter \"ports\" is required")),
        1..=FORWARD_PORTS_MAX => Ok(ports),
        _ => Err(Status::bad_request(format!("at most {FORWARD_PORTS_MAX} ports are forwarded at once"))),
    }
}

type Way = (u16, Result<Box<dyn Duplex>, Status>);

/// Carries until the client or every port is done.
async fn serve(client: Box<dyn Duplex>, ways: Vec<Way>, coding: Coding) {
    let socket = WebSocketStream::from_raw_socket(client, Role::Server, None).await;
    let (mut sink, mut stream) = socket.split();
    let (send, mut receive) = mpsc::channel::<Bytes>(WAITING_MAX);
    let mut inward = Vec::new();
    for (at, (port, way)) in (0_u8..).zip(ways) {
        let (pieces, from_client) = mpsc::channel::<Bytes>(WAITING_MAX);
        inward.push(pieces);
        drop(rt::spawn("port-forward", one(at * 2, port, way, from_client, send.clone())));
    }
    drop(send);
    let outward = async {
        while let Some(bytes) = receive.recv().await {
            let Some((channel, bytes)) = bytes.split_first() else { continue };
            if sink.send(coding.message(*channel, bytes)).await.is_err() {
                return;
            }
        }
        // Whoever is gone needs no farewell.
        let _ = sink.close().await;
    };
    let reading = async {
        while let Some(Ok(message)) = stream.next().await {
            if message.is_close() {
                return;
            }
            let Some((channel, bytes)) = coding.read(message) else { continue };
            // Errors go one way: what a client sends there, or on a channel that nobody has, is for nobody.
            let way = inward.get(usize::from(channel / 2)).filter(|_| channel % 2 == 0);
            if let Some(way) = way.filter(|_| !bytes.is_empty()) {
                // A port that is done reads no more.
                let _ = way.send(bytes).await;
            }
        }
    };
    select(std::pin::pin!(outward), std::pin::pin!(reading)).await;
}

/// One port: its number on both channels first, then what the pod says, and what went wrong.
async fn one(
    channel: u8,
    port: u16,
    way: Result<Box<dyn Duplex>, Status>,
    pieces: mpsc::Receiver<Bytes>,
    outgoing: mpsc::Sender<Bytes>,
) {
    let [low, high] = port.to_le_bytes();
    for channel in [channel, channel + 1] {
        if outgoing.send(vec![channel, low, high].into()).await.is_err() {
            return;
        }
    }
    let node = match way {
        Ok(node) => node,
        Err(status) => {
            let told =
                [&[channel + 1], format!("error forwarding port {port}: {}", status.message).as_bytes()].concat();
            // The client may have gone.
            let _ = outgoing.send(told.into()).await;
            return;
        }
    };
    carry(node, pieces, &outgoing, |bytes| [&[channel], bytes].concat().into()).await;
}
