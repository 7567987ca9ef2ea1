//! The paths of a kind and what may be done there: kubectl reads from them which query parameters PATCH takes.
use crate::kind::{DeleteReturns, Kind, Subresource};
use crate::openapi::schemas;
use serde_json::{Map, Value, json};

/// `/apis/apps/v1`, `/api/v1`.
pub(super) fn root(group: &str, version: &str) -> String {
    if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") }
}

pub(super) fn of(kind: &Kind, paths: &mut Map<String, Value>) {
    let root = root(&kind.group, &kind.version);
    let collection = if kind.namespaced {
        if kind.has("list") {
            paths.insert(
                format!("{root}/{}", kind.plural),
                json!({"get": operation(kind, "list", None, "ForAllNamespaces")}),
            );
        }
        format!("{root}/namespaces/{{namespace}}/{}", kind.plural)
    } else {
        format!("{root}/{}", kind.plural)
    };
    let at_collection = [("get", "list"), ("post", "create"), ("delete", "deletecollection")];
    insert(paths, &collection, kind, &at_collection, false);
    let one = format!("{collection}/{{name}}");
    insert(paths, &one, kind, &[("get", "get"), ("put", "update"), ("patch", "patch"), ("delete", "delete")], true);
    for subresource in &kind.subresources {
        let mut item = Map::new();
        for (method, verb) in
            [("get", "get"), ("put", "update"), ("patch", "patch"), ("post", "create"), ("delete", "delete")]
        {
            if subresource.verbs.iter().any(|known| &**known == verb) {
                item.insert(method.into(), operation(kind, verb, Some(subresource), ""));
            }
        }
        item.insert("parameters".into(), place(kind, true));
        paths.insert(format!("{one}/{}", subresource.name), Value::Object(item));
    }
}

fn insert(paths: &mut Map<String, Value>, path: &str, kind: &Kind, methods: &[(&str, &str)], named: bool) {
    let mut item = Map::new();
    for (method, verb) in methods.iter().filter(|(_, verb)| kind.has(verb)) {
        item.insert((*method).to_owned(), operation(kind, verb, None, ""));
    }
    if !item.is_empty() {
        item.insert("parameters".into(), place(kind, named));
        paths.insert(path.to_owned(), Value::Object(item));
    }
}

/// The parameters that stand in the path.
fn place(kind: &Kind, named: bool) -> Value {
    let parameter = |name: &str| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "uniqueItems": true}});
    let mut list = Vec::new();
    if named {
        list.push(parameter("name"));
    }
    if kind.namespaced {
        list.push(parameter("namespace"));
    }
    Value::Array(list)
}

/// What may be asked for at once, and watched.
const MEDIA: [&str; 5] = [
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf;stream=watch",
];

fn operation(kind: &Kind, verb: &str, subresource: Option<&Subresource>, tail: &str) -> Value {
    let (group, version, name) =
        subresource.map_or((&kind.group, &kind.version, &kind.kind), |body| (&body.group, &body.version, &body.kind));
    let connects = subresource.is_some_and(connects);
    let body = match subresource {
        _ if connects => json!({"type": "string"}),
        Some(subresource) => schemas::body(kind, subresource),
        None => schemas::reference(&schemas::name(kind)),
    };
    let answer = match verb {
        "list" => schemas::reference(&format!("{}List", schemas::name(kind))),
        "deletecollection" => schemas::reference(schemas::STATUS),
        "delete" if !connects && kind.delete_returns == DeleteReturns::Status => schemas::reference(schemas::STATUS),
        _ => body.clone(),
    };
    let action = match verb {
        _ if connects => "connect",
        "update" => "put",
        "create" => "post",
        other => other,
    };
    let tag = format!("{}_{}", group_name(&kind.group, false), kind.version);
    let mut operation = json!({
        "tags": [tag],
        "operationId": operation_id(kind, verb, subresource, tail),
        "parameters": if connects { json!([]) } else { query(verb) },
        "responses": responses(kind, verb, &answer, connects),
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": name},
    });
    let content = match verb {
        _ if connects => return operation,
        "create" | "update" => json!({"*/*": {"schema": body}}),
        "patch" => patches(kind),
        "delete" | "deletecollection" => json!({"*/*": {"schema": schemas::reference(schemas::DELETE_OPTIONS)}}),
        _ => return operation,
    };
    operation["requestBody"] = json!({ "content": content });
    if matches!(verb, "create" | "update" | "patch") {
        operation["requestBody"]["required"] = true.into();
    }
    operation
}

/// Exec, proxy and their like: a connection, and no object.
fn connects(subresource: &Subresource) -> bool {
    subresource.kind.ends_with("Options")
}

