//! Port-forward: SPDY/3.1 inside WebSocket messages (`SPDY/3.1+portforward.k8s.io`, KEP-4006) or after a raw upgrade. Each
//! connection is a pair of streams, error and data; each becomes one stream to the pod's node.
use super::carry::carry;
use super::pod::{open, pod};
use super::spdy::{self, Frame, Reader, VERSION};
use super::wire::{Outgoing, WAITING_MAX, messages, raw};
use crate::call::Call;
use crate::nodes::What;
use crate::request::{Content, Duplex, Response, TEXT};
use crate::websocket::Handshake;
use api::object::Object;
use api::status::Status;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::{BoxFuture, select};
use futures::stream::BoxStream;
use hyper::header::{CONNECTION, HeaderName, UPGRADE};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;

const PROTOCOL: &str = "portforward.k8s.io";
const TUNNELED: &str = "SPDY/3.1+portforward.k8s.io";
/// Connections of one port-forward at a time.
const CONNECTIONS_MAX: usize = 1_024;

/// # Errors
/// 400 for a request that is no upgrade we know or a pod that does not run.
pub(super) async fn forward(call: Call) -> Result<Response, Status> {
    let upgrade = call.request.header(UPGRADE).unwrap_or_default().to_owned();
    let tunneled = upgrade.eq_ignore_ascii_case("websocket");
    if !tunneled && !upgrade.eq_ignore_ascii_case("SPDY/3.1") {
        return Err(Status::bad_request(
            "Upgrade request required: port-forward speaks SPDY/3.1, raw or in a WebSocket",
        ));
    }
    let handshake = Handshake::of(&call.request);
    if tunneled {
        let required = || Status::bad_request("Upgrade request required");
        handshake.as_ref().ok_or_else(required)?.choose(&[TUNNELED])?;
    }
    let (object, value) = pod(&call).await?;
    if value["status"]["phase"] != "Running" {
        let phase = value["status"]["phase"].as_str().unwrap_or("unknown").to_owned();
        return Err(Status::bad_request(format!(
            "unable to forward port because pod is not running. Current status={phase}"
        )));
    }
    let session = Arc::new(Session { call, object, value });
    let room = session.call.room.clone();
    let run = Box::new(move |client: Box<dyn Duplex>| {
        let running = async move {
            let (incoming, outgoing) = if tunneled { messages(client).await } else { raw(client) };
            let serving = std::pin::pin!(serve(session, incoming, outgoing));
            select(serving, std::pin::pin!(room.stopped())).await;
        };
        Box::pin(running) as BoxFuture<'static, ()>
    });
    if let Some(handshake) = handshake {
        return Ok(handshake.answer(TUNNELED, run));
    }
    let mut response = Response::new(101, TEXT, Content::Upgrade(run));
    response.headers.remove(hyper::header::CONTENT_TYPE);
    let response = response.with(UPGRADE, &upgrade).with(CONNECTION, "Upgrade");
    Ok(response.with(HeaderName::from_static(VERSION), PROTOCOL))
}

/// What a connection of the session needs to reach the pod.
struct Session {
    call: Call,
    object: Arc<Object>,
    value: Value,
}

/// Reads the client's frames until it is done.
async fn serve(session: Arc<Session>, mut incoming: BoxStream<'static, Bytes>, outgoing: Outgoing) {
    let (mut reader, mut writer) = (Reader::new(), spdy::Writer::new());
    // Error streams by request, and where the pieces of each data stream go.
    let (mut errors, mut connections) = (BTreeMap::<String, u32>::new(), BTreeMap::<u32, mpsc::Sender<Bytes>>::new());
    while let Some(bytes) = incoming.next().await {
        reader.push(&bytes);
        loop {
            let frame = match reader.next() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(why) => return tracing::debug!(why = why.0, "a port-forward sent what is no SPDY"),
            };
            match frame {
                Frame::Open { stream, headers } => {
                    if outgoing.send(writer.reply(stream)).await.is_err() {
                        return;
                    }
                    let request = headers.get("requestid").cloned().unwrap_or_default();
                    let port = headers.get("port").and_then(|port| port.parse().ok()).unwrap_or(0);
                    if headers.get("streamtype").is_some_and(|kind| kind == "error") {
                        errors.insert(request, stream);
                        continue;
                    }
                    connections.retain(|_, pieces| !pieces.is_closed());
                    if connections.len() >= CONNECTIONS_MAX {
                        return tracing::info!("a port-forward opened too many connections");
                    }
                    let (send, receive) = mpsc::channel(WAITING_MAX);
                    connections.insert(stream, send);
                    let connection = Connection { stream, error: errors.remove(&request), port, pieces: receive };
                    drop(rt::spawn("port-forward", connect(session.clone(), connection, outgoing.clone())));
                }
                Frame::Data { stream, bytes, end } => {
                    if let Some(pieces) = connections.get(&stream).filter(|_| !bytes.is_empty()) {
                        // A connection that has ended reads no more.
                        let _ = pieces.send(bytes).await;
                    }
                    if end {
                        connections.remove(&stream);
                    }
                }
                Frame::Reset { stream } => drop(connections.remove(&stream)),
                Frame::Ping { body } => drop(outgoing.send(spdy::ping(&body)).await),
                Frame::Away => return,
                Frame::Other => {}
            }
        }
    }
}

/// One connection to a port of the pod.
struct Connection {
    stream: u32,
    error: Option<u32>,
    port: u16,
    pieces: mpsc::Receiver<Bytes>,
}

async fn connect(session: Arc<Session>, connection: Connection, outgoing: Outgoing) {
    let Connection { stream, error, port, pieces } = connection;
    let opened = open(&session.call, &session.object, &session.value, What::Forward { port }).await;
    let mut told = Bytes::new();
    match opened {
        Ok(node) => carry(node, pieces, &outgoing, |bytes| spdy::data(stream, bytes, false)).await,
        Err(status) => {
            told =
                format!("error forwarding port {port} to pod {}: {}", session.call.target.name, status.message).into()
        }
    }
    // The client may have gone; then nobody is waiting for these.
    let _ = outgoing.send(spdy::data(stream, &[], true)).await;
    if let Some(error) = error {
        let _ = outgoing.send(spdy::data(error, &told, true)).await;
    }
}
