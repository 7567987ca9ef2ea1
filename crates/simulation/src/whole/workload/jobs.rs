//! Clients that make, suspend, change and delete Jobs, and delete their pods: those that work and those that have succeeded.
use super::worker::{NAMESPACES, Work, Worker, items, name};
use serde_json::{Value, json};

pub(super) const WORK: Work = Work {
    name: "jobs",
    says: "make, suspend, change and delete Jobs of all kinds; delete their pods, before and after they have ended",
    most: 3,
    act: |worker| Box::pin(act(worker)),
};

const JOBS: [&str; 3] = ["work0", "work1", SERVES];
/// Its pods run until they are ended.
const SERVES: &str = "serve";

async fn act(worker: &mut Worker) {
    let namespace = *worker.random.pick(&NAMESPACES);
    let job = *worker.random.pick(&JOBS);
    let all = format!("/apis/batch/v1/namespaces/{namespace}/jobs");
    let one = format!("{all}/{job}");
    match worker.random.below(100) {
        0..=39 => {
            let body = body(worker, job);
            if matches!(worker.ask("POST", &all, body).await, Some((404, _))) {
                worker.namespace(namespace).await;
            }
        }
        40..=52 => {
            let suspend = worker.random.chance(500);
            worker.ask("PATCH", &one, json!({"spec": {"suspend": suspend}})).await;
        }
        53..=59 => {
            let parallelism = worker.random.below(4);
            worker.ask("PATCH", &one, json!({"spec": {"parallelism": parallelism}})).await;
        }
        60..=79 => end_pod(worker, namespace, job).await,
        80..=91 => {
            // What serves must not be left behind by nobody: there would be more and more of it.
            let orphans = job != SERVES && worker.random.chance(200);
            let policy = if orphans { "Orphan" } else { *worker.random.pick(&["Background", "Foreground"]) };
            worker.ask("DELETE", &one, json!({"kind": "DeleteOptions", "propagationPolicy": policy})).await;
        }
        _ => _ = worker.ask("GET", &all, Value::Null).await,
    }
}

/// A Job whose pods succeed, fail, or do either, after a while.
fn body(worker: &mut Worker, name: &str) -> Value {
    let random = &mut worker.random;
    let millis = random.below(4_000).to_string();
    let (command, never) = match random.below(10) {
        _ if name == SERVES => (json!(["run"]), true),
        0 => (json!(["exit", "1", millis]), true),
        1..=4 => (json!(["toss", "600", millis]), random.chance(700)),
        _ => (json!(["exit", "0", millis]), random.chance(700)),
    };
    let mut spec = json!({"parallelism": random.below(4), "backoffLimit": random.below(4)});
    let indexed = random.chance(300);
    if indexed || random.chance(700) {
        spec["completions"] = random.below(5).into();
    }
    if indexed {
        spec["completionMode"] = "Indexed".into();
    }
    for (member, chance, most) in [("activeDeadlineSeconds", 200, 20), ("ttlSecondsAfterFinished", 300, 10)] {
        if random.chance(chance) {
            spec[member] = (1 + random.below(most)).into();
        }
    }
    if random.chance(300) {
        spec["podReplacementPolicy"] = "Failed".into();
    }
    if random.chance(150) {
        spec["suspend"] = true.into();
    }
    let grace = random.below(10);
    // Beside what is rolled out half a pod's share is left for each.
    let cpu = format!("{}m", worker.pod_millis.div_ceil(2));
    let container = json!({"name": "c", "image": "registry.example/work:1", "command": command,
        "resources": {"requests": {"cpu": cpu}}});
    let policy = if never { "Never" } else { "OnFailure" };
    spec["template"] = json!({"spec": {"restartPolicy": policy, "terminationGracePeriodSeconds": grace,
        "containers": [container]}});
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec})
}

async fn end_pod(worker: &mut Worker, namespace: &str, job: &str) {
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let Some((200, list)) = worker.ask("GET", &format!("{path}?labelSelector=job-name%3D{job}"), Value::Null).await
    else {
        return;
    };
    let names: Vec<&str> = items(&list).map(name).collect();
    if names.is_empty() {
        return;
    }
    let path = format!("{path}/{}", worker.random.pick(&names));
    worker.ask("DELETE", &path, Value::Null).await;
}
