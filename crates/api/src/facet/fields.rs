//! Which values of an object field selectors may name. `metadata.name` and `metadata.namespace` are the key's, and not kept here.
use serde_json::Value;

/// Paths by storage resource: what a facet keeps, and what `selector` accepts beside name and namespace.
const PATHS: [(&str, &[&str]); 12] = [
    (
        "pods",
        &[
            "spec.hostNetwork",
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.nominatedNodeName",
            "status.phase",
            "status.podIP",
        ],
    ),
    (
        "events",
        &[
            "involvedObject.apiVersion",
            "involvedObject.fieldPath",
            "involvedObject.kind",
            "involvedObject.name",
            "involvedObject.namespace",
            "involvedObject.resourceVersion",
            "involvedObject.uid",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
    ),
    ("nodes", &["spec.unschedulable"]),
    ("secrets", &["type"]),
    ("namespaces", &["status.phase"]),
    ("services", &["spec.clusterIP", "spec.type"]),
    ("jobs.batch", &["status.successful"]),
    ("replicationcontrollers", &["status.replicas"]),
    ("replicasets.apps", &["status.replicas"]),
    ("certificatesigningrequests.certificates.k8s.io", &["spec.signerName"]),
    ("resourceslices.resource.k8s.io", &["spec.driver", "spec.nodeName"]),
    ("ipaddresses.networking.k8s.io", &["spec.parentRef.name", "spec.parentRef.resource"]),
];

/// The paths field selectors of `resource` may name, beside `metadata.name` and `metadata.namespace`.
#[must_use]
pub fn paths(resource: &str) -> &'static [&'static str] {
    PATHS.iter().find(|(known, _)| *known == resource).map_or(&[], |(_, paths)| paths)
}

/// Paths as `events.k8s.io` names them, and what the store calls them.
const OF_EVENTS: [(&str, &str); 10] = [
    ("reason", "reason"),
    ("regarding.apiVersion", "involvedObject.apiVersion"),
    ("regarding.fieldPath", "involvedObject.fieldPath"),
    ("regarding.kind", "involvedObject.kind"),
    ("regarding.name", "involvedObject.name"),
    ("regarding.namespace", "involvedObject.namespace"),
    ("regarding.resourceVersion", "involvedObject.resourceVersion"),
    ("regarding.uid", "involvedObject.uid"),
    ("reportingController", "reportingComponent"),
    ("type", "type"),
];

/// The paths that clients of a group may name, each with its path in `paths`.
#[must_use]
pub fn named(group: &str, resource: &str) -> Vec<(&'static str, &'static str)> {
    match (group, resource) {
        ("events.k8s.io", "events") => OF_EVENTS.to_vec(),
        _ => paths(resource).iter().map(|path| (*path, *path)).collect(),
    }
}

/// The values at those paths that are not empty, sorted by path.
pub(super) fn of(resource: &str, value: &Value) -> Vec<(Box<str>, Box<str>)> {
    let found = paths(resource).iter().map(|path| (*path, read(path, value)));
    found.filter(|(_, text)| !text.is_empty()).map(|(path, text)| (path.into(), text.into())).collect()
}

/// As Kubernetes shows it to a selector: a scalar's text; what is missing is empty, a missing bool false, a missing count 0.
#[must_use]
pub fn read(path: &str, value: &Value) -> String {
    match path {
        "source" => {
            // An event's source is its component, or who reported it.
            let component = value["source"]["component"].as_str().unwrap_or_default();
            let reporter = value["reportingComponent"].as_str().unwrap_or_default();
            return if component.is_empty() { reporter.into() } else { component.into() };
        }
        "status.successful" => return text_or(&value["status"]["succeeded"], "0"),
        "status.replicas" => return text_or(&value["status"]["replicas"], "0"),
        "spec.hostNetwork" => return text_or(&value["spec"]["hostNetwork"], "false"),
        "spec.unschedulable" => return text_or(&value["spec"]["unschedulable"], "false"),
        _ => {}
    }
    let found = path.split('.').try_fold(value, |at, member| at.get(member));
    found.map(|found| text_or(found, "")).unwrap_or_default()
}

fn text_or(value: &Value, missing: &str) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        _ => missing.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{PATHS, paths};

    #[test]
    fn paths_are_sorted_for_the_facet() {
        for (resource, list) in PATHS {
            assert!(list.is_sorted(), "{resource}");
        }
        assert!(paths("pods").contains(&"spec.nodeName"));
        assert!(paths("nonesuch").is_empty());
    }
}
