//! Watch: what happens to the selected objects, from any revision that is kept. A watcher is a cursor; its frames are the
//! objects' own bytes, coalesced into one write; over a WebSocket each is a message. It holds back nothing and remembers nothing.
use crate::call::Call;
use crate::limits::{BOOKMARK_BEFORE_END, BOOKMARK_EVERY, CHUNK_BYTES, WATCH_SECONDS_MIN};
use crate::negotiate::Form;
use crate::query::{Freshness, ListOptions};
use crate::read;
use crate::request::{Content, JSON, PROTOBUF_WATCH, Pieces, Response, text_of};
use crate::room::{Ticket, WatchInfo};
use crate::select::Selection;
use crate::shape::{Envelopes, Include, Version, partial, row};
use crate::verbs::list::selected;
use crate::websocket::{self, Handshake};
use api::codec::protobuf::encode::{self, Printer};
use api::event::{Act, Event};
use api::object::Object;
use api::revision::Revision;
use api::status::Status;
use bytes::Bytes;
use consensus::Watch;
use futures::StreamExt as _;
use futures::future::{BoxFuture, Either, select};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use store::watch::{Batch, Behind};
use tokio_tungstenite::tungstenite::Message;

/// Marks the bookmark after the present state, KEP-3157.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// # Errors
/// As `query::list_options` and `Selection::new`; a revision that is gone is told in the stream, as in Kubernetes.
pub async fn watch(call: Call, options: &ListOptions) -> Result<Response, Status> {
    if call.past.is_some() {
        return Err(Status::new(
            405,
            "MethodNotAllowed",
            "the past does not change: there is nothing to watch under /asof/",
        ));
    }
    let selection = Selection::new(&call, options)?;
    let include = Include::of(&call)?;
    let info = WatchInfo { resource: call.kind.resource.clone().into(), user: call.user.name.clone() };
    let ticket = call.room.enter_watch(info)?;
    let (initial, from) = start(&call, options, &selection).await?;
    let watch = call.room.member().watch(selection.interest(&call.kind.resource), from);
    let seconds = options.timeout_seconds.unwrap_or_else(|| WATCH_SECONDS_MIN + rt::random() % WATCH_SECONDS_MIN);
    let ends = rt::now().after(Duration::from_secs(seconds));
    let room = call.room.clone();
    let handshake = Handshake::of(&call.request);
    let protobuf = matches!(call.form, Form::Protobuf | Form::MetadataProtobuf);
    let envelopes = if protobuf { Some(Envelopes::of(&call)?) } else { None };
    let writer = Writer { version: Version::of(&call), envelopes, include, headed: false, call };
    let mut stream = Stream {
        initial: initial.into_iter().flatten().collect::<Vec<_>>().into_iter(),
        marked: options.initial_events == Some(true),
        from,
        watch: Err(Behind { oldest: from }),
        selection,
        writer,
        bookmarks: options.bookmarks,
        ends,
        timer: Box::pin(rt::sleep_until(next_look(ends, options.bookmarks))),
        stopped: Box::pin(async move { room.stopped().await }),
        waiting: Vec::new().into_iter(),
        over: false,
        ticket,
    };
    stream.watch = watch;
    let pieces: Pieces = Box::pin(futures::stream::unfold(stream, |mut stream| async move {
        let piece = stream.next().await?;
        Some((piece, stream))
    }));
    if let Some(handshake) = handshake {
        // No subprotocol says anything of watches: the client's own is repeated, as in Kubernetes.
        let messages = pieces.flat_map(move |piece| futures::stream::iter(messages(piece, protobuf)));
        return Ok(handshake.answer(handshake.first(), websocket::sends(messages.boxed())));
    }
    Ok(Response::new(200, if protobuf { PROTOBUF_WATCH } else { JSON }, Content::Pieces(pieces)))
}

/// The frames of a piece, each a message: a line of JSON as text, or protobuf without its length.
fn messages(mut piece: Bytes, protobuf: bool) -> Vec<Message> {
    let mut messages = Vec::new();
    while !piece.is_empty() {
        if let (true, Some((length, _))) = (protobuf, piece.split_first_chunk::<4>()) {
            let end = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX).saturating_add(4);
            let frame = piece.split_to(end.min(piece.len()));
            messages.push(Message::Binary(frame.slice(4..)));
            continue;
        }
        let end = piece.iter().position(|byte| *byte == b'\n').map_or(piece.len(), |at| at + 1);
        let line = piece.split_to(end);
        // What is written is text; should it not be, its bytes go as they are.
        messages.push(match tokio_tungstenite::tungstenite::Utf8Bytes::try_from(line.clone()) {
            Ok(text) => Message::Text(text),
            Err(_) => Message::Binary(line),
        });
    }
    messages
}

