//! Which groups, versions and resources there are: the legacy documents and the aggregated one (KEP-3352).
//! A function of the kinds alone.
use api::kind::Kind;
use api::kinds::set::Kinds;
use serde_json::{Value, json};

/// `GET /api`.
#[must_use]
pub fn core_versions() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
}

/// `GET /apis`.
#[must_use]
pub fn groups(kinds: &Kinds) -> Value {
    let groups = kinds.groups().into_iter().filter(|group| !group.is_empty()).filter_map(|name| group(kinds, name));
    let groups: Vec<Value> = groups
        .map(|mut group| {
            if let Some(group) = group.as_object_mut() {
                group.remove("kind");
                group.remove("apiVersion");
            }
            group
        })
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `GET /apis/GROUP`; `None` if there is no such group.
#[must_use]
pub fn group(kinds: &Kinds, name: &str) -> Option<Value> {
    let versions: Vec<Value> = kinds
        .versions(name)
        .into_iter()
        .map(|version| json!({"groupVersion": format!("{name}/{version}"), "version": version}))
        .collect();
    let preferred = versions.first()?.clone();
    Some(
        json!({"kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": versions, "preferredVersion": preferred}),
    )
}

/// `GET /api/v1`, `GET /apis/GROUP/VERSION`; `None` if nobody serves it.
#[must_use]
pub fn resources(kinds: &Kinds, group: &str, version: &str) -> Option<Value> {
    let mut list = Vec::new();
    for kind in kinds.of(group, version) {
        let mut entry = json!({"name": &*kind.plural, "singularName": &*kind.singular, "namespaced": kind.namespaced,
            "kind": &*kind.kind, "verbs": texts(&kind.verbs)});
        words(&mut entry, kind);
        list.push(entry);
        for sub in &kind.subresources {
            let mut entry = json!({"name": format!("{}/{}", kind.plural, sub.name), "singularName": "",
                "namespaced": kind.namespaced, "kind": &*sub.kind, "verbs": texts(&sub.verbs)});
            if (&*sub.group, &*sub.version) != (group, version) {
                entry["group"] = (*sub.group).into();
                entry["version"] = (*sub.version).into();
            }
            list.push(entry);
        }
    }
    let name = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    (!list.is_empty())
        .then(|| json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": list}))
}

/// The whole of `/api` (`core`) or `/apis` in one document, as apidiscovery.k8s.io `version` has it.
#[must_use]
pub fn aggregated(kinds: &Kinds, core: bool, version: &str) -> Value {
    let mut items = Vec::new();
    for group in kinds.groups().into_iter().filter(|group| group.is_empty() == core) {
        let versions: Vec<Value> = kinds
            .versions(group)
            .into_iter()
            .map(|version| {
                let resources: Vec<Value> = kinds.of(group, version).map(|kind| entry(kind)).collect();
                json!({"version": version, "freshness": "Current", "resources": resources})
            })
            .collect();
        let meta = if group.is_empty() {
            json!({"creationTimestamp": null})
        } else {
            json!({"name": group, "creationTimestamp": null})
        };
        items.push(json!({"metadata": meta, "versions": versions}));
    }
    let api_version = format!("apidiscovery.k8s.io/{version}");
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": api_version, "metadata": {}, "items": items})
}

fn entry(kind: &Kind) -> Value {
    let response = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    let subresources: Vec<Value> = kind
        .subresources
        .iter()
        .map(|sub| json!({"subresource": &*sub.name, "responseKind": response(&sub.group, &sub.version, &sub.kind), "verbs": texts(&sub.verbs)}))
        .collect();
    let mut entry = json!({"resource": &*kind.plural, "responseKind": response(&kind.group, &kind.version, &kind.kind),
        "scope": if kind.namespaced { "Namespaced" } else { "Cluster" }, "singularResource": &*kind.singular,
        "verbs": texts(&kind.verbs)});
    words(&mut entry, kind);
    if !subresources.is_empty() {
        entry["subresources"] = subresources.into();
    }
    entry
}

fn words(entry: &mut Value, kind: &Kind) {
    for (member, list) in [("shortNames", &kind.short_names), ("categories", &kind.categories)] {
        if !list.is_empty() {
            entry[member] = texts(list).into();
        }
    }
}

fn texts(list: &[Box<str>]) -> Vec<&str> {
    list.iter().map(|text| &**text).collect()
}
