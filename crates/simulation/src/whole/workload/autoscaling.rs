//! Clients that are autoscalers outside, as HorizontalPodAutoscalers and KEDA are: each reads the scale of a Deployment and how many of its
//! pods are ready, and writes the scale that a load asks for, under the version read. The load goes up and down.
use super::rollouts::DEPLOYMENTS;
use super::worker::{NAMESPACES, Work, Worker, items};
use serde_json::Value;

pub(super) const WORK: Work = Work {
    name: "autoscaling",
    says: "read the scale of a Deployment and its ready pods, and write the scale that a load asks for, up or down",
    most: 2,
    act: |worker| Box::pin(act(worker)),
};

/// Most that a load asks for, and that is added or taken away at once.
const REPLICAS_MAX: u64 = 5;
const STEP: u64 = 3;

async fn act(worker: &mut Worker) {
    let namespace = *worker.random.pick(&NAMESPACES);
    let name = *worker.random.pick(&DEPLOYMENTS);
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale");
    let Some((200, mut scale)) = worker.ask("GET", &path, Value::Null).await else { return };
    let pods = format!("/api/v1/namespaces/{namespace}/pods?labelSelector=app%3D{name}");
    let Some((200, pods)) = worker.ask("GET", &pods, Value::Null).await else { return };
    let ready = |pod: &&Value| {
        let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
        conditions.any(|one| one["type"] == "Ready" && one["status"] == "True")
    };
    let (now, ready) = (scale["spec"]["replicas"].as_u64().unwrap_or(0), items(&pods).filter(ready).count() as u64);
    // A load that all ready pods carry together, and that never needs none.
    let load = worker.random.between(1, REPLICAS_MAX);
    let wanted = if ready < now { now } else { load.clamp(now.saturating_sub(STEP).max(1), now + STEP) };
    if wanted != now {
        scale["spec"]["replicas"] = wanted.into();
        worker.ask("PUT", &path, scale).await;
    }
}
