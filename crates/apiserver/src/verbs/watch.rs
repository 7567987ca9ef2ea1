//! Watch: what happens to the selected objects, from any revision that is kept. A watcher is a cursor; its frames are the
//! objects' own bytes, coalesced into one write. It holds back nothing and remembers nothing.
use crate::call::Call;
use crate::limits::{BOOKMARK_EVERY, CHUNK_BYTES, WATCH_SECONDS_MIN};
use crate::negotiate::Form;
use crate::query::{Freshness, ListOptions};
use crate::read;
use crate::request::{Content, JSON, Pieces, Response, text_of};
use crate::room::{Ticket, WatchInfo};
use crate::select::Selection;
use crate::shape::{Include, Version, partial, row};
use crate::verbs::list::selected;
use api::event::{Act, Event};
use api::object::Object;
use api::revision::Revision;
use api::status::Status;
use bytes::Bytes;
use consensus::Watch;
use futures::future::{BoxFuture, Either, select};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use store::watch::{Batch, Behind};

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
    let writer = Writer { version: Version::of(&call), include, headed: false, call };
    let mut stream = Stream {
        initial: initial.into_iter().flatten().collect::<Vec<_>>().into_iter(),
        marked: options.initial_events == Some(true),
        from,
        watch: Err(Behind { oldest: from }),
        selection,
        writer,
        bookmarks: options.bookmarks,
        ends,
        timer: Box::pin(rt::sleep_until(ends.min(rt::now().after(BOOKMARK_EVERY)))),
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
    Ok(Response::new(200, JSON, Content::Pieces(pieces)))
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
                    return Some(gone(behind));
                }
                Woken::Timer if rt::now() >= self.ends => return None,
                Woken::Timer => {
                    self.timer = Box::pin(rt::sleep_until(self.ends.min(rt::now().after(BOOKMARK_EVERY))));
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

/// Makes frames: one JSON object a line.
struct Writer {
    call: Call,
    version: Version,
    include: Include,
    /// A table's columns are sent with the first frame only.
    headed: bool,
}

impl Writer {
    fn object(&mut self, buffer: &mut Vec<u8>, what: &str, object: &Object) {
        buffer.extend_from_slice(b"{\"type\":\"");
        buffer.extend_from_slice(what.as_bytes());
        buffer.extend_from_slice(b"\",\"object\":");
        match self.call.form {
            Form::Json | Form::Yaml => buffer.extend_from_slice(&self.version.bytes(object)),
            Form::Metadata => buffer.extend_from_slice(&text_of(&partial(&object.value()))),
            Form::Table => {
                let rows = vec![row(&self.call, self.include, object)];
                self.table(buffer, object.revision, rows);
            }
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
        let object = match self.call.form {
            Form::Metadata => {
                json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta})
            }
            Form::Table => json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta, "rows": []}),
            Form::Json | Form::Yaml => {
                json!({"kind": &*self.call.kind.kind, "apiVersion": self.call.kind.api_version(), "metadata": meta})
            }
        };
        buffer.extend_from_slice(&text_of(&json!({"type": "BOOKMARK", "object": object})));
    }
}

/// The last frame of a watch whose revision is no longer kept.
fn gone(behind: Behind) -> Bytes {
    let message = format!("too old resource version: the oldest still kept is {}", behind.oldest);
    let status = Status::new(410, "Expired", message);
    text_of(&json!({"type": "ERROR", "object": status.to_value()}))
}
