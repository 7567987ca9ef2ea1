//! Scenarios of Services: their slices hold the pods that answer, and change no more than they must.
mod cluster;

use cluster::{Cluster, pod, replica_set};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SLICES: &str = "endpointslices.discovery.k8s.io";
const SETS: &str = "replicasets.apps";

fn service(name: &str, ports: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default", "labels": {"team": "x"}},
        "spec": {"type": "ClusterIP", "clusterIP": "10.96.0.9", "selector": {"app": "web"}, "ports": ports}})
}

fn endpoints(cluster: &Cluster) -> Vec<Value> {
    let slices = cluster.list(SLICES, "default");
    slices.iter().flat_map(|slice| slice["endpoints"].as_array().cloned().unwrap_or_default()).collect()
}

fn ready(cluster: &Cluster) -> usize {
    endpoints(cluster).iter().filter(|endpoint| endpoint["conditions"]["ready"] == true).count()
}

#[test]
fn a_slice_holds_the_pods_that_answer() {
    let mut cluster = Cluster::new(2);
    cluster.create(
        "services",
        service("web", json!([{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}])),
    );
    cluster.settle();
    assert_eq!(cluster.list(SLICES, "default").len(), 1, "a service that nothing answers has an empty slice");
    cluster.create(SETS, replica_set("web", 3));
    cluster.settle();
    let slices = cluster.list(SLICES, "default");
    assert_eq!((slices.len(), ready(&cluster)), (1, 3));
    assert_eq!(slices[0]["ports"], json!([{"name": "http", "port": 8080, "protocol": "TCP"}]));
    assert_eq!(slices[0]["metadata"]["labels"]["kubernetes.io/service-name"], "web");
    assert_eq!(slices[0]["metadata"]["ownerReferences"][0]["kind"], "Service");
    let name = endpoints(&cluster)[0]["targetRef"]["name"].as_str().expect("a pod").to_owned();
    // One that is not ready stays in the slice, and is not ready there.
    cluster.update("pods", "default", &name, |value| value["status"]["conditions"][0]["status"] = "False".into());
    cluster.settle();
    assert_eq!((endpoints(&cluster).len(), ready(&cluster)), (3, 2));
    cluster.update("pods", "default", &name, |value| value["status"]["conditions"][0]["status"] = "True".into());
    // One that is stopping still serves, and is no longer ready for new clients.
    cluster.delete("pods", "default", &name, "");
    cluster.settle_deciders();
    let stopping = endpoints(&cluster).into_iter().find(|endpoint| endpoint["targetRef"]["name"] == name.as_str());
    assert_eq!(
        stopping.expect("it is still there")["conditions"],
        json!({"ready": false, "serving": true, "terminating": true})
    );
    cluster.settle();
    assert_eq!(ready(&cluster), 3);
    cluster.delete("services", "default", "web", "");
    cluster.settle();
    assert_eq!(cluster.list(SLICES, "default").len(), 0);
}

#[test]
fn a_named_port_is_looked_up_in_each_pod() {
    let mut cluster = Cluster::new(1);
    cluster.create("services", service("web", json!([{"port": 80, "targetPort": "http"}])));
    for (name, port) in [("a", 8080), ("b", 9090), ("c", 8080)] {
        let mut value = pod(name, json!({"app": "web"}));
        value["spec"]["containers"][0]["ports"] = json!([{"name": "http", "containerPort": port}]);
        cluster.create("pods", value);
    }
    cluster.settle();
    let by_port: BTreeMap<i64, usize> = cluster
        .list(SLICES, "default")
        .iter()
        .map(|slice| {
            (slice["ports"][0]["port"].as_i64().unwrap_or(0), slice["endpoints"].as_array().map_or(0, Vec::len))
        })
        .collect();
    assert_eq!(by_port, BTreeMap::from([(8080, 2), (9090, 1)]));
}

#[test]
fn many_endpoints_fill_slices_of_a_hundred_and_one_change_touches_one_slice() {
    let mut cluster = Cluster::new(2);
    cluster.create("services", service("web", json!([{"port": 80}])));
    cluster.create(SETS, replica_set("web", 250));
    cluster.settle();
    let sizes = |cluster: &Cluster| -> Vec<usize> {
        cluster.list(SLICES, "default").iter().map(|slice| slice["endpoints"].as_array().map_or(0, Vec::len)).collect()
    };
    assert_eq!(sizes(&cluster).iter().sum::<usize>(), 250);
    assert!(sizes(&cluster).iter().all(|size| *size <= 100), "{:?}", sizes(&cluster));
    let revisions = |cluster: &Cluster| -> Vec<Value> {
        cluster.list(SLICES, "default").iter().map(|slice| slice["metadata"]["resourceVersion"].clone()).collect()
    };
    let before = revisions(&cluster);
    let name = endpoints(&cluster)[0]["targetRef"]["name"].as_str().expect("a pod").to_owned();
    cluster.update("pods", "default", &name, |value| value["status"]["conditions"][0]["status"] = "False".into());
    cluster.settle();
    let changed = before.iter().zip(revisions(&cluster)).filter(|(before, after)| *before != after).count();
    assert_eq!(changed, 1);
}
