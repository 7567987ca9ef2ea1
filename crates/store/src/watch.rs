//! Who is told of a change. Watchers of one interest share a topic: a ring of the events it wants. A change costs what it matters
//! to; a slow watcher costs a cursor, never a queue. It knows wakers, not a runtime, and never keeps the writer waiting on a reader.
use crate::limits::{RING_BYTES_MAX, RING_EVENTS_MAX, TOPICS_SWEPT, WATCH_BATCH_BYTES};
use crate::sync::{AtomicU64, Mutex, MutexGuard};
use api::event::Event;
use api::object::Object;
use api::planted::{Bug, planted};
use api::revision::Revision;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
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
                let has = |object: &Object| object.facet.field(path) == Some(&**value);
                has(&event.object) || event.before.as_deref().is_some_and(has)
            })
    }
}

/// The watcher's cursor lies before what is in memory; it must read on from the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    /// The oldest revision after which events can be given from memory.
    pub oldest: Revision,
}

/// Where events are published and watchers begin. Cloning it clones the handle.
#[derive(Clone, Debug, Default)]
pub struct Hub {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    registry: Mutex<Registry>,
    /// Every event up to here stands in the rings of those who want it.
    newest: AtomicU64,
}

/// All recent events, and who wants which. Locked by the writer, and by watchers as they come and go; never while one waits or reads.
#[derive(Debug)]
struct Registry {
    recent: Ring,
    /// Events kept in `recent`.
    events_max: usize,
    topics: BTreeMap<Interest, Arc<Topic>>,
    /// Which parts of an interest are in use, and by how many topics: only these are looked up for an event.
    shapes: BTreeMap<Shape, usize>,
    watchers: u64,
    /// The topic after which the next sweep begins.
    swept: Option<Interest>,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            recent: Ring::default(),
            events_max: RING_EVENTS_MAX,
            topics: BTreeMap::new(),
            shapes: BTreeMap::new(),
            watchers: 0,
            swept: None,
        }
    }
}

/// Which parts an interest names: resource, namespace, name, and the path of its field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shape(bool, bool, bool, Option<Arc<str>>);

/// The watchers of one interest.
#[derive(Debug, Default)]
struct Topic {
    state: Mutex<TopicState>,
}

#[derive(Debug, Default)]
struct TopicState {
    ring: Ring,
    watchers: usize,
    /// Those who wait, by watcher.
    waiting: BTreeMap<u64, Waker>,
}

#[derive(Debug, Default)]
struct Ring {
    /// It holds every event after this revision.
    after: Revision,
    events: VecDeque<Arc<Event>>,
    /// Of the objects that the events brought; what they replaced, an earlier event brought.
    bytes: usize,
}

impl Ring {
    fn from(after: Revision) -> Self {
        Self { after, ..Self::default() }
    }

    fn push(&mut self, event: Arc<Event>) {
        self.bytes += event.object.bytes.len();
        self.events.push_back(event);
    }

    fn push_before(&mut self, event: Arc<Event>) {
        self.bytes += event.object.bytes.len();
        self.events.push_front(event);
    }

    fn after(&self, revision: Revision) -> impl DoubleEndedIterator<Item = &Arc<Event>> {
        self.events.range(self.events.partition_point(|event| event.revision <= revision)..)
    }

    fn drop_while(&mut self, mut gone: impl FnMut(&Self) -> bool) {
        while gone(self) {
            let Some(event) = self.events.pop_front() else { return };
            self.bytes -= event.object.bytes.len();
            if !planted(Bug::RingForgetsItsStart) {
                self.after = event.revision;
            }
        }
    }

    fn drop_up_to(&mut self, revision: Revision) {
        self.drop_while(|ring| ring.events.front().is_some_and(|event| event.revision <= revision));
    }
}

/// One watcher.
#[derive(Debug)]
pub struct Watcher {
    shared: Arc<Shared>,
    topic: Arc<Topic>,
    interest: Interest,
    id: u64,
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
    /// Starts at `revision`: nothing before it is in memory.
    #[must_use]
    pub fn starting_at(revision: Revision) -> Self {
        let hub = Self::default();
        hub.skip_to(revision);
        hub
    }

