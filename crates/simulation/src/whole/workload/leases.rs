//! Clients that elect a leader among themselves by a Lease, as client-go does: each renews what it holds, and takes what has not been
//! renewed, by its own observation and its own clock.
use super::worker::{LEASE, Work, Worker};
use serde_json::{Value, json};

pub(super) const WORK: Work = Work {
    name: "leases",
    says: "elect a leader by a Lease, renew it, and take it over when it was not renewed",
    most: 4,
    act: |worker| Box::pin(act(worker)),
};

async fn act(worker: &mut Worker) {
    let (_, namespace, name) = LEASE;
    let all = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases");
    let one = format!("{all}/{name}");
    let me = format!("client-{}", worker.number);
    match worker.ask("GET", &one, Value::Null).await {
        Some((404, _)) => {
            worker.namespace(namespace).await;
            let spec = json!({"holderIdentity": me, "leaseDurationSeconds": 2, "leaseTransitions": 0});
            let meta = json!({"name": name});
            let body = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec});
            worker.ask("POST", &all, body).await;
        }
        Some((200, mut lease)) => {
            let mine = lease["spec"]["holderIdentity"] == me.as_str();
            // Whether it has expired is each one's own observation; a coin stands for it, so that takers often collide.
            if !mine && !worker.random.chance(200) {
                return;
            }
            if !mine {
                let transitions = lease["spec"]["leaseTransitions"].as_u64().unwrap_or(0);
                lease["spec"]["leaseTransitions"] = (transitions + 1).into();
                lease["spec"]["holderIdentity"] = me.into();
            }
            // Anything that renews will do: what counts is that it is written under the version read.
            lease["spec"]["leaseDurationSeconds"] = worker.random.between(2, 9).into();
            worker.ask("PUT", &one, lease).await;
        }
        _ => {}
    }
}
