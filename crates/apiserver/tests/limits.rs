//! Every limit of what a request may ask for: as much as it allows is taken, and one more is refused with a Status that says so.
//! What a body as a whole may have is the transport's to count: `tests/https.rs`.
mod serve;

use api::limits::JSON_DEPTH_MAX;
use serde_json::{Value, json};
use serve::{alone, ask};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const ONE: &str = "/api/v1/namespaces/default/configmaps/a";
const PODS: &str = "/api/v1/namespaces/default/pods";
const JSON_PATCH: &str = "Content-Type: application/json-patch+json";
const YAML: &str = "Content-Type: application/yaml";

/// A request, its header and body, the code of its answer and what that says.
type Row = (&'static str, &'static str, String, &'static str, String, u16, &'static str);

fn map(meta: Value, data: Value) -> String {
    json!({"metadata": meta, "data": data}).to_string()
}

/// A value that nests so deeply, in a config map's data.
fn nested(levels: usize) -> String {
    format!(r#"{{"metadata":{{"name":"n"}},"x":{}{}}}"#, "[".repeat(levels), "]".repeat(levels))
}

fn tests(count: usize) -> String {
    let test = r#"{"op":"test","path":"/kind","value":"ConfigMap"}"#;
    format!("[{}]", vec![test; count].join(","))
}

fn aliases(count: usize) -> String {
    format!("metadata: {{name: aliased}}\na: &a x\nb: [{}]\n", vec!["*a"; count].join(","))
}

fn pod(bytes: usize) -> String {
    json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i", "command": ["x".repeat(bytes)]}]}})
        .to_string()
}

fn options(bytes: usize) -> String {
    json!({"kind": "DeleteOptions", "dryRun": ["All"], "preconditions": {"uid": "x".repeat(bytes)}}).to_string()
}

fn rows() -> Vec<Row> {
    let noted = |bytes: usize| map(json!({"name": "noted", "annotations": {"a": "x".repeat(bytes - 1)}}), json!({}));
    let named = |bytes: usize| map(json!({"name": "n".repeat(bytes)}), json!({}));
    let labelled = |bytes: usize| map(json!({"name": "l", "labels": {"a": "x".repeat(bytes)}}), json!({}));
    let data = |bytes: usize| map(json!({"name": "d"}), json!({"k": "x".repeat(bytes)}));
    let dry = || format!("{MAPS}?dryRun=All");
    let query = |count: usize| format!("{MAPS}?{}", vec!["a=b"; count].join("&"));
    let post = |what, body, code, says| ("POST", what, dry(), "", body, code, says);
    vec![
        post("annotations", noted(256 * 1024), 201, ""),
        post(
            "annotations",
            noted(256 * 1024 + 1),
            422,
            "metadata.annotations: Too long: may not be more than 262144 bytes",
        ),
        post("name", named(253), 201, ""),
        post("name", named(254), 422, "must be no more than 253"),
        post("label", labelled(63), 201, ""),
        post("label", labelled(64), 422, "must be no more than 63"),
        post("data", data(1024 * 1024), 201, ""),
        post("data", data(1024 * 1024 + 1), 422, "Too long: may not be more than 1048576 bytes"),
        post("nesting", nested(JSON_DEPTH_MAX - 2), 201, ""),
        post("nesting", nested(JSON_DEPTH_MAX - 1), 400, "exceeded max depth"),
        (
            "POST",
            "nesting of YAML",
            dry(),
            YAML,
            nested(128).replacen('{', "{ # no JSON\n", 1),
            400,
            "error converting YAML to JSON",
        ),
        ("POST", "aliases of YAML", dry(), YAML, aliases(99), 201, ""),
        ("POST", "aliases of YAML", dry(), YAML, aliases(100), 400, "error converting YAML to JSON"),
        ("POST", "object", format!("{PODS}?dryRun=All"), "", pod(1_500_000), 201, ""),
        ("POST", "object", PODS.into(), "", pod(1_536 * 1024), 413, "an object may have 1572864 bytes"),
        ("PATCH", "operations", ONE.into(), JSON_PATCH, tests(10_000), 200, ""),
        (
            "PATCH",
            "operations",
            ONE.into(),
            JSON_PATCH,
            tests(10_001),
            413,
            "maximum operations in a JSON patch is 10000, got 10001",
        ),
        ("GET", "parameters", query(256), "", String::new(), 200, ""),
        ("GET", "parameters", query(257), "", String::new(), 400, "more than 256 query parameters"),
        ("DELETE", "options", ONE.into(), "", options(60_000), 409, "precondition"),
        ("DELETE", "options", ONE.into(), "", options(64 * 1024), 413, "for what is no object"),
    ]
}

#[tokio::test]
async fn what_is_too_much_is_refused_and_said() {
    let api = alone().await;
    assert_eq!(ask(&api, "POST", MAPS, &[], map(json!({"name": "a"}), json!({}))).await.code, 201);
    let mut wrong = Vec::new();
    for (method, what, path, header, body, code, says) in rows() {
        let headers: Vec<&str> = Some(header).filter(|header| !header.is_empty()).into_iter().collect();
        let size = body.len();
        let reply = ask(&api, method, &path, &headers, body).await;
        let told = &reply.body[..reply.body.len().min(400)];
        if reply.code != code || !reply.body.contains(says) {
            wrong.push(format!("{what} of {size} bytes: {} {told}, and should be {code} {says}", reply.code));
        }
        if code >= 400 && reply.json()["kind"] != "Status" {
            wrong.push(format!("{what}: no Status: {told}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Of many unknown fields as many are told as Kubernetes tells, and the warnings have an end.
#[tokio::test]
async fn complaints_have_an_end() {
    let api = alone().await;
    let members: Vec<String> = (0..500).map(|at| format!(r#""m{at}":0"#)).collect();
    let body = format!(r#"{{"metadata":{{"name":"c"}},{}}}"#, members.join(","));
    let strict = ask(&api, "POST", &format!("{MAPS}?fieldValidation=Strict"), &[], body.clone()).await;
    assert_eq!((strict.code, strict.body.matches("unknown field").count()), (400, 100));
    let warned = ask(&api, "POST", &format!("{MAPS}?dryRun=All"), &[], body).await;
    let warnings: usize = warned.headers.get_all("warning").iter().map(|warning| warning.len()).sum();
    assert!(warned.code == 201 && warnings > 1_000 && warnings < 8 * 1024, "{warnings}");
}

/// A custom object that nests as deeply as one may, its managed fields included, in a thread with half the stack that a server's has.
#[test]
fn depth_fits_the_stack() {
    const STACK: usize = 1024 * 1024;
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(Box::pin(deepest()));
        runtime.block_on(Box::pin(deep_built_in()));
    };
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(run).expect("a thread");
    thread.join().expect("it ends well");
}

async fn deepest() {
    let server = alone().await;
    let free = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let kind = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "wells.rutter.dev"},
        "spec": {"group": "rutter.dev", "scope": "Namespaced", "names": {"plural": "wells", "kind": "Well"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": free}}}}]}});
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    assert_eq!(ask(&server, "POST", definitions, &[], kind.to_string()).await.code, 201);
    let (wells, well) =
        ("/apis/rutter.dev/v1/namespaces/default/wells", "/apis/rutter.dev/v1/namespaces/default/wells/w");
    let body = |levels: usize, bottom: u32| {
        let spec = "{\"a\":".repeat(levels) + &bottom.to_string() + &"}".repeat(levels);
        format!(r#"{{"apiVersion":"rutter.dev/v1","kind":"Well","metadata":{{"name":"w"}},"spec":{spec}}}"#)
    };
    // Managed fields nest a little more deeply than what they are of.
    let levels = JSON_DEPTH_MAX - 7;
    let refused = ask(&server, "POST", wells, &[], body(JSON_DEPTH_MAX - 2, 1)).await;
    assert_eq!(refused.code, 400, "{}", &refused.body[..200.min(refused.body.len())]);
    let made = ask(&server, "POST", wells, &[], body(levels, 1)).await;
    assert_eq!(made.code, 201, "{}", &made.body[..200.min(made.body.len())]);
    let deep = "{\"a\":".repeat(levels) + "1";
    for accept in ["application/json", "application/yaml", "application/json;as=Table;v=v1;g=meta.k8s.io"] {
        let header = format!("Accept: {accept}");
        for path in [wells, well] {
            let found = ask(&server, "GET", path, &[&header], "").await;
            assert_eq!(found.code, 200, "{accept} {path}");
            assert!(accept != "application/json" || found.body.contains(&deep));
        }
    }
    let merge = format!("{{\"spec\":{}2{}}}", "{\"a\":".repeat(levels), "}".repeat(levels));
    let path = "/a".repeat(levels);
    let json_patch = format!(r#"[{{"op":"replace","path":"/spec{path}","value":3}}]"#);
    for (method, header, body) in [
        ("PATCH", "Content-Type: application/merge-patch+json", merge),
        ("PATCH", "Content-Type: application/json-patch+json", json_patch),
        ("PUT", "Content-Type: application/json", body(levels, 4)),
    ] {
        let changed = ask(&server, method, well, &[header], body).await;
        assert_eq!(changed.code, 200, "{header} {}", &changed.body[..200.min(changed.body.len())]);
    }
    let applied = r#"{"apiVersion":"rutter.dev/v1","kind":"Well","metadata":{"name":"w"},"spec":{"b":1}}"#;
    let header = "Content-Type: application/apply-patch+yaml";
    let applied = ask(&server, "PATCH", &format!("{well}?fieldManager=t"), &[header], applied).await;
    assert_eq!(applied.code, 200, "{}", &applied.body[..200.min(applied.body.len())]);
    let last = ask(&server, "GET", well, &[], "").await;
    assert!(last.body.contains("{\"a\":4}"));
    assert_eq!(ask(&server, "DELETE", well, &[], "").await.code, 200);
}

/// Built-in kinds that hold what they like: schemas within schemas, and the state of whoever keeps revisions.
async fn deep_built_in() {
    let server = alone().await;
    let definition = |levels: usize| {
        let schema =
            r#"{"type":"object","properties":{"a":"#.repeat(levels) + r#"{"type":"string"}"# + &"}}".repeat(levels);
        format!(
            r#"{{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{{"name":"wells.rutter.dev"}},
            "spec":{{"group":"rutter.dev","scope":"Namespaced","names":{{"plural":"wells","kind":"Well"}},"versions":[{{"name":"v1",
            "served":true,"storage":true,"schema":{{"openAPIV3Schema":{schema}}}}}]}}}}"#
        )
    };
    let (definitions, levels) = ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", 60);
    let refused = ask(&server, "POST", definitions, &[], definition(JSON_DEPTH_MAX / 2 - 10)).await;
    assert!(refused.code == 422 && refused.body.contains("schemas may be nested 64 deep"), "{}", refused.code);
    let made = ask(&server, "POST", definitions, &[], definition(levels)).await;
    assert_eq!(made.code, 201, "{}", &made.body[..300.min(made.body.len())]);
    let spec = "{\"a\":".repeat(levels) + "\"x\"" + &"}".repeat(levels);
    let well = format!(r#"{{"apiVersion":"rutter.dev/v1","kind":"Well","metadata":{{"name":"w"}},{}"#, &spec[1..]);
    let wells = "/apis/rutter.dev/v1/namespaces/default/wells";
    let made = ask(&server, "POST", wells, &[], well).await;
    assert_eq!(made.code, 201, "{}", &made.body[..300.min(made.body.len())]);
    for path in ["/openapi/v3/apis/rutter.dev/v1", "/openapi/v2", wells] {
        assert_eq!(ask(&server, "GET", path, &[], "").await.code, 200, "{path}");
    }
    let levels = JSON_DEPTH_MAX - 10;
    let data = "[".repeat(levels) + &"]".repeat(levels);
    let revision = format!(r#"{{"metadata":{{"name":"r"}},"revision":1,"data":{data}}}"#);
    let revisions = "/apis/apps/v1/namespaces/default/controllerrevisions";
    let made = ask(&server, "POST", revisions, &[], revision).await;
    assert_eq!(made.code, 201, "{}", &made.body[..300.min(made.body.len())]);
    for path in [definitions.to_owned(), format!("{revisions}/r")] {
        for accept in ["application/json", "application/yaml"] {
            assert_eq!(
                ask(&server, "GET", &path, &[&format!("Accept: {accept}")], "").await.code,
                200,
                "{path} {accept}"
            );
        }
        let request = [("accept", "application/vnd.kubernetes.protobuf")];
        assert_eq!(code_of(&server, &path, &request).await, 200, "{path} in protobuf");
    }
}

/// Of an answer that is no text.
async fn code_of(server: &apiserver::server::ApiServer, path: &str, headers: &[(&'static str, &'static str)]) -> u16 {
    let headers = headers.iter().map(|(name, value)| {
        (hyper::header::HeaderName::from_static(name), hyper::header::HeaderValue::from_static(value))
    });
    let request = apiserver::request::Request {
        method: hyper::Method::GET,
        uri: path.parse().expect("a path"),
        headers: headers.collect(),
        body: bytes::Bytes::new(),
        user: Some(apiserver::identity::User::new("admin", &["system:masters"])),
        from: None,
    };
    serve::whole(server.handle(request).await).await.0
}