    /// Keeps `events_max` events in memory.
    #[must_use]
    pub fn keeping(events_max: usize) -> Self {
        let hub = Self::default();
        lock(&hub.shared.registry).events_max = events_max;
        hub
    }

    /// Called by the one writer, after the view of `through` is published.
    pub fn publish(&self, events: &[Arc<Event>], through: Revision) {
        let mut registry = lock(&self.shared.registry);
        let events_max = registry.events_max;
        let mut woken = Vec::new();
        for event in events {
            registry.recent.push(event.clone());
            registry.recent.drop_while(|ring| {
                ring.events.len() > events_max || (ring.bytes > RING_BYTES_MAX && ring.events.len() > 1)
            });
            for topic in registry.topics_of(event) {
                let mut state = lock(&topic.state);
                state.ring.push(event.clone());
                state.ring.drop_up_to(registry.recent.after);
                if planted(Bug::WakesOne) {
                    woken.extend(state.waiting.pop_first().map(|(_, waker)| waker));
                    continue;
                }
                woken.extend(std::mem::take(&mut state.waiting).into_values());
            }
        }
        registry.sweep();
        self.shared.newest.store(through.0, Ordering::Release);
        drop(registry);
        woken.into_iter().for_each(Waker::wake);
    }

    /// The state has jumped to `revision` without events (a snapshot was installed): every watcher before it is behind.
    pub fn skip_to(&self, revision: Revision) {
        let mut registry = lock(&self.shared.registry);
        registry.recent = Ring::from(revision);
        let mut woken = Vec::new();
        for topic in registry.topics.values() {
            let mut state = lock(&topic.state);
            state.ring = Ring::from(revision);
            woken.extend(std::mem::take(&mut state.waiting).into_values());
        }
        self.shared.newest.store(revision.0, Ordering::Release);
        drop(registry);
        woken.into_iter().for_each(Waker::wake);
    }

    /// A watcher of what happens after `from`.
    ///
    /// # Errors
    /// If `from` lies before what is in memory; read on from the log.
    pub fn watch(&self, interest: Interest, from: Revision) -> Result<Watcher, Behind> {
        let mut registry = lock(&self.shared.registry);
        if from < registry.recent.after {
            return Err(Behind { oldest: registry.recent.after });
        }
        registry.watchers += 1;
        let id = registry.watchers;
        let newest = Revision(self.shared.newest.load(Ordering::Acquire));
        let topic = registry.topic(&interest, from.min(newest));
        drop(registry);
        Ok(Watcher { shared: self.shared.clone(), topic, interest, id, cursor: from })
    }
}

impl Registry {
    /// The topic of `interest` with one more watcher, holding every event after `from`.
    fn topic(&mut self, interest: &Interest, from: Revision) -> Arc<Topic> {
        let topic = self.topics.get(interest).cloned().unwrap_or_else(|| {
            *self.shapes.entry(Shape::of(interest)).or_insert(0) += 1;
            let newest = self.recent.events.back().map_or(self.recent.after, |event| event.revision);
            let ring = Ring::from(newest.max(from));
            let topic = Arc::new(Topic { state: Mutex::new(TopicState { ring, ..TopicState::default() }) });
            self.topics.insert(interest.clone(), topic.clone());
            topic
        });
        let mut state = lock(&topic.state);
        state.watchers += 1;
        if from < state.ring.after {
            // What the topic lacks is still among the recent events of all.
            let end = state.ring.after;
            let lacking = self.recent.after(from).take_while(|event| event.revision <= end);
            let lacking: Vec<_> = lacking.filter(|event| interest.wants(event)).cloned().collect();
            if !planted(Bug::WatchBeginsLate) {
                lacking.into_iter().rev().for_each(|event| state.ring.push_before(event));
            }
            state.ring.after = from;
        }
        drop(state);
        topic
    }

