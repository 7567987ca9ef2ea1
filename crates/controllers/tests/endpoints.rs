//! Scenarios of Endpoints: those of Services with selectors, those made by hand, and the Leases of nodes.
mod cluster;

use cluster::{Cluster, pod, replica_set};
use serde_json::{Value, json};

const SLICES: &str = "endpointslices.discovery.k8s.io";
const SETS: &str = "replicasets.apps";
const LEASES: &str = "leases.coordination.k8s.io";
const TRIGGERED: &str = "endpoints.kubernetes.io/last-change-trigger-time";

fn service(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default", "labels": {"team": "x"}}, "spec": spec})
}

fn web() -> Value {
    service(
        "web",
        &json!({"clusterIP": "10.96.0.9", "selector": {"app": "web"}, "ports": [
            {"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"},
            {"name": "more", "port": 81, "targetPort": 8081, "protocol": "TCP", "appProtocol": "h2c"}]}),
    )
}

fn endpoints(cluster: &Cluster, name: &str) -> Value {
    cluster.get("endpoints", "default", name).expect("Endpoints")
}

fn addresses(subset: &Value, member: &str) -> usize {
    subset[member].as_array().map_or(0, Vec::len)
}

#[test]
fn endpoints_say_who_answers() {
    let mut cluster = Cluster::new(2);
    cluster.create("services", web());
    cluster.settle();
    let empty = endpoints(&cluster, "web");
    let born = cluster.get("services", "default", "web").expect("a service")["metadata"]["creationTimestamp"].clone();
    assert_eq!(
        empty["metadata"]["labels"],
        json!({"team": "x", "endpoints.kubernetes.io/managed-by": "endpoint-controller"})
    );
    assert_eq!((&empty["subsets"], &empty["metadata"]["annotations"][TRIGGERED]), (&Value::Null, &born));
    cluster.now.0 += 5_000;
    let now = cluster.now.rfc3339();
    cluster.create(SETS, replica_set("web", 3));
    cluster.settle();
    let full = endpoints(&cluster, "web");
    let [subset] = full["subsets"].as_array().expect("subsets").as_slice() else { panic!("one subset: {full}") };
    assert_eq!((addresses(subset, "addresses"), addresses(subset, "notReadyAddresses")), (3, 0));
    assert_eq!(
        subset["ports"],
        json!([{"name": "http", "port": 8080, "protocol": "TCP"},
            {"name": "more", "port": 8081, "protocol": "TCP", "appProtocol": "h2c"}])
    );
    let first = &subset["addresses"][0];
    let name = first["targetRef"]["name"].as_str().expect("a pod").to_owned();
    let known = cluster.get("pods", "default", &name).expect("a pod");
    assert_eq!(
        first,
        &json!({"ip": known["status"]["podIP"], "nodeName": known["spec"]["nodeName"], "targetRef":
            {"kind": "Pod", "namespace": "default", "name": name, "uid": known["metadata"]["uid"]}})
    );
    assert_eq!(full["metadata"]["annotations"][TRIGGERED], now);
    // Not ready, then ready, then going.
    cluster.update("pods", "default", &name, |value| value["status"]["conditions"][0]["status"] = "False".into());
    cluster.settle();
    let subset = endpoints(&cluster, "web")["subsets"][0].clone();
    assert_eq!((addresses(&subset, "addresses"), addresses(&subset, "notReadyAddresses")), (2, 1));
    cluster.delete("pods", "default", &name, "");
    cluster.settle_deciders();
    assert_eq!(addresses(&endpoints(&cluster, "web")["subsets"][0], "notReadyAddresses"), 0);
    cluster.settle();
    // What somebody wrote into them, or took away, is made good.
    cluster.update("endpoints", "default", "web", |value| value["subsets"] = json!([]));
    cluster.settle();
    assert_eq!(addresses(&endpoints(&cluster, "web")["subsets"][0], "addresses"), 3);
    cluster.delete("endpoints", "default", "web", "");
    cluster.settle();
    assert_eq!(addresses(&endpoints(&cluster, "web")["subsets"][0], "addresses"), 3);
    assert!(cluster.list(SLICES, "default").iter().all(|slice| {
        slice["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"
    }));
    cluster.delete("services", "default", "web", "");
    cluster.settle();
    assert_eq!(cluster.get("endpoints", "default", "web"), None);
}

#[test]
fn ports_that_the_same_pods_have_stand_together() {
    let mut cluster = Cluster::new(1);
    let ports = json!([{"name": "a", "port": 80, "targetPort": "http"}, {"name": "b", "port": 81, "targetPort": 81}]);
    cluster.create(
        "services",
        service("web", &json!({"clusterIP": "10.96.0.9", "selector": {"app": "web"}, "ports": ports})),
    );
    cluster.create("services", service("none", &json!({"clusterIP": "None", "selector": {"app": "web"}})));
    for (name, port) in [("x", 8080), ("y", 9090)] {
        let mut value = pod(name, json!({"app": "web"}));
        value["spec"]["containers"][0]["ports"] = json!([{"name": "http", "containerPort": port}]);
        value["spec"]["hostname"] = name.into();
        value["spec"]["subdomain"] = "none".into();
        cluster.create("pods", value);
    }
    cluster.settle();
    let shown: Vec<(Value, usize)> = endpoints(&cluster, "web")["subsets"]
        .as_array()
        .expect("subsets")
        .iter()
        .map(|subset| (subset["ports"].clone(), addresses(subset, "addresses")))
        .collect();
    let port = |name: &str, port: u16| json!([{"name": name, "port": port, "protocol": "TCP"}]);
    assert_eq!(shown.len(), 3);
    for want in [(port("a", 8080), 1), (port("a", 9090), 1), (port("b", 81), 2)] {
        assert!(shown.contains(&want), "{want:?} in {shown:?}");
    }
    // A headless Service needs no ports, and its pods have names.
    let headless = endpoints(&cluster, "none");
    assert_eq!(headless["metadata"]["labels"]["service.kubernetes.io/headless"], "");
    let subset = &headless["subsets"][0];
    assert_eq!((addresses(subset, "addresses"), &subset["ports"]), (2, &Value::Null));
    assert_eq!(subset["addresses"][0]["hostname"], "x");
}

#[test]
fn what_one_object_cannot_hold_is_left_out() {
    let mut cluster = Cluster::new(1);
    cluster.create("services", web());
    for number in 0..1_002 {
        let mut value = pod(&format!("p{number}"), json!({"app": "web"}));
        value["spec"]["nodeName"] = "n1".into();
        let ready = if number < 3 { "False" } else { "True" };
        value["status"] = json!({"phase": "Running", "podIP": format!("10.{}.{}.1", number / 250, number % 250),
            "conditions": [{"type": "Ready", "status": ready}]});
        cluster.create("pods", value);
    }
    cluster.settle_deciders();
    let full = endpoints(&cluster, "web");
    let subset = &full["subsets"][0];
    assert_eq!((addresses(subset, "addresses"), addresses(subset, "notReadyAddresses")), (999, 1));
    assert_eq!(full["metadata"]["annotations"]["endpoints.kubernetes.io/over-capacity"], "truncated");
}

#[test]
fn endpoints_made_by_hand_are_mirrored() {
    let mut cluster = Cluster::new(1);
    let own = |labels: Value| {
        json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "ext", "namespace": "default", "labels": labels,
            "annotations": {"own": "x", "kubectl.kubernetes.io/last-applied-configuration": "{}"}},
            "subsets": [{"addresses": [{"ip": "192.0.2.1", "hostname": "one"}, {"ip": "2001:db8::1"}],
                "notReadyAddresses": [{"ip": "192.0.2.2"}], "ports": [{"port": 80, "protocol": "TCP"}]}]})
    };
    cluster.create("endpoints", own(json!({"tier": "y"})));
    cluster.settle();
    assert!(cluster.list(SLICES, "default").is_empty(), "there is no Service");
    cluster.create("services", service("ext", &json!({"clusterIP": "10.96.0.8", "ports": [{"port": 80}]})));
    cluster.settle();
    assert_eq!(endpoints(&cluster, "ext")["metadata"]["labels"], json!({"tier": "y"}), "they stay as they were made");
    let slices = cluster.list(SLICES, "default");
    let of = |family: &str| slices.iter().find(|slice| slice["addressType"] == family).expect("a slice");
    assert_eq!(slices.len(), 2);
    let meta = &of("IPv4")["metadata"];
    assert_eq!(
        (&meta["labels"], &meta["annotations"], &meta["ownerReferences"][0]["kind"]),
        (
            &json!({"tier": "y", "kubernetes.io/service-name": "ext",
                "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io"}),
            &json!({"own": "x"}),
            &json!("Endpoints")
        )
    );
    assert_eq!(of("IPv4")["ports"], json!([{"name": "", "port": 80, "protocol": "TCP"}]));
    assert_eq!(
        of("IPv4")["endpoints"],
        json!([{"addresses": ["192.0.2.1"], "conditions": {"ready": true}, "hostname": "one"},
            {"addresses": ["192.0.2.2"], "conditions": {"ready": false}}])
    );
    // A change goes into the slice that is there.
    let name = of("IPv4")["metadata"]["name"].as_str().expect("a name").to_owned();
    cluster
        .update("endpoints", "default", "ext", |value| value["subsets"][0]["addresses"] = json!([{"ip": "192.0.2.9"}]));
    cluster.settle();
    let slices = cluster.list(SLICES, "default");
    assert_eq!((slices.len(), slices[0]["metadata"]["name"].as_str()), (1, Some(name.as_str())));
    assert_eq!(
        (&slices[0]["endpoints"][0]["addresses"][0], &slices[0]["metadata"]["generation"]),
        (&json!("192.0.2.9"), &json!(2))
    );
    cluster.update("endpoints", "default", "ext", |value| {
        value["metadata"]["labels"]["endpointslice.kubernetes.io/skip-mirror"] = "true".into();
    });
    cluster.settle();
    assert!(cluster.list(SLICES, "default").is_empty());
    cluster.delete("services", "default", "ext", "");
    cluster.settle();
    assert_eq!(cluster.get("endpoints", "default", "ext"), None, "they go with their Service");
}

#[test]
fn each_node_has_a_lease_that_says_no_time() {
    let mut cluster = Cluster::new(2);
    let leases = cluster.list(LEASES, "kube-node-lease");
    let node = cluster.get("nodes", "", "n1").expect("a node");
    assert_eq!(leases.len(), 2);
    assert_eq!(leases[0]["spec"], json!({"holderIdentity": "n1"}));
    assert_eq!(
        leases[0]["metadata"]["ownerReferences"],
        json!([{"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": node["metadata"]["uid"]}])
    );
    cluster.delete(LEASES, "kube-node-lease", "n1", "");
    cluster.create("nodes", cluster::node("n3"));
    cluster.settle();
    assert_eq!(cluster.list(LEASES, "kube-node-lease").len(), 3);
    cluster.delete("nodes", "", "n2", "");
    cluster.settle();
    assert_eq!(cluster.list(LEASES, "kube-node-lease").len(), 2, "the Lease goes with its node");
}
