//! What the code under test logs (`tracing`): hashed into the trace for a deep comparison, or kept as text for a report. A sweep
//! wants neither and pays for neither.
use crate::trace::{Node, hash};
use crate::world::World;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// What is done with log records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    #[default]
    Nothing,
    /// Each, down to debug, goes into the digest.
    Hashed,
    /// The last of each node are kept as text.
    Kept,
    /// As `Kept`, without what Raft says of every step.
    Ours,
}

/// Lines kept for each node.
const LINES_KEPT: usize = 200;

type Lines = Arc<Mutex<BTreeMap<Node, VecDeque<String>>>>;

struct Listener {
    world: World,
    wanted: Wanted,
    lines: Lines,
    spans: AtomicU64,
}

/// Runs `body` and listens to what is logged meanwhile.
pub(crate) fn during<T>(world: &World, wanted: Wanted, body: impl FnOnce() -> T) -> (T, Vec<(Node, Vec<String>)>) {
    if wanted == Wanted::Nothing {
        return (body(), Vec::new());
    }
    let lines = Lines::default();
    let listener = Listener { world: world.clone(), wanted, lines: lines.clone(), spans: AtomicU64::new(1) };
    let result = tracing::subscriber::with_default(listener, body);
    let lines = std::mem::take(&mut *lines.lock().unwrap_or_else(PoisonError::into_inner));
    (result, lines.into_iter().map(|(node, lines)| (node, lines.into())).collect())
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String cannot fail.
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= Level::DEBUG
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        // Spans are not looked at; each has a number of its own, from this run.
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        let node = self.world.current().unwrap_or_default();
        match self.wanted {
            Wanted::Nothing => {}
            Wanted::Ours if event.metadata().target().starts_with("openraft") => {}
            Wanted::Hashed => self.world.note_at(node, "log", hash(text.0.as_bytes()), 0),
            Wanted::Kept | Wanted::Ours => {
                let time = self.world.time();
                let (seconds, micros) = (time / 1_000_000_000, time / 1_000 % 1_000_000);
                let line = format!(
                    "{seconds}.{micros:06} {} {}:{}",
                    event.metadata().level(),
                    event.metadata().target(),
                    text.0
                );
                let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
                let lines = lines.entry(node).or_default();
                if lines.len() == LINES_KEPT {
                    lines.pop_front();
                }
                lines.push_back(line);
            }
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
