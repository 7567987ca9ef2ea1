//! What a node may read and write over HTTPS: tables of the Node authorizer and of NodeRestriction, asked through the API.
mod serve;

use apiserver::identity::{NODES, User};
use apiserver::server::ApiServer;
use serde_json::{Value, json};
use serve::{Reply, alone, ask, ask_as};

const PODS: &str = "/api/v1/namespaces/default/pods";
const NODE_PATH: &str = "/api/v1/nodes";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";

fn node(name: &str) -> User {
    User::new(&format!("system:node:{name}"), &[NODES])
}

async fn admin(server: &ApiServer, method: &str, path: &str, body: Value) -> Reply {
    let reply = ask(server, method, path, &["Content-Type: application/json"], body.to_string()).await;
    assert!(reply.code < 300, "{method} {path}: {}", reply.body);
    reply
}

async fn by(server: &ApiServer, who: &User, method: &str, path: &str, body: &Value) -> Reply {
    let media = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let body = if body.is_null() { String::new() } else { body.to_string() };
    ask_as(server, Some(who.clone()), method, path, &[&format!("Content-Type: {media}")], body).await
}

fn pod(name: &str, node: &str, volumes: Value) -> Value {
    json!({"metadata": {"name": name}, "spec": {"nodeName": node, "serviceAccountName": format!("account-{node}"), "volumes": volumes,
        "containers": [{"name": "c", "image": "i",
            "envFrom": [{"secretRef": {"name": format!("env-{node}")}}],
            "env": [{"name": "E", "valueFrom": {"configMapKeyRef": {"name": format!("key-{node}"), "key": "k"}}}]}],
        "imagePullSecrets": [{"name": format!("pull-{node}")}]}})
}

/// Two nodes with a pod each, and what these refer to.
async fn cluster() -> ApiServer {
    let server = alone().await;
    for name in ["n1", "n2"] {
        admin(&server, "POST", NODE_PATH, json!({"metadata": {"name": name}})).await;
        let account = json!({"metadata": {"name": format!("account-{name}")}});
        admin(&server, "POST", "/api/v1/namespaces/default/serviceaccounts", account).await;
        let volumes = json!([
            {"name": "s", "secret": {"secretName": format!("volume-{name}")}},
            {"name": "p", "projected": {"sources": [{"configMap": {"name": format!("part-{name}")}}, {"secret": {"name": format!("part-{name}")}}]}},
            {"name": "d", "persistentVolumeClaim": {"claimName": format!("claim-{name}")}},
        ]);
        admin(&server, "POST", PODS, pod(&format!("pod-{name}"), name, volumes)).await;
        for kind in ["env", "pull", "volume", "part"] {
            let secret = json!({"metadata": {"name": format!("{kind}-{name}")}});
            admin(&server, "POST", "/api/v1/namespaces/default/secrets", secret).await;
        }
        for kind in ["key", "part"] {
            let map = json!({"metadata": {"name": format!("{kind}-{name}")}});
            admin(&server, "POST", "/api/v1/namespaces/default/configmaps", map).await;
        }
        let claim = json!({"metadata": {"name": format!("claim-{name}")}, "spec": {"accessModes": ["ReadWriteOnce"],
            "volumeName": format!("disk-{name}"), "resources": {"requests": {"storage": "1Gi"}}}});
        admin(&server, "POST", "/api/v1/namespaces/default/persistentvolumeclaims", claim).await;
        let volume = json!({"metadata": {"name": format!("disk-{name}")}, "spec": {"capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"], "claimRef": {"namespace": "default", "name": format!("claim-{name}")},
            "csi": {"driver": "d", "volumeHandle": "h", "nodeStageSecretRef": {"name": format!("disk-{name}"), "namespace": "kube-system"}}}});
        admin(&server, "POST", "/api/v1/persistentvolumes", volume).await;
        admin(
            &server,
            "POST",
            "/api/v1/namespaces/kube-system/secrets",
            json!({"metadata": {"name": format!("disk-{name}")}}),
        )
        .await;
        admin(&server, "POST", LEASES, json!({"metadata": {"name": name}, "spec": {"holderIdentity": name}})).await;
        admin(
            &server,
            "POST",
            "/apis/storage.k8s.io/v1/csinodes",
            json!({"metadata": {"name": name}, "spec": {"drivers": []}}),
        )
        .await;
    }
    server
}

