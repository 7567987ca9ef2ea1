//! Custom kinds as clients meet them: definitions refused and established, objects pruned, defaulted, validated and selected, versions
//! side by side, names in conflict, and the end of a kind.
mod serve;

use apiserver::server::ApiServer;
use serde_json::{Value, json};
use serve::{Reply, alone, ask};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const BOATS: &str = "/apis/rutter.dev/v1/namespaces/default/boats";
const MERGE: &str = "Content-Type: application/merge-patch+json";
const APPLY: &str = "Content-Type: application/apply-patch+yaml";

fn version(name: &str, storage: bool, spec: Value) -> Value {
    let status = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({"name": name, "served": true, "storage": storage, "schema": {"openAPIV3Schema": {"type": "object",
        "properties": {"spec": spec, "status": status}}}})
}

fn spec() -> Value {
    json!({"type": "object", "properties": {
        "masts": {"type": "integer", "minimum": 1, "default": 2},
        "rig": {"type": "string", "enum": ["sloop", "ketch"]},
        "built": {"type": "string", "format": "date-time"},
        "hull": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true},
        "sails": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"], "items": {"type": "object",
            "required": ["id"], "properties": {"id": {"type": "string"}, "area": {"type": "integer", "maximum": 100}}}}}})
}

fn definition(versions: Vec<Value>) -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "boats.rutter.dev"},
        "spec": {"group": "rutter.dev", "scope": "Namespaced", "versions": versions,
            "names": {"plural": "boats", "kind": "Boat", "shortNames": ["bt"], "categories": ["fleet"]}}})
}

async fn post(server: &ApiServer, path: &str, body: &Value) -> Reply {
    ask(server, "POST", path, &[], body.to_string()).await
}

async fn define(server: &ApiServer, definition: &Value) -> Value {
    let made = post(server, DEFINITIONS, definition).await;
    assert_eq!(made.code, 201, "{}", made.body);
    made.json()
}

async fn boats() -> ApiServer {
    let server = alone().await;
    define(&server, &definition(vec![version("v1", true, spec())])).await;
    server
}

fn boat(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "rutter.dev/v1", "kind": "Boat", "metadata": {"name": name}, "spec": spec})
}

async fn get(server: &ApiServer, path: &str) -> Value {
    let found = ask(server, "GET", path, &[], "").await;
    assert_eq!(found.code, 200, "{path}: {}", found.body);
    found.json()
}

fn condition(definition: &Value, kind: &str) -> String {
    let list = definition["status"]["conditions"].as_array().into_iter().flatten();
    let found = list.filter(|one| one["type"] == kind).map(|one| format!("{} {}", one["status"], one["reason"]));
    found.collect::<String>().replace('"', "")
}

#[tokio::test]
async fn a_definition_is_served_by_the_answer_to_its_create() {
    let server = alone().await;
    let made = define(&server, &definition(vec![version("v1", true, spec())])).await;
    assert_eq!(condition(&made, "NamesAccepted"), "True NoConflicts");
    assert_eq!(condition(&made, "Established"), "True InitialNamesAccepted");
    assert_eq!(made["status"]["storedVersions"], json!(["v1"]));
    assert_eq!(made["status"]["acceptedNames"], made["spec"]["names"]);
    assert_eq!(made["spec"]["names"]["listKind"], "BoatList");
    assert_eq!(made["metadata"]["generation"], 1);
    let resources = get(&server, "/apis/rutter.dev/v1").await;
    assert_eq!(resources["resources"][0]["shortNames"], json!(["bt"]));
    assert_eq!(resources["resources"][0]["categories"], json!(["fleet"]));
    assert!(get(&server, "/openapi/v2").await["definitions"]["dev.rutter.v1.Boat"].is_object());
    assert_eq!(ask(&server, "GET", "/openapi/v3/apis/rutter.dev/v1", &[], "").await.code, 200);
}