/// The present state to send first, if any, and the revision after which events follow.
async fn start(
    call: &Call,
    options: &ListOptions,
    selection: &Selection,
) -> Result<(Option<Vec<Arc<Object>>>, Revision), Status> {
    if let (Freshness::NotBefore(revision), None | Some(false)) = (options.freshness, options.initial_events) {
        if revision > call.room.member().view().revision() {
            read::view(&call.room, options.freshness).await?;
        }
        return Ok((None, revision));
    }
    let view = read::view(&call.room, options.freshness).await?;
    if options.initial_events == Some(false) {
        return Ok((None, view.revision()));
    }
    Ok((Some(selected(call, &view, selection, None).cloned().collect()), view.revision()))
}

/// When a quiet watch is looked at next: for its end, and for bookmarks every minute and shortly before its end, so that whoever
/// watches again can go on from there.
fn next_look(ends: rt::Instant, bookmarks: bool) -> rt::Instant {
    let left = ends.since(rt::now());
    if !bookmarks || left <= BOOKMARK_BEFORE_END {
        return ends;
    }
    rt::now().after(BOOKMARK_EVERY.min(left.saturating_sub(BOOKMARK_BEFORE_END)))
}

struct Stream {
    initial: std::vec::IntoIter<Arc<Object>>,
    /// The end of the present state is still to be marked.
    marked: bool,
    from: Revision,
    watch: Result<Watch, Behind>,
    selection: Selection,
    writer: Writer,
    bookmarks: bool,
    ends: rt::Instant,
    timer: BoxFuture<'static, ()>,
    stopped: BoxFuture<'static, ()>,
    waiting: std::vec::IntoIter<Arc<Event>>,
    over: bool,
    #[expect(dead_code, reason = "held until the stream is dropped")]
    ticket: Ticket,
}

enum Woken {
    Batch(Result<Batch, Behind>),
    Timer,
    Stopped,
}

impl Stream {
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        let mut buffer = Vec::new();
        for object in self.initial.by_ref() {
            self.writer.object(&mut buffer, "ADDED", &object);
            if buffer.len() >= CHUNK_BYTES {
                return Some(buffer.into());
            }
        }
        if std::mem::take(&mut self.marked) {
            self.writer.bookmark(&mut buffer, self.from, true);
        }
        if !buffer.is_empty() {
            return Some(buffer.into());
        }
        loop {
            self.drain(&mut buffer);
            if !buffer.is_empty() {
                return Some(buffer.into());
            }
            match self.wake().await {
                Woken::Stopped => return None,
                Woken::Batch(Ok(batch)) => self.waiting = batch.events.into_iter(),
                Woken::Batch(Err(behind)) => {
                    self.over = true;
                    self.writer.error(&mut buffer, &gone(behind));
                    return Some(buffer.into());
                }
                Woken::Timer if rt::now() >= self.ends => return None,
                Woken::Timer => {
                    self.timer = Box::pin(rt::sleep_until(next_look(self.ends, self.bookmarks)));
                    if let (true, Ok(watch)) = (self.bookmarks, &self.watch) {
                        let through = watch.cursor();
                        self.writer.bookmark(&mut buffer, through, false);
                        return Some(buffer.into());
                    }
                }
            }
        }
    }

    /// Writes waiting events, up to one chunk.
    fn drain(&mut self, buffer: &mut Vec<u8>) {
        let before = self.waiting.len();
        self.write_waiting(buffer);
        let written = u64::try_from(before - self.waiting.len()).unwrap_or_default();
        self.writer.call.room.metrics.watched(written);
    }

    fn write_waiting(&mut self, buffer: &mut Vec<u8>) {
        for event in self.waiting.by_ref() {
            let now = self.selection.matches(&event.object);
            let before = || event.before.as_deref().filter(|before| self.selection.matches(before));
            match event.act {
                Act::Added if now => self.writer.object(buffer, "ADDED", &event.object),
                Act::Deleted if now => self.writer.object(buffer, "DELETED", &event.object),
                Act::Modified if now && (self.selection.is_all() || before().is_some()) => {
                    self.writer.object(buffer, "MODIFIED", &event.object);
                }
                Act::Modified if now => self.writer.object(buffer, "ADDED", &event.object),
                // It is selected no more: for this watcher it went away, as it was, at this revision.
                Act::Modified => {
                    if let Some(before) = before() {
                        self.writer.object(buffer, "DELETED", &before.at(event.revision));
                    }
                }
                Act::Added | Act::Deleted => {}
            }
            if buffer.len() >= CHUNK_BYTES {
                return;
            }
        }
    }

    async fn wake(&mut self) -> Woken {
        let watch = match &mut self.watch {
            Ok(watch) => watch,
            Err(behind) => return Woken::Batch(Err(*behind)),
        };
        let next = std::pin::pin!(watch.next());
        match select(next, select(&mut self.stopped, &mut self.timer)).await {
            Either::Left((batch, _)) => Woken::Batch(batch),
            Either::Right((Either::Left(_), _)) => Woken::Stopped,
            Either::Right((Either::Right(_), _)) => Woken::Timer,
        }
    }
}

