//! Every parameter that changes what a request means is honoured or refused. One table of requests that differ by a parameter, and
//! what must come of it; and a list of all parameters that we tell clients of, each with its row or the reason why it has none.
mod serve;

use apiserver::server::ApiServer;
use serde_json::{Value, json};
use serve::{Reply, alone, ask, with_pod};
use std::collections::BTreeSet;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const PODS: &str = "/api/v1/namespaces/default/pods";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/default/deployments/d";
const MERGE: &str = "Content-Type: application/merge-patch+json";
const JSON_PATCH: &str = "Content-Type: application/json-patch+json";
const APPLY: &str = "Content-Type: application/apply-patch+yaml";
const TABLE: &str = "Accept: application/json;as=Table;v=v1;g=meta.k8s.io";

/// A server with config maps `a` to `d`, of which `a` and `b` have the label `l=1`, and a deployment of two.
async fn world() -> ApiServer {
    let api = alone().await;
    for (name, label) in [("a", "1"), ("b", "1"), ("c", "2"), ("d", "2")] {
        let map =
            json!({"metadata": {"name": name, "labels": {"l": label}, "finalizers": ["x/y"]}, "data": {"k": "v"}});
        assert_eq!(ask(&api, "POST", MAPS, &[], map.to_string()).await.code, 201);
    }
    let deployment = json!({"metadata": {"name": "d"}, "spec": {"replicas": 2, "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
    let made = ask(&api, "POST", "/apis/apps/v1/namespaces/default/deployments", &[], deployment.to_string()).await;
    assert_eq!(made.code, 201, "{}", made.body);
    api
}

/// Everything there is, without what a request may not change.
async fn state(api: &ApiServer) -> Value {
    let maps = ask(api, "GET", MAPS, &[], "").await.json();
    json!([maps["metadata"]["resourceVersion"], maps["items"]])
}

struct Row {
    method: &'static str,
    path: String,
    header: &'static str,
    body: &'static str,
    code: u16,
    /// What the answer says.
    says: &'static str,
    /// Nothing may be changed by it.
    harmless: bool,
}

fn row(
    method: &'static str,
    path: &str,
    header: &'static str,
    body: &'static str,
    code: u16,
    says: &'static str,
) -> Row {
    Row { method, path: path.to_owned(), header, body, code, says, harmless: code >= 400 }
}

fn dry(mut row: Row) -> Row {
    row.harmless = true;
    row
}

/// What a write's parameters say.
fn writes() -> Vec<Row> {
    let (map, one, scale) = (r#"{"metadata":{"name":"n"}}"#, format!("{MAPS}/a"), format!("{DEPLOYMENT}/scale"));
    let unknown = r#"{"metadata":{"name":"n"},"dta":{}}"#;
    vec![
        dry(row("POST", &format!("{MAPS}?dryRun=All"), "", map, 201, r#""name":"n""#)),
        row("POST", &format!("{MAPS}?dryRun=Some"), "", map, 422, "dryRun"),
        dry(row(
            "PUT",
            &format!("{one}?dryRun=All"),
            "",
            r#"{"metadata":{"name":"a"},"data":{"k":"w"}}"#,
            200,
            r#""k":"w""#,
        )),
        dry(row("PATCH", &format!("{one}?dryRun=All"), MERGE, r#"{"data":{"k":"w"}}"#, 200, r#""k":"w""#)),
        dry(row(
            "PATCH",
            &format!("{one}?dryRun=All&fieldManager=m"),
            APPLY,
            r#"{"apiVersion":"v1","data":{"z":"w"}}"#,
            200,
            r#""z":"w""#,
        )),
        dry(row("DELETE", &format!("{one}?dryRun=All"), "", "", 200, "deletionTimestamp")),
        dry(row("DELETE", &one, "", r#"{"dryRun":["All"]}"#, 200, "deletionTimestamp")),
        dry(row("DELETE", &format!("{MAPS}?dryRun=All"), "", "", 200, r#""name":"d""#)),
        dry(row("PUT", &format!("{scale}?dryRun=All"), "", r#"{"spec":{"replicas":7}}"#, 200, r#""replicas":7"#)),
        row("POST", &format!("{MAPS}?fieldValidation=Strict"), "", unknown, 400, "unknown field"),
        dry(row("POST", &format!("{MAPS}?fieldValidation=Ignore&dryRun=All"), "", unknown, 201, r#""name":"n""#)),
        row("POST", &format!("{MAPS}?fieldValidation=Loud"), "", map, 422, "fieldValidation"),
        row("PUT", &format!("{one}?fieldValidation=Strict"), "", r#"{"dta":1}"#, 400, r#"unknown field \"dta\""#),
        row("PATCH", &format!("{one}?fieldValidation=Strict"), MERGE, r#"{"dta":1}"#, 400, r#"unknown field \"dta\""#),
        row(
            "PATCH",
            &format!("{one}?fieldValidation=Strict"),
            MERGE,
            r#"{"data":{"k":"1","k":"2"}}"#,
            400,
            r#"duplicate field \"data.k\""#,
        ),
        row(
            "PATCH",
            &format!("{one}?fieldValidation=Strict&fieldManager=m"),
            APPLY,
            "apiVersion: v1\ndata: {a: b}\ndata: {a: c}",
            400,
            r#"key \"data\" already set in map"#,
        ),
        row(
            "PUT",
            &format!("{scale}?fieldValidation=Strict"),
            "",
            r#"{"spec":{"replica":7}}"#,
            400,
            r#"unknown field \"spec.replica\""#,
        ),
        row(
            "PATCH",
            &format!("{scale}?fieldValidation=Strict"),
            MERGE,
            r#"{"spec":{"replica":7}}"#,
            400,
            r#"unknown field \"spec.replica\""#,
        ),
        row("POST", MAPS, "", "", 400, "json parse error: unexpected end of JSON input (<empty>)"),
        row(
            "POST",
            MAPS,
            "",
            "{",
            400,
            "(must be of type ConfigMap): couldn't get version/kind; json parse error: unexpected end of JSON input ({)",
        ),
        row(
            "POST",
            MAPS,
            "",
            "[7]",
            400,
            "json: cannot unmarshal array into Go value of type struct { APIVersion string",
        ),
        row(
            "PATCH",
            &one,
            JSON_PATCH,
            "{}",
            400,
            "\"json: cannot unmarshal object into Go value of type jsonpatch.Patch\"",
        ),
        row(
            "PATCH",
            &one,
            MERGE,
            "[]",
            400,
            "\"error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}\"",
        ),
        row(
            "PATCH",
            &one,
            MERGE,
            "{x",
            400,
            "\"error decoding patch: invalid character 'x' looking for beginning of object key string\"",
        ),
        row("PUT", &scale, "", r#"{"spec":7}"#, 400, "cannot be handled as a Scale"),
        row("PUT", &scale, "", "", 400, "a Scale is required"),
        row(
            "PUT",
            &scale,
            "",
            r#"{"spec":{"replicas":-3}}"#,
            422,
            r#""group":"autoscaling","kind":"Scale","name":"d"},"kind":"Status","message":"Scale.autoscaling \"d\" is invalid: spec.replicas: Invalid value: -3: must be greater than or equal to 0""#,
        ),
        row(
            "PATCH",
            &scale,
            MERGE,
            r#"{"metadata":{"resourceVersion":"1"},"spec":{"replicas":7}}"#,
            409,
            "has been modified",
        ),
        dry(row(
            "POST",
            &format!("{MAPS}?fieldManager=someone&dryRun=All"),
            "",
            r#"{"metadata":{"name":"n"},"data":{"a":"b"}}"#,
            201,
            r#""manager":"someone""#,
        )),
        row("POST", &format!("{MAPS}?fieldManager=a%0Ab"), "", map, 422, "invalid character U+000A (at position 1)"),
        row("POST", &format!("{MAPS}?fieldManager=a%01"), "", map, 422, r#"\"a\\x01\": invalid character U+0001"#),
        row(
            "POST",
            &format!("{MAPS}?fieldManager={}", "m".repeat(129)),
            "",
            map,
            422,
            "may not be more than 128 bytes",
        ),
        row("PATCH", &format!("{one}?force=true"), MERGE, "{}", 422, "may not be specified for non-apply patch"),
        row("PATCH", &one, APPLY, "{}", 422, "is required for apply patch"),
        row("POST", &format!("{MAPS}?dryRun=%zz"), "", map, 400, "invalid URL escape"),
    ]
}

/// What a delete's options say, in the query or in a body.
fn deletes() -> Vec<Row> {
    let one = format!("{MAPS}/a");
    let query = |query: &str, code, says| row("DELETE", &format!("{MAPS}/a?{query}"), "", "", code, says);
    vec![
        query("propagationPolicy=Sideways", 422, "propagationPolicy"),
        query("gracePeriodSeconds=soon", 400, "strconv.ParseInt: parsing \\\"soon\\\": invalid syntax"),
        query(
            "orphanDependents=true&propagationPolicy=Orphan",
            422,
            "orphanDependents and deletionPropagation cannot be both set",
        ),
        dry(query("dryRun=All&orphanDependents=true", 200, r#""orphan""#)),
        dry(query("dryRun=All&propagationPolicy=Foreground", 200, "foregroundDeletion")),
        dry(query("dryRun=All&orphanDependents=false", 202, "deletionTimestamp")),
        row("DELETE", &one, "", r#"{"dryRun":"All"}"#, 400, "dryRun"),
        row("DELETE", &one, "", r#"{"preconditions":{"uid":5}}"#, 400, "uid"),
        row("DELETE", &one, "", r#"{"preconditions":{"uid":"other"}}"#, 409, "UID in the precondition"),
        row(
            "DELETE",
            &one,
            "",
            r#"{"preconditions":{"resourceVersion":"1"}}"#,
            409,
            "ResourceVersion in the precondition",
        ),
        row("DELETE", &one, "", r#"{"preconditions":"uid"}"#, 400, "preconditions"),
        row("DELETE", &one, "", r#"{"propagationPolicy":7}"#, 400, "propagationPolicy"),
        row("DELETE", &one, "", r#"{"orphanDependents":"yes"}"#, 400, "orphanDependents"),
        row("DELETE", &one, "", r#"{"gracePeriodSeconds":"soon"}"#, 400, "gracePeriodSeconds"),
        row("DELETE", &one, "", r#"{"apiVersion":"v1","kind":"Pod"}"#, 400, "DeleteOptions"),
        row("DELETE", &one, "", "[]", 400, "no JSON object"),
        dry(row("DELETE", &format!("{MAPS}?dryRun=All&limit=1&labelSelector=l%3D2"), "", "", 200, r#""name":"c""#)),
        row("DELETE", &format!("{MAPS}?labelSelector=%3D"), "", "", 400, ""),
        row("DELETE", &format!("{MAPS}?fieldSelector=data.k%3Dv"), "", "", 400, "data.k"),
        row("DELETE", &format!("{MAPS}?continue=x"), "", "", 400, "continue"),
        row("DELETE", &format!("{MAPS}?resourceVersionMatch=Exact"), "", "", 422, "resourceVersionMatch"),
    ]
}

/// What a read's parameters say.
fn reads() -> Vec<Row> {
    let list = |query: &str, code, says| row("GET", &format!("{MAPS}?{query}"), "", "", code, says);
    vec![
        list("labelSelector=l%3D3", 200, r#""items":[]"#),
        list("labelSelector=l%3D", 200, r#""items":[]"#),
        list("labelSelector=)", 400, "\"found ')'"),
        list(
            "labelSelector=a+in+(",
            400,
            "\"unable to parse requirement: found '', expected: ',', ')' or identifier\"",
        ),
        list("limit=-1", 200, r#""items":[{"#),
        list("limit=x", 400, r#"strconv.ParseInt: parsing \"x\": invalid syntax"#),
        list("fieldSelector=metadata.name%3Dz", 200, r#""items":[]"#),
        list("fieldSelector=spec.x%3Dz", 400, "spec.x"),
        list("limit=1", 200, r#""remainingItemCount":3"#),
        list("limit=one", 400, "strconv.ParseInt"),
        list("limit=1&continue=abc", 400, "continue"),
        list(
            "continue=abc&resourceVersion=0&resourceVersionMatch=NotOlderThan",
            422,
            "forbidden when continue is provided",
        ),
        list("resourceVersion=99999999&resourceVersionMatch=Exact", 504, ""),
        list("resourceVersion=0&resourceVersionMatch=Exact", 422, "forbidden for resourceVersion"),
        list("resourceVersion=1&resourceVersionMatch=Near", 422, "resourceVersionMatch"),
        list("resourceVersion=new", 500, "resourceVersion"),
        list("sendInitialEvents=true", 422, "sendInitialEvents is forbidden for list"),
        list("watch=1&sendInitialEvents=true", 422, "NotOlderThan"),
        list("watch=1&resourceVersionMatch=NotOlderThan", 422, "unless sendInitialEvents is provided"),
        list("watch=1&timeoutSeconds=long", 400, "strconv.ParseInt"),
        list("watch=true&timeoutSeconds=1&resourceVersion=new", 500, "resourceVersion"),
        row("GET", &format!("{MAPS}?includeObject=None"), TABLE, "", 200, r#""cells":["a""#),
        row("GET", &format!("{MAPS}?includeObject=All"), TABLE, "", 400, "includeObject"),
        row("GET", &format!("{MAPS}/a?resourceVersion=99999999"), "", "", 504, ""),
        row("GET", &format!("{MAPS}/a?resourceVersion=new"), "", "", 500, "resourceVersion"),
        row("GET", &format!("{MAPS}/.."), "", "", 400, r#"Name parameter invalid: \"..\": may not be '..'"#),
        row("GET", &format!("{MAPS}/%2e%2e"), "", "", 400, r#"Name parameter invalid: \"..\": may not be '..'"#),
        row("DELETE", &format!("{MAPS}/a%25"), "", "", 400, r#"Name parameter invalid: \"a%\": may not contain '%'"#),
        row("GET", &format!("{MAPS}/a?pretty=true"), "", "", 200, "{\n  \"apiVersion\": \"v1\",\n"),
        row("GET", &format!("{MAPS}/z?pretty=true"), "", "", 404, "{\n  \"apiVersion\": \"v1\",\n  \"code\": 404,\n"),
        row("GET", &format!("{MAPS}/a?pretty=maybe"), "User-Agent: curl/8", "", 200, "{\"apiVersion\":\"v1\","),
        row("GET", &format!("{MAPS}/a"), "User-Agent: curl/8", "", 200, "{\n  \"apiVersion\": \"v1\",\n"),
        row(
            "GET",
            "/apis/apps",
            "User-Agent: Wget/1",
            "",
            200,
            "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"APIGroup\",\n",
        ),
        row("GET", "/openapi/v3", "User-Agent: curl/8", "", 200, "{\"paths\":{"),
        row("GET", "/version", "", "", 200, "{\n  \""),
        list("watch=1&timeoutSeconds=1&pretty=true", 200, "{\"type\":\"ADDED\",\"object\":{\"apiVersion\":"),
        list("timeout=soon", 400, "invalid timeout specified in the request URL - time: invalid duration \\\"soon\\\""),
        list("timeout=10", 400, "time: missing unit in duration"),
        list("timeout=30s&limit=1", 200, r#""remainingItemCount":3"#),
        list("watch=1&timeoutSeconds=1&timeout=soon", 200, "ADDED"),
    ]
}

async fn held(api: &ApiServer, rows: Vec<Row>) -> Vec<String> {
    let mut wrong = Vec::new();
    for Row { method, path, header, body, code, says, harmless } in rows {
        let before = state(api).await;
        let headers: Vec<&str> = Some(header).filter(|header| !header.is_empty()).into_iter().collect();
        let reply = ask(api, method, &path, &headers, body).await;
        if reply.code != code || !reply.body.contains(says) {
            wrong.push(format!("{method} {path} {body}: {} {}", reply.code, reply.body));
        }
        if harmless && state(api).await != before {
            wrong.push(format!("{method} {path} {body}: it changed something"));
        }
    }
    wrong
}

#[tokio::test]
async fn parameters_are_honoured_or_refused() {
    let api = world().await;
    let mut wrong = held(&api, writes()).await;
    wrong.extend(held(&api, deletes()).await);
    wrong.extend(held(&api, reads()).await);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn names(reply: &Reply) -> Vec<String> {
    let list = reply.json();
    let items = list["items"].as_array().unwrap_or_else(|| panic!("{}", reply.body));
    items.iter().map(|item| item["metadata"]["name"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn a_collection_is_deleted_as_far_as_its_page() {
    let api = world().await;
    let free = |name| format!("{MAPS}/{name}");
    for name in ["a", "b", "c", "d"] {
        ask(&api, "PATCH", &free(name), &[MERGE], r#"{"metadata":{"finalizers":null}}"#).await;
    }
    let first = ask(&api, "GET", &format!("{MAPS}?limit=1"), &[], "").await.json();
    let next = first["metadata"]["continue"].as_str().expect("there is more");
    let gone = ask(&api, "DELETE", &format!("{MAPS}?limit=1&continue={next}"), &[], "").await;
    assert_eq!((gone.code, names(&gone)), (200, vec!["b".to_owned()]));
    let gone = ask(&api, "DELETE", &format!("{MAPS}?limit=1&resourceVersion=0"), &[], "").await;
    assert_eq!((gone.code, names(&gone)), (200, vec!["a".to_owned()]));
    assert_eq!(names(&ask(&api, "GET", MAPS, &[], "").await), ["c", "d"]);
}

/// Of a pod that runs: log, exec, eviction, binding.
#[tokio::test]
async fn parameters_of_pods_are_honoured_or_refused() {
    let (api, asked) = with_pod().await;
    let log = |query: &str, code, says| row("GET", &format!("{PODS}/p/log?{query}"), "", "", code, says);
    let upgrade =
        |query: &str, code, says| row("GET", &format!("{PODS}/p/exec?{query}"), "Upgrade: websocket", "", code, says);
    let (eviction, binding) = (format!("{PODS}/p/eviction"), format!("{PODS}/p/binding"));
    let rows = vec![
        log("container=z", 400, "container z is not valid"),
        log("tailLines=-1", 422, "tailLines: Invalid value: -1: must be greater than or equal to 0"),
        log("tailLines=x", 400, "strconv.ParseInt: parsing \\\"x\\\": invalid syntax"),
        log("limitBytes=-2", 422, "limitBytes: Invalid value: -2: must be greater than 0"),
        log("sinceSeconds=0", 422, "must be greater than 0"),
        log("limitBytes=0", 422, "must be greater than 0"),
        log("sinceTime=yesterday", 422, "sinceTime"),
        log("sinceTime=2026-01-01T00:00:00Z&sinceSeconds=5", 422, "at most one of"),
        log("stream=Stderr", 422, "may not be specified"),
        log("tailLines=3&follow=true&timestamps=true&previous=true&limitBytes=9", 200, "one"),
        upgrade("command=ls&stdout=true", 400, "Upgrade request required"),
        row("POST", &eviction, "", r#"{"deleteOptions":{"dryRun":"All"}}"#, 400, "dryRun"),
        row("POST", &eviction, "", r#"{"deleteOptions":{"preconditions":{"uid":"other"}}}"#, 409, "UID"),
        row("POST", &format!("{eviction}?fieldValidation=Strict"), "", r#"{"deleteOption":{}}"#, 400, "unknown field"),
        dry(row("POST", &format!("{eviction}?dryRun=All"), "", r#"{"metadata":{"name":"p"}}"#, 201, "Success")),
        dry(row("POST", &eviction, "", r#"{"deleteOptions":{"dryRun":["All"]}}"#, 201, "Success")),
        row("POST", &binding, "", r#"{"metadata":{"labels":{"a":5}},"target":{"name":"n1"}}"#, 400, "labels"),
        row("POST", &format!("{binding}?dryRun=Some"), "", r#"{"target":{"name":"n1"}}"#, 422, "dryRun"),
    ];
    let wrong = held(&api, rows).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(
        ask(&api, "GET", &format!("{PODS}/p"), &[], "").await.json()["metadata"]["deletionTimestamp"],
        Value::Null
    );
    let asked = format!("{:?}", asked.lock().expect("unpoisoned"));
    for told in ["follow: true", "previous: true", "timestamps: true", "tail_lines: Some(3)", "limit_bytes: Some(9)"] {
        assert!(asked.contains(told), "{told}: {asked}");
    }
}

/// Parameters that have no row above, and why.
const WITHOUT_A_ROW: [(&str, &str); 4] = [
    (
        "ignoreStoreReadErrorWithClusterBreakingPotential",
        "an object that alone cannot be read does not exist: a member whose log is damaged serves nothing",
    ),
    ("allowWatchBookmarks", "tests/properties.rs follows a watch with them"),
    ("path", "tests/proxy.rs hands paths on"),
    ("insecureSkipTLSVerifyBackend", "a node's session has no certificate of a kubelet to verify"),
];

#[tokio::test]
async fn every_parameter_that_is_told_of_is_looked_at() {
    let api = alone().await;
    let mut told = BTreeSet::new();
    for document in ["api/v1", "apis/apps/v1"] {
        let document = ask(&api, "GET", &format!("/openapi/v3/{document}"), &[], "").await.json();
        parameters(&document["paths"], &mut told);
    }
    assert!(told.len() > 15, "{told:?}");
    let rows: String = [writes(), deletes(), reads()].into_iter().flatten().map(|row| row.path + " ").collect();
    let own = include_str!("parameters.rs");
    for name in told {
        let known = rows.contains(&format!("{name}=")) || own.contains(&format!("{name}="));
        assert!(known || WITHOUT_A_ROW.iter().any(|(without, _)| *without == name), "{name} has no row");
    }
}

fn parameters(paths: &Value, told: &mut BTreeSet<String>) {
    for item in paths.as_object().into_iter().flatten().flat_map(|(_, item)| item.as_object().into_iter().flatten()) {
        let (of_path, of_verb) = (item.1.as_array(), item.1["parameters"].as_array());
        for parameter in of_path.into_iter().chain(of_verb).flatten().filter(|parameter| parameter["in"] == "query") {
            told.insert(parameter["name"].as_str().expect("a name").to_owned());
        }
    }
}
