//! What the small subresources change and what they leave, and the two kinds that nobody keeps as they are shown: ComponentStatus,
//! and autoscaling/v1.
mod serve;

use apiserver::server::ApiServer;
use serde_json::{Value, json};
use serve::{Reply, alone, ask};

const PODS: &str = "/api/v1/namespaces/default/pods";

async fn send(server: &ApiServer, method: &str, path: &str, body: Value) -> Reply {
    let kind = if method == "PATCH" { "strategic-merge-patch+json" } else { "json" };
    ask(server, method, path, &[&format!("Content-Type: application/{kind}")], body.to_string()).await
}

async fn get(server: &ApiServer, path: &str) -> Value {
    ask(server, "GET", path, &[], "").await.json()
}

async fn made(server: &ApiServer, path: &str, body: Value) -> Value {
    let reply = send(server, "POST", path, body).await;
    assert_eq!(reply.code, 201, "{}", reply.body);
    reply.json()
}

fn pod(spec: Value) -> Value {
    let mut pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i",
        "resources": {"requests": {"cpu": "1"}}}]}});
    for (name, value) in spec.as_object().into_iter().flatten() {
        pod["spec"][name] = value.clone();
    }
    pod
}

#[tokio::test]
async fn bindings_are_checked() {
    let server = alone().await;
    made(&server, PODS, pod(json!({"schedulingGates": [{"name": "g"}]}))).await;
    let path = format!("{PODS}/p/binding");
    let to = |name: &str, kind: &str, node: &str| json!({"metadata": {"name": name}, "target": {"kind": kind, "name": node}});
    let conflict = |why: &str| format!("Operation cannot be fulfilled on pods/binding \"p\": {why}");
    let rows = [
        (to("q", "Node", "n"), 400, "name in URL does not match name in Binding object".to_owned()),
        (to("p", "Node", ""), 500, "target.name: Required value".to_owned()),
        (
            to("p", "Pod", "n"),
            500,
            "target.kind: Unsupported value: \"Pod\": supported values: \"Node\", \"<empty>\"".to_owned(),
        ),
        (to("p", "Node", "n"), 409, conflict("pod p has non-empty .spec.schedulingGates")),
    ];
    for (binding, code, why) in rows {
        let reply = send(&server, "POST", &path, binding).await;
        assert_eq!((reply.code, reply.json()["message"].as_str()), (code, Some(why.as_str())));
    }
    let open = send(&server, "PATCH", &format!("{PODS}/p"), json!({"spec": {"schedulingGates": null}})).await;
    assert_eq!(open.code, 200, "{}", open.body);
    assert_eq!(send(&server, "POST", &path, to("p", "Node", "n")).await.code, 201);
    let again = send(&server, "POST", &path, to("p", "Node", "m")).await;
    assert_eq!(again.json()["message"], conflict("pod p is already assigned to node \"n\""));
}

#[tokio::test]
async fn a_resize_changes_amounts_alone() {
    let server = alone().await;
    made(&server, PODS, pod(json!({}))).await;
    let path = format!("{PODS}/p/resize");
    let patch =
        |resources: Value| json!({"spec": {"containers": [{"name": "c", "image": "other", "resources": resources}]}});
    let done = send(&server, "PATCH", &path, patch(json!({"requests": {"cpu": "2"}}))).await;
    assert_eq!(done.code, 200, "{}", done.body);
    let container = &done.json()["spec"]["containers"][0];
    assert_eq!((&container["resources"]["requests"]["cpu"], &container["image"]), (&json!("2"), &json!("i")));
    let gone = send(&server, "PATCH", &path, patch(json!({"requests": {"cpu": null}}))).await;
    assert_eq!(gone.code, 422);
    assert!(gone.body.contains("resource requests cannot be removed"), "{}", gone.body);
    let straight = send(&server, "PATCH", &format!("{PODS}/p"), patch(json!({"requests": {"cpu": "3"}}))).await;
    assert_eq!(straight.code, 422, "only its own path resizes");
}

