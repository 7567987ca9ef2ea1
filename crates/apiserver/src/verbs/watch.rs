//! Watch: what happens to the selected objects, from any revision that is kept. A watcher is a cursor; its frames are the
//! objects' own bytes, coalesced into one write; over a WebSocket each is a message. It holds back nothing and remembers nothing.
mod definition;
mod piece;
mod writer;

use crate::call::Call;
use crate::limits::{BOOKMARK_BEFORE_END, BOOKMARK_EVERY, CHUNK_BYTES, WATCH_END_MAX, WATCH_SECONDS_MIN};
use crate::negotiate::Form;
use crate::query::{Freshness, ListOptions};
use crate::read;
use crate::request::{Content, JSON, PROTOBUF_WATCH, Pieces, Response};
use crate::room::{Room, Ticket, WatchInfo};
use crate::select::Selection;
use crate::verbs::list::selected;
use crate::websocket::{self, Handshake};
use api::event::{Act, Event};
use api::object::Object;
use api::revision::Revision;
use api::status::Status;
use bytes::Bytes;
use consensus::Watch;
use definition::Definition;
use futures::future::{BoxFuture, Either, select};
use futures::{FutureExt as _, StreamExt as _};
use piece::Piece;
use std::sync::Arc;
use std::time::Duration;
use store::watch::{Batch, Behind};
use tokio_tungstenite::tungstenite::Message;
use writer::Writer;

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
    let writer = Writer::of(&call)?;
    let info = WatchInfo { resource: call.kind.resource.clone().into(), user: call.user.name.clone() };
    let ticket = call.room.enter_watch(info)?;
    let (initial, from) = start(&call, options, &selection).await?;
    let watch = call.room.member().watch(selection.interest(&call.kind.resource), from);
    let seconds = options.timeout_seconds.unwrap_or_else(|| WATCH_SECONDS_MIN + rt::random() % WATCH_SECONDS_MIN);
    let ends = rt::now().after(Duration::from_secs(seconds));
    let room = call.room.clone();
    let handshake = Handshake::of(&call.request);
    let protobuf = matches!(call.form, Form::Protobuf | Form::MetadataProtobuf);
    let definition = Definition::of(&call);
    let stream = Stream {
        initial: initial.into_iter().flatten().collect::<Vec<_>>().into_iter(),
        marked: options.initial_events == Some(true),
        from,
        watch,
        selection,
        writer,
        bookmarks: options.bookmarks,
        ends,
        timer: Box::pin(rt::sleep_until(next_look(ends, options.bookmarks))),
        stopped: Box::pin({
            let room = room.clone();
            async move { room.stopped().await }
        }),
        waiting: Vec::new().into_iter(),
        definition,
        last: None,
        over: false,
        room,
        ticket,
    };
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
    /// Ends with the kind.
    definition: Definition,
    /// The revision at which the kind ended: what happened until then is still told.
    last: Option<Revision>,
    over: bool,
    room: Arc<Room>,
    #[expect(dead_code, reason = "held until the stream is dropped")]
    ticket: Ticket,
}

enum Woken {
    Batch(Result<Batch, Behind>),
    /// The kind ended at this revision.
    Ended(Revision),
    Timer,
    Stopped,
}