#[tokio::test]
async fn a_node_reads_what_its_pods_refer_to() {
    let server = cluster().await;
    let one = node("n1");
    let unrelated = "no relationship found between node 'n1' and this object";
    let selects = "can only list/watch pods with spec.nodeName field selector";
    let table = [
        ("/api/v1/namespaces/default/secrets/env-n1", ""),
        ("/api/v1/namespaces/default/secrets/pull-n1", ""),
        ("/api/v1/namespaces/default/secrets/volume-n1", ""),
        ("/api/v1/namespaces/default/secrets/part-n1", ""),
        ("/api/v1/namespaces/kube-system/secrets/disk-n1", ""),
        ("/api/v1/namespaces/default/secrets?fieldSelector=metadata.name%3Denv-n1", ""),
        ("/api/v1/namespaces/default/configmaps/key-n1", ""),
        ("/api/v1/namespaces/default/configmaps/part-n1", ""),
        ("/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dkey-n1", ""),
        ("/api/v1/namespaces/default/persistentvolumeclaims/claim-n1", ""),
        ("/api/v1/persistentvolumes/disk-n1", ""),
        ("/api/v1/namespaces/default/pods/pod-n1", ""),
        ("/api/v1/pods?fieldSelector=spec.nodeName%3Dn1", ""),
        ("/api/v1/nodes/n1", ""),
        ("/api/v1/nodes?fieldSelector=metadata.name%3Dn1", ""),
        ("/api/v1/services", ""),
        ("/apis/node.k8s.io/v1/runtimeclasses", ""),
        ("/apis/storage.k8s.io/v1/csidrivers", ""),
        ("/apis/storage.k8s.io/v1/csinodes/n1", ""),
        ("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1", ""),
        ("/apis/certificates.k8s.io/v1/certificatesigningrequests", ""),
        ("/api/v1/namespaces/default/secrets/env-n2", unrelated),
        ("/api/v1/namespaces/default/secrets/none", unrelated),
        ("/api/v1/namespaces/default/secrets/key-n1", unrelated),
        ("/api/v1/namespaces/kube-system/secrets/env-n1", unrelated),
        ("/api/v1/namespaces/kube-system/secrets/disk-n2", unrelated),
        ("/api/v1/namespaces/default/secrets", "No Object name found"),
        ("/api/v1/secrets", "can only read namespaced object of this type"),
        ("/api/v1/namespaces/default/configmaps/env-n1", unrelated),
        ("/api/v1/namespaces/default/configmaps/key-n2", unrelated),
        ("/api/v1/namespaces/default/persistentvolumeclaims/claim-n2", unrelated),
        ("/api/v1/namespaces/default/persistentvolumeclaims", "can only get individual resources of this type"),
        ("/api/v1/persistentvolumes/disk-n2", unrelated),
        ("/api/v1/namespaces/default/pods/pod-n2", unrelated),
        ("/api/v1/pods", selects),
        ("/api/v1/pods?fieldSelector=spec.nodeName%3Dn2", selects),
        ("/api/v1/pods?fieldSelector=spec.nodeName!%3Dn1", selects),
        ("/api/v1/nodes", "node 'n1' cannot read all nodes, only its own Node object"),
        ("/api/v1/nodes/n2", "node 'n1' cannot read 'n2', only its own Node object"),
        ("/api/v1/namespaces/default/serviceaccounts", "can only create tokens for individual service accounts"),
        ("/apis/storage.k8s.io/v1/csinodes/n2", "can only access CSINode with the same name as the requesting node"),
        (
            "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n2",
            "can only access node lease with the same name",
        ),
        (
            "/apis/coordination.k8s.io/v1/namespaces/default/leases/n1",
            "can only access leases in the \"kube-node-lease\" system namespace",
        ),
        ("/apis/apps/v1/deployments", "at the cluster scope"),
        ("/api/v1/namespaces/default/pods/pod-n1/log", "in the namespace \"default\""),
    ];
    for (path, why) in table {
        let reply = by(&server, &one, "GET", path, &Value::Null).await;
        if why.is_empty() {
            assert_eq!(reply.code, 200, "{path}: {}", reply.body);
        } else {
            let told = reply.json()["message"].as_str().unwrap_or_default().to_owned();
            assert!(reply.code == 403 && told.contains(why), "{path}: {} {told}", reply.code);
        }
    }
    let stranger = User::new("system:node:n1", &[]);
    let reply = by(&server, &stranger, "GET", "/api/v1/namespaces/default/secrets/env-n1", &Value::Null).await;
    assert_eq!(reply.code, 403, "a name without the group is no node");
}