#[tokio::test]
async fn a_resize_leaves_the_class_of_quality() {
    let server = alone().await;
    let mut plain = pod(json!({}));
    plain["spec"]["containers"][0].as_object_mut().expect("a container").remove("resources");
    let made = made(&server, PODS, plain).await;
    assert_eq!(made["status"]["qosClass"], "BestEffort");
    let patch = json!({"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "5m"}}}]}});
    let refused = send(&server, "PATCH", &format!("{PODS}/p/resize"), patch).await;
    assert_eq!(refused.code, 422, "{}", refused.body);
    assert!(refused.body.contains("Pod QOS Class may not change as a result of resizing"), "{}", refused.body);
}

#[tokio::test]
async fn ephemeral_containers_come_by_their_own_path() {
    let server = alone().await;
    made(&server, PODS, pod(json!({}))).await;
    let path = format!("{PODS}/p/ephemeralcontainers");
    let debug = json!({"spec": {"ephemeralContainers": [{"name": "d", "image": "i"}], "nodeName": "x"}});
    let done = send(&server, "PATCH", &path, debug).await;
    assert_eq!(done.code, 200, "{}", done.body);
    let spec = &done.json()["spec"];
    assert_eq!((spec["ephemeralContainers"][0]["name"].as_str(), spec["nodeName"].as_str()), (Some("d"), None));
    let gone =
        send(&server, "PATCH", &path, json!({"spec": {"ephemeralContainers": [{"$patch": "delete", "name": "d"}]}}))
            .await;
    assert!(gone.body.contains("existing ephemeral containers \\\"d\\\" may not be removed"), "{}", gone.body);
}

#[tokio::test]
async fn a_status_is_a_status() {
    let server = alone().await;
    let made = made(&server, PODS, pod(json!({}))).await;
    let mut whole = made.clone();
    whole["status"] = json!({"phase": "Running"});
    whole["spec"]["nodeName"] = "x".into();
    let done = send(&server, "PUT", &format!("{PODS}/p/status"), whole).await;
    assert_eq!(done.code, 200, "{}", done.body);
    let done = done.json();
    assert_eq!((&done["status"]["phase"], &done["status"]["qosClass"]), (&json!("Running"), &json!("Burstable")));
    assert!(done["spec"]["nodeName"].is_null());
    assert_eq!(done["metadata"]["generation"], made["metadata"]["generation"]);
}

#[tokio::test]
async fn certificates_are_decided_on_by_one_path_and_issued_by_the_other() {
    let server = alone().await;
    let all = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let pem = api::base64::encode(b"-----BEGIN CERTIFICATE REQUEST-----\nAA==\n-----END CERTIFICATE REQUEST-----\n");
    let asked = json!({"metadata": {"name": "c"}, "spec": {"request": pem, "usages": ["client auth"], "signerName": "a.b/c", "username": "eve"}});
    let first = made(&server, all, asked).await;
    assert_eq!(first["spec"]["username"], "admin", "who asks is who asks");
    let mut other = first.clone();
    other["spec"]["usages"] = json!(["server auth"]);
    let kept = send(&server, "PUT", &format!("{all}/c"), other).await.json();
    assert_eq!(kept["spec"]["usages"], json!(["client auth"]));
    let approval = json!({"status": {"conditions": [{"type": "Approved", "status": "True"}]}});
    let refused = send(&server, "PATCH", &format!("{all}/c/status"), approval.clone()).await;
    assert!(refused.body.contains("updates may not add a condition of type \\\"Approved\\\""), "{}", refused.body);
    let approved = send(&server, "PATCH", &format!("{all}/c/approval"), approval).await.json();
    assert!(approved["status"]["conditions"][0]["lastUpdateTime"].is_string(), "{approved}");
}

#[tokio::test]
async fn a_service_loses_what_only_its_old_type_had() {
    let server = alone().await;
    let path = "/api/v1/namespaces/default/services";
    made(&server, path, json!({"metadata": {"name": "s"}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}}))
        .await;
    let done = send(&server, "PATCH", &format!("{path}/s"), json!({"spec": {"type": "ClusterIP"}})).await;
    assert_eq!(done.code, 200, "{}", done.body);
    let spec = &done.json()["spec"];
    for member in ["externalTrafficPolicy", "allocateLoadBalancerNodePorts"] {
        assert!(spec[member].is_null(), "{spec}");
    }
}

#[tokio::test]
async fn both_versions_of_an_autoscaler_are_one_object() {
    let server = alone().await;
    let at = |version: &str| format!("/apis/autoscaling/{version}/namespaces/default/horizontalpodautoscalers");
    let spec = json!({"maxReplicas": 3, "targetCPUUtilizationPercentage": 60, "scaleTargetRef": {"kind": "Deployment", "name": "d"}});
    let old = made(&server, &at("v1"), json!({"metadata": {"name": "h"}, "spec": spec})).await;
    assert_eq!(
        (&old["apiVersion"], &old["spec"]["targetCPUUtilizationPercentage"]),
        (&json!("autoscaling/v1"), &json!(60))
    );
    let new = get(&server, &format!("{}/h", at("v2"))).await;
    assert_eq!(new["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 60);
    let pods = json!({"spec": {"metrics": [{"type": "Pods", "pods": {"metric": {"name": "m"}, "target": {"type": "AverageValue", "averageValue": "2"}}}]}});
    assert_eq!(send(&server, "PATCH", &format!("{}/h", at("v2")), pods).await.code, 200);
    let touched = send(&server, "PATCH", &format!("{}/h", at("v1")), json!({"spec": {"maxReplicas": 9}})).await;
    assert_eq!(touched.code, 200, "{}", touched.body);
    let new = get(&server, &format!("{}/h", at("v2"))).await;
    assert_eq!(
        (&new["spec"]["metrics"][0]["pods"]["metric"]["name"], &new["spec"]["maxReplicas"]),
        (&json!("m"), &json!(9))
    );
    assert!(new["metadata"].get("annotations").is_none(), "{new}");
    let list = get(&server, &at("v1")).await;
    assert_eq!(list["items"][0]["apiVersion"], "autoscaling/v1");
    let bad =
        json!({"metadata": {"name": "b"}, "spec": {"maxReplicas": 0, "scaleTargetRef": {"kind": "D", "name": "d"}}});
    assert_eq!(send(&server, "POST", &at("v1"), bad).await.code, 422);
}

#[tokio::test]
async fn the_parts_of_the_control_plane_are_listed() {
    let server = alone().await;
    let list = get(&server, "/api/v1/componentstatuses").await;
    let names: Vec<&str> =
        list["items"].as_array().expect("items").iter().filter_map(|item| item["metadata"]["name"].as_str()).collect();
    assert_eq!(
        (list["kind"].as_str(), names),
        (Some("ComponentStatusList"), vec!["controller-manager", "etcd-0", "scheduler"])
    );
    let one = get(&server, "/api/v1/componentstatuses/scheduler").await;
    assert_eq!(one["conditions"][0], json!({"type": "Healthy", "status": "True", "message": "ok"}));
    assert_eq!(ask(&server, "GET", "/api/v1/componentstatuses/x", &[], "").await.code, 404);
    assert_eq!(ask(&server, "DELETE", "/api/v1/componentstatuses/scheduler", &[], "").await.code, 405);
    let table = ["Accept: application/json;as=Table;v=v1;g=meta.k8s.io"];
    let table = ask(&server, "GET", "/api/v1/componentstatuses", &table, "").await.json();
    assert_eq!(table["rows"][0]["cells"], json!(["controller-manager", "Healthy", "ok"]));
}

/// A resource as the facts of Kubernetes 1.35 have it: a line a resource, tabs between group, version, kind, kind of its list, plural,
/// singular, short names, categories, whether it is namespaced, verbs, subresources with their verbs, what DELETE answers.
#[test]
fn every_resource_is_served_as_in_kubernetes() {
    let kinds = api::kinds::builtin();
    let facts = include_str!("facts/resources.tsv");
    for line in facts.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let [group, version, kind, _, plural, singular, short, categories, namespaced, verbs, subresources, returns] =
            cells[..]
        else {
            panic!("{line}");
        };
        let found = kinds.iter().find(|own| (&*own.group, &*own.version, &*own.plural) == (group, version, plural));
        let own = found.unwrap_or_else(|| panic!("{group}/{version} {plural} is not served"));
        let list = |text: &str| -> Vec<String> {
            text.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        let texts = |list: &[Box<str>]| -> Vec<String> { list.iter().map(ToString::to_string).collect() };
        let mut has = texts(&own.verbs);
        has.sort();
        assert_eq!(
            (&*own.kind, &*own.singular, own.namespaced.to_string().as_str()),
            (kind, singular, namespaced),
            "{plural}"
        );
        assert_eq!(
            (texts(&own.short_names), texts(&own.categories), has),
            (list(short), list(categories), list(verbs)),
            "{plural}"
        );
        let subs: Vec<String> =
            own.subresources.iter().map(|sub| format!("{}:{}", sub.name, sub.verbs.join("+"))).collect();
        assert_eq!(
            subs,
            subresources.split(';').filter(|sub| !sub.is_empty()).map(str::to_owned).collect::<Vec<_>>(),
            "{plural}"
        );
        let object = own.delete_returns == api::kind::DeleteReturns::Object;
        assert!(returns.is_empty() || object == (returns == "object"), "{plural}: DELETE answers {returns}");
    }
    assert_eq!(facts.lines().count() - 1, kinds.len(), "nothing is served that Kubernetes has not");
}
