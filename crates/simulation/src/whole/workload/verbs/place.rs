//! Where the clients of `verbs` work, how what they write is marked, and how it all is founded.
use crate::whole::api::Asked;
use crate::whole::spoken::{Named, named};
use crate::whole::workload::worker::Worker;
use serde_json::{Value, json};

/// The namespace in which all may work, and one in which few may. Nobody ends them.
pub(crate) const PLACE: &str = "verbs";
pub(super) const BESIDE: &str = "beside";
/// Whom a RoleBinding lets change ConfigMaps in the one.
pub(super) const USER: &str = "bob";
pub(super) const ACCOUNT: &str = "runner";

/// Names of writers: who writes a value begins it with their name and a colon.
pub(crate) const MANAGERS: [&str; 5] = ["ann", "ben", "cat", "dan", "eve"];
/// The first two apply, the others update.
const APPLIERS: usize = 2;
/// How values begin, and how requests are named, that must leave nothing.
pub(crate) const DRY: &str = "dry";

pub(super) const MAPS: &str = "/api/v1/namespaces/verbs/configmaps";
pub(super) const SERVICE: &str = "/api/v1/namespaces/verbs/services/door";
pub(super) const SCALED: &str = "/apis/apps/v1/namespaces/verbs/deployments/scaled";
const KEYS: [&str; 4] = ["k0", "k1", "k2", "k3"];
const NAMES: u64 = 4;

pub(super) fn map(worker: &mut Worker) -> String {
    format!("m{}", worker.random.below(NAMES))
}

pub(super) fn applier(worker: &mut Worker) -> &'static str {
    worker.random.pick::<&'static str>(&MANAGERS[..APPLIERS])
}

pub(super) fn updater(worker: &mut Worker) -> &'static str {
    worker.random.pick::<&'static str>(&MANAGERS[APPLIERS..])
}

/// One to three members with values of `who`.
pub(super) fn data(worker: &mut Worker, who: &str) -> Value {
    let mut data = json!({});
    for _ in 0..worker.random.between(1, 3) {
        data[*worker.random.pick(&KEYS)] = format!("{who}:{}", worker.random.below(1_000_000)).into();
    }
    data
}

/// A ConfigMap with values of `who`, in one of two halves.
pub(super) fn body(worker: &mut Worker, who: &str, meta: Value) -> Value {
    let mut meta = meta;
    meta["labels"] = json!({"half": *worker.random.pick(&["left", "right"])});
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data(worker, who)})
}

/// A request whose answer is JSON or protobuf, as it falls; lists are JSON, which is what can be read here.
pub(super) fn asked(worker: &mut Worker, method: &str, path: &str, body: Value) -> Asked {
    let accept = *worker.random.pick(&["", "application/json", "application/vnd.kubernetes.protobuf"]);
    let accept = if matches!(named(path), Named::All { .. }) && method != "POST" { "" } else { accept };
    let content_type = "application/json".into();
    Asked { method: method.into(), path: path.into(), content_type, accept: accept.into(), body, ..Asked::default() }
}

/// Makes what all the others need. What is there stays.
pub(super) async fn found(worker: &mut Worker) {
    for name in [PLACE, BESIDE] {
        worker.namespace(name).await;
    }
    let roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/verbs";
    let rules = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}]);
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "maps"}, "rules": rules});
    worker.ask("POST", &format!("{roles}/roles"), role).await;
    let subjects = json!([{"kind": "User", "name": USER, "apiGroup": "rbac.authorization.k8s.io"},
        {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": PLACE}]);
    let reference = json!({"kind": "Role", "name": "maps", "apiGroup": "rbac.authorization.k8s.io"});
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "maps"},
        "subjects": subjects, "roleRef": reference});
    worker.ask("POST", &format!("{roles}/rolebindings"), binding).await;
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}});
    worker.ask("POST", "/api/v1/namespaces/verbs/serviceaccounts", account).await;
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "door"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}});
    worker.ask("POST", "/api/v1/namespaces/verbs/services", service).await;
    let container = json!({"name": "c", "image": "registry.example/web:1", "command": ["run"],
        "resources": {"requests": {"cpu": "1m"}}});
    let template = json!({"metadata": {"labels": {"app": "scaled"}}, "spec": {"containers": [container]}});
    let spec = json!({"replicas": 1, "selector": {"matchLabels": {"app": "scaled"}}, "template": template});
    let set = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "scaled"}, "spec": spec});
    worker.ask("POST", "/apis/apps/v1/namespaces/verbs/deployments", set).await;
}
