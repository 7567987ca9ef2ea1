//! Clients that make pods which want a port of the node they run on, and take them away: of each port never more pods than nodes, so that
//! all find a place in the end.
use super::worker::{Work, Worker};
use serde_json::{Value, json};

pub(super) const WORK: Work = Work {
    name: "ports",
    says: "make and delete pods that want a port of their node, as many of each port as there are nodes",
    most: 2,
    act: |worker| Box::pin(act(worker)),
};

const PORTS: [u16; 2] = [8_080, 9_090];
const PLACE: &str = "/api/v1/namespaces/ports";

async fn act(worker: &mut Worker) {
    let port = *worker.random.pick(&PORTS);
    let name = format!("port-{port}-{}", worker.random.below(worker.nodes.max(1)));
    if worker.random.chance(350) {
        worker.ask("DELETE", &format!("{PLACE}/pods/{name}"), Value::Null).await;
        return;
    }
    let container = json!({"name": "c", "image": "registry.example/web:1", "command": ["run"],
        "ports": [{"containerPort": port, "hostPort": port}]});
    let spec = json!({"terminationGracePeriodSeconds": worker.random.below(5), "containers": [container]});
    let body = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec});
    if matches!(worker.ask("POST", &format!("{PLACE}/pods"), body).await, Some((404, _))) {
        worker.namespace("ports").await;
    }
}
