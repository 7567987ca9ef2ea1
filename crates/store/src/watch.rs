//! Who is told of a change: watchers are cursors over shared rings of events. A slow one costs a cursor, never a queue.
//! It knows wakers, not a runtime.
use api::event::Event;
use api::revision::Revision;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// What a watcher wants: all events of a resource, or those of one namespace, name, or field value, before or after the change.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interest {
    /// `None`: of every resource (deciders).
    pub resource: Option<Arc<str>>,
    pub namespace: Option<Arc<str>>,
    pub name: Option<Arc<str>>,
    /// Facet field and value, e.g. (`spec.nodeName`, `n1`).
    pub field: Option<(Arc<str>, Arc<str>)>,
}

impl Interest {
    #[must_use]
    pub fn wants(&self, event: &Event) -> bool {
        let key = &event.object.key;
        let is = |want: &Option<Arc<str>>, have: &Arc<str>| want.as_ref().is_none_or(|want| want == have);
        is(&self.resource, &key.resource)
            && is(&self.namespace, &key.namespace)
            && is(&self.name, &key.name)
            && self.field.as_ref().is_none_or(|(path, value)| {
                let has = |object: &api::object::Object| object.facet.field(path) == Some(&**value);
                has(&event.object) || event.before.as_deref().is_some_and(has)
            })
    }
}

/// The watcher's cursor lies before what the ring still holds; it must read on from the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    /// The oldest revision that the ring can still give events after.
    pub oldest: Revision,
}

/// Events kept in memory for watchers.
pub const RING_EVENTS_MAX: usize = 65_536;

/// Where events are published and watchers begin.
#[derive(Clone, Debug, Default)]
pub struct Hub {
    ring: Arc<Mutex<Ring>>,
}

#[derive(Debug, Default)]
struct Ring {
    /// The ring gives events after this revision.
    after: Revision,
    newest: Revision,
    events: VecDeque<Arc<Event>>,
    wakers: Vec<Waker>,
}

/// One watcher.
#[derive(Debug)]
pub struct Watcher {
    ring: Arc<Mutex<Ring>>,
    interest: Interest,
    cursor: Revision,
}

/// What a watcher is given: events it wants, and how far it has now seen.
#[derive(Clone, Debug)]
pub struct Batch {
    pub events: Vec<Arc<Event>>,
    /// Every event up to here that it wants has been given.
    pub through: Revision,
}

impl Hub {
    /// Starts at `revision`: the ring holds nothing before it.
    #[must_use]
    pub fn starting_at(revision: Revision) -> Self {
        let ring = Ring { after: revision, newest: revision, ..Ring::default() };
        Self { ring: Arc::new(Mutex::new(ring)) }
    }

    /// Called by the one writer, after the view of `through` is published.
    pub fn publish(&self, events: &[Arc<Event>], through: Revision) {
        let mut ring = lock(&self.ring);
        ring.events.extend(events.iter().cloned());
        ring.newest = through;
        while ring.events.len() > RING_EVENTS_MAX {
            if let Some(gone) = ring.events.pop_front() {
                ring.after = gone.revision;
            }
        }
        let wakers = std::mem::take(&mut ring.wakers);
        drop(ring);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// A watcher of what happens after `from`.
    ///
    /// # Errors
    /// If `from` lies before the ring; read on from the log.
    pub fn watch(&self, interest: Interest, from: Revision) -> Result<Watcher, Behind> {
        let ring = lock(&self.ring);
        if from < ring.after {
            return Err(Behind { oldest: ring.after });
        }
        Ok(Watcher { ring: self.ring.clone(), interest, cursor: from })
    }
}

impl Watcher {
    /// The next events, at most `max` of the ring's; waits while there are none.
    ///
    /// # Errors
    /// (as ready value) `Behind` if the ring has passed the cursor.
    pub fn poll(&mut self, context: &mut Context<'_>, max: usize) -> Poll<Result<Batch, Behind>> {
        let mut ring = lock(&self.ring);
        if self.cursor < ring.after {
            return Poll::Ready(Err(Behind { oldest: ring.after }));
        }
        let start = ring.events.partition_point(|event| event.revision <= self.cursor);
        let seen: Vec<_> = ring.events.range(start..).take(max).cloned().collect();
        let through =
            if seen.len() < max { ring.newest } else { seen.last().map_or(ring.newest, |event| event.revision) };
        let events: Vec<_> = seen.into_iter().filter(|event| self.interest.wants(event)).collect();
        self.cursor = self.cursor.max(through);
        if events.is_empty() {
            ring.wakers.push(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(Batch { events, through }))
    }

    /// Every event up to here that it wants has been given.
    #[must_use]
    pub fn cursor(&self) -> Revision {
        self.cursor
    }
}

fn lock(ring: &Mutex<Ring>) -> MutexGuard<'_, Ring> {
    ring.lock().unwrap_or_else(PoisonError::into_inner)
}