impl Stream {
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        let mut piece = Piece::default();
        for object in self.initial.by_ref() {
            self.writer.object(piece.buffer(), "ADDED", &object);
            if piece.len() >= CHUNK_BYTES {
                return Some(piece.bytes());
            }
        }
        if std::mem::take(&mut self.marked) {
            self.writer.bookmark(piece.buffer(), self.from, true);
        }
        if !piece.is_empty() {
            return Some(piece.bytes());
        }
        loop {
            self.drain(&mut piece);
            if !piece.is_empty() {
                return Some(piece.bytes());
            }
            if let Some(last) = self.last {
                self.waiting = self.rest(last).await?.into_iter();
                continue;
            }
            match self.wake().await {
                Woken::Stopped => {
                    // Whoever goes on at another member knows from where.
                    self.over = true;
                    return self.bookmark(piece);
                }
                Woken::Ended(revision) => self.last = Some(revision),
                Woken::Batch(Ok(batch)) => self.waiting = batch.events.into_iter(),
                Woken::Batch(Err(behind)) => {
                    self.over = true;
                    self.writer.error(piece.buffer(), &gone(behind));
                    return Some(piece.bytes());
                }
                Woken::Timer if rt::now() >= self.ends => return None,
                Woken::Timer => {
                    self.timer = Box::pin(rt::sleep_until(next_look(self.ends, self.bookmarks)));
                    if self.bookmarks && self.watch.is_ok() {
                        return self.bookmark(piece);
                    }
                }
            }
        }
    }

    /// How far it has come, for a client that wants to know; `None` for one that does not.
    fn bookmark(&self, mut piece: Piece) -> Option<Bytes> {
        let watch = self.watch.as_ref().ok().filter(|_| self.bookmarks)?;
        self.writer.bookmark(piece.buffer(), watch.cursor(), false);
        Some(piece.bytes())
    }

    /// Writes waiting events, up to one chunk.
    fn drain(&mut self, piece: &mut Piece) {
        let before = self.waiting.len();
        self.write_waiting(piece);
        let written = u64::try_from(before - self.waiting.len()).unwrap_or_default();
        self.room.metrics.watched(written);
    }

    fn write_waiting(&mut self, piece: &mut Piece) {
        for event in self.waiting.by_ref() {
            let now = self.selection.matches(&event.object);
            let before = || event.before.as_deref().filter(|before| self.selection.matches(before));
            match event.act {
                Act::Added if now => piece.add(self.writer.event("ADDED", &event.object)),
                Act::Deleted if now => piece.add(self.writer.event("DELETED", &event.object)),
                Act::Modified if now && (self.selection.is_all() || before().is_some()) => {
                    piece.add(self.writer.event("MODIFIED", &event.object));
                }
                Act::Modified if now => piece.add(self.writer.event("ADDED", &event.object)),
                // It is selected no more: for this watcher it went away, as it was, at this revision.
                Act::Modified => {
                    if let Some(before) = before() {
                        piece.add(self.writer.event("DELETED", &before.at(event.revision)));
                    }
                }
                Act::Added | Act::Deleted => {}
            }
            if piece.len() >= CHUNK_BYTES {
                return;
            }
        }
    }

    /// More of what happened up to `last`; `None` if that was all.
    async fn rest(&mut self, last: Revision) -> Option<Vec<Arc<Event>>> {
        let watch = self.watch.as_mut().ok()?;
        let batch = if watch.in_memory() {
            watch.next().now_or_never()?
        } else {
            rt::timeout(WATCH_END_MAX, watch.next()).await?
        };
        let events: Vec<_> = batch.ok()?.events.into_iter().filter(|event| event.revision <= last).collect();
        (!events.is_empty()).then_some(events)
    }

    async fn wake(&mut self) -> Woken {
        let watch = match &mut self.watch {
            Ok(watch) => watch,
            Err(behind) => return Woken::Batch(Err(*behind)),
        };
        let (next, end) = (std::pin::pin!(watch.next()), std::pin::pin!(self.definition.end()));
        let others = select(end, select(&mut self.stopped, &mut self.timer));
        match select(next, others).await {
            Either::Left((batch, _)) => Woken::Batch(batch),
            Either::Right((Either::Left((revision, _)), _)) => Woken::Ended(revision),
            Either::Right((Either::Right((Either::Left(_), _)), _)) => Woken::Stopped,
            Either::Right((Either::Right((Either::Right(_), _)), _)) => Woken::Timer,
        }
    }
}

/// What ends a watch whose revision is no longer kept.
fn gone(behind: Behind) -> Status {
    Status::new(410, "Expired", format!("too old resource version: the oldest still kept is {}", behind.oldest))
}
