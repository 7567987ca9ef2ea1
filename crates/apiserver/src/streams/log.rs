//! `pods/log`: the text of a container's log, as it comes, plain or as the messages of a WebSocket.
use super::pod::{container, open, pod};
use crate::call::Call;
use crate::limits::CHUNK_BYTES;
use crate::nodes::What;
use crate::query::invalid;
use crate::request::{Content, Response, TEXT};
use crate::websocket::{self, Handshake};
use api::base64;
use api::revision::Millis;
use api::status::Status;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use futures::future::{Either, select};
use tokio::io::AsyncReadExt as _;
use tokio_tungstenite::tungstenite::Message;

const BASE64: &str = "base64.binary.k8s.io";
/// What is spoken over a WebSocket: raw bytes, or base64 of them.
const PROTOCOLS: [&str; 3] = ["", "binary.k8s.io", BASE64];

/// # Errors
/// 400, 403 for a WebSocket in none of our protocols, 404, 422 for options, and what the node refuses with.
pub(super) async fn log(call: &Call) -> Result<Response, Status> {
    let (object, value) = pod(call).await?;
    let query = &call.query;
    let since_time = query.get("sinceTime").map(|text| {
        let message = format!("Invalid value: {text:?}: must be an RFC 3339 time");
        Millis::parse(text).ok_or_else(|| invalid("PodLogOptions", "sinceTime", "FieldValueInvalid", &message))
    });
    let (since_seconds, since_time) = (query.signed("sinceSeconds")?, since_time.transpose()?.map(|millis| millis.0));
    if since_seconds.is_some() && since_time.is_some() {
        let message = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified";
        return Err(invalid("PodLogOptions", "sinceSeconds", "FieldValueForbidden", message));
    }
    let (tail, bytes) = (query.signed("tailLines")?, query.signed("limitBytes")?);
    let bounds = [
        ("tailLines", tail, 0, "greater than or equal to 0"),
        ("limitBytes", bytes, 1, "greater than 0"),
        ("sinceSeconds", since_seconds, 1, "greater than 0"),
    ];
    for (name, given, least, wanted) in bounds {
        if let Some(given) = given.filter(|given| *given < least) {
            let message = format!("Invalid value: {given}: must be {wanted}");
            return Err(invalid("PodLogOptions", name, "FieldValueInvalid", &message));
        }
    }
    let size = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
    if query.get("stream").is_some() {
        // Kubernetes' words while PodLogsQuerySplitStreams is off.
        return Err(invalid("PodLogOptions", "stream", "FieldValueForbidden", "Forbidden: may not be specified"));
    }
    let what = What::Logs {
        container: container(call, &value)?,
        follow: query.flag("follow"),
        previous: query.flag("previous"),
        timestamps: query.flag("timestamps"),
        tail_lines: size(tail),
        since_seconds: size(since_seconds),
        since_time,
        limit_bytes: size(bytes),
    };
    if value["spec"]["nodeName"].as_str().unwrap_or_default().is_empty() {
        // It has run nowhere, and said nothing.
        return Ok(Response::new(204, TEXT, Content::Whole(Bytes::new())));
    }
    let handshake = Handshake::of(&call.request);
    let protocol = handshake.as_ref().map(|handshake| handshake.choose(&PROTOCOLS)).transpose()?;
    let stream = open(call, &object, &value, what).await?;
    let room = call.room.clone();
    let pieces = futures::stream::unfold(stream, move |mut stream| {
        let room = room.clone();
        async move {
            let mut buffer = BytesMut::with_capacity(CHUNK_BYTES / 8);
            let read = std::pin::pin!(stream.read_buf(&mut buffer));
            match select(read, std::pin::pin!(room.stopped())).await {
                // A stream that breaks ends the log, as its container's end does; the client has what came before.
                Either::Left((Ok(0) | Err(_), _)) | Either::Right(_) => return None,
                Either::Left((Ok(_), _)) => {}
            }
            Some((Bytes::from(buffer), stream))
        }
    });
    let (Some(handshake), Some(protocol)) = (handshake, protocol) else {
        return Ok(Response::new(200, TEXT, Content::Pieces(Box::pin(pieces))));
    };
    let message = move |bytes: Bytes| match protocol {
        BASE64 => Message::Text(base64::encode(&bytes).into()),
        _ => Message::Binary(bytes),
    };
    // An empty message first says that the stream stands.
    let greeting = futures::stream::once(async { Bytes::new() });
    let messages = greeting.chain(pieces).map(message);
    Ok(handshake.answer(protocol, websocket::sends(messages.boxed())))
}
