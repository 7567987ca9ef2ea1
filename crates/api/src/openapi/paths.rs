//! The paths of a kind and what may be done there: kubectl reads from them which query parameters PATCH takes.
use crate::kind::{Kind, Subresource};
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
            paths.insert(format!("{root}/{}", kind.plural), json!({"get": operation(kind, "list", None)}));
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
                item.insert(method.into(), operation(kind, verb, Some(subresource)));
            }
        }
        item.insert("parameters".into(), place(kind, true));
        paths.insert(format!("{one}/{}", subresource.name), Value::Object(item));
    }
}

fn insert(paths: &mut Map<String, Value>, path: &str, kind: &Kind, methods: &[(&str, &str)], named: bool) {
    let mut item = Map::new();
    for (method, verb) in methods.iter().filter(|(_, verb)| kind.has(verb)) {
        item.insert((*method).to_owned(), operation(kind, verb, None));
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

fn operation(kind: &Kind, verb: &str, subresource: Option<&Subresource>) -> Value {
    let (group, version, name) =
        subresource.map_or((&kind.group, &kind.version, &kind.kind), |body| (&body.group, &body.version, &body.kind));
    let own = subresource
        .is_none_or(|body| body.group == kind.group && body.version == kind.version && body.kind == kind.kind);
    let reference = if own { schemas::reference(&schemas::name(kind)) } else { json!({"type": "object"}) };
    let answer = match verb {
        "list" => schemas::reference(&format!("{}List", schemas::name(kind))),
        "deletecollection" => schemas::reference(schemas::STATUS),
        _ => reference.clone(),
    };
    let action = if verb == "update" {
        "put"
    } else if verb == "create" {
        "post"
    } else {
        verb
    };
    let mut operation = json!({
        "parameters": query(verb),
        "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": answer}}}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": name},
    });
    let body = match verb {
        "create" | "update" => Some(json!({"*/*": {"schema": reference}})),
        "patch" => {
            let kinds = [
                "application/apply-patch+yaml",
                "application/json-patch+json",
                "application/merge-patch+json",
                "application/strategic-merge-patch+json",
            ];
            let content = kinds.map(|kind| (kind.to_owned(), json!({"schema": {"type": "object"}})));
            Some(Value::Object(content.into_iter().collect()))
        }
        "delete" | "deletecollection" => Some(json!({"*/*": {"schema": schemas::reference(schemas::DELETE_OPTIONS)}})),
        _ => None,
    };
    if let Some(content) = body {
        operation["requestBody"] = json!({ "content": content });
    }
    operation
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
            ("orphanDependents", "boolean"),
            ("propagationPolicy", "string"),
        ],
        "list" => &[
            ("allowWatchBookmarks", "boolean"),
            ("continue", "string"),
            ("fieldSelector", "string"),
            ("labelSelector", "string"),
            ("limit", "integer"),
            ("resourceVersion", "string"),
            ("resourceVersionMatch", "string"),
            ("sendInitialEvents", "boolean"),
            ("timeoutSeconds", "integer"),
            ("watch", "boolean"),
        ],
        "deletecollection" => &[
            ("dryRun", "string"),
            ("fieldSelector", "string"),
            ("gracePeriodSeconds", "integer"),
            ("labelSelector", "string"),
            ("propagationPolicy", "string"),
        ],
        _ => &[("pretty", "string")],
    };
    let list = names
        .iter()
        .map(|(name, kind)| json!({"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": true}}));
    list.collect()
}