/// Makes frames: one JSON object a line, or protobuf with a length before each.
struct Writer {
    call: Call,
    version: Version,
    envelopes: Option<Envelopes>,
    include: Include,
    /// A table's columns are sent with the first frame only.
    headed: bool,
}

impl Writer {
    fn object(&mut self, buffer: &mut Vec<u8>, what: &str, object: &Object) {
        if let Some(envelopes) = &self.envelopes {
            return framed(buffer, what, envelopes.object(object));
        }
        buffer.extend_from_slice(b"{\"type\":\"");
        buffer.extend_from_slice(what.as_bytes());
        buffer.extend_from_slice(b"\",\"object\":");
        match self.call.form {
            Form::Metadata => buffer.extend_from_slice(&text_of(&partial(&object.value()))),
            Form::Table => {
                let rows = vec![row(&self.call, self.include, object)];
                self.table(buffer, object.revision, rows);
            }
            _ => buffer.extend_from_slice(&self.version.bytes(object)),
        }
        if buffer.last() == Some(&b'\n') {
            buffer.pop();
        }
        buffer.extend_from_slice(b"}\n");
    }

    fn table(&mut self, buffer: &mut Vec<u8>, revision: Revision, rows: Vec<Value>) {
        let mut table = json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1",
            "metadata": {"resourceVersion": revision.to_string()}, "columnDefinitions": null, "rows": rows});
        if !std::mem::replace(&mut self.headed, true) {
            table["columnDefinitions"] = api::codec::table::columns(&self.call.kind);
        }
        buffer.extend_from_slice(&text_of(&table));
    }

    fn bookmark(&mut self, buffer: &mut Vec<u8>, revision: Revision, initial: bool) {
        let mut meta = json!({"resourceVersion": revision.to_string(), "creationTimestamp": null});
        if initial {
            meta["annotations"] = json!({INITIAL_EVENTS_END: "true"});
        }
        if let Some(envelopes) = &self.envelopes {
            return framed(buffer, "BOOKMARK", envelopes.json(json!({ "metadata": meta }).to_string().as_bytes()));
        }
        let object = match self.call.form {
            Form::Metadata => {
                json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta})
            }
            Form::Table => json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta, "rows": []}),
            _ => json!({"kind": &*self.call.kind.kind, "apiVersion": self.call.kind.api_version(), "metadata": meta}),
        };
        buffer.extend_from_slice(&text_of(&json!({"type": "BOOKMARK", "object": object})));
    }

    fn error(&self, buffer: &mut Vec<u8>, status: &Status) {
        let value = status.to_value();
        match Printer::of_kind("v1", "Status").filter(|_| self.envelopes.is_some()) {
            Some(printer) => framed(buffer, "ERROR", printer.object("v1", "Status", value.to_string().as_bytes())),
            None => buffer.extend_from_slice(&text_of(&json!({"type": "ERROR", "object": value}))),
        }
    }
}

/// One frame of protobuf. An object that cannot be read was never written by us; the watch goes on without it.
fn framed(buffer: &mut Vec<u8>, what: &str, envelope: Result<Vec<u8>, Status>) {
    match envelope {
        Ok(envelope) => encode::event(buffer, what, &envelope),
        Err(why) => tracing::error!(%why, "an object was left out of a watch"),
    }
}

/// What ends a watch whose revision is no longer kept.
fn gone(behind: Behind) -> Status {
    Status::new(410, "Expired", format!("too old resource version: the oldest still kept is {}", behind.oldest))
}