    /// The topics that want `event`, each once.
    fn topics_of(&self, event: &Event) -> Vec<Arc<Topic>> {
        let mut found: Vec<Arc<Topic>> = Vec::new();
        let key = &event.object.key;
        for Shape(resource, namespace, name, path) in self.shapes.keys() {
            let mut interest = Interest {
                resource: resource.then(|| key.resource.clone()),
                namespace: namespace.then(|| key.namespace.clone()),
                name: name.then(|| key.name.clone()),
                field: None,
            };
            let Some(path) = path else {
                found.extend(self.topics.get(&interest).cloned());
                continue;
            };
            let after = event.object.facet.field(path);
            let before = event.before.as_deref().and_then(|before| before.facet.field(path));
            for value in after.into_iter().chain(before.filter(|before| after != Some(before))) {
                interest.field = Some((path.clone(), value.into()));
                found.extend(self.topics.get(&interest).cloned());
            }
        }
        found
    }

    /// Lets a few topics drop what the ring of all has dropped, so that a quiet topic does not keep old events for ever.
    fn sweep(&mut self) {
        let after = self.recent.after;
        let from = match self.swept.take() {
            Some(swept) => std::ops::Bound::Excluded(swept),
            None => std::ops::Bound::Unbounded,
        };
        for (interest, topic) in self.topics.range((from, std::ops::Bound::Unbounded)).take(TOPICS_SWEPT) {
            lock(&topic.state).ring.drop_up_to(after);
            self.swept = Some(interest.clone());
        }
    }
}

impl Shape {
    fn of(interest: &Interest) -> Self {
        let path = interest.field.as_ref().map(|(path, _)| path.clone());
        Self(interest.resource.is_some(), interest.namespace.is_some(), interest.name.is_some(), path)
    }
}

impl Watcher {
    /// The next events it wants, at most `max` and not many bytes of them; waits while there are none.
    ///
    /// # Errors
    /// (as ready value) `Behind` if memory no longer holds what follows its cursor.
    pub fn poll(&mut self, context: &mut Context<'_>, max: usize) -> Poll<Result<Batch, Behind>> {
        // Read before the ring is looked at: then what the ring does not hold up to here was not wanted.
        let newest = Revision(self.shared.newest.load(Ordering::Acquire));
        let mut state = lock(&self.topic.state);
        if self.cursor < state.ring.after {
            return Poll::Ready(Err(Behind { oldest: state.ring.after }));
        }
        let mut bytes = 0;
        let fits = |event: &&Arc<Event>| {
            let had = bytes;
            bytes += event.object.bytes.len();
            had < WATCH_BATCH_BYTES
        };
        let events: Vec<_> = state.ring.after(self.cursor).take(max.max(1)).take_while(fits).cloned().collect();
        let newest = if cfg!(weakened) {
            drop(state);
            let later = Revision(self.shared.newest.load(Ordering::Acquire));
            state = lock(&self.topic.state);
            later
        } else {
            newest
        };
        let last = events.last().map_or(self.cursor, |event| event.revision);
        let all = state.ring.events.back().is_none_or(|event| event.revision <= last);
        let through = if all { last.max(newest) } else { last };
        self.cursor = self.cursor.max(through);
        if events.is_empty() {
            // Under the topic's lock: an event comes either before, and was seen, or after, and wakes.
            state.waiting.insert(self.id, context.waker().clone());
            return Poll::Pending;
        }
        if planted(Bug::GivesTwice) && events.len() > 1 {
            self.cursor = events[events.len() - 2].revision;
        }
        Poll::Ready(Ok(Batch { events, through }))
    }

    /// Every event up to here that it wants has been given.
    #[must_use]
    pub fn cursor(&self) -> Revision {
        let newest = Revision(self.shared.newest.load(Ordering::Acquire));
        let state = lock(&self.topic.state);
        let nothing_waits = self.cursor >= state.ring.after && state.ring.after(self.cursor).next().is_none();
        if nothing_waits { self.cursor.max(newest) } else { self.cursor }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut registry = lock(&self.shared.registry);
        let mut state = lock(&self.topic.state);
        let waker = state.waiting.remove(&self.id);
        state.watchers -= 1;
        if state.watchers == 0 {
            registry.topics.remove(&self.interest);
            let shape = Shape::of(&self.interest);
            if let Some(count) = registry.shapes.get_mut(&shape) {
                *count -= 1;
                if *count == 0 {
                    registry.shapes.remove(&shape);
                }
            }
        }
        drop(state);
        drop(registry);
        // A waker's own drop may do anything: not under our locks.
        drop(waker);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