#[tokio::test]
async fn what_is_no_definition_is_refused() {
    let server = alone().await;
    let sound = || definition(vec![version("v1", true, spec())]);
    type Spoil = fn(&mut Value);
    let rows: [(Spoil, &str); 14] = [
        (
            |d| d["metadata"]["name"] = "x.rutter.dev".into(),
            "metadata.name: Invalid value: \"x.rutter.dev\": must be spec.names.plural+\".\"+spec.group",
        ),
        (
            |d| d["spec"]["scope"] = "World".into(),
            "spec.scope: Unsupported value: \"World\": supported values: \"Cluster\", \"Namespaced\"",
        ),
        (
            |d| d["spec"]["versions"][0]["storage"] = false.into(),
            "must have exactly one version marked as storage version",
        ),
        (
            |d| {
                let one = d["spec"]["versions"][0].clone();
                d["spec"]["versions"] = json!([one, one]);
            },
            "must contain unique version names",
        ),
        (
            |d| d["spec"]["versions"][0]["schema"] = Value::Null,
            "spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required",
        ),
        (
            |d| d["spec"]["names"]["listKind"] = "Boat".into(),
            "spec.names.listKind: Invalid value: \"Boat\": kind and listKind may not be the same",
        ),
        (
            |d| d["spec"]["preserveUnknownFields"] = true.into(),
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
        ),
        (
            |d| d["spec"]["versions"][0]["deprecationWarning"] = "old".into(),
            "spec.versions[0].deprecationWarning: Invalid value: \"old\": can only be set for deprecated versions",
        ),
        (
            |d| {
                d["spec"]["versions"][0]["subresources"] =
                    json!({"scale": {"specReplicasPath": ".masts", "statusReplicasPath": "x"}})
            },
            "should be a json path under .spec",
        ),
        (
            |d| {
                d["spec"]["versions"][0]["additionalPrinterColumns"] =
                    json!([{"name": "a", "type": "colour", "jsonPath": ".a"}])
            },
            "additionalPrinterColumns[0].type: Invalid value: \"colour\": must be one of boolean,date,integer,number,string",
        ),
        (|d| d["spec"]["versions"][0]["selectableFields"] = json!([{"jsonPath": ".spec.none"}]), "is an invalid path"),
        (
            |d| d["spec"]["conversion"] = json!({"strategy": "Webhook"}),
            "spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook",
        ),
        (
            |d| {
                d["spec"]["conversion"] = json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"],
            "clientConfig": {"url": "https://a.example/c"}}})
            },
            "spec.conversion.strategy: Forbidden: conversion by webhook is not offered",
        ),
        (
            |d| {
                d["metadata"]["name"] = "boats.a.k8s.io".into();
                d["spec"]["group"] = "a.k8s.io".into();
            },
            "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation",
        ),
    ];
    for (spoil, want) in rows {
        let mut bad = sound();
        spoil(&mut bad);
        let told = post(&server, DEFINITIONS, &bad).await;
        assert_eq!(told.code, 422, "{want}: {}", told.body);
        let message = told.json()["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains(want), "{want}\n{message}");
    }
    let mut approved = sound();
    approved["metadata"] =
        json!({"name": "boats.a.k8s.io", "annotations": {"api-approved.kubernetes.io": "unapproved, a test"}});
    approved["spec"]["group"] = "a.k8s.io".into();
    let made = define(&server, &approved).await;
    assert_eq!(condition(&made, "KubernetesAPIApprovalPolicyConformant"), "False UnapprovedAnnotation");
}

