//! Which groups, versions and resources there are: the legacy documents and the aggregated one (KEP-3352).
//! A function of the kinds alone.
use api::kind::{Kind, Subresource};
use api::kinds::set::Kinds;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// The groups of Kubernetes in its own order, which says whose kind is meant by a name that several groups have.
const GROUPS: [&str; 21] = [
    "",
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "resource.k8s.io",
];

/// Those, then the others by name.
fn ordered(kinds: &Kinds) -> Vec<&str> {
    let mut groups = kinds.groups();
    groups.sort_by_key(|name| (GROUPS.iter().position(|known| known == name).unwrap_or(GROUPS.len()), *name));
    groups
}

/// `GET /api`, from the member that clients reach at `address`; empty if that is not known.
#[must_use]
pub fn core_versions(address: &str) -> Value {
    let mut addresses = vec![json!({"clientCIDR": "0.0.0.0/0", "serverAddress": address})];
    addresses.retain(|_| !address.is_empty());
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses})
}

/// `GET /apis`.
#[must_use]
pub fn groups(kinds: &Kinds) -> Value {
    let groups = ordered(kinds).into_iter().filter(|group| !group.is_empty()).filter_map(|name| group(kinds, name));
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
        if let Some(hash) = storage_hash(kinds, kind) {
            entry["storageVersionHash"] = hash.into();
        }
        list.push(entry);
        for sub in &kind.subresources {
            let mut entry = json!({"name": format!("{}/{}", kind.plural, sub.name), "singularName": "",
                "namespaced": kind.namespaced, "kind": &*sub.kind, "verbs": verbs(sub)});
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

/// Which version the kind is stored in, as a token that changes with it: the first bytes of the SHA-256 of its name. The legacy documents
/// alone tell it. `None`: it is not stored, or in a version that nobody serves.
fn storage_hash(kinds: &Kinds, kind: &Kind) -> Option<String> {
    // What is made up of what members say of themselves is stored nowhere.
    if !kind.stored() || !kind.has("create") {
        return None;
    }
    let stored = match &kind.stored_in {
        Some(version) => kinds.get(&kind.group, version, &kind.plural)?,
        None if kind.custom() => return None,
        // The first that is stored there: its twins and elder versions are made of it.
        None => kinds.by_resource(&kind.resource)?,
    };
    let name = format!("{}/{}/{}", stored.group, stored.version, stored.kind);
    let hash = ring::digest::digest(&ring::digest::SHA256, name.as_bytes());
    Some(STANDARD.encode(hash.as_ref().get(..STORAGE_HASH_BYTES)?))
}

const STORAGE_HASH_BYTES: usize = 8;

/// The whole of `/api` (`core`) or `/apis` in one document, as apidiscovery.k8s.io `version` has it.
#[must_use]
pub fn aggregated(kinds: &Kinds, core: bool, version: &str) -> Value {
    let mut items = Vec::new();
    for group in ordered(kinds).into_iter().filter(|group| group.is_empty() == core) {
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
    // Of a built-in kind only what differs from where it stands is said.
    let response = |group: &str, version: &str, name: &str| {
        let told = kind.custom() || (group, version) != (&*kind.group, &*kind.version);
        let (group, version) = if told { (group, version) } else { ("", "") };
        json!({"group": group, "version": version, "kind": name})
    };
    let subresources: Vec<Value> = kind
        .subresources
        .iter()
        .map(|sub| json!({"subresource": &*sub.name, "responseKind": response(&sub.group, &sub.version, &sub.kind), "verbs": verbs(sub)}))
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

/// HEAD and OPTIONS are no verbs of Kubernetes.
fn verbs(sub: &Subresource) -> Vec<&str> {
    texts(&sub.verbs).into_iter().filter(|verb| !matches!(*verb, "head" | "options")).collect()
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
