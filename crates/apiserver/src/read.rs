//! Which view a read is given: as new as it must be, or the past that was asked for.
use crate::limits::REVISION_WAIT_MAX;
use crate::query::Freshness;
use crate::room::Room;
use crate::route::Moment;
use api::revision::{Millis, Revision};
use api::status::{Cause, Status};
use std::sync::Arc;
use store::view::View;

/// The view that `freshness` asks for.
///
/// # Errors
/// 503 without a majority, 504 if the revision lies in the future, 410 if it is gone.
pub async fn view(room: &Room, freshness: Freshness) -> Result<Arc<View>, Status> {
    match freshness {
        Freshness::Newest => newest(room).await,
        Freshness::Any => Ok(room.member().view()),
        Freshness::NotBefore(revision) => not_before(room, revision).await,
        Freshness::Exactly(revision) => {
            let view = not_before(room, revision).await?;
            if view.revision() == revision { Ok(view) } else { at(room, revision).await?.ok_or_else(|| expired(room)) }
        }
    }
}

/// A view that holds every acknowledged write.
///
/// # Errors
/// 503 without a majority.
pub async fn newest(room: &Room) -> Result<Arc<View>, Status> {
    room.member().linearizable().await.map_err(|why| Status::unavailable(why.0))
}

/// What a write starts from: conditions guard it, so the leader's own view will do.
///
/// # Errors
/// 503 without a majority.
pub async fn for_write(room: &Room) -> Result<Arc<View>, Status> {
    if room.member().leading().is_some() { Ok(room.member().view()) } else { newest(room).await }
}

/// The past.
///
/// # Errors
/// 410 outside retention, 400 in the future.
pub async fn past(room: &Room, moment: &Moment) -> Result<Arc<View>, Status> {
    let now = Millis(rt::wall());
    let time = match *moment {
        Moment::Revision(revision) => {
            // One that this member has not seen may have come elsewhere; one that has not come anywhere is not waited for.
            if room.member().view().revision().0 < revision {
                let newest = newest(room).await?.revision();
                if newest.0 < revision {
                    let message = format!("revision {revision} has not come yet: the newest is {newest}");
                    return Err(Status::bad_request(message));
                }
            }
            return view(room, Freshness::Exactly(Revision(revision))).await;
        }
        Moment::At(time) => Millis(time),
        Moment::Ago(ago) => Millis(now.0.saturating_sub(ago)),
    };
    if time > now {
        return Err(Status::bad_request(format!("{} has not come yet", time.rfc3339())));
    }
    let found = room.member().view_at_time(time).await.map_err(|why| Status::unavailable(why.0))?;
    found.ok_or_else(|| {
        let (time, first) = (time.rfc3339(), room.member().oldest());
        Status::new(410, "Expired", format!("nothing is kept of {time}: the first revision that is kept is {first}"))
    })
}

/// The view at `revision`, if it is still kept.
///
/// # Errors
/// 503 if the log cannot be read.
pub async fn at(room: &Room, revision: Revision) -> Result<Option<Arc<View>>, Status> {
    let present = room.member().view();
    if present.revision() == revision {
        return Ok(Some(present));
    }
    if let Some(page) = room.page(revision) {
        return Ok(Some(page));
    }
    room.member().view_at(revision).await.map_err(|why| Status::unavailable(why.0))
}

fn expired(room: &Room) -> Status {
    let first = room.member().oldest();
    let message = format!("The resourceVersion for the provided list is too old: the first that is kept is {first}.");
    Status::new(410, "Expired", message)
}

async fn not_before(room: &Room, revision: Revision) -> Result<Arc<View>, Status> {
    let view = room.member().view();
    if view.revision() >= revision {
        return Ok(view);
    }
    // The leader has everything that was acknowledged: what it has not is not coming.
    let wait = if room.member().leading().is_some() { std::time::Duration::ZERO } else { REVISION_WAIT_MAX };
    let reached = rt::timeout(wait, room.member().reached(revision)).await;
    reached.ok_or_else(|| too_large(revision, room.member().view().revision()))
}

#[must_use]
pub fn too_large(asked: Revision, current: Revision) -> Status {
    let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
    let mut status = Status::new(504, "Timeout", message);
    let reason = "ResourceVersionTooLarge";
    status.causes = vec![Cause { reason, message: "Too large resource version".into(), field: String::new() }];
    status.retry_after_seconds = 1;
    status
}
