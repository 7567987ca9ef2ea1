//! Tests of the documents: no reference hangs in the air, and what kubectl looks for is there.
use super::{document, document_v2, hash, index, protobuf_v2};
use crate::kinds::set::Kinds;
use serde_json::Value;

fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "$ref" => found.push(text),
                    _ => references(member, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_reference_is_met() {
    let kinds = Kinds::new([]);
    for group in kinds.groups() {
        for version in kinds.versions(group) {
            let document = document(&kinds, group, version).expect("served");
            let mut found = Vec::new();
            references(&document, &mut found);
            for reference in found {
                let name = reference.strip_prefix("#/components/schemas/").expect("of this document");
                assert!(document["components"]["schemas"].get(name).is_some(), "{reference} in {group}/{version}");
            }
        }
    }
    assert_eq!(document(&kinds, "nope", "v1"), None);
}

#[test]
fn kubectl_finds_what_it_looks_for() {
    let kinds = Kinds::new([]);
    let apps = document(&kinds, "apps", "v1").expect("served");
    let patch = &apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Deployment");
    for name in ["fieldValidation", "dryRun", "fieldManager"] {
        assert!(
            patch["parameters"].as_array().expect("a list").iter().any(|parameter| parameter["name"] == name),
            "{name}"
        );
    }
    let schemas = &apps["components"]["schemas"];
    assert_eq!(schemas["io.k8s.api.apps.v1.Deployment"]["x-kubernetes-group-version-kind"][0]["group"], "apps");
    let containers = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
    assert_eq!(
        (containers["x-kubernetes-patch-merge-key"].as_str(), containers["x-kubernetes-patch-strategy"].as_str()),
        (Some("name"), Some("merge"))
    );
    let volumes = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["volumes"];
    assert_eq!(volumes["x-kubernetes-patch-strategy"], "merge,retainKeys");
}

#[test]
fn the_index_names_every_group() {
    let kinds = Kinds::new([]);
    let index = index(&kinds);
    let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().expect("served");
    assert_eq!(url, format!("/openapi/v3/apis/apps/v1?hash={}", hash(&kinds, "apps", "v1")));
    assert!(index["paths"].get("api/v1").is_some());
    assert_ne!(hash(&kinds, "apps", "v1"), hash(&kinds, "batch", "v1"));
}

#[test]
fn every_operation_says_what_it_takes() {
    let kinds = Kinds::new([]);
    let mut names = std::collections::BTreeSet::new();
    for group in kinds.groups() {
        for version in kinds.versions(group) {
            let document = document(&kinds, group, version).expect("served");
            for (path, item) in document["paths"].as_object().expect("paths") {
                for (method, operation) in
                    item.as_object().expect("methods").iter().filter(|(name, _)| *name != "parameters")
                {
                    let id = operation["operationId"].as_str().expect("a name").to_owned();
                    assert!(names.insert(id.clone()), "{id} twice");
                    assert!(operation["x-kubernetes-group-version-kind"]["kind"].is_string(), "{path} {method}");
                    assert!(operation["x-kubernetes-action"].is_string(), "{path} {method}");
                    let action = operation["x-kubernetes-action"].as_str().expect("an action");
                    let parameters = operation["parameters"].as_array().expect("a list");
                    let has = |name: &str| parameters.iter().any(|parameter| parameter["name"] == name);
                    if matches!(action, "post" | "put" | "patch") {
                        assert!(has("dryRun") && has("fieldManager") && has("fieldValidation"), "{path} {method}");
                        assert!(operation["requestBody"]["content"].is_object(), "{path} {method}");
                    }
                    assert_eq!(has("force"), action == "patch", "{path} {method}");
                }
            }
        }
    }
    for name in [
        "createAppsV1NamespacedDeployment",
        "listCoreV1PodForAllNamespaces",
        "deleteCoreV1CollectionNamespacedPod",
        "readCoreV1Node",
        "connectCoreV1PostNamespacedPodExec",
        "replaceRbacAuthorizationV1ClusterRole",
        "patchAppsV1NamespacedDeploymentScale",
    ] {
        assert!(names.contains(name), "{name}");
    }
}

#[test]
fn v2_is_one_document_without_what_it_cannot_say() {
    let document = document_v2(&Kinds::new([]));
    let mut found = Vec::new();
    references(&document, &mut found);
    for reference in found {
        let name = reference.strip_prefix("#/definitions/").unwrap_or_else(|| panic!("{reference}"));
        assert!(document["definitions"].get(name).is_some(), "{reference}");
    }
    let mut told = document.clone();
    // It has members of these names.
    let schema = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";
    told["definitions"].as_object_mut().expect("definitions").remove(schema).expect("known");
    let text = told.to_string();
    for word in ["\"oneOf\":", "\"allOf\":", "\"requestBody\":", "\"nullable\":", "components/schemas"] {
        assert!(!text.contains(word), "{word}");
    }
    let quantity = &document["definitions"]["io.k8s.apimachinery.pkg.api.resource.Quantity"];
    assert_eq!(quantity, &serde_json::json!({"type": "string"}));
    let containers = &document["definitions"]["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
    assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
    assert_eq!(containers["items"]["$ref"], "#/definitions/io.k8s.api.core.v1.Container");
    let post = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments"]["post"];
    assert_eq!(post["parameters"][0]["schema"]["$ref"], "#/definitions/io.k8s.api.apps.v1.Deployment");
    assert_eq!(post["parameters"][0]["required"], true);
    assert_eq!(post["responses"]["201"]["schema"]["$ref"], "#/definitions/io.k8s.api.apps.v1.Deployment");
}

/// Members of a protobuf message: number and bytes, of those that have a length.
fn parts(mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let (mut number, mut shift) = (0_u64, 0);
        loop {
            let (byte, rest) = bytes.split_first().expect("more");
            *bytes = rest;
            number |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if *byte < 0x80 {
                return number;
            }
        }
    }
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        match tag & 7 {
            0 => drop(varint(&mut bytes)),
            1 => bytes = &bytes[8..],
            _ => {
                let length = varint(&mut bytes) as usize;
                found.push((tag >> 3, &bytes[..length]));
                bytes = &bytes[length..];
            }
        }
    }
    found
}

