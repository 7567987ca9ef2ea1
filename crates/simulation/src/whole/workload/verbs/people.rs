//! The clients of `verbs` that may change ConfigMaps of one namespace and nothing else: what they may, and what they try.
use super::place::{self, ACCOUNT, BESIDE, MAPS, SCALED, USER, asked, body, map, updater};
use crate::whole::api::{Asked, MASTER};
use crate::whole::workload::worker::Worker;
use serde_json::{Value, json};

/// Asks for a token of a service account, and works with it.
pub(super) async fn token(worker: &mut Worker) {
    let path = format!("/api/v1/namespaces/verbs/serviceaccounts/{ACCOUNT}/token");
    let request =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}});
    let token = match worker.ask("POST", &path, request).await {
        Some((201, answer)) => answer["status"]["token"].as_str().unwrap_or_default().to_owned(),
        Some((404, _)) => return place::found(worker).await,
        _ => return,
    };
    let one = change(worker, MAPS);
    worker.send(Asked { token: token.clone(), ..one }).await;
    let other = forbidden(worker);
    worker.send(Asked { token, ..other }).await;
}

/// What the user may, as they are or in whose name somebody asks who may everything.
pub(super) async fn within(worker: &mut Worker) {
    let asked = change(worker, MAPS);
    let asked = disguised(worker, asked);
    worker.send(asked).await;
}

/// What the user may not.
pub(super) async fn beyond(worker: &mut Worker) {
    let asked = forbidden(worker);
    let asked = disguised(worker, asked);
    worker.send(asked).await;
}

fn disguised(worker: &mut Worker, asked: Asked) -> Asked {
    if asked.acts_as.is_empty() && worker.random.chance(400) {
        return Asked { acts_as: USER.into(), ..asked };
    }
    Asked { user: USER.into(), ..asked }
}

/// A write or a read of ConfigMaps there.
fn change(worker: &mut Worker, maps: &str) -> Asked {
    let (who, name) = (updater(worker), map(worker));
    let body = body(worker, who, json!({"name": name}));
    let (one, by) = (format!("{maps}/{name}"), format!("?fieldManager={who}"));
    let (method, path, body, kind) = match worker.random.below(6) {
        0 => ("POST", format!("{maps}{by}"), body, "json"),
        1 => ("PUT", format!("{one}{by}"), body, "json"),
        2 => ("PATCH", format!("{one}{by}"), json!({"data": body["data"]}), "merge-patch+json"),
        3 => ("DELETE", one, Value::Null, "json"),
        4 => ("GET", one, Value::Null, "json"),
        _ => ("GET", maps.to_owned(), Value::Null, "json"),
    };
    Asked { content_type: format!("application/{kind}"), ..asked(worker, method, &path, body) }
}

/// The same elsewhere; other kinds; more rights; another's name.
fn forbidden(worker: &mut Worker) -> Asked {
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let subjects = json!([{"kind": "User", "name": USER, "apiGroup": "rbac.authorization.k8s.io"}]);
    let reference = json!({"kind": "ClusterRole", "name": "cluster-admin", "apiGroup": "rbac.authorization.k8s.io"});
    let binding = |kind: &str| {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": "more"},
            "subjects": subjects, "roleRef": reference})
    };
    let named = |kind: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "taken"}});
    let (method, path, body) = match worker.random.below(11) {
        0..=2 => return change(worker, &format!("/api/v1/namespaces/{BESIDE}/configmaps")),
        3 => {
            let asked = change(worker, MAPS);
            // Who may not act in another's name gets nothing, not even what is theirs.
            return Asked { acts_as: MASTER.into(), user: USER.into(), ..asked };
        }
        4 => ("POST", "/api/v1/namespaces/verbs/secrets".into(), named("Secret")),
        5 => ("POST", "/api/v1/namespaces".into(), named("Namespace")),
        6 => ("POST", format!("{rbac}/namespaces/verbs/rolebindings"), binding("RoleBinding")),
        7 => ("POST", format!("{rbac}/clusterrolebindings"), binding("ClusterRoleBinding")),
        8 => ("DELETE", "/api/v1/nodes/n1".into(), Value::Null),
        9 => ("GET", "/api/v1/configmaps".into(), Value::Null),
        _ => ("PUT", format!("{SCALED}/scale"), json!({"metadata": {"name": "scaled"}, "spec": {"replicas": 9}})),
    };
    asked(worker, method, &path, body)
}
