//! Discovery against the table of Kubernetes' own resources, in both its forms, and OpenAPI as it is served.
mod serve;

use apiserver::server::ApiServer;
use serde_json::{Value, json};
use serve::{alone, ask, ask_as};
use std::collections::BTreeMap;

const VERBS: &str = "create,delete,deletecollection,get,list,patch,update,watch";

/// What legacy discovery says of each resource, by group version and name; subresources too.
fn wanted() -> BTreeMap<(String, String), Value> {
    let (mut found, mut at) = (BTreeMap::new(), (String::new(), String::new(), false));
    let list = |text: &str| Value::from(text.split(',').filter(|word| *word != "-").collect::<Vec<_>>());
    for line in include_str!("discovery/resources.txt").lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if line.starts_with(' ') {
            let mut entry = json!({"name": format!("{}/{}", at.1, words[0]), "singularName": "", "namespaced": at.2,
                "kind": words[2], "verbs": list(words[3])});
            if words[1] != at.0 {
                let (group, version) = words[1].split_once('/').unwrap_or(("", words[1]));
                entry["group"] = group.into();
                entry["version"] = version.into();
            }
            found.insert((at.0.clone(), format!("{}/{}", at.1, words[0])), entry);
            continue;
        }
        at = (words[0].to_owned(), words[1].to_owned(), words[4] == "Namespaced");
        let verbs = if words[5] == "*" { VERBS } else { words[5] };
        let mut entry = json!({"name": words[1], "singularName": words[3], "namespaced": at.2, "kind": words[2], "verbs": list(verbs)});
        for (member, text) in [("shortNames", words[6]), ("categories", words[7])] {
            if text != "-" {
                entry[member] = list(text);
            }
        }
        found.insert((at.0.clone(), at.1.clone()), entry);
    }
    found
}

