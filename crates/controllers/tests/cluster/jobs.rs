//! Jobs in scenarios: one that has begun, its pods, how they end, and what it counts. Each scenario file uses a part of it.
use super::Cluster;
use serde_json::{Value, json};

pub const JOBS: &str = "jobs.batch";
pub const TRACKING: &str = "batch.kubernetes.io/job-tracking";

/// A Job `w` as admission leaves it.
pub fn job(spec: Value) -> Value {
    let mut job = json!({"apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "w", "namespace": "default", "generation": 1},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "one"}]}}},
        "status": {}});
    for (member, value) in spec.as_object().expect("members of the spec") {
        job["spec"][member] = value.clone();
    }
    let kind = api::kinds::builtin().iter().find(|kind| &*kind.resource == JOBS).expect("jobs");
    api::schema::default(kind, &mut job);
    job
}

/// A cluster of one node in which a Job has begun.
pub fn begun(spec: Value) -> Cluster {
    let mut cluster = Cluster::new(1);
    cluster.create(JOBS, job(spec));
    cluster.settle();
    cluster
}

pub fn w(cluster: &Cluster) -> Value {
    cluster.get(JOBS, "default", "w").expect("the job")
}

pub fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().expect("a name").to_owned()
}

/// Pods that are at work.
pub fn active(cluster: &Cluster) -> Vec<Value> {
    let works = |pod: &Value| {
        pod["metadata"]["deletionTimestamp"].is_null()
            && !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
    };
    cluster.list("pods", "default").into_iter().filter(works).collect()
}

pub fn indexes(cluster: &Cluster) -> Vec<String> {
    let index =
        |pod: &Value| pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"].as_str().map(str::to_owned);
    let mut indexes: Vec<String> = active(cluster).iter().filter_map(index).collect();
    indexes.sort();
    indexes
}

/// Its containers end so; nobody has looked yet.
pub fn end(cluster: &mut Cluster, pod: &Value, phase: &str) {
    cluster.update("pods", "default", &name(pod), |pod| {
        pod["status"]["phase"] = phase.into();
        pod["status"]["conditions"] = json!([]);
    });
}

pub fn end_all(cluster: &mut Cluster, phase: &str) {
    for pod in active(cluster) {
        end(cluster, &pod, phase);
    }
    cluster.settle();
}

/// `[active, succeeded, failed]`.
pub fn counts(cluster: &Cluster) -> [i64; 3] {
    let status = w(cluster)["status"].clone();
    ["active", "succeeded", "failed"].map(|member| status[member].as_i64().unwrap_or(0))
}

pub fn told(cluster: &Cluster) -> Vec<String> {
    let reason = |event: &Value| event["reason"].as_str().unwrap_or("").to_owned();
    cluster
        .list("events", "default")
        .iter()
        .filter(|event| event["involvedObject"]["kind"] == "Job")
        .map(reason)
        .collect()
}

pub fn held(cluster: &Cluster) -> usize {
    let holds =
        |pod: &&Value| pod["metadata"]["finalizers"].as_array().is_some_and(|all| all.contains(&json!(TRACKING)));
    cluster.list("pods", "default").iter().filter(holds).count()
}

/// Its container `c` ends with this code; nobody has looked yet.
pub fn exit(cluster: &mut Cluster, pod: &Value, code: i64) {
    end(cluster, pod, if code == 0 { "Succeeded" } else { "Failed" });
    cluster.update("pods", "default", &name(pod), |pod| {
        pod["status"]["containerStatuses"] =
            json!([{"name": "c", "restartCount": 0, "state": {"terminated": {"exitCode": code}}}]);
    });
}

/// The active pod that works at `index`.
pub fn at_index(cluster: &Cluster, index: &str) -> Value {
    let own = |pod: &Value| pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"] == index;
    active(cluster).into_iter().find(own).expect("a pod at that index")
}

/// What the condition of type `kind` says.
pub fn message(cluster: &Cluster, kind: &str) -> String {
    let job = w(cluster);
    let mut conditions = job["status"]["conditions"].as_array().into_iter().flatten();
    let found = conditions.find(|condition| condition["type"] == kind).expect("the condition");
    found["message"].as_str().unwrap_or("").to_owned()
}
