//! The frames of a node's exec or attach: channel, length, bytes; and how a command's end is told to a client. It knows no client.
use crate::limits::CHUNK_BYTES;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

pub(super) const STDIN: u8 = 0;
pub(super) const STDOUT: u8 = 1;
pub(super) const STDERR: u8 = 2;
pub(super) const ERROR: u8 = 3;
pub(super) const RESIZE: u8 = 4;
/// The channel named by the one byte that follows is at its end.
pub(super) const END: u8 = 255;
/// Bytes of one message of a client, and of a node's word about the end.
pub(super) const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// What a node says.
pub(super) enum Said {
    Output {
        channel: u8,
        bytes: Bytes,
    },
    /// The Status that ends the stream.
    End(Value),
}

/// Reads a node's frames, long ones in pieces.
pub(super) struct Frames<R> {
    node: R,
    channel: u8,
    left: usize,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    pub(super) fn new(node: R) -> Self {
        Self { node, channel: 0, left: 0 }
    }

    pub(super) async fn next(&mut self) -> Said {
        while self.left == 0 {
            let Ok(channel) = self.node.read_u8().await else {
                return lost("the node closed the stream before the command ended");
            };
            let Ok(length) = self.node.read_u32().await else { return lost("the node's stream broke") };
            (self.channel, self.left) = (channel, usize::try_from(length).unwrap_or(usize::MAX));
            if channel == ERROR && self.left <= MESSAGE_BYTES_MAX {
                let mut text = vec![0; self.left];
                return match self.node.read_exact(&mut text).await {
                    Ok(_) => Said::End(exit(&text)),
                    Err(_) => lost("the node's stream broke"),
                };
            }
        }
        let mut bytes = vec![0; self.left.min(CHUNK_BYTES)];
        if self.node.read_exact(&mut bytes).await.is_err() {
            return lost("the node's stream broke");
        }
        self.left -= bytes.len();
        Said::Output { channel: self.channel, bytes: bytes.into() }
    }
}

/// Tells the node one thing.
pub(super) async fn tell(node: &mut (impl AsyncWrite + Unpin), channel: u8, bytes: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(std::io::Error::other)?;
    let mut frame = Vec::with_capacity(bytes.len() + 5);
    frame.push(channel);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(bytes);
    node.write_all(&frame).await?;
    node.flush().await
}

fn lost(why: &str) -> Said {
    Said::End(json!({"metadata": {}, "status": "Failure", "reason": "InternalError", "message": why, "code": 500}))
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

/// What is told of the end on the error channel. Before version 4 only a failure was told, in plain words.
pub(super) fn last_words(status: &Value, json: bool) -> Bytes {
    if json {
        return status.to_string().into();
    }
    if status["status"] == "Success" {
        return Bytes::new();
    }
    status["message"].as_str().unwrap_or_default().to_owned().into()
}