async fn get(server: &ApiServer, path: &str, accept: &str) -> serve::Reply {
    ask(server, "GET", path, &[&format!("Accept: {accept}")], "").await
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

/// As a Kubernetes API server tells them.
const HASHES: [(&str, &str, &str); 7] = [
    ("v1", "configmaps", "qFsyl6wFWjQ="),
    ("v1", "endpoints", "fWeeMqaN/OA="),
    ("v1", "pods", "xPOwRZ+Yhw8="),
    ("v1", "events", "r2yiGXH7wu8="),
    ("events.k8s.io/v1", "events", "r2yiGXH7wu8="),
    ("apps/v1", "deployments", "8aSe+NMegvE="),
    ("autoscaling/v1", "horizontalpodautoscalers", "qwQve8ut294="),
];

#[tokio::test]
async fn legacy_discovery_says_what_kubernetes_says() {
    let server = alone().await;
    let wanted = wanted();
    let mut versions: Vec<&str> = wanted.keys().map(|(version, _)| &**version).collect();
    versions.dedup();
    for version in versions {
        let root = if version.contains('/') { "/apis" } else { "/api" };
        let told = get(&server, &format!("{root}/{version}"), "application/json").await.json();
        assert_eq!((&told["kind"], &told["groupVersion"]), (&json!("APIResourceList"), &json!(version)));
        let names: Vec<&str> = list(&told["resources"]).iter().filter_map(|entry| entry["name"].as_str()).collect();
        assert!(names.is_sorted(), "{names:?}");
        let ours: BTreeMap<&str, &Value> =
            list(&told["resources"]).iter().zip(names).map(|(entry, name)| (name, entry)).collect();
        let theirs = wanted.iter().filter(|((known, _), _)| known == version);
        for ((_, name), entry) in theirs.clone() {
            let mut here = (*ours.get(&**name).unwrap_or_else(|| panic!("{version} {name} is missing"))).clone();
            let hash = here.as_object_mut().and_then(|here| here.remove("storageVersionHash"));
            let stored = list(&entry["verbs"]).len() >= 7 && !name.contains('/');
            assert_eq!(hash.is_some(), stored, "{version} {name}: {hash:?}");
            if let Some((.., known)) = HASHES.iter().find(|(of, named, _)| *of == version && *named == name) {
                assert_eq!(hash, Some(json!(known)), "{version} {name}");
            }
            assert_eq!(&here, entry, "{version}");
        }
        assert_eq!(ours.len(), theirs.count(), "{version}");
    }
}

#[tokio::test]
async fn aggregated_discovery_says_the_same() {
    let server = alone().await;
    for form in ["v2", "v2beta1"] {
        let accept =
            format!("application/json;g=apidiscovery.k8s.io;v={form};as=APIGroupDiscoveryList,application/json");
        let mut told = BTreeMap::new();
        let mut groups = Vec::new();
        for path in ["/api", "/apis"] {
            let reply = get(&server, path, &accept).await;
            assert_eq!(reply.headers["cache-control"], "public");
            assert_eq!(reply.headers["vary"], "Accept");
            let tag = reply.headers["etag"].to_str().expect("text").to_owned();
            let again =
                ask(&server, "GET", path, &[&format!("Accept: {accept}"), &format!("If-None-Match: {tag}")], "").await;
            assert_eq!((again.code, again.body.len()), (304, 0));
            let value = reply.json();
            assert_eq!(value["apiVersion"], format!("apidiscovery.k8s.io/{form}"));
            for group in list(&value["items"]) {
                let name = group["metadata"]["name"].as_str().unwrap_or_default();
                groups.push(name.to_owned());
                for version in list(&group["versions"]) {
                    assert_eq!(version["freshness"], "Current");
                    let number = version["version"].as_str().expect("a version");
                    let version_of = if name.is_empty() { number.to_owned() } else { format!("{name}/{number}") };
                    for entry in list(&version["resources"]) {
                        told.insert(
                            (version_of.clone(), entry["resource"].as_str().expect("a name").to_owned()),
                            entry.clone(),
                        );
                    }
                }
            }
        }
        assert_eq!(groups[..4], ["", "apiregistration.k8s.io", "apps", "events.k8s.io"]);
        for ((version, name), entry) in wanted() {
            let plural = name.split('/').next().unwrap_or_default().to_owned();
            let here = told.get(&(version.clone(), plural)).unwrap_or_else(|| panic!("{version} {name} is missing"));
            let kind = json!({"group": entry.get("group").unwrap_or(&json!("")), "version": entry.get("version").unwrap_or(&json!("")), "kind": entry["kind"]});
            if let Some((_, below)) = name.split_once('/') {
                let sub =
                    list(&here["subresources"]).iter().find(|sub| sub["subresource"] == below).expect("a subresource");
                assert_eq!(
                    sub,
                    &json!({"subresource": below, "responseKind": kind, "verbs": entry["verbs"]}),
                    "{version} {name}"
                );
                continue;
            }
            let scope = if entry["namespaced"] == true { "Namespaced" } else { "Cluster" };
            assert_eq!(
                (&here["responseKind"], &here["scope"], &here["singularResource"]),
                (&kind, &json!(scope), &entry["singularName"])
            );
            for member in ["verbs", "shortNames", "categories"] {
                assert_eq!(here.get(member), entry.get(member), "{version} {name}");
            }
        }
    }
}

fn definition(property: &str) -> String {
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "required": ["n", "m"], "properties": {
        property: {"type": "string", "nullable": true}, "n": {"type": "integer", "minimum": 1.0}, "m": {"type": "string", "nullable": true},
        "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"a": {"type": "string"}}},
        "list": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
            "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "string", "enum": ["a", "b"], "default": "a"}}}},
        "port": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
        "pod": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true}}}}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}}}]}})
    .to_string()
}

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

