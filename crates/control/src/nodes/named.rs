//! What a pod names: the ConfigMaps, Secrets and claims that its node needs to run it. Pure.
use api::key::Key;
use serde_json::Value;
use std::collections::BTreeSet;

/// The keys of everything in its namespace that a decoded pod names.
pub(crate) fn by_pod(pod: &Value) -> BTreeSet<Key> {
    let namespace = pod.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
    let mut names = Names { namespace, keys: BTreeSet::new() };
    let spec = &pod["spec"];
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for container in items(&spec[list]) {
            for source in items(&container["envFrom"]) {
                names.config_map(&source["configMapRef"]["name"]);
                names.secret(&source["secretRef"]["name"]);
            }
            for variable in items(&container["env"]) {
                names.config_map(&variable["valueFrom"]["configMapKeyRef"]["name"]);
                names.secret(&variable["valueFrom"]["secretKeyRef"]["name"]);
            }
        }
    }
    for volume in items(&spec["volumes"]) {
        names.config_map(&volume["configMap"]["name"]);
        names.secret(&volume["secret"]["secretName"]);
        names.claim(&volume["persistentVolumeClaim"]["claimName"]);
        for source in items(&volume["projected"]["sources"]) {
            names.config_map(&source["configMap"]["name"]);
            names.secret(&source["secret"]["name"]);
        }
    }
    for secret in items(&spec["imagePullSecrets"]) {
        names.secret(&secret["name"]);
    }
    names.keys
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

struct Names<'a> {
    namespace: &'a str,
    keys: BTreeSet<Key>,
}

impl Names<'_> {
    fn add(&mut self, resource: &str, name: &Value) {
        if let Some(name) = name.as_str().filter(|name| !name.is_empty()) {
            self.keys.insert(Key::new(resource, self.namespace, name));
        }
    }

    fn config_map(&mut self, name: &Value) {
        self.add("configmaps", name);
    }

    fn secret(&mut self, name: &Value) {
        self.add("secrets", name);
    }

    fn claim(&mut self, name: &Value) {
        self.add("persistentvolumeclaims", name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_way_to_name_something() {
        let pod = json!({"metadata": {"namespace": "ns", "name": "p"}, "spec": {
            "initContainers": [{"envFrom": [{"configMapRef": {"name": "c1"}}, {"secretRef": {"name": "s1"}}]}],
            "containers": [{"env": [
                {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c2", "key": "k"}}},
                {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s2", "key": "k"}}},
                {"name": "C", "value": "plain"}]}],
            "ephemeralContainers": [{"envFrom": [{"configMapRef": {"name": "c3"}}]}],
            "volumes": [
                {"name": "a", "configMap": {"name": "c4"}}, {"name": "b", "secret": {"secretName": "s3"}},
                {"name": "c", "projected": {"sources": [{"configMap": {"name": "c5"}}, {"secret": {"name": "s4"}}, {"serviceAccountToken": {}}]}},
                {"name": "d", "persistentVolumeClaim": {"claimName": "v1"}}, {"name": "e", "emptyDir": {}}],
            "imagePullSecrets": [{"name": "s5"}, {}]}});
        let named: Vec<String> = by_pod(&pod).iter().map(ToString::to_string).collect();
        let expected = [
            "configmaps/ns/c1",
            "configmaps/ns/c2",
            "configmaps/ns/c3",
            "configmaps/ns/c4",
            "configmaps/ns/c5",
            "persistentvolumeclaims/ns/v1",
            "secrets/ns/s1",
            "secrets/ns/s2",
            "secrets/ns/s3",
            "secrets/ns/s4",
            "secrets/ns/s5",
        ];
        assert_eq!(named, expected);
    }

    #[test]
    fn a_damaged_pod_names_nothing() {
        for pod in [json!(null), json!({"spec": 7}), json!({"spec": {"containers": {"a": 1}, "volumes": [3]}})] {
            assert!(by_pod(&pod).is_empty());
        }
    }
}