fn patches(kind: &Kind) -> Value {
    let mut kinds = vec!["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"];
    if !kind.custom() {
        kinds.push("application/strategic-merge-patch+json");
    }
    let patch = schemas::reference(schemas::PATCH);
    Value::Object(kinds.into_iter().map(|kind| (kind.to_owned(), json!({ "schema": patch }))).collect())
}

fn responses(kind: &Kind, verb: &str, answer: &Value, connects: bool) -> Value {
    let media: &[&str] = match verb {
        _ if connects => &["*/*"],
        _ if kind.custom() => &MEDIA[..2],
        "list" => &MEDIA,
        _ => &MEDIA[..3],
    };
    let content: Map<String, Value> =
        media.iter().map(|media| ((*media).to_owned(), json!({ "schema": answer }))).collect();
    let codes: &[(&str, &str)] = match verb {
        _ if connects => &[("200", "OK")],
        "create" => &[("200", "OK"), ("201", "Created"), ("202", "Accepted")],
        "update" | "patch" => &[("200", "OK"), ("201", "Created")],
        "delete" => &[("200", "OK"), ("202", "Accepted")],
        _ => &[("200", "OK")],
    };
    let mut responses: Map<String, Value> = codes
        .iter()
        .map(|(code, text)| ((*code).to_owned(), json!({"description": text, "content": content})))
        .collect();
    responses.insert("401".into(), json!({"description": "Unauthorized"}));
    Value::Object(responses)
}

/// `RbacAuthorization`, `core`.
fn group_name(group: &str, capital: bool) -> String {
    let group = if group.is_empty() { "core" } else { group.strip_suffix(".k8s.io").unwrap_or(group) };
    let words = group.split(['.', '-']).enumerate();
    words.map(|(at, word)| if at > 0 || capital { capitalised(word) } else { word.to_owned() }).collect()
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

/// `createAppsV1NamespacedDeployment`: what generated clients name their functions after.
fn operation_id(kind: &Kind, verb: &str, subresource: Option<&Subresource>, tail: &str) -> String {
    let (word, collection) = match verb {
        "get" => ("read", ""),
        "update" => ("replace", ""),
        "deletecollection" => ("delete", "Collection"),
        other => (other, ""),
    };
    let (group, version) = (group_name(&kind.group, true), capitalised(&kind.version));
    let method = match verb {
        "create" => "Post",
        "update" => "Put",
        other => other,
    };
    let connecting = subresource.is_some_and(connects);
    let word = if connecting { "connect" } else { word };
    let method = if connecting { capitalised(method) } else { String::new() };
    let namespaced = if kind.namespaced && tail.is_empty() { "Namespaced" } else { "" };
    let below = subresource.map(|subresource| capitalised(&subresource.name)).unwrap_or_default();
    format!("{word}{group}{version}{method}{collection}{namespaced}{}{below}{tail}", kind.kind)
}

fn query(verb: &str) -> Value {
    let names: &[(&str, &str)] = match verb {
        "create" | "update" => {
            &[("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"), ("pretty", "string")]
        }
        "patch" => &[
            ("dryRun", "string"),
            ("fieldManager", "string"),
            ("fieldValidation", "string"),
            ("force", "boolean"),
            ("pretty", "string"),
        ],
        "delete" => &[
            ("dryRun", "string"),
            ("gracePeriodSeconds", "integer"),
            ("ignoreStoreReadErrorWithClusterBreakingPotential", "boolean"),
            ("orphanDependents", "boolean"),
            ("pretty", "string"),
            ("propagationPolicy", "string"),
        ],
        "list" => &[
            ("allowWatchBookmarks", "boolean"),
            ("continue", "string"),
            ("fieldSelector", "string"),
            ("labelSelector", "string"),
            ("limit", "integer"),
            ("pretty", "string"),
            ("resourceVersion", "string"),
            ("resourceVersionMatch", "string"),
            ("sendInitialEvents", "boolean"),
            ("timeoutSeconds", "integer"),
            ("watch", "boolean"),
        ],
        "deletecollection" => &[
            ("continue", "string"),
            ("dryRun", "string"),
            ("fieldSelector", "string"),
            ("gracePeriodSeconds", "integer"),
            ("ignoreStoreReadErrorWithClusterBreakingPotential", "boolean"),
            ("labelSelector", "string"),
            ("limit", "integer"),
            ("orphanDependents", "boolean"),
            ("pretty", "string"),
            ("propagationPolicy", "string"),
            ("resourceVersion", "string"),
            ("resourceVersionMatch", "string"),
            ("sendInitialEvents", "boolean"),
            ("timeoutSeconds", "integer"),
        ],
        _ => &[("pretty", "string")],
    };
    let list = names
        .iter()
        .map(|(name, kind)| json!({"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": true}}));
    list.collect()
}
