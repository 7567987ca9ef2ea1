//! Clients that read the past: pods, Deployments and ConfigMaps as they were at some revision that has been. Whenever and whomever they ask,
//! the answer must be that of then.
use super::worker::{Work, Worker};
use serde_json::Value;

pub(super) const WORK: Work = Work {
    name: "past",
    says: "read pods, Deployments and ConfigMaps as of revisions that have been",
    most: 2,
    act: |worker| Box::pin(act(worker)),
};

const PATHS: [&str; 3] = ["/api/v1/pods", "/apis/apps/v1/deployments", "/api/v1/configmaps"];

async fn act(worker: &mut Worker) {
    let path = *worker.random.pick(&PATHS);
    let Some((200, now)) = worker.ask("GET", path, Value::Null).await else { return };
    let newest = now["metadata"]["resourceVersion"].as_str().and_then(|word| word.parse().ok()).unwrap_or(1);
    let then = worker.random.between(1, newest);
    worker.ask("GET", &format!("/asof/{then}{path}"), Value::Null).await;
}
