//! How the clients of `verbs` read.
use super::place::{MAPS, PLACE, asked, map};
use crate::whole::workload::worker::Worker;
use serde_json::Value;

const HALVES: [&str; 2] = ["left", "right"];
const PAGES_MAX: u32 = 8;

pub(super) async fn get(worker: &mut Worker) {
    let path = format!("{MAPS}/{}", map(worker));
    let asked = asked(worker, "GET", &path, Value::Null);
    worker.send(asked).await;
}

/// Whole, a half, page by page, or as it was at a revision that has been.
pub(super) async fn list(worker: &mut Worker) {
    let half = *worker.random.pick(&HALVES);
    let mut path = match worker.random.below(4) {
        0 => MAPS.to_owned(),
        1 => format!("{MAPS}?labelSelector=half%3D{half}"),
        _ => format!("{MAPS}?limit=2"),
    };
    let pages = path.contains("limit=");
    for _ in 0..PAGES_MAX {
        let one = asked(worker, "GET", &path, Value::Null);
        let Some((200, list)) = worker.send(one).await else { return };
        let next = list["metadata"]["continue"].as_str().unwrap_or_default();
        if next.is_empty() || !pages {
            let newest = list["metadata"]["resourceVersion"].as_str().and_then(|word| word.parse().ok());
            let then = worker.random.between(1, newest.unwrap_or(1));
            path = format!("{MAPS}?resourceVersion={then}&resourceVersionMatch=Exact");
            break;
        }
        path = format!("{MAPS}?limit=2&continue={next}");
    }
    let past = asked(worker, "GET", &path, Value::Null);
    worker.send(past).await;
}

/// From the revision of a list on, for a few seconds.
pub(super) async fn watch(worker: &mut Worker) {
    let Some((200, list)) = worker.ask("GET", MAPS, Value::Null).await else { return };
    let from = list["metadata"]["resourceVersion"].as_str().and_then(|word| word.parse().ok());
    let Some(from) = from else { return };
    let label = worker.random.chance(500).then(|| ("half", *worker.random.pick(&HALVES)));
    let seconds = worker.random.between(1, 4);
    worker.watch(("configmaps", MAPS, PLACE), label, from, seconds).await;
}
