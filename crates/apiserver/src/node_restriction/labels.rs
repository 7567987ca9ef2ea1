//! Which labels a node may not give itself: those by which pods are kept to trusted nodes. It knows names, not values.
use serde_json::Value;
use std::collections::BTreeSet;

/// Labels of Kubernetes that a node sets by itself.
const OWN: [&str; 11] = [
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
];
/// Prefixes under which a node may set what it likes.
const OWN_PREFIXES: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];
const RESTRICTED: &str = "node-restriction.kubernetes.io";

/// The labels that differ and are not a node's to change, in the words of a refusal; empty if there are none.
pub(super) fn forbidden(new: &Value, old: &Value) -> String {
    let keys = |value: &Value| -> Vec<String> {
        value.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect()
    };
    let all: BTreeSet<String> = keys(new).into_iter().chain(keys(old)).collect();
    let changed = all.into_iter().filter(|key| new.get(key) != old.get(key) && !may_set(key));
    changed.collect::<Vec<_>>().join(", ")
}

fn may_set(label: &str) -> bool {
    let prefix = label.split_once('/').map_or("", |(prefix, _)| prefix);
    let under = |domain: &str| prefix == domain || prefix.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    if under(RESTRICTED) {
        return false;
    }
    let kubernetes = under("kubernetes.io") || under("k8s.io");
    !kubernetes || OWN.contains(&label) || OWN_PREFIXES.iter().any(|own| under(own))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_of_trust_are_not_a_nodes_own() {
        for (label, may) in [
            ("kubernetes.io/hostname", true),
            ("node.kubernetes.io/anything", true),
            ("x.kubelet.kubernetes.io/anything", true),
            ("example.com/x", true),
            ("plain", true),
            ("notkubernetes.io/x", true),
            ("node-role.kubernetes.io/control-plane", false),
            ("kubernetes.io/x", false),
            ("x.k8s.io/y", false),
            ("node-restriction.kubernetes.io/x", false),
            ("a.node-restriction.kubernetes.io/x", false),
        ] {
            assert_eq!(may_set(label), may, "{label}");
        }
        let old = json!({"node-restriction.kubernetes.io/a": "1", "kubernetes.io/x": "1", "mine": "1"});
        assert_eq!(forbidden(&old, &old), "");
        let want = "kubernetes.io/x, node-restriction.kubernetes.io/a";
        assert_eq!(forbidden(&json!({"kubernetes.io/x": "2"}), &old), want);
    }
}
