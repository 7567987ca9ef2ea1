//! The past of a member: views at a revision or a moment, and watches that begin before what is in memory. It reads the
//! log where waiting is allowed, and only what this member has applied: what comes after may yet be undone.
use crate::limits::{WALK_EVENTS, WATCH_BATCH_EVENTS_MAX};
use crate::read::Unavailable;
use crate::room::{Health, Room};
use api::event::Event;
use api::revision::{Millis, Revision};
use std::sync::Arc;
use store::history::History;
use store::log::error::LogError;
use store::replay::{Line, Lines};
use store::view::View;
use store::walk::{HistoryError, Walk};
use store::watch::{Batch, Behind, Interest, Watcher};

fn unreadable(why: impl std::fmt::Display) -> Unavailable {
    Unavailable(format!("the past cannot be read: {why}"))
}

/// Runs `read` where waiting is allowed. `None` if that past is outside retention.
async fn read<T: Send + 'static>(
    room: &Room,
    history: &History,
    read: impl FnOnce(&History) -> Result<T, HistoryError> + Send + 'static,
) -> Result<Option<T>, Unavailable> {
    let history = history.clone();
    match rt::blocking("history", move || read(&history)).await {
        Ok(Ok(found)) => Ok(Some(found)),
        // Retention may take it away between the look and the read.
        Ok(Err(HistoryError::Before { .. } | HistoryError::Log(LogError::Gone { .. }))) => Ok(None),
        Ok(Err(why)) => {
            if why.damaged() {
                room.fall_ill(Health::Damaged(why.to_string()));
            }
            Err(unreadable(why))
        }
        Err(_) => Err(unreadable("the reading was not finished")),
    }
}

pub(crate) async fn view_at(room: &Room, revision: Revision) -> Result<Option<Arc<View>>, Unavailable> {
    let now = room.published.view();
    if revision >= now.revision() {
        return Ok(Some(now).filter(|view| view.revision() == revision));
    }
    let Some(history) = room.history() else { return Ok(None) };
    let found = read(room, history, move |history| history.view_at(revision)).await?;
    Ok(found.flatten().map(Arc::new))
}

pub(crate) async fn view_at_time(room: &Room, time: Millis) -> Result<Option<Arc<View>>, Unavailable> {
    let now = room.published.view();
    // Entries to come have no earlier stamp than the newest here, so what lies before it is past.
    if time >= now.time() {
        return Ok(Some(now));
    }
    let Some(history) = room.history() else { return Ok(None) };
    Ok(read(room, history, move |history| history.view_at_time(time)).await?.map(Arc::new))
}

/// The first revision whose view can be had, and after which every event can.
pub(crate) fn oldest(room: &Room) -> Revision {
    room.history().map_or_else(|| room.published.view().revision(), History::oldest)
}

/// At most `most` entries as people read them: from the one that made `span.0`, or from the one after index `after` if that is
/// given, to the one that made `span.1`.
pub(crate) async fn lines(
    room: &Room,
    span: (Revision, Revision),
    after: Option<u64>,
    most: usize,
) -> Result<Option<Vec<Line>>, Unavailable> {
    let Some(history) = room.history() else { return Ok(Some(Vec::new())) };
    read(room, history, move |history| {
        let mut lines = Vec::new();
        for line in Lines::new(history.walk_before(span.0)?) {
            let line = line?;
            let made = |of: fn((Revision, Revision)) -> Revision| line.revisions.map(of);
            if made(|(first, _)| first).is_some_and(|first| first > span.1) || lines.len() >= most {
                break;
            }
            let begun = match after {
                Some(after) => line.index > after,
                // What changed nothing belongs to what came before it.
                None => !lines.is_empty() || span.0 <= Revision(1) || made(|(_, last)| last) >= Some(span.0),
            };
            if begun {
                lines.push(line);
            }
        }
        Ok(lines)
    })
    .await
}

/// A watch on one member.
pub struct Watch {
    room: Arc<Room>,
    interest: Interest,
    place: Place,
}

enum Place {
    /// From memory.
    Live(Watcher),
    /// From the log, everything up to this revision has been given. The walk is lost if its reader was dropped in between.
    Past(Revision, Option<Walk>),
}

impl Watch {
    pub(crate) fn new(room: Arc<Room>, interest: Interest, from: Revision) -> Result<Self, Behind> {
        let place = match room.hub.watch(interest.clone(), from) {
            Ok(watcher) => Place::Live(watcher),
            Err(_) if room.history().is_some() => Place::Past(from, None),
            Err(behind) => return Err(behind),
        };
        Ok(Self { room, interest, place })
    }

    /// The next events, in order and without a gap; waits while there are none. May be dropped while it waits.
    ///
    /// # Errors
    /// `Behind` if retention has passed the cursor, or the log cannot be read.
    pub async fn next(&mut self) -> Result<Batch, Behind> {
        loop {
            match &mut self.place {
                Place::Live(watcher) => {
                    let next = std::future::poll_fn(|context| watcher.poll(context, WATCH_BATCH_EVENTS_MAX)).await;
                    match next {
                        Ok(batch) => return Ok(batch),
                        Err(behind) if self.room.history().is_none() => return Err(behind),
                        Err(_) => self.place = Place::Past(watcher.cursor(), None),
                    }
                }
                Place::Past(..) => {
                    let batch = self.read_on().await?;
                    if !batch.events.is_empty() {
                        return Ok(batch);
                    }
                }
            }
        }
    }

    /// Some of what comes after the cursor, from the log; goes back to memory as soon as that reaches down to it.
    async fn read_on(&mut self) -> Result<Batch, Behind> {
        let Place::Past(cursor, walk) = &mut self.place else {
            return Ok(Batch { events: Vec::new(), through: self.cursor() });
        };
        let cursor = *cursor;
        if let Ok(watcher) = self.room.hub.watch(self.interest.clone(), cursor) {
            self.place = Place::Live(watcher);
            return Ok(Batch { events: Vec::new(), through: cursor });
        }
        let behind = || Behind { oldest: oldest(&self.room) };
        let Some(history) = self.room.history() else { return Err(behind()) };
        let walk = walk.take();
        let found = read(&self.room, history, move |history| {
            let mut walk = match walk {
                Some(mut walk) => {
                    walk.extend(history.applied());
                    walk
                }
                None => history.walk_after(cursor)?,
            };
            let (events, through) = walk.events(WALK_EVENTS)?;
            Ok((events, through, walk))
        });
        let (events, through, walk) = match found.await {
            Ok(Some(found)) => found,
            Ok(None) => return Err(behind()),
            Err(why) => {
                tracing::warn!(%why, "a watch cannot go on");
                return Err(behind());
            }
        };
        let through = through.max(cursor);
        let wanted: Vec<Arc<Event>> = events.into_iter().filter(|event| self.interest.wants(event)).collect();
        self.place = Place::Past(through, Some(walk));
        Ok(Batch { events: wanted, through })
    }

    /// Whether its next events are in memory. Where they are not, `next` reads the log, and gets nowhere if it is dropped after each poll.
    #[must_use]
    pub fn in_memory(&self) -> bool {
        matches!(self.place, Place::Live(_))
    }

    /// Every event up to here has been given or was not wanted: what a bookmark may say.
    #[must_use]
    pub fn cursor(&self) -> Revision {
        match &self.place {
            Place::Live(watcher) => watcher.cursor(),
            Place::Past(cursor, _) => *cursor,
        }
    }
}