/// The value of the entry called `name` among repeated {1 name, 2 value}.
fn named<'a>(entries: &[(u64, &'a [u8])], number: u64, name: &str) -> Vec<(u64, &'a [u8])> {
    let inner = entries.iter().filter(|(known, _)| *known == number).map(|(_, bytes)| parts(bytes));
    let found = inner.into_iter().find(|entry| entry[0] == (1, name.as_bytes())).unwrap_or_else(|| panic!("no {name}"));
    parts(found[1].1)
}

fn below<'a>(members: &[(u64, &'a [u8])], number: u64) -> Vec<(u64, &'a [u8])> {
    let found = members.iter().find(|(known, _)| *known == number).unwrap_or_else(|| panic!("no {number}"));
    parts(found.1)
}

#[test]
fn v2_in_protobuf_has_the_numbers_of_gnostic() {
    let json = document_v2(&Kinds::new([]));
    let bytes = protobuf_v2(&json);
    let document = parts(&bytes);
    assert_eq!(document[0], (1, &b"2.0"[..]));
    let definitions = below(&document, 9);
    assert_eq!(definitions.len(), json["definitions"].as_object().expect("definitions").len());
    let spec = named(&definitions, 1, "io.k8s.api.core.v1.PodSpec");
    assert_eq!(below(&spec, 22), [(1, &b"object"[..])], "its type");
    let containers = named(&below(&spec, 25), 1, "containers");
    let item = below(&below(&containers, 23), 1);
    assert_eq!(item[0], (1, &b"#/definitions/io.k8s.api.core.v1.Container"[..]));
    let key = named(&containers, 31, "x-kubernetes-patch-merge-key");
    assert_eq!(key, [(2, &b"\"name\""[..])], "any value, as YAML");
    let paths = below(&document, 8);
    let post = below(&named(&paths, 2, "/apis/apps/v1/namespaces/{namespace}/deployments"), 4);
    let body = below(&below(&below(&post, 8), 1), 1);
    assert_eq!(body[..2], [(2, &b"body"[..]), (3, &b"body"[..])]);
    assert_eq!(below(&body, 5)[0], (1, &b"#/definitions/io.k8s.api.apps.v1.Deployment"[..]));
    let answer = below(&below(&below(&named(&below(&post, 9), 1, "201"), 1), 2), 1);
    assert_eq!(answer[0], (1, &b"#/definitions/io.k8s.api.apps.v1.Deployment"[..]));
    let query = post.iter().filter(|(number, _)| *number == 8).nth(1).expect("a parameter");
    let query = below(&below(&below(&parts(query.1), 1), 2), 3);
    assert!(query.contains(&(4, &b"dryRun"[..])) && query.contains(&(6, &b"string"[..])));
}
