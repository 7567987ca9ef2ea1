//! Exec and attach over SPDY/3.1: a stream for each of error, stdin, stdout, stderr and resize, as Go's remotecommand opens them.
//! It starts no command twice and waits for no stream that was not asked for.
use super::exec::Asked;
use super::frames::{END, Frames, RESIZE, STDERR, STDIN, STDOUT, Said, last_words, tell};
use super::pod::open;
use super::spdy::{self, Frame, Reader, VERSION};
use super::wire::{Outgoing, raw};
use crate::call::Call;
use crate::limits::{RESIZE_BYTES_MAX, STREAMS_LINGER, STREAMS_WAIT_MAX};
use crate::request::{Content, Duplex, Request, Response, TEXT};
use api::status::Status;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::{BoxFuture, Either, select};
use futures::stream::BoxStream;
use hyper::header::{CONNECTION, HeaderName, UPGRADE};
use serde_json::Value;
use std::collections::BTreeMap;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

const SPDY: &str = "SPDY/3.1";
/// The oldest is what a client speaks that does not say.
const OLDEST: &str = "channel.k8s.io";
const VERSIONS: [&str; 5] =
    ["v5.channel.k8s.io", "v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", OLDEST];
const ACCEPTED: &str = "x-accepted-stream-protocol-versions";

/// # Errors
/// 400 for what is no upgrade, 403 (a response) for versions that are not spoken, and what the node refuses with.
pub(super) async fn remote(call: &Call, asked: Asked) -> Result<Response, Status> {
    let request = &call.request;
    let names = |header: HeaderName, word: &str| {
        let text = request.header(header).unwrap_or_default().to_ascii_lowercase();
        text.split(',').any(|name| name.trim() == word)
    };
    if !names(CONNECTION, "upgrade") || !names(UPGRADE, &SPDY.to_ascii_lowercase()) {
        return Err(Status::bad_request("Upgrade request required"));
    }
    let Some(version) = version(request) else { return Ok(no_version(request)) };
    let streams = Streams {
        wanted: wanted(&asked, version.unwrap_or(OLDEST)),
        stdin: asked.stdin,
        numbers: BTreeMap::new(),
        size: Vec::new(),
    };
    let json = version.is_some_and(|version| version.starts_with("v5.") || version.starts_with("v4."));
    let node = open(call, &asked.object, &asked.pod, asked.what).await?;
    let room = call.room.clone();
    let run = Box::new(move |client: Box<dyn Duplex>| {
        let running = async move {
            let serving = std::pin::pin!(serve(client, node, streams, json));
            select(serving, std::pin::pin!(room.stopped())).await;
        };
        Box::pin(running) as BoxFuture<'static, ()>
    });
    let mut response = Response::new(101, TEXT, Content::Upgrade(run));
    response.headers.remove(hyper::header::CONTENT_TYPE);
    let response = response.with(UPGRADE, SPDY).with(CONNECTION, "Upgrade");
    Ok(match version {
        Some(version) => response.with(HeaderName::from_static(VERSION), version),
        None => response,
    })
}

fn offered(request: &Request) -> Vec<&str> {
    let values = request.headers.get_all(VERSION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|version| !version.is_empty()).collect()
}

/// The first of the client's versions that we speak; `Some(None)` if it names none, `None` if we speak none of them.
fn version(request: &Request) -> Option<Option<&'static str>> {
    let offered = offered(request);
    if offered.is_empty() {
        return Some(None);
    }
    offered.iter().find_map(|version| VERSIONS.iter().find(|own| *own == version)).map(|version| Some(*version))
}

fn no_version(request: &Request) -> Response {
    let text = format!(
        "unable to upgrade: unable to negotiate protocol: client supports {:?}, server accepts {VERSIONS:?}\n",
        offered(request)
    );
    let response = Response::text(403, text);
    VERSIONS.iter().fold(response, |response, version| response.with(HeaderName::from_static(ACCEPTED), version))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Error,
    Stdin,
    Stdout,
    Stderr,
    Resize,
}