fn mirror(change: impl FnOnce(&mut Value), uid: &Value) -> Value {
    let mut pod = json!({"metadata": {"name": "mirror", "annotations": {"kubernetes.io/config.mirror": "x"},
        "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": uid, "controller": true}]},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}});
    change(&mut pod);
    pod
}

#[tokio::test]
async fn a_node_writes_itself_and_its_pods() {
    let server = cluster().await;
    let one = node("n1");
    let none = Value::Null;
    let labels = |label: &str| json!({"metadata": {"labels": {label: "x"}}});
    let named = |name: &str, label: &str| json!({"metadata": {"name": name, "labels": {label: "x"}}});
    let status = json!({"status": {"phase": "Running"}});
    let own = format!("{NODE_PATH}/n1");
    let other = format!("{NODE_PATH}/n2");
    let eviction = |name: &str| json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": "default"}});
    let lease = |name: &str| json!({"metadata": {"name": name}, "spec": {"holderIdentity": name}});
    let table: Vec<(&str, String, Value, u16, &str)> = vec![
        ("PATCH", own.clone(), labels("example.com/x"), 200, ""),
        ("PATCH", own.clone(), labels("node.kubernetes.io/x"), 200, ""),
        (
            "PATCH",
            own.clone(),
            labels("node-restriction.kubernetes.io/x"),
            403,
            "is not allowed to modify labels: node-restriction.kubernetes.io/x",
        ),
        (
            "PATCH",
            own.clone(),
            labels("node-role.kubernetes.io/x"),
            403,
            "is not allowed to modify labels: node-role.kubernetes.io/x",
        ),
        (
            "PATCH",
            own.clone(),
            json!({"spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]}}),
            403,
            "node \"n1\" is not allowed to modify taints",
        ),
        ("PATCH", format!("{own}/status"), json!({"status": {"phase": "Running"}}), 200, ""),
        ("PATCH", other.clone(), labels("x"), 403, "node \"n1\" is not allowed to modify node \"n2\""),
        ("PATCH", format!("{other}/status"), status.clone(), 403, "node \"n1\" is not allowed to modify node \"n2\""),
        ("DELETE", own.clone(), none.clone(), 403, "cannot delete resource \"nodes\""),
        ("POST", NODE_PATH.into(), named("n3", "x"), 403, "node \"n1\" is not allowed to modify node \"n3\""),
        ("PATCH", format!("{PODS}/pod-n1/status"), status.clone(), 200, ""),
        (
            "PATCH",
            format!("{PODS}/pod-n1/status"),
            labels("x"),
            403,
            "node \"n1\" cannot update labels through pod status",
        ),
        (
            "PATCH",
            format!("{PODS}/pod-n2/status"),
            status,
            403,
            "node \"n1\" can only update pod status for pods with spec.nodeName set to itself",
        ),
        ("PATCH", format!("{PODS}/pod-n1"), labels("x"), 403, "cannot patch resource \"pods\""),
        (
            "DELETE",
            format!("{PODS}/pod-n2"),
            none.clone(),
            403,
            "node \"n1\" can only delete pods with spec.nodeName set to itself",
        ),
        ("DELETE", PODS.into(), none.clone(), 403, "cannot deletecollection resource"),
        (
            "POST",
            format!("{PODS}/pod-n2/eviction"),
            eviction("pod-n2"),
            403,
            "node n1 can only evict pods with spec.nodeName set to itself",
        ),
        ("POST", format!("{PODS}/pod-n1/eviction"), eviction("pod-n1"), 201, ""),
        ("DELETE", format!("{PODS}/pod-n1?gracePeriodSeconds=0"), none.clone(), 200, ""),
        (
            "POST",
            LEASES.into(),
            lease("n3"),
            403,
            "can only access node lease with the same name as the requesting node",
        ),
        ("DELETE", format!("{LEASES}/n1"), none.clone(), 200, ""),
        ("POST", LEASES.into(), lease("n1"), 201, ""),
        ("PATCH", format!("{LEASES}/n2"), json!({"spec": {"holderIdentity": "n1"}}), 403, "can only access node lease"),
        (
            "POST",
            "/apis/storage.k8s.io/v1/csinodes".into(),
            json!({"metadata": {"name": "n3"}, "spec": {"drivers": []}}),
            403,
            "can only access CSINode with the same name",
        ),
        (
            "POST",
            "/api/v1/namespaces/default/secrets".into(),
            json!({"metadata": {"name": "x"}}),
            403,
            "can only read resources of this type",
        ),
        (
            "POST",
            "/apis/apps/v1/namespaces/default/deployments".into(),
            json!({"metadata": {"name": "x"}}),
            403,
            "cannot create resource \"deployments\"",
        ),
        ("POST", format!("{PODS}/pod-n2/binding"), json!({}), 403, "cannot create resource \"pods/binding\""),
        (
            "PATCH",
            "/api/v1/namespaces/default/persistentvolumeclaims/claim-n2".into(),
            labels("x"),
            403,
            "can only get individual resources of this type",
        ),
    ];
    for (method, path, body, code, why) in table {
        let reply = by(&server, &one, method, &path, &body).await;
        let told = if why.is_empty() {
            String::new()
        } else {
            reply.json()["message"].as_str().unwrap_or_default().to_owned()
        };
        assert!(reply.code == code && told.contains(why), "{method} {path} {body}: {} {}", reply.code, reply.body);
    }
    let three = node("n3");
    let refused = by(&server, &three, "POST", NODE_PATH, &named("n3", "kubernetes.io/x")).await;
    let want = "nodes \"n3\" is forbidden: node \"n3\" is not allowed to set the following labels: kubernetes.io/x";
    assert_eq!((refused.code, refused.json()["message"].as_str()), (403, Some(want)));
    assert_eq!(by(&server, &three, "POST", NODE_PATH, &named("n3", "kubernetes.io/hostname")).await.code, 201);
}

#[tokio::test]
async fn a_node_makes_only_mirrors_of_what_it_runs() {
    let server = cluster().await;
    let one = node("n1");
    let uid = admin(&server, "GET", &format!("{NODE_PATH}/n1"), Value::Null).await.json()["metadata"]["uid"].clone();
    type Change = fn(&mut Value);
    let table: [(Change, &str); 12] = [
        (
            |pod| pod["metadata"]["annotations"] = json!({}),
            "pod does not have \"kubernetes.io/config.mirror\" annotation, node \"n1\" can only create mirror pods",
        ),
        (|pod| pod["spec"]["nodeName"] = "n2".into(), "can only create pods with spec.nodeName set to itself"),
        (
            |pod| pod["metadata"]["ownerReferences"] = json!([]),
            "can only create pods with an owner reference set to itself",
        ),
        (
            |pod| pod["metadata"]["ownerReferences"][0]["name"] = "n2".into(),
            "can only create pods with an owner reference set to itself",
        ),
        (
            |pod| pod["metadata"]["ownerReferences"][0]["controller"] = false.into(),
            "can only create pods with a controller owner reference set to itself",
        ),
        (
            |pod| pod["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] = true.into(),
            "must not set blockOwnerDeletion on an owner reference",
        ),
        (|pod| pod["metadata"]["ownerReferences"][0]["uid"] = "u".into(), "node n1 UID mismatch: expected u got "),
        (
            |pod| pod["spec"]["serviceAccountName"] = "default".into(),
            "can not create pods that reference a service account",
        ),
        (
            |pod| pod["spec"]["volumes"] = json!([{"name": "v", "secret": {"secretName": "s"}}]),
            "can not create pods that reference secrets",
        ),
        (
            |pod| pod["spec"]["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "c"}}]),
            "can not create pods that reference configmaps",
        ),
        (
            |pod| pod["spec"]["volumes"] = json!([{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]),
            "can not create pods that reference persistentvolumeclaims",
        ),
        (
            |pod| {
                pod["spec"]["volumes"] = json!([{"name": "v", "projected": {"sources": [{"clusterTrustBundle": {"name": "b", "path": "p"}}]}}])
            },
            "can not create pods that reference clustertrustbundles",
        ),
    ];
    for (change, why) in table {
        let reply = by(&server, &one, "POST", PODS, &mirror(change, &uid)).await;
        let told = reply.json()["message"].as_str().unwrap_or_default().to_owned();
        assert!(reply.code == 403 && told.contains(why), "{why}: {} {told}", reply.code);
    }
    let made = by(&server, &one, "POST", PODS, &mirror(|_| {}, &uid)).await;
    assert_eq!(made.code, 201, "{}", made.body);
    // What the admission of the cluster gave it, an account, is nothing that it may ask for.
    let stolen =
        by(&server, &one, "POST", "/api/v1/namespaces/default/serviceaccounts/default/token", &json!({})).await;
    assert_eq!(stolen.code, 403, "{}", stolen.body);
}
