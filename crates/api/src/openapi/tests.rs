//! Tests of the documents: no reference hangs in the air, and what kubectl looks for is there.
use super::{document, hash, index};
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
