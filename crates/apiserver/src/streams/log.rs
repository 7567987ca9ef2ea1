//! `pods/log`: the text of a container's log, as it comes.
use super::pod::{container, open, pod};
use crate::call::Call;
use crate::limits::CHUNK_BYTES;
use crate::nodes::What;
use crate::query::invalid;
use crate::request::{Content, Response, TEXT};
use api::revision::Millis;
use api::status::Status;
use bytes::{Bytes, BytesMut};
use futures::future::{Either, select};
use tokio::io::AsyncReadExt as _;

/// # Errors
/// 400, 404, 422 for options, and what the node refuses with.
pub(super) async fn log(call: &Call) -> Result<Response, Status> {
    let (object, value) = pod(call).await?;
    let query = &call.query;
    let since_time = query.get("sinceTime").map(|text| {
        let message = format!("Invalid value: {text:?}: must be an RFC 3339 time");
        Millis::parse(text).ok_or_else(|| invalid("PodLogOptions", "sinceTime", "FieldValueInvalid", &message))
    });
    let (since_seconds, since_time) = (query.number("sinceSeconds")?, since_time.transpose()?.map(|millis| millis.0));
    if since_seconds.is_some() && since_time.is_some() {
        let message = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified";
        return Err(invalid("PodLogOptions", "sinceSeconds", "FieldValueForbidden", message));
    }
    let what = What::Logs {
        container: container(call, &value)?,
        follow: query.flag("follow"),
        previous: query.flag("previous"),
        timestamps: query.flag("timestamps"),
        tail_lines: query.number("tailLines")?,
        since_seconds,
        since_time,
        limit_bytes: query.number("limitBytes")?,
    };
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
    Ok(Response::new(200, TEXT, Content::Pieces(Box::pin(pieces))))
}
