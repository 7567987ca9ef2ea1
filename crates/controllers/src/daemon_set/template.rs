//! The pod of a node, as a DaemonSet makes it: what a daemon bears that other pods do not, and how it says to which node it goes.
//! It makes no pod.
use super::kind::HASH;
use crate::fields::{annotation, at, flag, list, number, set, text};
use crate::pods::Pod;
use serde_json::{Value, json};

/// The label that says which generation of the set's template a pod is of.
const GENERATION: &str = "pod-template-generation";
/// Where the API counts changes of the template.
const GENERATION_OF_SET: &str = "deprecated.daemonset.template.generation";
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";

/// What daemons bear: their nodes' troubles do not send them away.
const BORNE: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    (api::fit::UNSCHEDULABLE, "NoSchedule"),
];
/// The same of those that need no network of pods.
const BORNE_ON_HOST: (&str, &str) = ("node.kubernetes.io/network-unavailable", "NoSchedule");

/// The template of the set's pods, with what every daemon bears and the labels by which its revision is known.
pub(super) fn complete(value: &Value, hash: &str) -> Value {
    let mut template = at(value, "/spec/template").clone();
    bear(&mut template);
    let counted = annotation(value, GENERATION_OF_SET).parse().ok();
    let generation: Option<i64> = counted.or_else(|| number(value, "/metadata/generation"));
    if let Some(generation) = generation {
        set(&mut template, &["metadata", "labels", GENERATION], generation.to_string());
    }
    set(&mut template, &["metadata", "labels", HASH], hash);
    template
}

/// Adds the tolerations of daemons; one of the same key, operator, value and effect gives way.
fn bear(template: &mut Value) {
    let host = flag(template, "/spec/hostNetwork").then_some(BORNE_ON_HOST);
    let mut tolerations = list(template, "/spec/tolerations").to_vec();
    for (key, effect) in BORNE.into_iter().chain(host) {
        let wanted = json!({"key": key, "operator": "Exists", "effect": effect});
        let same = |one: &&mut Value| {
            ["/key", "/operator", "/value", "/effect"].iter().all(|part| text(one, part) == text(&wanted, part))
        };
        match tolerations.iter_mut().find(same) {
            Some(place) => *place = wanted,
            None => tolerations.push(wanted),
        }
    }
    set(template, &["spec", "tolerations"], tolerations);
}

/// The template for the node `name`: its own required terms give way, for they were judged already.
pub(super) fn bound_for(template: &Value, name: &str) -> Value {
    let mut template = template.clone();
    let term = json!({"matchFields": [{"key": api::fit::NAME, "operator": "In", "values": [name]}]});
    set(&mut template, &["spec", "affinity", "nodeAffinity", REQUIRED, "nodeSelectorTerms"], vec![term]);
    template
}

/// The node a pod is on or bound for; `None` if nobody can say.
pub(super) fn target(pod: &Pod) -> Option<String> {
    if !pod.node.is_empty() {
        return Some(pod.node.clone());
    }
    let value = pod.object.value();
    let required = at(&value, "/spec/affinity/nodeAffinity").get(REQUIRED)?;
    let fields = list(required, "/nodeSelectorTerms").iter().flat_map(|term| list(term, "/matchFields"));
    let mut named = fields.filter(|field| text(field, "/key") == api::fit::NAME && text(field, "/operator") == "In");
    match list(named.next()?, "/values") {
        [name] => name.as_str().map(str::to_owned),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daemons_bear_the_troubles_of_their_nodes() {
        let own = json!([{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute",
            "tolerationSeconds": 5}, {"key": "gpu", "operator": "Exists"}]);
        for (host, want) in [(false, 7), (true, 8)] {
            let mut template = json!({"spec": {"hostNetwork": host, "tolerations": own}});
            bear(&mut template);
            let tolerations = list(&template, "/spec/tolerations");
            assert_eq!(tolerations.len(), want);
            assert!(tolerations[0]["tolerationSeconds"].is_null(), "it stays for ever: {}", tolerations[0]);
            assert_eq!(tolerations[1]["key"], "gpu");
        }
    }

    #[test]
    fn the_named_node_takes_the_place_of_required_terms_only() {
        let affinity = json!({"podAffinity": {"a": 1}, "nodeAffinity": {"preferred": 1,
            REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": []}, {"matchExpressions": []}]}}});
        let bound = bound_for(&json!({"spec": {"affinity": affinity}}), "n1");
        let affinity = &bound["spec"]["affinity"];
        assert_eq!(affinity["podAffinity"]["a"], 1);
        assert_eq!(affinity["nodeAffinity"]["preferred"], 1);
        let terms = json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}]);
        assert_eq!(affinity["nodeAffinity"][REQUIRED]["nodeSelectorTerms"], terms);
    }
}