#[tokio::test]
async fn stored_versions_stay_until_they_are_taken_off() {
    let server = boats().await;
    let path = format!("{DEFINITIONS}/boats.rutter.dev");
    let both = json!({"spec": {"versions": [version("v1", false, spec()), version("v2", true, spec())]}});
    let changed = ask(&server, "PATCH", &path, &[MERGE], both.to_string()).await;
    assert_eq!(changed.json()["status"]["storedVersions"], json!(["v1", "v2"]), "{}", changed.body);
    let only = json!({"spec": {"versions": [version("v2", true, spec())]}}).to_string();
    let refused = ask(&server, "PATCH", &path, &[MERGE], only.clone()).await;
    assert_eq!(refused.code, 422);
    assert!(
        refused.body.contains(
            "status.storedVersions[0]: Invalid value: \\\"v1\\\": missing from spec.versions; v1 was previously"
        ),
        "{}",
        refused.body
    );
    let status = json!({"status": {"storedVersions": ["v2"]}}).to_string();
    assert_eq!(ask(&server, "PATCH", &format!("{path}/status"), &[MERGE], status).await.code, 200);
    let changed = ask(&server, "PATCH", &path, &[MERGE], only).await;
    assert_eq!(changed.code, 200, "{}", changed.body);
    assert_eq!(ask(&server, "GET", BOATS, &[], "").await.code, 404, "v1 is served no more");
    let scope = ask(&server, "PATCH", &path, &[MERGE], r#"{"spec": {"scope": "Cluster"}}"#).await;
    assert!(scope.body.contains("spec.scope: Invalid value: \\\"Cluster\\\": field is immutable"), "{}", scope.body);
}

#[tokio::test]
async fn objects_are_pruned_defaulted_and_judged() {
    let server = boats().await;
    let made = post(&server, BOATS, &boat("a", &json!({"colour": "red", "rig": "ketch"}))).await;
    assert_eq!(made.code, 201, "{}", made.body);
    assert_eq!(made.json()["spec"], json!({"masts": 2, "rig": "ketch"}));
    for (spec, want) in [
        (json!({"rig": "brig"}), "spec.rig: Unsupported value: \"brig\": supported values: \"sloop\", \"ketch\""),
        (json!({"masts": 0}), "spec.masts: Invalid value: 0: spec.masts in body should be greater than or equal to 1"),
        (
            json!({"masts": "two"}),
            "spec.masts: Invalid value: \"string\": spec.masts in body must be of type integer: \"string\"",
        ),
        (
            json!({"built": "now"}),
            "spec.built: Invalid value: \"now\": spec.built in body must be of type date-time: \"now\"",
        ),
        (json!({"sails": [{"area": 1}]}), "spec.sails[0].id: Required value"),
        (json!({"sails": [{"id": "a"}, {"id": "a"}]}), "spec.sails[1]: Duplicate value: {\"id\":\"a\"}"),
        (json!({"hull": {"kind": "Hull"}}), "spec.hull.apiVersion: Required value: must not be empty"),
        (
            json!({"hull": {"apiVersion": "v1", "kind": "Hull", "metadata": {"labels": {"a b": "c"}}}}),
            "spec.hull.metadata.labels: Invalid value",
        ),
    ] {
        let told = post(&server, BOATS, &boat("b", &spec)).await;
        assert_eq!(told.code, 422, "{want}: {}", told.body);
        let message = told.json()["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains(want), "{want}\n{message}");
    }
}

#[tokio::test]
async fn unknown_and_doubled_fields_are_told() {
    let server = boats().await;
    let strict = format!("{BOATS}?fieldValidation=Strict");
    let body = r#"{"apiVersion": "rutter.dev/v1", "kind": "Boat", "metadata": {"name": "a", "odd": 1}, "spec": {"masts": 1, "masts": 2, "sail": 1,
        "hull": {"apiVersion": "v1", "kind": "H", "metadata": {"odd": 2}}}}"#;
    let told = ask(&server, "POST", &strict, &[], body).await;
    assert_eq!(told.code, 400);
    for part in [
        "strict decoding error: ",
        "unknown field \\\"metadata.odd\\\"",
        "duplicate field \\\"spec.masts\\\"",
        "unknown field \\\"spec.sail\\\"",
        "unknown field \\\"spec.hull.metadata.odd\\\"",
    ] {
        assert!(told.body.contains(part), "{part}: {}", told.body);
    }
    let warned = ask(&server, "POST", BOATS, &[], body).await;
    assert_eq!((warned.code, warned.headers.get_all("warning").iter().count()), (201, 4), "{:?}", warned.headers);
    assert_eq!(warned.json()["spec"]["hull"]["metadata"], json!({}));
    // Applied, they are refused in other words.
    let applied = |body: &'static str| {
        let path = format!("{BOATS}/b?fieldManager=m&fieldValidation=Strict");
        let server = server.clone();
        async move { ask(&server, "PATCH", &path, &[APPLY], body).await }
    };
    let head = "\napiVersion: rutter.dev/v1\nkind: Boat\nmetadata:\n  name: b\n";
    assert_eq!(head.lines().count(), 5);
    let told = applied("\napiVersion: rutter.dev/v1\nkind: Boat\nmetadata:\n  name: b\nodd: 1\n").await;
    let want =
        "failed to create typed patch object (default/b; rutter.dev/v1, Kind=Boat): .odd: field not declared in schema";
    assert_eq!((told.code, told.json()["message"].as_str()), (500, Some(want)), "{}", told.body);
    let told = applied("\napiVersion: rutter.dev/v1\nkind: Boat\nmetadata:\n  name: b\n  odd: 1\n").await;
    assert!(told.body.contains(".metadata.odd: field not declared in schema"), "{}", told.body);
    let told =
        applied("\napiVersion: rutter.dev/v1\nkind: Boat\nmetadata:\n  name: b\nspec:\n  masts: 1\n  masts: 2\n").await;
    assert_eq!(told.code, 400);
    assert!(told.body.contains(r#"line 8: key \"masts\" already set in map"#), "{}", told.body);
}

#[tokio::test]
async fn what_was_wrong_and_is_not_touched_does_not_stand_in_the_way() {
    let server = boats().await;
    let made =
        post(&server, BOATS, &boat("a", &json!({"sails": [{"id": "m", "area": 90}, {"id": "j", "area": 10}]}))).await;
    assert_eq!(made.code, 201, "{}", made.body);
    let mut tighter = spec();
    tighter["properties"]["sails"]["items"]["properties"]["area"]["maximum"] = 50.into();
    tighter["properties"]["crew"] = json!({"type": "integer", "default": 3});
    let change = json!({"spec": {"versions": [version("v1", true, tighter)]}}).to_string();
    let path = format!("{DEFINITIONS}/boats.rutter.dev");
    assert_eq!(ask(&server, "PATCH", &path, &[MERGE], change).await.code, 200);
    // The new default is there at once, in every way of reading.
    let one = format!("{BOATS}/a");
    assert_eq!(get(&server, &one).await["spec"]["crew"], 3);
    assert_eq!(get(&server, BOATS).await["items"][0]["spec"]["crew"], 3);
    let watched = ask(&server, "GET", &format!("{BOATS}?watch=1&timeoutSeconds=1"), &[], "").await;
    assert!(watched.body.contains("\"crew\":3"), "{}", watched.body);
    let moved = json!({"spec": {"sails": [{"id": "j", "area": 20}, {"id": "m", "area": 90}]}}).to_string();
    let moved = ask(&server, "PATCH", &one, &[MERGE], moved).await;
    assert_eq!(moved.code, 200, "{}", moved.body);
    let worse = json!({"spec": {"sails": [{"id": "m", "area": 91}]}}).to_string();
    let worse = ask(&server, "PATCH", &one, &[MERGE], worse).await;
    assert!(worse.body.contains("spec.sails[0].area in body should be less than or equal to 50"), "{}", worse.body);
}

#[tokio::test]
async fn a_kind_has_its_subresources_and_columns() {
    let server = alone().await;
    let mut one = version("v1", true, spec());
    one["subresources"] = json!({"status": {}, "scale": {"specReplicasPath": ".spec.masts", "statusReplicasPath": ".status.masts",
        "labelSelectorPath": ".status.selector"}});
    one["additionalPrinterColumns"] =
        json!([{"name": "Masts", "type": "integer", "jsonPath": ".spec.masts", "priority": 1}]);
    one["selectableFields"] = json!([{"jsonPath": ".spec.rig"}]);
    define(&server, &definition(vec![one])).await;
    let mut body = boat("a", &json!({"rig": "sloop"}));
    body["status"] = json!({"masts": 9});
    let made = post(&server, BOATS, &body).await.json();
    assert_eq!((&made["status"], &made["metadata"]["generation"]), (&Value::Null, &json!(1)));
    let path = format!("{BOATS}/a");
    let patch = json!({"status": {"masts": 1, "selector": "a=b"}, "spec": {"rig": "ketch"}}).to_string();
    let done = ask(&server, "PATCH", &format!("{path}/status"), &[MERGE], patch.clone()).await.json();
    assert_eq!((&done["spec"]["rig"], &done["metadata"]["generation"]), (&json!("sloop"), &json!(1)));
    let done =
        ask(&server, "PATCH", &path, &[MERGE], r#"{"status": {"masts": 5}, "metadata": {"labels": {"a": "b"}}}"#)
            .await
            .json();
    assert_eq!((&done["status"]["masts"], &done["metadata"]["generation"]), (&json!(1), &json!(1)));
    let scale = get(&server, &format!("{path}/scale")).await;
    assert_eq!(
        (&scale["spec"], &scale["status"]),
        (&json!({"replicas": 2}), &json!({"replicas": 1, "selector": "a=b"}))
    );
    let scaled = ask(&server, "PATCH", &format!("{path}/scale"), &[MERGE], r#"{"spec": {"replicas": 4}}"#).await;
    assert_eq!(scaled.json()["spec"]["replicas"], 4, "{}", scaled.body);
    let now = get(&server, &path).await;
    assert_eq!((&now["spec"]["masts"], &now["metadata"]["generation"]), (&json!(4), &json!(2)));
    post(&server, BOATS, &boat("b", &json!({"rig": "ketch"}))).await;
    let found = get(&server, &format!("{BOATS}?fieldSelector=spec.rig%3Dketch")).await;
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(ask(&server, "GET", &format!("{BOATS}?fieldSelector=spec.masts%3D2"), &[], "").await.code, 400);
    let table = ask(&server, "GET", BOATS, &["Accept: application/json;as=Table;v=v1;g=meta.k8s.io"], "").await.json();
    assert_eq!(table["columnDefinitions"][1]["name"], "Masts");
    assert_eq!((&table["columnDefinitions"][1]["priority"], &table["rows"][0]["cells"]), (&json!(1), &json!(["a", 4])));
    let strategic = ["Content-Type: application/strategic-merge-patch+json"];
    let refused = ask(&server, "PATCH", &path, &strategic, "{}").await;
    let want = "the body of the request was in an unknown format - accepted media types include: \
                application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
    assert_eq!((refused.code, refused.json()["message"].as_str()), (415, Some(want)));
}

#[tokio::test]
async fn versions_stand_side_by_side() {
    let server = alone().await;
    let mut old = version("v1beta1", false, spec());
    old["deprecated"] = true.into();
    define(&server, &definition(vec![old, version("v1", true, spec())])).await;
    assert_eq!(get(&server, "/apis/rutter.dev").await["preferredVersion"]["version"], "v1");
    let beta = BOATS.replace("v1", "v1beta1");
    let made = post(&server, BOATS, &boat("a", &json!({"masts": 1}))).await.json();
    let seen = ask(&server, "GET", &format!("{beta}/a"), &[], "").await;
    let warning = seen.headers.get("warning").and_then(|value| value.to_str().ok());
    assert_eq!(warning, Some("299 - \"rutter.dev/v1beta1 Boat is deprecated; use rutter.dev/v1 Boat\""));
    assert_eq!(seen.json()["apiVersion"], "rutter.dev/v1beta1");
    assert_eq!(seen.json()["metadata"]["uid"], made["metadata"]["uid"]);
    let changed =
        ask(&server, "PATCH", &format!("{beta}/a?fieldManager=m"), &[MERGE], r#"{"spec": {"masts": 3}}"#).await.json();
    let managers: Vec<&Value> =
        changed["metadata"]["managedFields"].as_array().into_iter().flatten().map(|one| &one["apiVersion"]).collect();
    assert!(managers.contains(&&json!("rutter.dev/v1beta1")), "{managers:?}");
    assert_eq!(get(&server, &format!("{BOATS}/a")).await["spec"]["masts"], 3);
}

#[tokio::test]
async fn names_are_given_once() {
    let server = boats().await;
    let mut second = definition(vec![version("v1", true, spec())]);
    second["metadata"]["name"] = "ships.rutter.dev".into();
    second["spec"]["names"] = json!({"plural": "ships", "kind": "Ship", "shortNames": ["bt"]});
    let made = define(&server, &second).await;
    assert_eq!(condition(&made, "NamesAccepted"), "False ShortNamesConflict");
    assert_eq!(condition(&made, "Established"), "False NotAccepted");
    assert_eq!(ask(&server, "GET", "/apis/rutter.dev/v1/ships", &[], "").await.code, 404);
    let path = format!("{DEFINITIONS}/ships.rutter.dev");
    let solved = ask(&server, "PATCH", &path, &[MERGE], r#"{"spec": {"names": {"shortNames": ["sh"]}}}"#).await.json();
    assert_eq!(condition(&solved, "Established"), "True InitialNamesAccepted");
    assert_eq!(ask(&server, "GET", "/apis/rutter.dev/v1/ships", &[], "").await.code, 200);
}

#[tokio::test]
async fn many_kinds_come_and_go() {
    let server = alone().await;
    for number in 0..70 {
        let mut one = definition(vec![version("v1", true, spec())]);
        one["metadata"]["name"] = format!("b{number}s.rutter.dev").into();
        one["spec"]["names"] = json!({"plural": format!("b{number}s"), "kind": format!("B{number}")});
        define(&server, &one).await;
    }
    assert_eq!(get(&server, "/apis/rutter.dev/v1").await["resources"].as_array().map(Vec::len), Some(70));
    let path = format!("{DEFINITIONS}/b0s.rutter.dev");
    let going = ask(&server, "DELETE", &path, &[], "").await.json();
    assert_eq!(condition(&going, "Terminating"), "True InstanceDeletionInProgress");
    let refused =
        post(&server, "/apis/rutter.dev/v1/namespaces/default/b0s", &json!({"metadata": {"name": "x"}})).await;
    assert_eq!(refused.code, 405, "{}", refused.body);
    // The controller takes the finalizer off; here a client does.
    for number in 0..70 {
        let path = format!("{DEFINITIONS}/b{number}s.rutter.dev");
        ask(&server, "DELETE", &path, &[], "").await;
        ask(&server, "PATCH", &path, &[MERGE], r#"{"metadata": {"finalizers": null}}"#).await;
        assert_eq!(ask(&server, "GET", &path, &[], "").await.code, 404);
    }
    assert_eq!(ask(&server, "GET", "/apis/rutter.dev/v1", &[], "").await.code, 404);
    let mut cluster = definition(vec![version("v1", true, spec())]);
    cluster["metadata"]["name"] = "b0s.rutter.dev".into();
    cluster["spec"]["names"] = json!({"plural": "b0s", "kind": "B0"});
    cluster["spec"]["scope"] = "Cluster".into();
    define(&server, &cluster).await;
    let made = post(&server, "/apis/rutter.dev/v1/b0s", &json!({"metadata": {"name": "x"}})).await;
    assert_eq!(made.code, 201, "{}", made.body);
}

#[tokio::test]
async fn rules_that_are_not_evaluated_are_kept_and_told_of() {
    let server = alone().await;
    let mut ruled = version("v1", true, spec());
    ruled["schema"]["openAPIV3Schema"]["x-kubernetes-validations"] = json!([{"rule": "true"}]);
    let made = post(&server, DEFINITIONS, &definition(vec![ruled])).await;
    assert_eq!(made.code, 201, "{}", made.body);
    let warning = made.headers.get("warning").and_then(|text| text.to_str().ok()).unwrap_or_default();
    assert!(warning.contains("not evaluated by this server yet"), "{warning}");
    assert!(made.body.contains("x-kubernetes-validations"), "they are kept");
}
