//! What the clients of `verbs` write, and what they only try.
use super::place::{self, DRY, MAPS, SCALED, SERVICE, applier, asked, body, data, map, updater};
use crate::whole::api::Asked;
use crate::whole::workload::worker::Worker;
use serde_json::{Value, json};

const HOLD: &str = "sim.rutter.dev/hold";

pub(super) async fn create(worker: &mut Worker) {
    let (who, name) = (updater(worker), map(worker));
    let mut meta = json!({"name": name});
    if worker.random.chance(300) {
        meta["finalizers"] = json!([HOLD]);
    }
    let body = body(worker, who, meta);
    let asked = asked(worker, "POST", &format!("{MAPS}?fieldManager={who}"), body);
    if matches!(worker.send(asked).await, Some((404, _))) {
        place::found(worker).await;
    }
}

/// Under a name that the server makes up; it is taken away at once, or with the others of its half.
pub(super) async fn create_some(worker: &mut Worker) {
    let who = updater(worker);
    let body = body(worker, who, json!({"generateName": "some-"}));
    let made = asked(worker, "POST", &format!("{MAPS}?fieldManager={who}"), body);
    let Some((201, made)) = worker.send(made).await else { return };
    if worker.random.chance(800) {
        let path = format!("{MAPS}/{}", made["metadata"]["name"].as_str().unwrap_or_default());
        worker.ask("DELETE", &path, Value::Null).await;
    }
}

/// PUT of what was read, under its revision or without one; or of something else.
pub(super) async fn update(worker: &mut Worker) {
    let (who, name) = (updater(worker), map(worker));
    let path = format!("{MAPS}/{name}");
    let read = asked(worker, "GET", &path, Value::Null);
    let Some((200, mut object)) = worker.send(read).await else { return };
    let changed = data(worker, who);
    match worker.random.below(10) {
        0 => object = body(worker, who, json!({"name": name})),
        // Over whatever came since it was read: so with none of what was read.
        1 | 2 => {
            object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "uid": object["metadata"]["uid"]}})
        }
        // Of an object that is not this one.
        3 => object["metadata"]["uid"] = "0b0b0b0b-0000-4000-8000-000000000000".into(),
        _ => {}
    }
    for (key, value) in changed.as_object().into_iter().flatten() {
        object["data"][key] = value.clone();
    }
    let put = asked(worker, "PUT", &format!("{path}?fieldManager={who}"), object);
    worker.send(put).await;
}

pub(super) async fn patch(worker: &mut Worker) {
    let (who, name) = (updater(worker), map(worker));
    let data = data(worker, who);
    let held = worker.random.chance(250);
    let (kind, body) = match worker.random.below(3) {
        0 if held => ("json-patch+json", json!([{"op": "remove", "path": "/metadata/finalizers"}])),
        0 => {
            let one = data.as_object().and_then(|data| data.iter().next());
            let one = one.map(|(key, value)| json!({"op": "add", "path": format!("/data/{key}"), "value": value}));
            ("json-patch+json", json!([one]))
        }
        way => {
            let kind = if way == 1 { "merge-patch+json" } else { "strategic-merge-patch+json" };
            (kind, if held { json!({"metadata": {"finalizers": null}}) } else { json!({"data": data}) })
        }
    };
    let path = format!("{MAPS}/{name}?fieldManager={who}");
    let asked = Asked { content_type: format!("application/{kind}"), ..asked(worker, "PATCH", &path, body) };
    worker.send(asked).await;
}

pub(super) async fn apply(worker: &mut Worker) {
    let (who, name, force) = (applier(worker), map(worker), worker.random.chance(400));
    let mut body = body(worker, who, json!({"name": name}));
    if worker.random.chance(500) {
        // Who owns the label is another's business then.
        body["metadata"] = json!({"name": name});
    }
    let path = format!("{MAPS}/{name}?fieldManager={who}&force={force}");
    let asked = Asked { content_type: "application/apply-patch+yaml".into(), ..asked(worker, "PATCH", &path, body) };
    if matches!(worker.send(asked).await, Some((404, _))) {
        place::found(worker).await;
    }
}

pub(super) async fn delete(worker: &mut Worker) {
    let path = format!("{MAPS}/{}", map(worker));
    let policy = *worker.random.pick(&["Background", "Foreground", "Orphan"]);
    let mut options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy});
    if worker.random.chance(500) {
        let read = asked(worker, "GET", &path, Value::Null);
        let Some((200, object)) = worker.send(read).await else { return };
        let meta = &object["metadata"];
        options["preconditions"] = json!({"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]});
    }
    let asked = asked(worker, "DELETE", &path, options);
    worker.send(asked).await;
    // What held it lets it go, mostly.
    if worker.random.chance(700) {
        worker.ask("PATCH", &path, json!({"metadata": {"finalizers": null}})).await;
    }
}

pub(super) async fn delete_collection(worker: &mut Worker) {
    let half = *worker.random.pick(&["left", "right"]);
    let asked = asked(worker, "DELETE", &format!("{MAPS}?labelSelector=half%3D{half}"), Value::Null);
    worker.send(asked).await;
}

/// Something of the above that must leave nothing.
pub(super) async fn dry(worker: &mut Worker) {
    let name = map(worker);
    let one = format!("{MAPS}/{name}?fieldManager={DRY}&dryRun=All");
    let body = body(worker, DRY, json!({"name": name}));
    let (method, path, kind) = match worker.random.below(6) {
        0 => ("POST", format!("{MAPS}?fieldManager={DRY}&dryRun=All"), "json"),
        1 => ("PUT", one, "json"),
        2 => ("PATCH", one, "merge-patch+json"),
        3 => ("PATCH", format!("{one}&force=true"), "apply-patch+yaml"),
        4 => ("DELETE", one, "json"),
        _ => ("DELETE", format!("{MAPS}?dryRun=All"), "json"),
    };
    let body = if method == "DELETE" { Value::Null } else { body };
    let audit_id = format!("{DRY}-{}-{}", worker.number, worker.random.below(1_000_000));
    let asked = asked(worker, method, &path, body);
    let asked = Asked { content_type: format!("application/{kind}"), audit_id, ..asked };
    worker.send(asked).await;
}

/// Of a Service whose status no controller writes. What a client says of its spec there is not heard.
pub(super) async fn status(worker: &mut Worker) {
    let ip = format!("192.0.2.{}", worker.random.between(1, 254));
    let status = json!({"loadBalancer": {"ingress": [{"ip": ip}]}});
    let body = json!({"status": status, "spec": {"sessionAffinity": "ClientIP"}});
    match worker.ask("PATCH", &format!("{SERVICE}/status"), body).await {
        Some((404, _)) => place::found(worker).await,
        _ => _ = worker.ask("GET", &format!("{SERVICE}/status"), Value::Null).await,
    }
}

pub(super) async fn scale(worker: &mut Worker) {
    let (path, replicas) = (format!("{SCALED}/scale"), worker.random.below(3));
    if worker.random.chance(500) {
        worker.ask("PATCH", &path, json!({"spec": {"replicas": replicas}})).await;
        return;
    }
    let Some((200, mut scale)) = worker.ask("GET", &path, Value::Null).await else { return };
    scale["spec"]["replicas"] = replicas.into();
    worker.ask("PUT", &path, scale).await;
}
