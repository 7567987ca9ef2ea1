//! What `rutter up` does while it runs: starts again what ends, puts a new member in the place of one whose directory is lost or that is
//! to be replaced, until told to stop. It never founds a cluster.
use super::place::{Holding, POLL, Place};
use super::process::Running;
use super::replace;
use crate::failure::{Failure, LOST, REMOVED};
use std::collections::BTreeMap;
use std::time::Duration;

/// A replacement that failed is tried again after this, doubling, and never later than the other.
const AGAIN_MIN: Duration = Duration::from_secs(1);
const AGAIN_MAX: Duration = Duration::from_secs(30);
/// How long a new member may take to have a directory of its own.
const JOIN_WAIT: Duration = Duration::from_secs(30);

/// What is known of a member that is being replaced.
struct Mending {
    wait: Duration,
    /// Not looked at before.
    next: rt::Instant,
}

/// Starts again what ends, until told to stop; then stops all.
pub(crate) async fn keep(mut running: Vec<Running>, place: &Place, say: &impl Fn(&str, String)) -> Result<(), Failure> {
    let mut interrupt = std::pin::pin!(crate::stopped());
    let mut mending = BTreeMap::new();
    let mut retired = Vec::new();
    loop {
        let round = std::pin::pin!(async {
            rt::sleep(POLL).await;
            for each in &mut running {
                let number = place.number(&each.process.name);
                match number {
                    Some(number) => member(each, number, place, (&mut mending, &mut retired), say).await,
                    None => again(each, say),
                }
            }
        });
        if let futures::future::Either::Left(_) = futures::future::select(&mut interrupt, round).await {
            break;
        }
    }
    say("stopping", "stopping".into());
    // Nodes first: they report to members that still answer.
    for each in running.iter_mut().rev() {
        each.stop().await;
    }
    say("stopped", "stopped; the same command goes on from here".into());
    Ok(())
}

fn again(each: &mut Running, say: &impl Fn(&str, String)) {
    if let Some(ended) = each.keep() {
        say("restart", ended);
    }
}

/// Looks after one member.
async fn member(
    each: &mut Running,
    number: u16,
    place: &Place,
    (mending, retired): (&mut BTreeMap<u16, Mending>, &mut Vec<u16>),
    say: &impl Fn(&str, String),
) {
    if let Some(token) = replace::asked(place, number) {
        retired.retain(|other| *other != number);
        mending.insert(number, Mending { wait: AGAIN_MIN, next: rt::now().after(JOIN_WAIT) });
        return told(number, "as it was asked to", replace::replace(each, place, number, &token).await, say);
    }
    let code = each.code();
    if code == Some(REMOVED) {
        if !retired.contains(&number) {
            retired.push(number);
            say("removed", format!("m{number} was removed from the cluster: it is not started again"));
        }
        return;
    }
    let because = match place.holding(number) {
        Holding::Nothing => "its directory is lost",
        Holding::Member | Holding::Removed if code == Some(LOST) => "its directory is damaged",
        Holding::Member | Holding::Removed => {
            mending.remove(&number);
            return again(each, say);
        }
    };
    let now = rt::now();
    let state = mending.entry(number).or_insert(Mending { wait: AGAIN_MIN, next: now });
    if now < state.next {
        return;
    }
    let done = match replace::token(place, number).await {
        Ok(token) => replace::replace(each, place, number, &token).await,
        Err(why) => Err(why),
    };
    let wait = if done.is_ok() { JOIN_WAIT } else { state.wait };
    state.next = rt::now().after(wait);
    state.wait = (state.wait * 2).min(AGAIN_MAX);
    told(number, because, done, say);
}

fn told(number: u16, because: &str, done: Result<(), Failure>, say: &impl Fn(&str, String)) {
    match done {
        Ok(()) => say("replace", format!("a new m{number} takes the place of the old one: {because}")),
        Err(why) => say("replace", format!("m{number} cannot be replaced yet ({because}): {why}")),
    }
}