impl Role {
    fn of(kind: &str) -> Option<Self> {
        Some(match kind {
            "error" => Self::Error,
            "stdin" => Self::Stdin,
            "stdout" => Self::Stdout,
            "stderr" => Self::Stderr,
            "resize" => Self::Resize,
            _ => return None,
        })
    }
}

/// The streams that the client opens before anything is told to it.
fn wanted(asked: &Asked, version: &str) -> Vec<Role> {
    let resizes = asked.tty && ["v5.", "v4.", "v3."].iter().any(|new| version.starts_with(new));
    let all = [
        (Role::Error, true),
        (Role::Stdin, asked.stdin),
        (Role::Stdout, asked.stdout),
        (Role::Stderr, asked.stderr),
        (Role::Resize, resizes),
    ];
    all.into_iter().filter(|(_, wanted)| *wanted).map(|(role, _)| role).collect()
}

/// The streams of one session.
struct Streams {
    wanted: Vec<Role>,
    stdin: bool,
    numbers: BTreeMap<Role, u32>,
    /// The beginning of a window's size, whose rest is still to come.
    size: Vec<u8>,
}

impl Streams {
    fn complete(&self) -> bool {
        self.wanted.iter().all(|role| self.numbers.contains_key(role))
    }

    fn role(&self, stream: u32) -> Option<Role> {
        self.numbers.iter().find(|(_, number)| **number == stream).map(|(role, _)| *role)
    }

    async fn heard(
        &mut self,
        role: Role,
        bytes: &[u8],
        end: bool,
        node: &mut (impl AsyncWrite + Unpin),
    ) -> std::io::Result<()> {
        match role {
            Role::Stdin if self.stdin => {
                if !bytes.is_empty() {
                    tell(node, STDIN, bytes).await?;
                }
                if end {
                    tell(node, END, &[STDIN]).await?;
                }
            }
            Role::Resize => {
                for size in sizes(&mut self.size, bytes) {
                    tell(node, RESIZE, &size).await?;
                }
            }
            // Nothing is said on the others; that the client has ended its half of them is as it should be.
            _ => {}
        }
        Ok(())
    }
}

/// The whole sizes (`{"Width": 80, "Height": 24}`) among what has come; they follow each other without a mark.
fn sizes(waiting: &mut Vec<u8>, bytes: &[u8]) -> Vec<Vec<u8>> {
    waiting.extend_from_slice(bytes);
    let mut whole = Vec::new();
    let mut values = serde_json::Deserializer::from_slice(waiting).into_iter::<Value>();
    let mut read = 0;
    while let Some(Ok(_)) = values.next() {
        let end = values.byte_offset();
        whole.push(waiting[read..end].trim_ascii_start().to_vec());
        read = end;
    }
    waiting.drain(..read);
    if waiting.len() > RESIZE_BYTES_MAX {
        waiting.clear();
    }
    whole
}

/// The client's end of the connection.
struct Client {
    incoming: BoxStream<'static, Bytes>,
    outgoing: Outgoing,
    reader: Reader,
    writer: spdy::Writer,
}

impl Client {
    /// The next frame; `None` if the client is gone or speaks no SPDY.
    async fn frame(&mut self) -> Option<Frame> {
        loop {
            match self.reader.next() {
                Ok(Some(frame)) => return Some(frame),
                Ok(None) => self.reader.push(&self.incoming.next().await?),
                Err(why) => {
                    tracing::debug!(why = why.0, "an exec sent what is no SPDY");
                    return None;
                }
            }
        }
    }

