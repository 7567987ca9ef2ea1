//! Clients that use each verb of the API, at whichever member answers, on the same few objects of one namespace that nobody ends: reads,
//! writes, applies, dry runs, tokens, and users who may little and try much.
mod people;
mod place;
mod reads;
mod writes;

use super::worker::{Work, Worker};
pub(crate) use place::{DRY, MANAGERS, PLACE};

pub(super) const WORK: Work = Work {
    name: "verbs",
    says: "use each verb of the API: reads, writes, applies, dry runs, tokens; some with rights in one namespace alone",
    most: 3,
    act: |worker| Box::pin(act(worker)),
};

async fn act(worker: &mut Worker) {
    match worker.random.below(100) {
        0..=5 => writes::create(worker).await,
        6..=9 => writes::create_some(worker).await,
        10..=17 => writes::update(worker).await,
        18..=29 => writes::patch(worker).await,
        30..=47 => writes::apply(worker).await,
        48..=53 => writes::delete(worker).await,
        54 => writes::delete_collection(worker).await,
        55..=61 => writes::dry(worker).await,
        62..=65 => writes::status(worker).await,
        66..=70 => writes::scale(worker).await,
        71..=74 => reads::get(worker).await,
        75..=78 => reads::list(worker).await,
        79..=82 => reads::watch(worker).await,
        83..=86 => people::token(worker).await,
        87..=90 => people::within(worker).await,
        _ => people::beyond(worker).await,
    }
}