#[tokio::test]
async fn openapi_v2_has_custom_kinds_as_long_as_they_are_there() {
    let server = alone().await;
    let before = get(&server, "/openapi/v2", "application/json").await;
    let tag = before.headers["etag"].to_str().expect("text").to_owned();
    let same = ask(&server, "GET", "/openapi/v2", &[&format!("If-None-Match: {tag}")], "").await;
    assert_eq!((before.code, same.code), (200, 304));
    assert_eq!(ask(&server, "POST", DEFINITIONS, &[], definition("p")).await.code, 201);
    let after = ask(&server, "GET", "/openapi/v2", &[&format!("If-None-Match: {tag}")], "").await;
    assert_eq!((after.code, &after.headers["content-type"]), (200, &"application/json".parse().expect("a value")));
    let after = after.json();
    let widget = &after["definitions"]["com.example.v1.Widget"];
    assert_eq!(
        widget["x-kubernetes-group-version-kind"],
        json!([{"group": "example.com", "version": "v1", "kind": "Widget"}])
    );
    assert_eq!(
        widget["properties"]["metadata"]["$ref"],
        "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    );
    let spec = &widget["properties"]["spec"];
    assert_eq!(spec["required"], json!(["n"]), "what may be null is not required");
    assert_eq!(spec["properties"]["p"], json!({}), "of what may be null no type is told");
    assert_eq!(spec["properties"]["any"], json!({"x-kubernetes-preserve-unknown-fields": true}));
    assert_eq!(spec["properties"]["port"], json!({"x-kubernetes-int-or-string": true}));
    assert_eq!(spec["properties"]["list"]["x-kubernetes-list-map-keys"], json!(["k"]));
    assert_eq!(
        spec["properties"]["list"]["items"]["properties"]["k"],
        json!({"type": "string", "enum": ["a", "b"], "default": "a"})
    );
    let path = &after["paths"]["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"]["patch"];
    assert_eq!(path["operationId"], "patchExampleComV1NamespacedWidget");
    assert!(!list(&path["consumes"]).contains(&json!("application/strategic-merge-patch+json")));
    let merge = ["Content-Type: application/merge-patch+json"];
    let open = r#"{"spec": {"versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}}"#;
    let one = format!("{DEFINITIONS}/widgets.example.com");
    assert_eq!(ask(&server, "PATCH", &one, &merge, open).await.code, 200);
    let open = get(&server, "/openapi/v2", "*/*").await.json();
    let mut widget = open["definitions"]["com.example.v1.Widget"].clone();
    widget["x-kubernetes-group-version-kind"].take();
    assert_eq!(widget, json!({"type": "object", "x-kubernetes-group-version-kind": null}));
    assert_eq!(get(&server, "/openapi/v2", "text/html").await.code, 406);
    let nobody = ask_as(&server, None, "GET", "/openapi/v2", &[], "").await;
    assert!(matches!(nobody.code, 401 | 403), "{}", nobody.code);
}

#[tokio::test]
async fn openapi_v3_is_kept_by_its_hash() {
    let server = alone().await;
    let index = get(&server, "/openapi/v3", "application/json").await.json();
    let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().expect("served").to_owned();
    let reply = get(&server, &url, "application/json").await;
    assert_eq!((reply.code, &reply.headers["cache-control"]), (200, &"public, immutable".parse().expect("a value")));
    assert!(reply.headers["expires"].to_str().expect("text").ends_with("GMT"));
    let tag = reply.headers["etag"].to_str().expect("text").trim_matches('"').to_owned();
    assert!(url.ends_with(&tag), "{url} {tag}");
    let old = get(&server, "/openapi/v3/apis/apps/v1?hash=0", "application/json").await;
    assert_eq!((old.code, old.headers["location"].to_str().expect("text")), (301, &*url));
    let plain = get(&server, "/openapi/v3/apis/apps/v1", "application/json").await;
    assert_eq!((plain.code, plain.headers.get("expires")), (200, None));
    assert_eq!(get(&server, "/openapi/v3/apis/nope/v1", "application/json").await.code, 404);
    // In protobuf there is none: who takes JSON too is given that.
    for form in ["spec.v3.v1.0", "spec.v3@v1.0"] {
        let protobuf = format!("application/com.github.proto-openapi.{form}+protobuf");
        assert_eq!(get(&server, "/openapi/v3/apis/apps/v1", &protobuf).await.code, 406);
        let either = get(&server, "/openapi/v3/apis/apps/v1", &format!("{protobuf},application/json")).await;
        assert_eq!((either.code, &either.headers["content-type"]), (200, &plain.headers["content-type"]));
        assert_eq!(either.json()["openapi"], "3.0.0");
    }
    assert_eq!(ask(&server, "POST", DEFINITIONS, &[], definition("p")).await.code, 201);
    let index = get(&server, "/openapi/v3", "application/json").await.json();
    let widgets = index["paths"]["apis/example.com/v1"]["serverRelativeURL"].as_str().expect("served").to_owned();
    let document = get(&server, &widgets, "application/json").await.json();
    let spec = &document["components"]["schemas"]["com.example.v1.Widget"]["properties"]["spec"]["properties"];
    assert_eq!(spec["p"]["nullable"], true);
    assert_eq!(spec["pod"]["required"], json!(["kind", "apiVersion"]));
    assert_eq!(
        spec["pod"]["properties"]["metadata"]["allOf"][0]["$ref"],
        "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    );
}

#[test]
fn clients_are_told_where_the_member_is_reached() {
    let known = apiserver::discovery::core_versions("10.0.0.1:6443");
    let want = serde_json::json!([{"clientCIDR": "0.0.0.0/0", "serverAddress": "10.0.0.1:6443"}]);
    assert_eq!(known["serverAddressByClientCIDRs"], want);
    assert_eq!(apiserver::discovery::core_versions("")["serverAddressByClientCIDRs"], serde_json::json!([]));
}