    /// Hears the client until it is gone or, with `opening`, until its streams are open. Whether it is still there.
    async fn hear(&mut self, streams: &mut Streams, node: &mut (impl AsyncWrite + Unpin), opening: bool) -> bool {
        while !(opening && streams.complete()) {
            let Some(frame) = self.frame().await else { return false };
            let heard = match frame {
                Frame::Open { stream, headers } => {
                    if let Some(role) = headers.get("streamtype").and_then(|kind| Role::of(kind)) {
                        streams.numbers.insert(role, stream);
                    }
                    let reply = self.writer.reply(stream);
                    self.outgoing.send(reply).await.is_ok()
                }
                Frame::Data { stream, bytes, end } => match streams.role(stream) {
                    Some(role) => streams.heard(role, &bytes, end, node).await.is_ok(),
                    None => true,
                },
                Frame::Reset { stream } => match streams.role(stream) {
                    Some(role) => streams.heard(role, &[], true, node).await.is_ok(),
                    None => true,
                },
                Frame::Ping { body } => self.outgoing.send(spdy::ping(&body)).await.is_ok(),
                Frame::Away => false,
                Frame::Other => true,
            };
            if !heard {
                return false;
            }
        }
        true
    }
}

async fn serve(client: Box<dyn Duplex>, node: Box<dyn Duplex>, mut streams: Streams, json: bool) {
    let (incoming, outgoing) = raw(client);
    let told = outgoing.clone();
    let mut client = Client { incoming, outgoing, reader: Reader::new(), writer: spdy::Writer::new() };
    let (from_node, mut to_node) = tokio::io::split(node);
    let opened = rt::timeout(STREAMS_WAIT_MAX, client.hear(&mut streams, &mut to_node, true)).await;
    if opened != Some(true) {
        return tracing::debug!("an exec did not open the streams it had asked for");
    }
    let numbers = streams.numbers.clone();
    let inward = async {
        client.hear(&mut streams, &mut to_node, false).await;
        // Nothing more will come: the node closes the container's stdin.
        let _ = to_node.shutdown().await;
    };
    let outward = tell_all(Frames::new(from_node), &numbers, &told, json);
    // The command's end ends the stream; the client's end leaves the command to finish what it writes.
    match select(std::pin::pin!(outward), std::pin::pin!(inward)).await {
        Either::Left(_) => {}
        Either::Right(((), outward)) => outward.await,
    }
    // What the client still says is read before the connection is closed: unread, it would cost it the end of what it was told.
    let Client { mut incoming, outgoing, .. } = client;
    drop((outgoing, told));
    rt::timeout(STREAMS_LINGER, async move { while incoming.next().await.is_some() {} }).await;
}

/// Tells the client all that the node says, and how it ended.
async fn tell_all(
    mut frames: Frames<impl tokio::io::AsyncRead + Unpin>,
    numbers: &BTreeMap<Role, u32>,
    told: &Outgoing,
    json: bool,
) {
    let status = loop {
        match frames.next().await {
            Said::Output { channel, bytes } => {
                let role = match channel {
                    STDOUT => Role::Stdout,
                    STDERR => Role::Stderr,
                    _ => continue,
                };
                if let Some(stream) = numbers.get(&role)
                    && told.send(spdy::data(*stream, &bytes, false)).await.is_err()
                {
                    return;
                }
            }
            Said::End(status) => break status,
        }
    };
    // The end first: the oldest clients go when their outputs end.
    if let Some(error) = numbers.get(&Role::Error) {
        let _ = told.send(spdy::data(*error, &last_words(&status, json), true)).await;
    }
    for stream in [Role::Stdout, Role::Stderr, Role::Stdin].iter().filter_map(|role| numbers.get(role)) {
        // The client may have gone; then nobody is waiting for these.
        let _ = told.send(spdy::data(*stream, &[], true)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_however_they_are_cut() {
        let text = b"{\"Width\":80,\"Height\":24}\n{\"Width\":81,\"Height\":25}\n{\"Wid";
        for size in [1, 5, text.len()] {
            let mut waiting = Vec::new();
            let read: Vec<Vec<u8>> = text.chunks(size).flat_map(|piece| sizes(&mut waiting, piece)).collect();
            let read: Vec<Value> = read.iter().map(|size| serde_json::from_slice(size).expect("json")).collect();
            assert_eq!((read.len(), &read[0]["Width"], &read[1]["Height"]), (2, &Value::from(80), &Value::from(25)));
        }
        let mut waiting = Vec::new();
        assert!(sizes(&mut waiting, &vec![b'{'; RESIZE_BYTES_MAX + 1]).is_empty() && waiting.is_empty());
    }
}
